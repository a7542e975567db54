"""No secret in plain text: state, state after a refresh, saved plan, logs, and everything that was printed."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from cli.bench.scratch import write_yaml
from tests.lab.conftest import ROOT, Paif

_PLAIN_ENOUGH = 8


def _planted(paif: Paif, env: str) -> dict[str, str]:
    """The real values of an environment's secrets, by name."""
    answer = paif.pulumi("config", "--stack", env, "--show-secrets", "--json")
    paif.printed.pop()
    config = json.loads(answer.stdout)
    values = {key: entry["value"] for key, entry in config.items() if entry["secret"]}
    outputs = paif.outputs(env)
    if "database" in outputs:
        values["database password"] = outputs["database"]["password"]
    for name, cluster in outputs.get("clusters", {}).items():
        user = YAML(typ="safe").load(cluster["kubeconfig"])["users"][0]["user"]
        values[f"kubeconfig of {name}"] = user["client-key-data"]
    ends = paif.endpoints()
    values["vCenter password"] = ends["vcenter"]["password"]
    values["gallery password"] = ends["gallery"]["password"]
    supervisor = YAML(typ="safe").load(ends["supervisor"]["kubeconfig"])["users"][0]["user"]
    values["Supervisor kubeconfig"] = supervisor["client-key-data"]
    return {name: value for name, value in values.items() if len(value) >= _PLAIN_ENOUGH}


def _forms(value: str) -> list[str]:
    """A value as it is, as JSON text escapes it, and in base64 (the part that no neighbor changes)."""
    encoded = [base64.b64encode(b"x" * shift + value.encode()).decode() for shift in range(3)]
    return [value, json.dumps(value)[1:-1], *(text[4:-4] for text in encoded if len(text) > 20)]


def _found(secrets: dict[str, str], text: str) -> list[str]:
    return sorted(name for name, value in secrets.items() if any(form in text for form in _forms(value)))


@pytest.fixture(scope="module", params=["dev", "qa"])
def environment(request: pytest.FixtureRequest, paif: Paif) -> str:
    name = str(request.param)
    paif.having(name)
    return name


@pytest.fixture(scope="module")
def planted(paif: Paif, environment: str) -> dict[str, str]:
    return _planted(paif, environment)


def test_the_search_finds_what_it_looks_for() -> None:
    assert _found({"token": "correct-horse-battery"}, "x correct-horse-battery y") == ["token"]
    hidden = base64.b64encode(b"abcd:correct-horse-battery").decode()
    assert _found({"token": "correct-horse-battery"}, hidden) == ["token"]


def test_there_are_secrets_to_look_for(environment: str, planted: dict[str, str]) -> None:
    names = " ".join(planted).lower()
    for word in ("password", "kubeconfig"):
        assert word in names
    if environment == "dev":
        assert "licensetoken" in names
        assert "ngcapikey" in names


def test_the_exported_state_has_none(paif: Paif, environment: str, planted: dict[str, str]) -> None:
    assert _found(planted, json.dumps(paif.export(environment))) == []


def test_the_state_after_a_refresh_has_none(paif: Paif, environment: str, planted: dict[str, str]) -> None:
    paif("refresh", environment, "--", "--skip-preview")
    assert _found(planted, json.dumps(paif.export(environment))) == []


def test_the_saved_plan_has_none(paif: Paif, environment: str, planted: dict[str, str], tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    paif.pulumi("preview", "--stack", environment, "--save-plan", str(plan))
    assert _found(planted, plan.read_text()) == []


def test_the_state_after_an_import_has_none(paif: Paif, tmp_path: Path) -> None:
    """What a site does that adopts what exists: look-ups with the real credentials, into a stack of its own."""
    paif.having("dev")
    secrets, outputs, ends = _planted(paif, "dev"), paif.outputs("dev"), paif.endpoints()
    database, namespace = outputs["database"], outputs["environment"]["namespace"]
    authority = tmp_path / "ca.pem"
    authority.write_text(database["caBundle"])
    plugin = {"providers": [{"name": "vcf", "path": str(ROOT / "pulumi_resource_vcf")}]}
    write_yaml(tmp_path / "Pulumi.yaml", {"name": "adopted", "runtime": "python", "plugins": plugin})
    login = {
        "PGUSER": database["username"],
        "PGPASSWORD": database["password"],
        "PGSSLROOTCERT": str(authority),
        "PGSSLMODE": "verify-ca",
    }

    def pulumi(*arguments: str, given: str = "") -> str:
        return paif.pulumi_in(tmp_path, *arguments, "--stack", "adopted", extra=login, given=given).stdout

    paif.pulumi_in(tmp_path, "stack", "init", "adopted")
    pulumi("config", "set", "vcf:server", ends["vcenter"]["server"])
    pulumi("config", "set", "vcf:username", ends["vcenter"]["username"])
    pulumi("config", "set", "vcf:caBundle", given=ends["vcenter"]["ca"])
    pulumi("config", "set", "--secret", "vcf:password", given=ends["vcenter"]["password"])
    pulumi("config", "set", "--secret", "kubernetes:kubeconfig", given=ends["supervisor"]["kubeconfig"])
    extension = f"{database['host']}:{database['port']}/{database['name']}/vector"
    adopted = {
        "vcf:index:Namespace": namespace,
        "vcf:index:VirtualMachineClass": "acme-dev-class-vgpu-a100-40c",
        "vcf:index:PostgresExtension": extension,
        "kubernetes:core/v1:Secret": f"{namespace}/{database['passwordSecret']}",
    }
    for kind, identity in adopted.items():
        pulumi("import", kind, "it", identity, "--yes", "--generate-code=false", "--protect=false")
    state = pulumi("stack", "export")
    assert {each["type"] for each in json.loads(state)["deployment"]["resources"]} >= adopted.keys()
    assert _found(secrets, state) == []


def test_nothing_printed_has_one(paif: Paif, environment: str, planted: dict[str, str]) -> None:
    assert paif.printed
    assert _found(planted, "\n".join(paif.printed)) == []


def test_an_error_has_none(paif: Paif, environment: str, planted: dict[str, str], tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    yaml = YAML()
    document = yaml.load(ROOT / "stacks" / f"Pulumi.{environment}.yaml")
    document["config"]["paif:workstations"] = [{"name": "X Y"}]
    yaml.dump(document, broken)
    answer = paif.pulumi("preview", "--stack", environment, "--config-file", str(broken), check=False)
    assert answer.returncode != 0
    assert "paif:workstations[0].name" in answer.stdout + answer.stderr
    assert _found(planted, answer.stdout + answer.stderr) == []


def test_logs_and_the_backend_have_none(paif: Paif, environment: str, planted: dict[str, str]) -> None:
    folders = [paif.state / "lab" / "log", paif.state / "pulumi", paif.state / "run"]
    files = [path for folder in folders if folder.exists() for path in folder.rglob("*") if path.is_file()]
    files.append(paif.state / "lab" / "daemon.log")
    assert files
    assert {str(path): found for path in files if (found := _found(planted, path.read_text(errors="replace")))} == {}
