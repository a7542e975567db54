"""dev on the lab, in vGPU mode: provisioned, used by each persona, changed, and still the same after a restart."""

from __future__ import annotations

import json
import re
import ssl
import subprocess
from pathlib import Path
from typing import Any

import openai
import psycopg
import pytest
from ruamel.yaml import YAML

from lab.simulated.identity_provider.tokens import fetch_token
from tests.lab.conftest import ROOT, Paif, api_client, changes
from tests.lab.connections import database_connection


def _checkout() -> str:
    command = ["git", "status", "--porcelain"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def checkout_before() -> str:
    return _checkout()


@pytest.fixture(scope="module")
def dev(paif: Paif, checkout_before: str) -> dict[str, Any]:
    """dev's outputs, secrets in the clear, after ``./paif up dev``."""
    paif.without("qa", "staging")
    paif.having("dev")
    return paif.outputs("dev")


def _get(kubeconfig: str, path: str, tmp_path: Path) -> Any:
    """One GET with the client certificate of a kubeconfig."""
    with api_client(kubeconfig, tmp_path) as client:
        return client.get(path).raise_for_status().json()


def test_up_leaves_the_checkout_as_it_was(dev: dict[str, Any], checkout_before: str) -> None:
    assert dev
    assert _checkout() == checkout_before


def test_a_second_up_changes_nothing(dev: dict[str, Any], paif: Paif) -> None:
    paif("up", "dev", "--", "--expect-no-changes")


def test_what_the_platform_fills_in_is_no_change(dev: dict[str, Any], paif: Paif, tmp_path: Path) -> None:
    namespace = dev["environment"]["namespace"]
    path = f"/apis/vmoperator.vmware.com/v1alpha3/namespaces/{namespace}/virtualmachines"
    machines = _get(paif.endpoints()["supervisor"]["kubeconfig"], path, tmp_path)["items"]
    assert len(machines) == 2
    for machine in machines:
        assert machine["spec"].keys() >= {"image", "instanceUUID", "biosUUID"}
        assert all("network" in each for each in machine["spec"]["network"]["interfaces"])
        assert "vmoperator.vmware.com/created-at-build-version" in machine["metadata"]["annotations"]
    assert not json.loads(paif("drift", "dev", "--json").stdout)["drifted"]


def test_plain_pulumi_works_without_a_change_or_a_warning(dev: dict[str, Any], paif: Paif) -> None:
    for command in (("preview", "--expect-no-changes"), ("up", "--yes")):
        answer = paif.pulumi(*command, "--stack", "dev", "--non-interactive")
        said = (answer.stdout + answer.stderr).lower()
        assert "warning" not in said, said


def test_the_database_answers_and_has_pgvector(dev: dict[str, Any], tmp_path: Path) -> None:
    database = dev["database"]
    with database_connection(database, tmp_path) as connection:
        version = connection.execute("SELECT extversion FROM pg_extension WHERE extname='vector'").fetchone()
        assert version is not None
        connection.execute("CREATE TEMPORARY TABLE items (id int, embedding vector(3))")
        connection.execute("INSERT INTO items VALUES (1, '[1,0,0]'), (2, '[0,1,0]'), (3, '[0,0,1]')")
        nearest = connection.execute("SELECT id FROM items ORDER BY embedding <-> '[0.1,0.9,0]' LIMIT 1").fetchone()
        assert nearest == (2,)


def test_the_database_refuses_a_connection_without_tls(dev: dict[str, Any]) -> None:
    database = dev["database"]
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        psycopg.connect(
            host=database["host"],
            port=int(database["port"]),
            dbname=database["name"],
            user=database["username"],
            password=database["password"],
            sslmode="disable",
        )


def test_an_openai_client_lists_the_models_and_gets_an_embedding(dev: dict[str, Any], paif: Paif) -> None:
    developer = dev["appDeveloper"]
    client = openai.OpenAI(
        base_url=developer["baseUrl"],
        api_key=fetch_token(paif.endpoints()),
        http_client=openai.DefaultHttpxClient(
            verify=ssl.create_default_context(cadata=developer["caBundle"]), trust_env=False
        ),
    )
    listed = {model.id for model in client.models.list()}
    assert listed == set(developer["models"].values())
    embedding_model = next(
        each["routingName"] for each in dev["mlopsEngineer"]["models"].values() if each["type"] == "Embeddings"
    )
    answer = client.embeddings.create(model=embedding_model, input="what is a VM class?", encoding_format="float")
    assert len(answer.data[0].embedding) > 100


def test_an_app_developer_gets_urls_and_no_machine(dev: dict[str, Any]) -> None:
    assert set(dev["appDeveloper"]) == {"baseUrl", "caBundle", "models", "oidc"}


def test_a_data_scientist_gets_an_address_and_a_login(dev: dict[str, Any]) -> None:
    workstations = dev["dataScientist"]["workstations"]
    assert workstations
    for machine in workstations.values():
        assert machine["address"]
        assert machine["ssh"].startswith("ssh ")


def test_the_guest_cluster_has_gpus_and_a_ready_cluster_policy(dev: dict[str, Any], tmp_path: Path) -> None:
    for cluster in dev["clusters"].values():
        nodes = _get(cluster["kubeconfig"], "/api/v1/nodes", tmp_path)["items"]
        gpus = [int(node["status"]["allocatable"].get("nvidia.com/gpu", 0)) for node in nodes]
        assert sum(gpus) >= 1
        policies = _get(cluster["kubeconfig"], "/apis/nvidia.com/v1/clusterpolicies", tmp_path)["items"]
        assert [policy["status"]["state"] for policy in policies] == ["ready"]


def test_versions_deployed_are_those_of_the_catalog(dev: dict[str, Any]) -> None:
    assert dev["versions"]["baseline"]
    for cluster in dev["versions"].get("clusters", {}).values():
        assert cluster["gpuOperator"] == "v24.9.0"


def test_the_lab_with_dev_stays_below_4_gib(dev: dict[str, Any], paif: Paif) -> None:
    parts = json.loads(paif("lab", "status", "--json").stdout)
    assert all(part["state"] == "running" for part in parts.values()), parts
    total = sum(part["rss_bytes"] for part in parts.values())
    assert total < 4 << 30, f"{total / 2**30:.2f} GiB"


def test_an_update_in_place_touches_only_what_changed(dev: dict[str, Any], paif: Paif, tmp_path: Path) -> None:
    changed = tmp_path / "Pulumi.dev.yaml"
    yaml = YAML()
    document = yaml.load(ROOT / "stacks" / "Pulumi.dev.yaml")
    document["config"]["paif:database"]["maintenance"] = {"startDay": "SUNDAY", "startTime": "03:30"}
    yaml.dump(document, changed)
    planned = changes(paif.pulumi("preview", "--stack", "dev", "--json", "--config-file", str(changed)))
    assert set(planned) == {"update"}, planned
    paif.pulumi("up", "--stack", "dev", "--yes", "--skip-preview", "--config-file", str(changed))
    history = json.loads(paif.pulumi("stack", "history", "--stack", "dev", "--json", "--page-size", "1").stdout)
    done = {kind: count for kind, count in history[0]["resourceChanges"].items() if kind not in {"same", "read"}}
    assert done == planned
    paif("up", "dev")


def test_a_model_that_nobody_has_pushed_is_told_at_its_line_and_changes_nothing(
    dev: dict[str, Any], paif: Paif, tmp_path: Path
) -> None:
    there = paif.elsewhere(tmp_path)
    yaml, file = YAML(), there.root / "stacks" / "Pulumi.dev.yaml"
    document = yaml.load(file)
    config = document["config"]
    missing = {"repository": "models/baai/bge-large", "reference": "v1"}
    config["paif:modelEndpoints"].append({**config["paif:modelEndpoints"][1], "name": "bge-large", "model": missing})
    yaml.dump(document, file)
    answer = there("up", "dev", check=False)
    said = answer.stdout + answer.stderr
    assert answer.returncode == 2, said
    assert re.search(r"^stacks/Pulumi.dev.yaml:\d+:\d+: .*bge-large': expected a model in the gallery", said, re.M)
    assert "./paif up dev --until workstations" in said
    assert "Traceback" not in said
    assert paif.outputs("dev") == dev


def test_the_lab_comes_back_as_it_was(dev: dict[str, Any], paif: Paif) -> None:
    before = paif.endpoints()
    paif("lab", "down")
    paif("lab", "up")
    assert paif.endpoints() == before
    assert changes(paif.pulumi("preview", "--stack", "dev", "--json", "--refresh")) == {}
