"""Fixtures: certificates once per session, a vCenter, a gallery and a provider per test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.pulumi_resource_vcf.double import (
    PASSWORD,
    USERNAME,
    Certificates,
    GalleryDouble,
    VCenterDouble,
    make_certificates,
)
from tests.unit.pulumi_resource_vcf.harness import Engine


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def vcenter(certificates: Certificates) -> Iterator[VCenterDouble]:
    double = VCenterDouble(certificates)
    with double.serving():
        yield double


@pytest.fixture
def gallery(certificates: Certificates) -> Iterator[GalleryDouble]:
    double = GalleryDouble(certificates)
    with double.serving():
        yield double


@pytest.fixture
def engine(vcenter: VCenterDouble, certificates: Certificates) -> Iterator[Engine]:
    engine = Engine(server=vcenter.address, username=USERNAME, password=PASSWORD, caBundle=certificates.ca)
    yield engine
    engine.close()
