"""Rules of vcf:index:GalleryLogin; those of vcf:index:PostgresLogin are in test_postgres.py, beside its server."""

from __future__ import annotations

from typing import Any

import pulumi.provider.experimental.provider as sdk
import pytest

from pulumi_resource_vcf.errors import VcfError
from pulumi_resource_vcf.values import plain_map, wire_map
from tests.unit.pulumi_resource_vcf.double import Answer, Certificates, GalleryDouble
from tests.unit.pulumi_resource_vcf.harness import UNKNOWN, Engine

LOGIN = "GalleryLogin"


@pytest.fixture
def inputs(gallery: GalleryDouble, certificates: Certificates) -> dict[str, Any]:
    return {
        "registry": gallery.address,
        "username": gallery.username,
        "password": gallery.password,
        "caBundle": certificates.ca,
    }


@pytest.mark.parametrize("auth", ["none", "basic", "token"])
def test_a_login_that_the_gallery_takes_is_no_problem(
    engine: Engine, gallery: GalleryDouble, inputs: dict[str, Any], auth: str
) -> None:
    gallery.auth = auth
    resource_id, state = engine.create(LOGIN, inputs)
    assert resource_id == f"{gallery.username}@{gallery.address}"
    assert state["password"].is_secret
    assert engine.warnings == []


@pytest.mark.parametrize("auth", ["basic", "token"])
def test_a_mistyped_password_is_refused_before_it_replaces_one_that_works(
    engine: Engine, gallery: GalleryDouble, inputs: dict[str, Any], auth: str
) -> None:
    gallery.auth = auth
    _, state = engine.create(LOGIN, inputs)
    wrong = {**inputs, "password": "mistyped-word"}
    problems = engine.problems(LOGIN, wrong, inputs)
    assert set(problems) == {"password"}
    assert "does not take the login of robot$pais" in problems["password"]
    assert "Nothing was changed" in problems["password"]
    assert "mistyped-word" not in problems["password"]
    assert plain_map(state) == inputs


def test_the_run_that_would_replace_it_asks_again(
    engine: Engine, gallery: GalleryDouble, inputs: dict[str, Any]
) -> None:
    gallery.auth = "basic"
    resource_id, state = engine.create(LOGIN, inputs)
    gallery.password = "changed-between-check-and-update"
    request = sdk.UpdateRequest(engine.urn(LOGIN), resource_id, state, wire_map(inputs), 0, [], preview=False)
    with pytest.raises(VcfError, match="does not take the login"):
        engine.run(engine.provider.update(request))


def test_an_unchanged_login_is_not_tried_again(engine: Engine, gallery: GalleryDouble, inputs: dict[str, Any]) -> None:
    gallery.auth = "basic"
    gallery.password = "another-since"
    assert engine.problems(LOGIN, inputs, inputs) == {}
    assert gallery.count("GET /v2/") == 0


@pytest.mark.parametrize("answer", [Answer(503), Answer(500), Answer(drop=True)])
def test_a_gallery_that_cannot_be_asked_is_not_a_wrong_password(
    engine: Engine, gallery: GalleryDouble, inputs: dict[str, Any], answer: Answer
) -> None:
    gallery.fail("GET /v2/", answer, times=1000)
    assert engine.problems(LOGIN, inputs, {**inputs, "password": "old"}) == {}
    [warning] = engine.warnings
    assert "could not be tried, so it may be wrong or right" in warning
    assert inputs["password"] not in warning
    assert engine.clock.time <= 10
    with pytest.raises(VcfError, match="what uses it keeps the one before"):
        engine.create(LOGIN, inputs)


def test_a_token_service_that_fails_is_not_a_wrong_password(
    engine: Engine, gallery: GalleryDouble, inputs: dict[str, Any]
) -> None:
    gallery.auth = "token"
    gallery.fail("GET /service/token", Answer(500), times=1000)
    assert engine.problems(LOGIN, inputs, {**inputs, "password": "old"}) == {}
    assert "token service answered 500" in engine.warnings[0]


def test_a_login_that_is_not_known_yet_is_not_tried(
    engine: Engine, gallery: GalleryDouble, inputs: dict[str, Any]
) -> None:
    assert engine.problems(LOGIN, {**inputs, "password": UNKNOWN}, inputs) == {}
    assert gallery.count("GET /v2/") == 0


def test_a_gallery_that_nobody_has_judged_yet_gets_no_password_at_preview(
    engine: Engine, gallery: GalleryDouble, inputs: dict[str, Any]
) -> None:
    for old in ({}, {**inputs, "registry": "registry.test"}):
        assert engine.problems(LOGIN, {**inputs, "password": "another"}, old) == {}
    assert gallery.count("GET /v2/") == 0


def test_a_login_is_read_as_it_was_and_its_end_changes_nothing(
    engine: Engine, gallery: GalleryDouble, inputs: dict[str, Any]
) -> None:
    resource_id, state = engine.create(LOGIN, inputs)
    assert plain_map(engine.read(LOGIN, resource_id, state).properties) == inputs
    engine.delete(LOGIN, resource_id, state)
    with pytest.raises(VcfError, match="a login is no object"):
        engine.read(LOGIN, "somebody@gallery")
