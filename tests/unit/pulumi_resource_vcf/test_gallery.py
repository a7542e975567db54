"""Rules of vcf:index:GalleryModel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi.provider.experimental.provider as sdk
import pytest

from pulumi_resource_vcf.errors import VcfError
from pulumi_resource_vcf.values import plain_map
from tests.unit.pulumi_resource_vcf.double import Certificates, GalleryDouble
from tests.unit.pulumi_resource_vcf.harness import UNKNOWN, Engine

MODEL = "GalleryModel"
REPOSITORY = "pai/meta/llama-3-8b"


@pytest.fixture
def inputs(gallery: GalleryDouble, certificates: Certificates) -> dict[str, Any]:
    return {
        "registry": gallery.address,
        "repository": REPOSITORY,
        "reference": "1.0",
        "username": gallery.username,
        "password": gallery.password,
        "caBundle": certificates.ca,
    }


@pytest.mark.parametrize("auth", ["none", "basic", "token"])
def test_digest_is_resolved(engine: Engine, gallery: GalleryDouble, inputs: dict[str, Any], auth: str) -> None:
    gallery.auth = auth
    digest = gallery.push(REPOSITORY, "1.0", b"model")
    resource_id, state = engine.create(MODEL, inputs)
    assert resource_id == f"{gallery.address}/{REPOSITORY}:1.0"
    assert plain_map(state)["digest"] == digest
    assert plain_map(state)["ociRef"] == f"{gallery.address}/{REPOSITORY}@{digest}"
    assert state["password"].is_secret
    assert not state["ociRef"].is_secret


def test_reference_to_a_secret_repository_is_secret(
    engine: Engine, gallery: GalleryDouble, inputs: dict[str, Any]
) -> None:
    gallery.push(REPOSITORY, "1.0", b"model")
    checked = engine.checked(MODEL, inputs)
    marked = {**checked, "repository": checked["repository"].with_secret(True)}
    request = sdk.CreateRequest(engine.urn(MODEL), marked, 0, preview=False)
    state = engine.run(engine.provider.create(request)).properties
    assert state["ociRef"].is_secret


def test_digest_as_reference(engine: Engine, gallery: GalleryDouble, inputs: dict[str, Any]) -> None:
    digest = gallery.push(REPOSITORY, "1.0", b"model")
    resource_id, _ = engine.create(MODEL, {**inputs, "reference": digest})
    assert resource_id == f"{gallery.address}/{REPOSITORY}@{digest}"


def test_missing_tag_tells_which_there_are_and_how_to_push(
    engine: Engine, gallery: GalleryDouble, inputs: dict[str, Any]
) -> None:
    gallery.push(REPOSITORY, "1.0.1", b"model")
    gallery.push(REPOSITORY, "0.9", b"older")
    with pytest.raises(VcfError) as raised:
        engine.create(MODEL, inputs)
    text = str(raised.value)
    assert "llama-3-8b:1.0 is not in the gallery" in text
    assert "tags 0.9, 1.0.1; the nearest is '1.0.1'" in text
    # A store is a project of the gallery, a model's name has its organization, as documented.
    assert f"vcf pais models push --modelName meta/llama-3-8b --modelStore {gallery.address}/pai --tag 1.0`" in text


def test_missing_repository_suggests_the_nearest(
    engine: Engine, gallery: GalleryDouble, inputs: dict[str, Any]
) -> None:
    gallery.push("pai/meta/llama-3.1-8b", "1.0", b"model")
    with pytest.raises(VcfError, match=r"no such repository or it is empty; the nearest is 'pai/meta/llama-3.1-8b'"):
        engine.create(MODEL, inputs)


def test_wrong_credentials_are_told_apart_from_a_missing_model(
    engine: Engine, gallery: GalleryDouble, inputs: dict[str, Any]
) -> None:
    gallery.push(REPOSITORY, "1.0", b"model")
    for auth in ("basic", "token"):
        gallery.auth = auth
        with pytest.raises(VcfError, match=r"does not let robot\$pais pull.*does not take the login either") as raised:
            engine.create(MODEL, {**inputs, "password": "wrong-password"})
        assert "wrong-password" not in str(raised.value)


@pytest.mark.parametrize("auth", ["basic", "token"])
def test_a_missing_project_is_told_apart_from_a_wrong_login(
    engine: Engine, gallery: GalleryDouble, inputs: dict[str, Any], auth: str
) -> None:
    gallery.auth = auth
    gallery.push("models/meta/llama-3-8b", "1.0", b"model")
    with pytest.raises(VcfError, match=r"project pai not found.*takes the login: check that there is a project 'pai'"):
        engine.create(MODEL, inputs, timeout=100)


def test_waits_for_the_push_as_long_as_the_custom_timeout_says(
    engine: Engine, gallery: GalleryDouble, inputs: dict[str, Any]
) -> None:
    with pytest.raises(VcfError, match=r"Waited \d+ s for it"):
        engine.create(MODEL, inputs, timeout=100)
    assert 80 < engine.clock.time <= 100
    original = engine.clock.sleep

    async def push_while_waiting(seconds: float) -> None:
        gallery.push(REPOSITORY, "1.0", b"model")
        await original(seconds)

    engine.clock.sleep = push_while_waiting  # type: ignore[method-assign]
    assert engine.create(MODEL, inputs, timeout=100)[0]


def test_read_shows_a_moved_tag_and_notices_a_gone_model(
    engine: Engine, gallery: GalleryDouble, inputs: dict[str, Any]
) -> None:
    gallery.push(REPOSITORY, "1.0", b"model")
    resource_id, state = engine.create(MODEL, inputs)
    moved = gallery.push(REPOSITORY, "1.0", b"another")
    read = engine.read(MODEL, resource_id, state, engine.checked(MODEL, inputs))
    assert plain_map(read.properties)["digest"] == moved
    assert plain_map(read.inputs) == inputs
    assert read.properties["password"].is_secret
    assert read.inputs["password"].is_secret
    gallery.models.clear()
    assert engine.read(MODEL, resource_id, state).resource_id == ""


def test_import_takes_the_login_from_the_environment(
    engine: Engine,
    gallery: GalleryDouble,
    inputs: dict[str, Any],
    certificates: Certificates,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    gallery.auth = "token"
    gallery.push(REPOSITORY, "1.0", b"model")
    ca = tmp_path / "ca.pem"
    ca.write_text(certificates.ca)
    for name, value in (("USERNAME", gallery.username), ("PASSWORD", gallery.password), ("CA", str(ca))):
        monkeypatch.setenv(f"VCF_GALLERY_{name}", value)
    read = engine.read(MODEL, f"{gallery.address}/{REPOSITORY}:1.0")
    assert plain_map(read.inputs) == inputs
    assert read.inputs["password"].is_secret
    assert engine.diff(MODEL, read.properties, inputs).changes is False


def test_login_changes_in_place_and_the_rest_replaces(
    engine: Engine, gallery: GalleryDouble, inputs: dict[str, Any]
) -> None:
    gallery.push(REPOSITORY, "1.0", b"model")
    _, state = engine.create(MODEL, inputs)
    assert engine.diff(MODEL, state, {**inputs, "password": "new"}).replaces == []
    assert engine.diff(MODEL, state, {**inputs, "reference": UNKNOWN}).replaces == ["reference"]


def test_check_collects_problems_and_hides_the_password(engine: Engine) -> None:
    problems = engine.problems(
        MODEL, {"registry": "https://harbor/", "repository": "PAI/Llama", "reference": "a b", "password": 7.0}
    )
    assert set(problems) == {"registry", "repository", "reference", "password"}
    assert "7" not in problems["password"]
    assert "username" in engine.problems(
        MODEL, {"registry": "harbor", "repository": "pai/llama", "reference": "1", "password": "x"}
    )


def test_delete_leaves_the_gallery_alone(engine: Engine, gallery: GalleryDouble, inputs: dict[str, Any]) -> None:
    gallery.push(REPOSITORY, "1.0", b"model")
    resource_id, state = engine.create(MODEL, inputs)
    before = len(gallery.requests)
    engine.delete(MODEL, resource_id, state)
    assert len(gallery.requests) == before
