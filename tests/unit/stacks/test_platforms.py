"""Two environments on different versions of the platform, side by side, from their stack files to the packs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import paif_catalog as catalog
from cli import app
from cli.configuration import stack_files
from cli.policy import settings
from pulumi_paif._component import ComponentInputError
from pulumi_paif.vector_database import VectorDatabase
from stacks.environment import Environment, json_schema
from stacks.phases import wanted_phases
from stacks.phases.context import connect
from stacks.preflight import PreflightResult
from stacks.program import declare as declare_resources
from tests.unit.paif_catalog.platforms import FIRST, SECOND, side_by_side
from tests.unit.pulumi_paif.harness import Declared, declare
from tests.unit.sources import ROOT
from tests.unit.stacks.packs import refusals
from tests.unit.stacks.samples import COMPLETE, GONE, changed, environment, messages
from tests.unit.stacks.site import ANSWERS
from tests.unit.stacks.test_program import CONNECTIONS

_ON_SECOND = {
    "platform": SECOND,
    "clusters.0.osVersion": "24.04",
    "modelEndpoints.1.class": "best-effort-mega",
    "namespace.name": "acme-next-ns-ai",
}


@pytest.fixture(autouse=True)
def _both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    side_by_side(tmp_path / "baselines", monkeypatch)


def _environments() -> tuple[Environment, Environment]:
    return environment({"platform": FIRST}), environment(_ON_SECOND, "next")


def _declared(env: Environment) -> Declared:
    ahead = PreflightResult(image_items={env.content.dlvm_image: "item-1"})
    phases = wanted_phases("")
    return declare(lambda: declare_resources(connect(env, CONNECTIONS), ahead, phases), ANSWERS, env.name)


def test_each_environment_declares_the_apis_and_versions_of_its_platform() -> None:
    now, then = (_declared(env) for env in _environments())
    for kind, (before, after) in {
        "VirtualMachine": ("vmoperator.vmware.com/v1alpha3", "vmoperator.vmware.com/v1alpha7"),
        "VirtualMachineService": ("vmoperator.vmware.com/v1alpha3", "vmoperator.vmware.com/v1alpha7"),
        "Cluster": ("cluster.x-k8s.io/v1beta1", "cluster.x-k8s.io/v1beta2"),
        "PostgresCluster": ("databases.dataservices.vmware.com/v1alpha1", "databases.dataservices.vmware.com/v1"),
        "PAISConfiguration": ("pais.vmware.com/v1alpha1", "pais.vmware.com/v2"),
        "ModelEndpoint": ("pais.vmware.com/v1alpha1", "pais.vmware.com/v2"),
    }.items():
        types = [{each for each in declared.types() if each.endswith(f":{kind}")} for declared in (now, then)]
        assert types == [{f"kubernetes:{before}:{kind}"}, {f"kubernetes:{after}:{kind}"}]
        awaited = [
            {
                it["apiVersion"]
                for each in declared.registrations
                for it in each.inputs.get("objects") or []
                if it["kind"] == kind
            }
            for declared in (now, then)
        ]
        assert awaited == [{before}, {after}]
    topologies = [_one(declared, "Cluster")["topology"] for declared in (now, then)]
    assert [each["version"] for each in topologies] == ["v1.32.0+vmware.6-fips-vkr.2", "v1.34.1+vmware.1-fips-vkr.1"]
    assert topologies[0]["class"] == "builtin-generic-v3.2.0"
    assert topologies[1]["classRef"] == {"name": "builtin-generic-v4.0.0", "namespace": "vmware-system-vks-public"}
    databases = [_one(declared, "PostgresCluster")["version"] for declared in (now, then)]
    assert databases == ["16.8+vmware.v9.0.1.0", "17.7+vmware.v10.0.0.0"]
    charts = [declared.one("kubernetes:helm.sh/v3:Release").inputs["version"] for declared in (now, then)]
    assert charts == ["v24.9.0", "v25.3.0"]
    logins = [declared.outputs["dataScientist.login.user"] for declared in (now, then)]
    assert logins == ["vmware", "ubuntu"]
    assert [declared.outputs["versions.baseline"] for declared in (now, then)] == [FIRST, SECOND]


def _one(declared: Declared, kind: str) -> Any:
    [found] = [each for each in declared.registrations if each.type.endswith(f":{kind}")]
    return found.inputs["spec"]


def test_an_object_stays_the_one_it_was_when_its_platform_changes() -> None:
    now, then = (_declared(env) for env in _environments())
    for before, after in ((now, then), (then, now)):
        [old] = [each for each in before.registrations if each.type.endswith(":PostgresCluster")]
        [new] = [each for each in after.registrations if each.type.endswith(":PostgresCluster")]
        assert old.type in [alias.spec.type for alias in new.request.aliases]


@pytest.fixture
def stacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a stack file for each platform: the example's, which the second one's has another class for."""
    monkeypatch.setattr(stack_files, "_FOLDER", tmp_path)
    monkeypatch.setattr(settings, "missing", lambda _: "")
    example = (ROOT / "stacks" / "Pulumi.dev.yaml").read_text(encoding="utf-8")
    then = (
        example.replace(FIRST, SECOND)
        .replace("acme-dev", "acme-next")
        .replace("best-effort-xlarge", "best-effort-mega")
    )
    then = then.replace("    - name: gpu\n", '    - name: gpu\n      osVersion: "24.04"\n')
    (tmp_path / "Pulumi.dev.yaml").write_text(example, encoding="utf-8")
    (tmp_path / "Pulumi.next.yaml").write_text(then, encoding="utf-8")
    return tmp_path


def _check(*arguments: str) -> tuple[int, str]:
    told = CliRunner().invoke(app.app, ["check", *arguments])
    return told.exit_code, told.output


def _replace(file: Path, before: str, after: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert before in text
    file.write_text(text.replace(before, after), encoding="utf-8")


def test_each_stack_file_is_checked_by_its_own_platform(stacks: Path) -> None:
    assert _check() == (0, "2 environments are fine: dev, next\n")
    # What one of them has, the other has not.
    _replace(stacks / "Pulumi.dev.yaml", "    - name: gpu\n", "    - name: gpu\n      release: v1.34.1\n")
    _replace(stacks / "Pulumi.next.yaml", "best-effort-mega", "best-effort-xlarge")
    code, told = _check()
    assert code == 2
    assert "paif:clusters[0].release is 'v1.34.1': expected Kubernetes 1.27 to 1.32" in told
    assert "paif:modelEndpoints[1].class is 'best-effort-xlarge'" in told
    assert told.count("Pulumi.dev.yaml:") == told.count("Pulumi.next.yaml:") == 1


def test_a_platform_that_is_not_known_is_one_problem_at_its_line_with_those_that_are(stacks: Path) -> None:
    file = stacks / "Pulumi.dev.yaml"
    _replace(file, FIRST, "vcf-9.0.2")
    line = next(number for number, text in enumerate(file.read_text().splitlines(), 1) if "paif:platform" in text)
    code, told = _check("dev")
    assert code == 2
    assert f"Pulumi.dev.yaml:{line}:" in told
    expected = f"paif:platform is 'vcf-9.0.2': expected a platform that is known: {SECOND}, {FIRST}"
    assert f"{expected} (did you mean {FIRST!r}?)" in told
    # By which platform the rest would have to be judged nobody knows.
    assert "has 1 problem;" in told


def test_with_several_platforms_a_stack_file_has_to_name_one() -> None:
    told = messages({"platform": GONE})
    assert told == [f"paif:platform: expected a platform that is known: {SECOND}, {FIRST}"]


def test_editors_are_offered_the_platforms_that_are_known() -> None:
    assert json_schema()["properties"]["config"]["properties"]["paif:platform"]["enum"] == [SECOND, FIRST]


def test_with_several_platforms_a_component_has_to_name_one() -> None:
    args: Any = {"namespace": "ns", "existing": {}}
    with pytest.raises(ComponentInputError, match="platform: expected a platform by its name, since there are several"):
        VectorDatabase("shared", args)
    with pytest.raises(ComponentInputError, match=f"'vcf-10.0-made': expected one of .*did you mean {SECOND!r}"):
        VectorDatabase("shared", args | {"platform": "vcf-10.0-made"})


def test_a_pack_judges_an_environment_by_its_platform() -> None:
    now, then = _environments()
    for env in (now, then):
        config = {**changed({}), "platform": env.platform}
        own, others = (refusals(_declared(each), config) for each in ((now, then) if env is now else (then, now)))
        assert own == set()
        assert others == {
            "api-version",
            "kubernetes-release",
            "cluster-class",
            "gpu-operator-version",
            "postgres-version",
        }


def test_a_pack_that_is_not_told_its_platform_says_what_to_set() -> None:
    from policies.shared.configuration import ConfigurationError

    with pytest.raises(ConfigurationError, match=r"platformVersion of the settings, .*since there are several"):
        refusals(_declared(_environments()[0]), {key: value for key, value in COMPLETE.items() if key != "platform"})


def test_the_real_baseline_is_as_complete_as_the_made_up_one() -> None:
    first, second = catalog.baseline(FIRST), catalog.baseline(SECOND)
    assert first.api_versions.by_kind().keys() == second.api_versions.by_kind().keys()
    assert len(first.awaited_kinds()) == len(second.awaited_kinds())
