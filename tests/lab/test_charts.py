"""The GPU Operator's chart from private repositories: an OCI registry, and HTTPS with an authority of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.bench.scratch import lab_basics
from lab.boot import GALLERY_USER
from lab.simulated.chart_repository.charts import Chart, index, package
from lab.simulated.gpu_operator.controller import CHART
from pulumi_resource_vcf.http import tls_context
from tests.lab.conftest import Paif
from tests.lab.project import Project
from tests.unit.pulumi_resource_vcf.double import Answer, Certificates, Request, Server, make_certificates

_OCI = "application/vnd.oci.image.manifest.v1+json"
_HELM = "application/vnd.cncf.helm"
_RELEASE = "kubernetes:helm.sh/v3:Release"
_USER, _PASSWORD = "charts$reader", "Word-of-the-charts"


class _Repository(Server):
    """A Helm repository with a login, behind an authority of its own."""

    def __init__(self, certificates: Certificates, chart: Chart) -> None:
        super().__init__(certificates)
        self.chart, self.ca = chart, certificates.ca

    def handle(self, request: Request) -> Answer:
        if request.headers.get("authorization") != httpx.BasicAuth(_USER, _PASSWORD)._auth_header:
            return Answer(401, headers={"www-authenticate": 'Basic realm="charts"'})
        if request.path == "/charts/index.yaml":
            return Answer(raw=index([self.chart]).encode())
        return Answer(raw=self.chart.archive)


@pytest.fixture
def chart() -> Chart:
    return package(CHART)


@pytest.fixture
def repository(tmp_path: Path, chart: Chart) -> Iterator[_Repository]:
    (tmp_path / "pki").mkdir()
    repository = _Repository(make_certificates(tmp_path / "pki"), chart)
    with repository.serving():
        yield repository


def _push(gallery: dict[str, str], chart: Chart) -> None:
    """Put a chart into the lab's registry, as `helm push` does."""
    repository, config = f"/v2/charts/{chart.metadata['name']}", json.dumps(chart.metadata).encode()
    with httpx.Client(
        base_url=f"https://{gallery['host']}",
        auth=(gallery["username"], gallery["password"]),
        verify=tls_context(gallery["ca"]),
        trust_env=False,
    ) as client:
        client.post("/api/v2.0/projects", json={"project_name": "charts"}).raise_for_status()

        def blob(kind: str, content: bytes) -> dict[str, Any]:
            digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
            client.post(f"{repository}/blobs/uploads/", params={"digest": digest}, content=content).raise_for_status()
            return {"mediaType": f"{_HELM}.{kind}", "digest": digest, "size": len(content)}

        manifest = {
            "schemaVersion": 2,
            "mediaType": _OCI,
            "config": blob("config.v1+json", config),
            "layers": [blob("chart.content.v1.tar+gzip", chart.archive)],
        }
        tag = f"{repository}/manifests/{chart.metadata['version']}"
        client.put(tag, content=json.dumps(manifest), headers={"content-type": _OCI}).raise_for_status()


def test_charts_come_from_private_repositories(
    paif: Paif, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chart: Chart, repository: _Repository
) -> None:
    paif("lab", "up")
    ends = paif.endpoints()
    _push(ends["gallery"], chart)
    monkeypatch.setitem(paif.environment, "PAIF_VCENTER_PASSWORD", ends["vcenter"]["password"])
    monkeypatch.setitem(paif.environment, "PAIF_KUBECONFIG", ends["supervisor"]["kubeconfig"])
    vcenter = {name: ends["vcenter"][name] for name in ("server", "username")} | {"caBundle": ends["vcenter"]["ca"]}
    basics = lab_basics()
    config = basics | {
        "paif:target": "vcf",
        "paif:gpu": {"mode": "directpath", "model": "L40S"},
        "paif:vcenter": basics["paif:vcenter"] | vcenter,
        "paif:namespace": {"name": "charted", "storage": [{"policy": "pai-gold"}]},
        "paif:vmClasses": [{"name": "l40s", "cpuCount": 8, "memoryGib": 64, "gpus": 1}],
        "paif:chartRepository": f"oci://{ends['gallery']['host']}/charts",
        "paif:chartUsername": GALLERY_USER,
        "paif:clusters": [
            {
                "name": "gpu",
                "pools": [
                    {"name": "cpu", "class": "best-effort-large", "replicas": 1},
                    {"name": "gpu", "class": "l40s", "replicas": 1},
                ],
            }
        ],
    }
    (tmp_path / "project").mkdir()
    stack = Project(paif, tmp_path / "project", "charted", config)

    def use(password: str, **values: Any) -> None:
        plain = [part for key, value in values.items() for part in ("--plaintext", f"paif:{key}={value}")]
        stack("config", "set-all", *plain, "--secret", f"paif:chartPassword={password}", "--stack", "charted")

    def applied() -> dict[str, Any]:
        stack("up", "--yes", "--skip-preview", "--stack", "charted")
        stack("preview", "--expect-no-changes", "--stack", "charted")
        state = stack.state()
        (release,) = [each["inputs"] for each in state["resources"] if each["type"] == _RELEASE]
        for word in (ends["gallery"]["password"], _PASSWORD, str(tmp_path)):
            assert word not in json.dumps(release), release
        return dict(release)

    try:
        use("not-the-password")
        assert "gpu-operator" in stack.refused("up", "--yes", "--skip-preview", "--stack", "charted")
        use(ends["gallery"]["password"])
        assert applied()["chart"] == f"oci://{ends['gallery']['host']}/charts/gpu-operator"
        use(
            _PASSWORD,
            chartRepository=f"https://{repository.address}/charts",
            chartUsername=_USER,
            chartCaBundle=repository.ca,
        )
        assert applied()["repositoryOpts"]["repo"] == f"https://{repository.address}/charts"
        assert repository.count("GET /charts/gpu-operator.*tgz")
    finally:
        stack("destroy", "--yes", "--skip-preview", "--stack", "charted")
