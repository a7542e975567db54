"""The chart repository of the lab, and the simulated gpu-operator chart in it."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from lab.simulated.chart_repository.charts import index, package
from lab.simulated.gpu_operator.controller import CHART

REFERENCE = Path(__file__).resolve().parents[5] / "shared" / "reference" / "gpu-operator-v24.9.0-values.yaml"


def _values() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
    return loaded


def test_packaging_gives_the_same_bytes_every_time() -> None:
    assert package(CHART).archive == package(CHART).archive


def test_archive_holds_the_chart_under_its_name() -> None:
    chart = package(CHART)
    with tarfile.open(fileobj=io.BytesIO(chart.archive)) as archive:
        names = archive.getnames()
    assert "gpu-operator/Chart.yaml" in names
    assert "gpu-operator/crds/nvidia.com_clusterpolicies.yaml" in names


def test_index_names_the_archive_with_its_digest() -> None:
    chart = package(CHART)
    (entry,) = yaml.safe_load(index([chart]))["entries"]["gpu-operator"]
    assert entry["version"] == "v24.9.0"
    assert entry["urls"] == [chart.file_name]
    assert entry["digest"] == hashlib.sha256(chart.archive).hexdigest()


@pytest.mark.parametrize(
    ("path", "default"),
    [
        ("operator.upgradeCRD", True),
        ("operator.cleanupCRD", False),
        ("operator.defaultRuntime", "docker"),
        ("psa.enabled", False),
        ("nfd.enabled", True),
        ("cdi.enabled", False),
        ("mig.strategy", "single"),
        ("migManager.enabled", True),
        ("vgpuManager.enabled", False),
        ("driver.usePrecompiled", False),
        ("driver.licensingConfig.configMapName", ""),
        ("driver.licensingConfig.nlsEnabled", True),
    ],
)
def test_defaults_that_matter_are_those_of_the_real_chart(path: str, default: object) -> None:
    value: Any = _values()
    for key in path.split("."):
        value = value[key]
    assert value == default


def test_every_top_level_key_of_the_real_chart_is_taken() -> None:
    if not REFERENCE.exists():
        pytest.skip("the real chart's values are not at hand")
    assert set(yaml.safe_load(REFERENCE.read_text())) <= set(_values())


def _differences(real: dict[str, Any], ours: dict[str, Any], at: str = "") -> list[str]:
    found = []
    for key in real.keys() & ours.keys():
        path = f"{at}.{key}".lstrip(".")
        if isinstance(real[key], dict) and isinstance(ours[key], dict):
            found += _differences(real[key], ours[key], path)
        elif real[key] != ours[key] and not path.endswith((".env", "metricsConfig")):
            found.append(f"{path}: {ours[key]!r}, the real chart has {real[key]!r}")
    return found


def test_no_default_differs_from_the_real_chart() -> None:
    if not REFERENCE.exists():
        pytest.skip("the real chart's values are not at hand")
    assert _differences(yaml.safe_load(REFERENCE.read_text()), _values()) == []


def _strict(schema: Any) -> Any:
    """A schema by which what an API server would drop is refused."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields")
    return {
        **{key: _strict(each) for key, each in schema.items()},
        **({"additionalProperties": False} if closed else {}),
    }


@pytest.mark.parametrize(
    ("operand", "given"),
    [
        ("driver", {"licensingConfig": {"secretName": "of 25.10"}}),
        ("driver", {"startupProbe": {"periodSeconds": 0}}),
        ("driver", {"upgradePolicy": {"gpuPodDeletion": {}}}),
        ("daemonsets", {"updateStrategy": "Recreate"}),
        ("devicePlugin", {"env": [{"value": "no name"}]}),
        ("gfd", {"resources": {"limits": {"cpu": "many"}}}),
        ("mig", {"strategy": "double"}),
        ("migManager", {"config": {"default": "all-1g.10gb"}}),
        ("operator", {"defaultRuntime": "cri-o"}),
        ("toolkit", {"enabled": "yes"}),
    ],
)
def test_a_cluster_policy_holds_only_what_the_real_one_may(operand: str, given: dict[str, Any]) -> None:
    definition = yaml.safe_load((CHART / "crds" / "nvidia.com_clusterpolicies.yaml").read_text())
    spec = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    validator = jsonschema.Draft202012Validator(_strict(spec[operand]))
    assert list(validator.iter_errors(given))
    assert not list(validator.iter_errors({"defaultRuntime": "containerd"} if operand == "operator" else {}))
