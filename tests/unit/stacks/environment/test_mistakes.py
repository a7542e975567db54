"""One mistake is one problem, at its place: nothing else is blamed for it."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from stacks.environment import SECRETS, Environment, validate
from stacks.problems import Path, property_path
from tests.unit.stacks.samples import GONE, PEM, changed

_PLACED = {
    **{"datacenter": "dc", "host": "esx-1", "datastore": "ds", "network": "net", "pciDevice": "0000:3b:00.0"},
    **{"diskGib": 200, "guestId": "ubuntu64Guest"},
}
_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA alice@example.com"
_COMMON: dict[str, Any] = {
    "vcenter": {"computeCluster": "pai-gpu", "server": "vc.test", "username": "svc@vsphere.local", "caBundle": PEM},
    "supervisor": {"name": "pai-supervisor", "networks": ["10.0.0.0/16"]},
    "namespace.accessList": [{"subject": "ds", "domain": "lab.test", "role": "EDIT", "subjectType": "GROUP"}],
    "namespace.adopt": False,
    "contentLibraries": [
        {
            "name": "dlvm-images",
            "datacenter": "dc",
            "datastore": "ds",
            "subscription": {"url": "https://m.test/lib.json"},
        }
    ],
    "vsphereTags": {"categories": {"owner": "Owner"}, "createCategories": True, "create": ["owner"]},
    "workstations.0.publicKey": _KEY,
    "workstations.0.proxy": {"http": "http://p.test:3128", "https": "http://p.test:3128", "noProxy": ["localhost"]},
    "clusters.0.podNetwork": "192.168.144.0/20",
    "clusters.0.serviceNetwork": "10.96.0.0/12",
    "clusters.0.storagePolicy": "pai-gold",
    "clusters.0.controlPlane": {"class": "guaranteed-medium", "replicas": 3},
    "clusters.0.gpuOperator": {"enabled": True, "version": "v24.9.0"},
    "clusters.0.pools.1.containerStorageGib": 200,
    "modelEndpoints.0.routingName": "llama",
    "modelEndpoints.0.replicas": 1,
    "database": {
        **{"name": "vectors", "infrastructurePolicy": "pai-infra", "class": "best-effort-large", "storageGib": 60},
        **{"storagePolicy": "pai-gold", "databaseName": "pais", "highAvailability": True},
        **{"backup": {"location": "s3", "retentionDays": 7}, "maintenance": {"startDay": "SUNDAY"}},
    },
    "protection": {"protect": True, "retain": True},
    "conditions": {"nvidia.com/v1/ClusterPolicy": ["condition=Ready"]},
}
_VCF: dict[str, Any] = {
    "target": "vcf",
    "gallery": {"registry": "harbor.test", "username": "robot", "caBundle": PEM},
    "registryPassword": "r",
    "aiServices": {"authorizedGroups": ["mlops"], "oidc": {"issuerUrl": "https://idp.test", "clientId": "pais"}},
}
_DIRECTPATH: dict[str, Any] = {
    "gpu": {"mode": "directpath", "model": "L40S"},
    "vmClasses": [
        {"name": "a100-20c", "cpuCount": 8, "memoryGib": 64, "gpus": 1, "label": "fast"},
        {"name": "a100-40c", "cpuCount": 16, "memoryGib": 128, "gpus": 2},
    ],
    "workstations.0.route": "vsphere",
    "workstations.0.vsphere": _PLACED,
    "licenseToken": GONE,
    "ngcApiKey": GONE,
}
_EXTERNAL: dict[str, Any] = {
    "database": {"external": {"host": "pg.test", "port": 5432, "database": "v", "username": "u"}, "caBundle": PEM},
    "databasePassword": "p",
}
_SAMPLES = {
    "lab": changed(_COMMON),
    "vcf": changed({**_COMMON, **_VCF}),
    "directpath": changed({**_COMMON, **_DIRECTPATH}),
    "external": changed({**_COMMON, **_EXTERNAL}),
}


def _places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Everything in a configuration but its root and what is free to be called as one likes."""
    if path:
        yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _places(inner, (*path, key))


def _at(data: Any, path: Path) -> Any:
    for part in path:
        data = data[part]
    return data


def _problems(data: dict[str, Any]) -> list[str]:
    return [problem.message for _, problem in validate(data, "dev", frozenset(SECRETS))[1]]


def _wrong(value: Any) -> Any:
    return 17.5 if isinstance(value, str) else ["?"] if isinstance(value, dict) else "?"


@pytest.mark.parametrize("sample", _SAMPLES)
def test_the_samples_are_right(sample: str) -> None:
    assert _problems(_SAMPLES[sample]) == []


@pytest.mark.parametrize("sample", _SAMPLES)
def test_a_value_of_the_wrong_kind_is_one_problem_where_it_stands(sample: str) -> None:
    for path in _places(_SAMPLES[sample]):
        data = deepcopy(_SAMPLES[sample])
        _at(data, path[:-1])[path[-1]] = _wrong(_at(data, path))
        found = _problems(data)
        assert len(found) == 1, (path, found)
        # Text is a value of some keys that hold a list or mapping only as JSON, which `?` is not.
        assert found[0].startswith(f"{property_path(path)} is "), (path, found)


@pytest.mark.parametrize("sample", _SAMPLES)
def test_a_misspelled_key_is_one_problem_where_it_stands(sample: str) -> None:
    for path in _places(_SAMPLES[sample]):
        if isinstance(path[-1], int):
            continue
        data = deepcopy(_SAMPLES[sample])
        place = _at(data, path[:-1])
        misspelled = f"{path[-1]}x"
        place[misspelled] = place.pop(path[-1])
        found = _problems(data)
        assert len(found) == 1, (path, found)
        assert found[0].startswith(property_path((*path[:-1], misspelled))), (path, found)


@pytest.mark.parametrize("sample", _SAMPLES)
def test_a_value_that_nobody_knows_here_counts_as_right(sample: str) -> None:
    for path in _places(_SAMPLES[sample]):
        data = deepcopy(_SAMPLES[sample])
        _at(data, path[:-1])[path[-1]] = "(encrypted)"
        if path[0] not in SECRETS:
            environment, found = validate(data, "dev", frozenset(SECRETS), {path})
            assert found == [], (path, found)
            assert environment is not None


def test_the_samples_have_every_key_somewhere() -> None:
    used = {path[0] for sample in _SAMPLES.values() for path in _places(sample)}
    missing = {info.alias for info in Environment.model_fields.values()} - used
    # Keys below `kept` are names of resources, which only a run knows: none is misspelled here.
    charts = {"chartRepository", "chartUsername", "chartPassword", "chartCaBundle"}
    assert missing == charts | {"vcenterPassword", "kubeconfig", "libraryToken", "libraryPassword", "ignoreChanges"}


@pytest.mark.parametrize(
    ("former", "present"),
    [
        ("organisation", "organization"),
        ("costCentre", "costCenter"),
        ("licenceToken", "licenseToken"),
        ("kept", "ignoreChanges"),
    ],
)
def test_a_key_of_before_is_told_by_its_present_name(former: str, present: str) -> None:
    values = changed({})
    values[former] = values.pop(present, {})
    _, problems = validate(values, "dev", set(values) & set(SECRETS))
    [problem] = [problem for path, problem in problems if path == (former,)]
    assert problem.nearest == present
