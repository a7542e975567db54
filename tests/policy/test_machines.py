"""What programs of the table cannot show of machines: files, variables of the environment, and single readings."""

from __future__ import annotations

import base64
import gzip
from pathlib import Path
from typing import Any, cast

import pytest

import paif_catalog as catalog
from policies.platform.rules.transport import tls_verification
from policies.shared.boot_texts import plain_text
from policies.shared.model import Resource, Undecided, UndecidedError, Unknown, Violation
from tests.policy.harness import Process, RequestedResource
from tests.policy.resources import BOOTSTRAP, CLUSTER, CONFIG, ENDPOINT, POOLS, SETTINGS, VM, changed


def _verdict(kind: str, **properties: Any) -> list[str]:
    resource = Resource("urn:pulumi:dev::paif::x::y", f"pulumi:providers:{kind}", "y", properties)
    try:
        found = list(tls_verification(resource, cast("Any", None)))
    except UndecidedError as error:
        found = [error.undecided]
    assert all(isinstance(each, Violation | Undecided) for each in found)
    return ["refused" if isinstance(each, Violation) else "undecided" for each in found]


@pytest.mark.parametrize("line", ["insecure-skip-tls-verify: true", 'insecure-skip-tls-verify: "true"'])
def test_a_kubeconfig_file_is_read_where_it_is(tmp_path: Path, line: str) -> None:
    file = tmp_path / "config"
    file.write_text(f"apiVersion: v1\nclusters:\n- cluster:\n    {line}\n", encoding="utf-8")
    assert _verdict("kubernetes", kubeconfig=str(file)) == ["refused"]
    file.write_text("apiVersion: v1\nclusters: []\n", encoding="utf-8")
    assert _verdict("kubernetes", kubeconfig=str(file)) == []


def test_a_kubeconfig_file_that_is_not_here_is_undecided(tmp_path: Path) -> None:
    assert _verdict("kubernetes", kubeconfig=str(tmp_path / "missing")) == ["undecided"]
    assert _verdict("kubernetes", kubeconfig=Unknown("kubeconfig")) == ["undecided"]


def test_a_variable_that_switches_verification_off_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VSPHERE_ALLOW_UNVERIFIED_SSL", "true")
    assert _verdict("vsphere", vsphereServer="vc.example.test") == ["undecided"]
    assert _verdict("vsphere", allowUnverifiedSsl="false") == []
    assert _verdict("vsphere", allowUnverifiedSsl="true") == ["refused"]
    assert _verdict("vsphere", allowUnverifiedSsl=Unknown("allowUnverifiedSsl")) == ["undecided"]
    monkeypatch.delenv("VSPHERE_ALLOW_UNVERIFIED_SSL")
    assert _verdict("vsphere", vsphereServer="vc.example.test") == []


def test_a_text_comes_out_of_base64_and_gzip_and_no_more_of_it_than_is_read() -> None:
    packed = base64.b64encode(gzip.compress(b"#cloud-config\n")).decode()
    assert plain_text(packed) == "#cloud-config\n"
    assert plain_text("#cloud-config\n") == "#cloud-config\n"
    huge = base64.b64encode(gzip.compress(b"a" * 50_000_000)).decode()
    assert len(plain_text(huge)) <= 1024 * 1024


@pytest.mark.parametrize(
    ("name", "profile", "same"),
    [
        ("a100", "grid_a100d-80c", True),
        ("A100", "grid_a100-40c", True),
        ("l4", "grid_l40-24c", False),
        ("l40", "nvidia_l40s-24c", False),
        ("rtx-pro-6000-blackwell-dc", "nvidia_rtx_pro_6000_blackwell_dc-96q", True),
        ("h100", "nvidia_h100l-94c", False),
    ],
)
def test_a_name_is_a_gpus_by_the_whole_of_it(name: str, profile: str, same: bool) -> None:
    parsed = catalog.parse_profile(profile)
    assert parsed is not None
    assert catalog.names_gpu(name, parsed, catalog.gpus()) is same


_WRONG = {
    "spec.replicas": (changed(ENDPOINT, {"spec>replicas": "three"}), "expected a number, this is text"),
    "metadata.labels": (changed(VM, {"metadata>labels": "none"}), "expected a mapping, this is text"),
    "spec.topology.workers.machineDeployments.1": (
        changed(CLUSTER, {f"{POOLS}>1": None}),
        "expected a mapping, this is null",
    ),
    "spec.bootstrap.vAppConfig": (
        changed(VM, {"spec>bootstrap>vAppConfig": [{"properties": []}]}),
        "expected a mapping, this is a list",
    ),
}


@pytest.mark.parametrize(
    "resource",
    [
        changed(BOOTSTRAP, {"stringData": ["open-password"]}),
        changed(BOOTSTRAP, {"stringData": {"password": ["open-password"]}}),
        changed(ENDPOINT, {"spec>replicas": {"$secret": "open-password"}}),
        changed(ENDPOINT, {"spec>model": [{"$secret": "open-password"}]}),
        changed(
            VM, {"metadata>labels": [{"a": {"$secret": "open-password"}}], "metadata>annotations": "open-password"}
        ),
    ],
)
def test_a_value_of_another_form_is_shown_without_its_secrets(
    packs: dict[str, Process], resource: RequestedResource
) -> None:
    packs["platform"].start(pack="platform", settings=SETTINGS["platform"], config=CONFIG)
    found = [each.message for each in packs["platform"].analyze(resource) if each.rule == "unreadable-value"]
    assert found
    assert "open-password" not in "".join(found)


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("pack", ["platform", "licensing", "naming"])
@pytest.mark.parametrize("path", _WRONG)
def test_a_value_of_another_form_is_told_once_with_path_and_expectation(
    packs: dict[str, Process], pack: str, path: str, dry_run: bool
) -> None:
    resource, says = _WRONG[path]
    process: Process = packs[pack]
    process.start(pack=pack, settings=SETTINGS[pack], config=CONFIG, dry_run=dry_run)
    asked: RequestedResource = resource
    found = process.analyze(asked)
    about = [each for each in found if f"({path}" in each.message]
    assert all(says in each.message for each in about)
    assert not [each for each in found if "the check itself failed" in each.message]
    mandatory = [each for each in about if each.level == "mandatory"]
    assert len(mandatory) == 1 if pack == "platform" else len(mandatory) <= 1
