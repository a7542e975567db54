"""Which authorities are trusted: the same for every Python, whatever its own defaults are."""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Any

import pytest

from pulumi_resource_vcf.http import tls_context
from tests.unit.pulumi_resource_vcf.double import PASSWORD, USERNAME, VCenterDouble, make_certificates
from tests.unit.pulumi_resource_vcf.harness import Engine

_ROOT = Path(__file__).resolve().parents[3]
_SERVED = ("cli", "pulumi_paif", "pulumi_resource_vcf", "stacks")


@pytest.mark.parametrize(
    "authority",
    [
        pytest.param({"critical": False}, id="its basic constraints are not critical"),
        pytest.param({"signed": True}, id="it is no root"),
    ],
)
def test_an_authority_that_a_site_has_is_trusted(tmp_path: Path, authority: dict[str, Any]) -> None:
    certificates = make_certificates(tmp_path, **authority)
    vcenter = VCenterDouble(certificates)
    with vcenter.serving():
        engine = Engine(server=vcenter.address, username=USERNAME, password=PASSWORD, caBundle=certificates.ca)
        assert engine.invoke("getMissing", supervisors=["nobody"])["missing"]
        engine.close()


@pytest.mark.parametrize("bundle", [None, "given"])
def test_no_python_adds_rules_of_its_own(tmp_path: Path, bundle: str | None) -> None:
    context = tls_context(make_certificates(tmp_path).ca if bundle else None)
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.verify_flags & ssl.VERIFY_X509_PARTIAL_CHAIN
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_whatever_a_user_runs_makes_its_contexts_in_one_place() -> None:
    made = re.compile(r"create_default_context|verify=(?!self\._tls|trust\b|context\b|tls_context)")
    files = [file for folder in _SERVED for file in (_ROOT / folder).rglob("*.py")]
    found = [
        f"{file.relative_to(_ROOT)}: {line.strip()}"
        for file in files
        for line in file.read_text(encoding="utf-8").splitlines()
        if made.search(line)
    ]
    assert found == ["pulumi_resource_vcf/http.py: ssl.create_default_context(cadata=text)"]
