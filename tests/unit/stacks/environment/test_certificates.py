"""Bundles of authorities that something will not trust: found by `check`, with the defect's name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.pulumi_resource_vcf.double import make_certificates
from tests.unit.stacks.samples import messages

_OIDC = {"issuerUrl": "https://idp.test", "clientId": "pais"}
_PLACES = ("vcenter.caBundle", "database.caBundle", "gallery.caBundle", "aiServices.oidc.caBundle")


def _given(place: str, pem: str) -> dict[str, Any]:
    if place == "gallery.caBundle":
        return {"gallery": {"registry": "r.test", "username": "u", "caBundle": pem}}
    if place == "aiServices.oidc.caBundle":
        return {"aiServices.oidc": {**_OIDC, "caBundle": pem}}
    return {place: pem}


@pytest.mark.parametrize("place", _PLACES)
@pytest.mark.parametrize("critical", [True, False])
def test_an_authority_may_leave_its_basic_constraints_uncritical(tmp_path: Path, place: str, critical: bool) -> None:
    assert messages(_given(place, make_certificates(tmp_path, critical=critical).ca)) == []


@pytest.mark.parametrize("place", _PLACES)
def test_only_a_database_needs_the_root_itself(tmp_path: Path, place: str) -> None:
    found = messages(_given(place, make_certificates(tmp_path, signed=True).ca))
    if place != "database.caBundle":
        assert found == []
        return
    (said,) = found
    assert "expected the root authority too, 'unit test root': there is only what it has signed, 'unit test CA'" in said
    root = make_certificates(tmp_path).ca
    assert messages(_given(place, make_certificates(tmp_path, signed=True).ca + root)) == []


def test_a_servers_own_certificate_may_be_trusted_as_it_is(tmp_path: Path) -> None:
    assert messages(_given("database.caBundle", make_certificates(tmp_path).cert.read_text())) == []


@pytest.mark.parametrize("place", _PLACES)
def test_an_authority_that_does_not_say_so_is_refused_where_the_platform_reads_it(tmp_path: Path, place: str) -> None:
    found = messages(_given(place, make_certificates(tmp_path, critical=None).ca))
    if place in ("vcenter.caBundle", "database.caBundle"):
        assert found == []
    else:
        (said,) = found
        assert "'unit test CA' lacks the extension basicConstraints CA:TRUE" in said
