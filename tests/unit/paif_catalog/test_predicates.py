"""What is judged alike everywhere: written once, and refused by each who judges."""

from __future__ import annotations

from typing import Any

import pytest

from lab.simulated.pais.endpoint import engine_problem
from paif_catalog.predicates import (
    ENDPOINT_TYPES,
    GUARDS,
    KINDS,
    PERSONAS,
    RULE_LEVELS,
    Guards,
    engine_of,
    guards_of,
    needs_gpu,
)
from policies.platform.configuration import PlatformSettings
from pulumi_paif import enums
from pulumi_paif._component import ComponentInputError
from pulumi_paif.model_endpoint import ModelEndpoint
from stacks.environment import json_schema
from tests.unit.stacks.samples import environment, messages


def test_each_type_of_endpoint_has_one_engine_and_the_one_for_completions_needs_a_gpu() -> None:
    engines = {each: engine_of(each) for each in ENDPOINT_TYPES}
    assert engines == {"Completions": "vLLM", "Embeddings": "Infinity"}
    assert [each for each in ENDPOINT_TYPES if needs_gpu(str(engines[each]))] == ["Completions"]
    assert engine_of("Rerank") is None


def test_an_engine_that_does_not_serve_the_type_is_refused_by_model_component_and_lab() -> None:
    assert messages({"modelEndpoints.0.engine": "Infinity"})[0].endswith("expected vLLM, which serves Completions")
    args: Any = {"endpoint_name": "e", "namespace": "n", "type": "Completions", "engine": "Infinity"}
    with pytest.raises(ComponentInputError, match="engine: 'Infinity': expected vLLM, which serves Completions"):
        ModelEndpoint("e", args)
    spec = {"engine": "Infinity", "type": "Completions", "virtualMachineClassName": "c"}
    assert engine_problem(spec, None, [], None) == "engine Infinity does not serve type Completions: use vLLM"


@pytest.mark.parametrize("kind", KINDS)
def test_what_an_environment_has_by_default_is_what_the_packs_demand_of_its_kind(kind: str) -> None:
    guards = PlatformSettings().guards()[kind]
    assert guards == GUARDS[kind] == guards_of(kind)
    env = environment({"kind": kind, "workstations": []})
    assert {each.replicas for each in env.model_endpoints} == {guards.endpoint_replicas}
    assert env.clusters[0].control_plane.replicas == guards.control_plane_replicas
    assert env.protection.protect is guards.protected
    assert env.database is not None
    assert env.database.high_availability is guards.high_availability


def test_every_kind_has_the_levels_of_one_that_rules_know_and_personas_that_there_are() -> None:
    assert set(RULE_LEVELS) <= set(KINDS)
    assert all(GUARDS[each].levels == each for each in RULE_LEVELS)
    assert all(set(each.workstation_personas) <= set(PERSONAS) for each in GUARDS.values())


def test_a_stack_file_offers_the_kinds_of_the_catalog_and_tells_the_nearest_of_what_is_none() -> None:
    assert json_schema()["properties"]["config"]["properties"]["paif:kind"]["enum"] == list(KINDS)
    [message] = messages({"kind": "sandbx"})
    assert f"one of {', '.join(KINDS[:-1])} or {KINDS[-1]}" in message
    assert "did you mean 'sandbox'?" in message


def test_nobody_knows_the_guards_of_what_is_no_kind() -> None:
    assert guards_of("production") == guards_of(None) == Guards()


def test_a_stack_file_takes_the_personas_that_components_take() -> None:
    workstation = json_schema()["$defs"]["Workstation"]["properties"]["persona"]
    assert workstation["enum"] == list(PERSONAS)


def test_components_offer_what_the_catalog_knows() -> None:
    assert {each.value for each in enums.Persona} == set(PERSONAS)
    assert {each.value: str(engine_of(each)) for each in enums.EndpointType} == {
        "Completions": enums.InferenceEngine.VLLM,
        "Embeddings": enums.InferenceEngine.INFINITY,
    }
