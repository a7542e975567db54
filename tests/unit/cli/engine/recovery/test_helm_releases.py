"""Which Helm releases a cut-off run left, and what mends them: wrong answers lose somebody's release."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from cli.engine.recovery import helm_releases
from cli.engine.recovery.helm_releases import ReleaseLocation, Revision
from tests.unit.pulumi_resource_vcf.double import Answer, Request, Server, make_certificates
from tests.unit.pulumi_resource_vcf.proxies import Proxy

_GUEST = "urn:pulumi:dev::paif::pulumi:providers:kubernetes::acme-dev-vks-gpu-guest::1"
_MARK = "urn:pulumi:dev::paif::"
_OURS = f"Managed by Pulumi: {_MARK}paif:index:GpuCluster$paif:index:GpuOperator::gpu"
_OTHERS = "Managed by Pulumi: urn:pulumi:dev-2::paif::paif:index:GpuOperator::gpu"


def _place(*, known: bool) -> ReleaseLocation:
    return ReleaseLocation(_GUEST, "gpu-operator", "gpu-operator", known)


def _records(*statuses: str, description: str = "Install complete") -> list[Revision]:
    return [Revision(f"v{n}", n, status, description) for n, status in enumerate(statuses, 1)]


@pytest.mark.parametrize(
    ("known", "records", "expected"),
    [
        pytest.param(False, [], "", id="nothing there"),
        pytest.param(False, _records("pending-install"), "forget", id="its installation was cut off"),
        pytest.param(False, _records("failed"), "forget", id="its installation was canceled, and told nobody"),
        pytest.param(False, _records("uninstalling"), "forget", id="its removal was cut off"),
        pytest.param(False, _records("deployed", description=_OURS), "forget", id="installed, and told nobody"),
        pytest.param(
            False, _records("superseded", "pending-upgrade", description=_OURS), "forget", id="ours, out of the state"
        ),
        pytest.param(False, _records("deployed"), "foreign", id="a person's"),
        pytest.param(False, _records("deployed", description=_OTHERS), "foreign", id="another environment's"),
        pytest.param(False, _records("deployed", "pending-upgrade"), "foreign", id="a person's upgrade"),
        pytest.param(False, _records("deployed", "failed"), "foreign", id="a person's failed upgrade"),
        pytest.param(False, _records("uninstalled"), "foreign", id="kept by a person as history"),
        pytest.param(True, _records("deployed"), "", id="as the state has it"),
        pytest.param(True, _records("superseded", "deployed"), "", id="upgraded, and told nobody"),
        pytest.param(True, _records("deployed", "failed"), "", id="an upgrade that failed: Helm goes on by itself"),
        pytest.param(True, _records("uninstalling"), "", id="its removal goes on"),
        pytest.param(True, _records("deployed", "pending-upgrade"), "fail", id="its upgrade was cut off"),
        pytest.param(True, _records("superseded", "pending-upgrade"), "fail", id="the same, at its very end"),
        pytest.param(True, _records("superseded", "deployed", "pending-rollback"), "fail", id="a rollback was cut off"),
        pytest.param(True, _records("pending-install"), "fail", id="pending, though the state has it"),
    ],
)
def test_a_release_is_taken_over_only_where_it_is_ours_or_never_served(
    known: bool, records: list[Revision], expected: str
) -> None:
    assert helm_releases.remedy_for(_place(known=known), reversed(records), _MARK) == expected


def _resource(kind: str, provider: str = _GUEST, **inputs: Any) -> dict[str, Any]:
    return {"type": kind, "urn": f"urn:{kind}", "provider": provider, "inputs": inputs}


_RELEASE, _NAMESPACE = "kubernetes:helm.sh/v3:Release", "kubernetes:core/v1:Namespace"


def _state(*resources: dict[str, Any], pending: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    operations = [{"type": "creating", "resource": each} for each in pending]
    return {"deployment": {"resources": list(resources), "pending_operations": operations}}


def test_a_release_is_looked_for_where_the_state_has_it_where_it_is_pending_and_where_it_would_be() -> None:
    namespace = _resource(_NAMESPACE, metadata={"name": "gpu-operator"})
    release = _resource(_RELEASE, namespace="gpu-operator", name="gpu-operator")
    other = _resource(_RELEASE, namespace="else", name="mine")
    assert helm_releases.locations(_state()) == []
    assert helm_releases.locations(_state(namespace)) == [_place(known=False)]
    assert helm_releases.locations(_state(namespace, release)) == [_place(known=True)]
    assert helm_releases.locations(_state(release, namespace)) == [_place(known=True)]
    assert helm_releases.locations(_state(namespace, release, pending=(release,))) == [_place(known=True)]
    assert helm_releases.locations(_state(pending=(other,))) == [ReleaseLocation(_GUEST, "else", "mine", False)]
    assert helm_releases.has_pending_operation(_state(pending=(other,)))
    assert not helm_releases.has_pending_operation(_state(release, pending=(namespace,)))


def test_a_record_says_the_same_after_it_was_unpacked_and_packed() -> None:
    content = {"name": "gpu-operator", "info": {"status": "pending-upgrade"}, "manifest": "größe: <1>", "version": 2}
    assert helm_releases._decode_release(helm_releases._encode_release(content)) == content


@pytest.mark.parametrize("text", ["", "{", "users: []", "clusters: [{name: a, cluster: {}}]", "kubeconfig"])
def test_a_kubeconfig_that_cannot_be_used_is_told_and_not_shown(text: str) -> None:
    provider = {"type": "pulumi:providers:kubernetes", "urn": _GUEST.rpartition("::")[0], "id": "1"}
    state = _state(
        {**provider, "inputs": {"kubeconfig": text}}, _resource(_NAMESPACE, metadata={"name": "gpu-operator"})
    )
    with pytest.raises(helm_releases.UnreachableError, match="acme-dev-vks-gpu-guest: its kubeconfig"):
        list(helm_releases.blocked_releases(state, "dev::paif"))


def test_a_cluster_is_asked_through_its_kubeconfigs_proxy_and_by_its_kubeconfigs_name(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path, name="guest.example.test")
    api, proxy = _Api(certificates), Proxy()
    cluster = {
        "server": "https://10.0.0.9:6443",
        "certificate-authority-data": base64.b64encode(certificates.ca.encode()).decode(),
        "proxy-url": f"http://{proxy.address}",
        "tls-server-name": "guest.example.test",
    }
    given = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": cluster}],
        "users": [{"name": "u", "user": {"token": "word"}}],
    }
    with api.serving(), proxy.serving(api.address):
        with helm_releases.api_client(yaml.safe_dump(given), proxies=False, timeout=20) as client:
            assert client.get("/version").json() == {"authorization": "Bearer word"}
        del cluster["tls-server-name"]
        with (
            helm_releases.api_client(yaml.safe_dump(given), proxies=False, timeout=20) as client,
            pytest.raises(httpx.ConnectError, match="certificate"),
        ):
            client.get("/version")
    assert proxy.asked == ["10.0.0.9:6443"] * 2


class _Api(Server):
    def handle(self, request: Request) -> Answer:
        return Answer(200, {"authorization": request.headers.get("authorization")})
