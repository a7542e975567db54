from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stacks.environment import SECRETS, json_schema, validate
from stacks.stackfile import check_together, read
from tests.unit.stacks.samples import COMPLETE, changed, stack_file

_ROOT = Path(__file__).resolve().parents[3]
_TEXT = """\
config:
  paif:target: lab
  paif:kind: devv
  paif:organization: acme
  paif:owner: ai
  paif:costCenter: 4711
  paif:gpuu: {}
  paif:gpu: {mode: vgpu, model: A100}
  paif:vcenter: {computeCluster: pai-gpu}
  paif:supervisor: {name: pai-supervisor}
  paif:namespace:
    name: Acme_dev
    storage:
      - policy: pai-gold
        limitGib: "12"
  paif:content: {dlvmLibrary: a, dlvmImage: b, kubernetesLibrary: c}
  paif:vmClasses:
    - name: a100-40c
      cpuCount: 8
      memoryGib: 64
      profile: grid_a100-41c
    - name: a100-20c
      cpuCount: 8
      memoryGib: 64
      profile: grid_a100-20c
      profile: grid_a100-40c
  paif:workstations:
    - name: alice
      owner: alice
      persona: app-developer
      class: a100-20c
  paif:modelEndpoints:
    - name: llama
      type: Completions
      engine: vLLM
      class: a100-40c
      model:
        repository: models/Meta/llama
        reference: v1
  paif:aiServices: {}
  paif:database: {infrastructurePolicy: pai-infra}
  paif:ngcApiKey: plain
encryptionsalt: v1:x
"""


def _written(folder: Path, text: str, name: str = "dev") -> Path:
    file = folder / f"Pulumi.{name}.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_every_mistake_is_found_at_its_line_and_column(tmp_path: Path) -> None:
    file = _written(tmp_path, _TEXT)
    found = {(problem.line, problem.column): problem.path for problem in read(file).problems}
    assert found == {
        (2, 3): "paif:licenseToken",
        (3, 14): "paif:kind",
        (7, 3): "paif:gpuu",
        (12, 11): "paif:namespace.name",
        (15, 19): "paif:namespace.storage[0].limitGib",
        (21, 16): "paif:vmClasses[0].profile",
        (26, 7): "paif:vmClasses[1].profile",
        (30, 16): "paif:workstations[0].persona",
        (38, 21): "paif:modelEndpoints[0].model.repository",
        (42, 19): "paif:ngcApiKey",
    }


def test_a_problem_reads_as_file_line_column_and_message(tmp_path: Path) -> None:
    file = _written(tmp_path, _TEXT)
    assert str(read(file).problems[1]) == (
        f"{file}:3:14: paif:kind is 'devv': expected one of dev, qa, staging, prod, sandbox, uat or dr "
        "(did you mean 'dev'?)"
    )


def test_a_duplicate_key_names_the_line_of_the_first(tmp_path: Path) -> None:
    [problem] = [each for each in read(_written(tmp_path, _TEXT)).problems if "each key once" in each.expected]
    assert (problem.line, problem.expected) == (26, "each key once (line 25 has it too)")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("config: [1", "YAML: expected valid YAML"),
        ("", "expected a mapping with the key config"),
        ("konfig: {}\n", "konfig: expected one of config"),
        ("config:\n  paif:target: lab\n  paf:kind: dev\n", "(did you mean 'paif:kind'?)"),
        ("config:\n  kind: dev\n", "(did you mean 'paif:kind'?)"),
        ("config:\n  ? [a]\n  : b\n", "config: expected text as a key"),
    ],
)
def test_a_file_that_is_no_stack_file_is_told_so(tmp_path: Path, text: str, message: str) -> None:
    found = read(_written(tmp_path, text))
    assert found.environment is None
    assert any(message in str(problem) for problem in found.problems), found.problems


def test_a_missing_file_is_a_problem_like_any_other(tmp_path: Path) -> None:
    [problem] = read(tmp_path / "Pulumi.dev.yaml").problems
    assert "No such file" in str(problem)


def test_configuration_of_pulumi_and_providers_is_left_alone(tmp_path: Path) -> None:
    file = stack_file(tmp_path, COMPLETE)
    file.write_text(file.read_text() + "  pulumi:tags: {a: b}\n  vsphere:user: me\n  kubernetes:context: x\n")
    assert read(file).problems == []


def test_a_scalar_at_the_top_is_text_as_pulumi_hands_it_over(tmp_path: Path) -> None:
    found = read(stack_file(tmp_path, changed({"costCenter": 4711})))
    assert found.environment is not None
    assert found.environment.cost_center == "4711"


def test_json_in_a_value_is_what_pulumi_config_set_wrote(tmp_path: Path) -> None:
    workstations = json.dumps([{"name": "X Y", "owner": "x", "persona": "mlops-engineer", "class": "a100-20c"}])
    found = read(stack_file(tmp_path, changed({"workstations": workstations})))
    [problem] = found.problems
    assert problem.path == "paif:workstations[0].name"
    assert found.file.read_text().splitlines()[problem.line - 1].lstrip().startswith("paif:workstations")
    assert read(stack_file(tmp_path, changed({"workstations": "[not json"}))).problems[0].path == "paif:workstations"


@pytest.mark.parametrize(
    "changes",
    [
        {"gpuu": {}, "vmClasses.0.cpus": 1, "workstations.0.persona": "app-developer"},
        {"modelEndpoints.0.engine": "Infinity", "clusters.0.podNetwork": "10.96.0.0/16"},
        {"namespace": {"name": "x"}, "vmClasses.1": {"name": "y"}},
    ],
)
def test_file_and_pulumi_give_the_same_messages(tmp_path: Path, changes: dict[str, Any]) -> None:
    data = changed(changes)
    from_file = sorted(problem.message for problem in read(stack_file(tmp_path, data)).problems)
    from_pulumi = sorted(problem.message for _, problem in validate(data, "dev", frozenset(SECRETS))[1])
    assert from_file == from_pulumi
    assert from_file


def test_two_environments_may_not_share_a_namespace(tmp_path: Path) -> None:
    dev = read(stack_file(tmp_path, COMPLETE))
    qa = read(stack_file(tmp_path, changed({"kind": "qa"}), "qa"))
    [problem] = check_together([dev, qa])
    assert problem.message == (
        "paif:namespace.name is 'acme-dev-ns-ai': expected a namespace that no other environment uses; dev does"
    )
    assert problem.file == str(qa.file)
    assert qa.file.read_text().splitlines()[problem.line - 1].strip() == "name: acme-dev-ns-ai"


def test_environments_share_a_namespace_that_they_adopt_but_not_its_private_ai_services(tmp_path: Path) -> None:
    adopting: dict[str, Any] = {"namespace.adopt": True}
    dev = read(stack_file(tmp_path, changed(adopting)))
    qa = read(stack_file(tmp_path, changed({**adopting, "kind": "qa"}), "qa"))
    [problem] = check_together([dev, qa])
    assert problem.message.startswith("paif:aiServices is 'acme-dev-ns-ai': expected a namespace with Private AI Serv")
    without = {**adopting, "aiServices": None, "modelEndpoints": None, "database": None}
    assert not check_together([dev, read(stack_file(tmp_path, changed({**without, "kind": "qa"}), "qa"))])


def test_exclusive_is_said_of_an_adopted_namespace_only(tmp_path: Path) -> None:
    [problem] = read(stack_file(tmp_path, changed({"namespace.exclusive": True}))).problems
    assert "paif:namespace.exclusive is true: expected adopt: true beside it" in problem.message
    assert not read(stack_file(tmp_path, changed({"namespace.exclusive": True, "namespace.adopt": True}))).problems


def test_what_belongs_to_the_whole_vcenter_is_made_by_one_environment_only(tmp_path: Path) -> None:
    shared: dict[str, Any] = {
        "contentLibraries": [{"name": "kubernetes", "datacenter": "pai-dc", "datastore": "pai-ds"}],
        "vsphereTags": {"createCategories": True, "create": ["environment", "owner"]},
    }
    own: dict[str, Any] = {"namespace.name": "acme-qa-ns-ai"}
    dev = read(stack_file(tmp_path, changed(shared)))
    qa = read(stack_file(tmp_path, changed({**shared, **own, "vsphereTags.categories": {"persona": "P"}}), "qa"))
    assert [problem.message for problem in check_together([dev, qa])] == [
        "paif:contentLibraries[0].name is 'kubernetes': expected a content library that no other environment makes; "
        "dev does",
        *(
            f"paif:vsphereTags.createCategories is 'paif.dev/{name}': expected a tag category that no other "
            "environment makes; dev does"
            for name in ("organization", "environment", "owner", "cost-center")
        ),
        "paif:vsphereTags.create[1] is 'paif.dev/owner/ai-platform': expected a tag that no other environment makes; "
        "dev does",
    ]


def test_the_committed_stack_files_are_valid_alone_and_together() -> None:
    files = [read(file) for file in sorted((_ROOT / "stacks").glob("Pulumi.*.yaml"))]
    assert [file.stack for file in files] == ["dev", "prod", "qa", "staging"]
    assert [str(problem) for file in files for problem in file.problems] == []
    assert check_together(files) == []


def test_the_committed_environments_cover_both_gpu_modes() -> None:
    found = [read(file).environment for file in sorted((_ROOT / "stacks").glob("Pulumi.*.yaml"))]
    assert {env.gpu.mode for env in found if env} == {"vgpu", "directpath"}


def test_the_schema_names_every_key_with_its_namespace() -> None:
    schema = json_schema()
    config = schema["properties"]["config"]
    assert "paif:modelEndpoints" in config["properties"]
    assert "paif:gpu" in config["required"]
    assert config["properties"]["paif:licenseToken"]["required"] == ["secure"]
    assert schema["$defs"]["ModelEndpoint"]["properties"]["class"]["type"] == "string"
    json.dumps(schema)


@pytest.mark.parametrize(
    ("content", "line", "expected"),
    [
        (b"config:\n  paif:owner: caf\xe9\n", 2, "text in UTF-8"),
        (b"config:\n  paif:owner: a\x07b\n", 2, "text without control characters"),
        (b"config:\n  paif:kind: dev\n  paif:gpu: {mode: !secret vgpu}\n", 3, "a value of the type that its tag says"),
        (b"config:\n  paif:kind: dev\n  paif:gpu: {model: !!int vgpu}\n", 3, "a value of the type that its tag says"),
        (b"config:\n  paif:kind: dev\n  paif:database: &all\n    again: *all\n", 3, "does not contain itself"),
    ],
    ids=["encoding", "control character", "unknown tag", "tag of another type", "alias of what it is in"],
)
def test_what_is_no_yaml_for_this_project_is_a_problem_at_its_line(
    tmp_path: Path, content: bytes, line: int, expected: str
) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_bytes(content)
    assert any(each.line == line and expected in each.expected for each in read(file).problems)


def _lab(_: bool) -> str | None:
    return "paif-lab"


_DEV = (_ROOT / "stacks" / "Pulumi.dev.yaml").read_text(encoding="utf-8")
_SALT = next(line for line in _DEV.splitlines() if line.startswith("encryptionsalt: "))
_PASSWORD = _DEV.splitlines()[_DEV.splitlines().index("  paif:workstationPassword:") + 1]


def test_what_the_engine_has_encrypted_can_be_decrypted() -> None:
    found = read(_ROOT / "stacks" / "Pulumi.dev.yaml", _lab)
    assert found.problems == []
    assert found.environment is not None
    assert found.environment.workstation_password is not None
    assert "(encrypted)" not in found.environment.workstation_password.get_secret_value()
    assert found.environment.workstation_password.get_secret_value() not in repr(found)


@pytest.mark.parametrize(
    ("good", "bad", "place", "said"),
    [
        (_SALT, "encryptionsalt: v1:AAAAAAAAAAA=" + _SALT[31:], "encryptionsalt", "a salt that fits the lab's passph"),
        (_SALT, "encryptionsalt: salt", "encryptionsalt", "a salt as Pulumi writes it, v1:…:v1:…:…"),
        (_SALT, "", "paif:target", "encryptionsalt: expected the salt with which this file's values were encrypted"),
        (_PASSWORD, "    secure: hunter2", "paif:workstationPassword", "pulumi config set --secret paif:workstationP"),
        (_PASSWORD, "    secure: v1:x:y", "paif:workstationPassword", "what this file's salt and passphrase encrypted"),
        (_PASSWORD, _PASSWORD[:-6] + "AAAA==", "paif:workstationPassword", "what this file's salt and passphrase encr"),
        (
            "paif:owner: ai-platform",
            "paif:owner: {secure: v1:x}",
            "paif:owner",
            "pulumi config set --secret paif:owner",
        ),
        ("paif:kind: dev", f"paif:kind: {{{_PASSWORD.strip()}}}", "paif:kind", "a value that everybody can read"),
        ("paif:target: lab", "paif:target: {secure: v1:x}", "paif:target", "a value that everybody can read"),
    ],
)
def test_what_cannot_be_decrypted_is_told_at_its_line(
    tmp_path: Path, good: str, bad: str, place: str, said: str
) -> None:
    file = _written(tmp_path, _DEV.replace(good, bad, 1))
    lines = file.read_text(encoding="utf-8").splitlines()
    found = read(file, _lab)
    assert found.environment is None
    [problem, *others] = [each for each in found.problems if said in each.message]
    assert others == []
    assert place in lines[problem.line - 1]
    assert "hunter2" not in str(found.problems)
    # A wrong salt is no mistake of each value as well.
    assert len(found.problems) <= 2, found.problems


def test_without_a_passphrase_at_hand_only_the_form_is_told(tmp_path: Path) -> None:
    real = _DEV.replace("paif:target: lab", "paif:target: vcf").replace(_PASSWORD, "    secure: v1:x:y")
    found = read(_written(tmp_path, real), lambda _: None)
    assert [problem.path for problem in found.problems if "encrypted" in problem.expected] == [
        "paif:workstationPassword"
    ]


def test_an_encrypted_value_that_is_wrong_is_not_shown(tmp_path: Path) -> None:
    # The lab's password is no label value; as owner it is as secret as it was.
    found = read(
        _written(tmp_path, _DEV.replace("paif:owner: ai-platform", f"paif:owner: {{{_PASSWORD.strip()}}}")), _lab
    )
    plain = read(_ROOT / "stacks" / "Pulumi.dev.yaml", _lab).environment
    assert plain is not None
    assert plain.workstation_password is not None
    for problem in found.problems:
        assert problem.value == "[secret]"
        assert plain.workstation_password.get_secret_value() not in str(problem)


@pytest.mark.parametrize("key", ["vsphere:password", "kubernetes:kubeconfig", "vcf:password"])
def test_credentials_of_a_provider_in_plain_text_are_told_without_being_shown(tmp_path: Path, key: str) -> None:
    file = stack_file(tmp_path, COMPLETE)
    file.write_text(file.read_text() + f"  {key}: hunter2\n")
    [problem] = read(file).problems
    assert str(problem).endswith(f"{key} is [secret]: expected an encrypted value: pulumi config set --secret {key}")


def test_anchors_and_merges_are_taken_as_pulumi_takes_them(tmp_path: Path) -> None:
    shared = """\
x-machine: &machine {persona: data-scientist, class: a100-20c, owner: nobody}
"""
    file = stack_file(tmp_path, {key: value for key, value in COMPLETE.items() if key != "workstations"})
    merged = """\
  paif:workstations:
    - {name: alice, owner: alice, <<: *machine}
    - {<<: [*machine], name: bob, owner: bob, persona: mlops-engineer}
"""
    file.write_text(shared + file.read_text() + merged)
    found = read(file)
    assert found.problems == []
    assert found.environment is not None
    assert [each.owner for each in found.environment.workstations] == ["alice", "bob"]
    assert [each.persona for each in found.environment.workstations] == ["data-scientist", "mlops-engineer"]
    # A mistake in what is merged is one, where it stands.
    file.write_text(shared.replace("a100-20c", "a100-21c") + file.read_text().partition("\n")[2])
    assert {problem.line for problem in read(file).problems} == {1}


def test_a_value_that_yaml_reads_as_something_else_is_told_before_the_engine_takes_it(tmp_path: Path) -> None:
    for written, taken in (("0017", "15"), ("1_000", "1000"), ("1e3", "1000"), ("0x1F", "31")):
        file = stack_file(tmp_path, changed({"costCenter": "COST"}))
        file.write_text(file.read_text().replace("COST", written))
        [problem] = read(file).problems
        assert problem.message == f"paif:costCenter: expected the value in quotes: without them it is read as {taken}"
    file.write_text(file.read_text().replace("0x1F", "2024-02-03"))
    [problem] = read(file).problems
    assert problem.expected == "text in quotes: without them it is a date"


def test_what_only_looks_like_a_date_is_text(tmp_path: Path) -> None:
    file = stack_file(tmp_path, changed({"costCenter": "COST"}))
    file.write_text(file.read_text().replace("COST", "2024-13-45"))
    found = read(file)
    assert found.problems == []
    assert found.environment is not None
    assert found.environment.cost_center == "2024-13-45"
