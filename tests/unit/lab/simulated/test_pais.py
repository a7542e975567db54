"""What the simulated Private AI Services accept, and how they say what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from lab.operators.container_registry import ModelError, Reference, find_model
from lab.simulated.pais import endpoint
from lab.simulated.pais.configuration import bundle, split_host
from lab.simulated.pais.endpoint import ENGINES, check_routing, engine_problem
from lab.simulated.pais.instance import NotReadyError
from lab.simulated.vks.vm_classes import Gpu, VmClass

CRDS = Path(__file__).resolve().parents[4] / "lab" / "simulated" / "pais" / "definitions"
DIGEST = "sha256:" + "a" * 64
PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"
CPU = VmClass("cpu", 4, 16384)
VGPU = VmClass("vgpu", 8, 65536, (Gpu(profile="grid_a100-40c"),))
DIRECT = VmClass("direct", 8, 65536, (Gpu(device="10de:26b9"),))
LICENSED = {"licenseConfigRef": {"name": "l"}, "imagePullSecretRef": {"name": "s"}}


@pytest.mark.parametrize(
    ("host", "expected"), [("10.0.0.10", ("10.0.0.10", 5432)), ("127.0.0.1:41234", ("127.0.0.1", 41234))]
)
def test_database_host_may_carry_its_port(host: str, expected: tuple[str, int]) -> None:
    assert split_host(host) == expected


def test_trust_bundles_are_joined_without_repetition() -> None:
    text = f"# a comment\n{PEM}\n"
    assert bundle([("a", {"data": {"ca.crt": text}}), ("b", {"data": {"ca.crt": PEM}})]) == f"{PEM}\n"
    assert bundle([]) == ""


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (None, "ConfigMap x does not exist"),
        ({"data": {"ca.crt": "no"}}, "no PEM"),
        ({"data": {"ca.pem": PEM}}, "ca.crt"),
    ],
)
def test_trust_bundle_must_hold_a_certificate(item: dict[str, Any] | None, said: str) -> None:
    with pytest.raises(NotReadyError, match=said):
        bundle([("x", item)])


@pytest.mark.parametrize(
    ("engine", "kind", "vm_class", "nvidia", "said"),
    [
        ("Infinity", "Embeddings", CPU, None, ""),
        ("vLLM", "Completions", VGPU, LICENSED, ""),
        ("vLLM", "Completions", DIRECT, {}, ""),
        ("vLLM", "Embeddings", VGPU, LICENSED, "use Infinity"),
        ("Infinity", "Completions", CPU, None, "use vLLM"),
        ("vLLM", "Completions", CPU, None, "needs a GPU"),
        ("vLLM", "Completions", None, None, "not available in the namespace; there are cpu"),
        ("vLLM", "Completions", DIRECT, None, "no nvidiaConfig"),
        ("vLLM", "Completions", VGPU, {"licenseConfigRef": {"name": "l"}}, "lacks imagePullSecretRef"),
    ],
)
def test_engine_type_and_class_fit_together(
    engine: str, kind: str, vm_class: VmClass | None, nvidia: dict[str, Any] | None, said: str
) -> None:
    spec = {"engine": engine, "type": kind, "virtualMachineClassName": vm_class.name if vm_class else "gone"}
    problem = engine_problem(spec, vm_class, ["cpu"], nvidia)
    assert said in problem
    assert bool(problem) == bool(said)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gallery.test/models/baai/bge:v1", ("gallery.test", "models/baai/bge", "v1")),
        ("127.0.0.1:5443/models/bge", ("127.0.0.1:5443", "models/bge", "latest")),
        (f"gallery.test/models/bge:v1@{DIGEST}", ("gallery.test", "models/bge", DIGEST)),
    ],
)
def test_reference_is_taken_apart(text: str, expected: tuple[str, str, str]) -> None:
    found = Reference.parse(text)
    assert (found.registry, found.repository, found.reference) == expected


@pytest.mark.parametrize(
    "text", ["models/bge:v1", "gallery.test/Models/bge", "gallery.test/a@sha256:12", "gallery.test/"]
)
def test_reference_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match="expected host/path"):
        Reference.parse(text)


def _gallery(monkeypatch: pytest.MonkeyPatch, answers: dict[str, httpx.Response]) -> None:
    real = httpx.Client

    def client(**given: Any) -> httpx.Client:
        def answer(request: httpx.Request) -> httpx.Response:
            return next(value for key, value in answers.items() if request.url.path.endswith(key))

        given.pop("verify")
        return real(**given, transport=httpx.MockTransport(answer))

    monkeypatch.setattr(httpx, "Client", client)


REFERENCE = Reference("gallery.test", "models/bge", "v2")


def test_model_is_found_with_its_digest_and_annotations(monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = httpx.Response(200, headers={"Docker-Content-Digest": DIGEST}, json={"annotations": {"a": "b"}})
    _gallery(monkeypatch, {"/manifests/v2": manifest})
    model = find_model(REFERENCE, ("u", "p"), "")
    assert (model.digest, model.annotations) == (DIGEST, {"a": "b"})


def test_missing_model_is_told_with_the_tags_that_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    _gallery(
        monkeypatch, {"/manifests/v2": httpx.Response(404), "/tags/list": httpx.Response(200, json={"tags": ["v1"]})}
    )
    with pytest.raises(
        ModelError, match=r"models/bge v2 is not in the gallery gallery\.test; of it there is v1"
    ) as caught:
        find_model(REFERENCE, None, "")
    assert caught.value.reason == "ModelNotFound"


@pytest.mark.parametrize(
    ("status", "reason"), [(401, "ImagePullFailed"), (403, "ImagePullFailed"), (500, "RegistryUnreachable")]
)
def test_refusing_gallery_is_told(monkeypatch: pytest.MonkeyPatch, status: int, reason: str) -> None:
    _gallery(monkeypatch, {"/manifests/v2": httpx.Response(status)})
    with pytest.raises(ModelError) as caught:
        find_model(REFERENCE, ("u", "not-a-real-password"), "")
    assert caught.value.reason == reason
    assert "not-a-real-password" not in str(caught.value)


def test_a_pull_gets_a_token_where_the_registry_sends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real, asked = httpx.Client, []

    def answer(request: httpx.Request) -> httpx.Response:
        given = request.headers.get("authorization", "").partition(" ")[0]
        asked.append(f"{given} {request.url.path}")
        if request.url.path == "/service/token":
            assert dict(request.url.params) == {"service": "harbor-registry", "scope": "repository:models/bge:pull"}
            return httpx.Response(200, json={"token": "t"})
        if request.headers.get("authorization") == "Bearer t":
            return httpx.Response(200, headers={"Docker-Content-Digest": DIGEST}, json={})
        challenge = 'Bearer realm="https://gallery.test/service/token",service="harbor-registry"'
        challenge += ',scope="repository:models/bge:pull"'
        return httpx.Response(401, headers={"www-authenticate": challenge})

    def client(**given: Any) -> httpx.Client:
        given.pop("verify")
        return real(**given, transport=httpx.MockTransport(answer))

    monkeypatch.setattr(httpx, "Client", client)
    assert find_model(REFERENCE, ("u", "p"), "").digest == DIGEST
    path = "/v2/models/bge/manifests/v2"
    assert asked == [f" {path}", "Basic /service/token", f"Bearer {path}"]


def test_a_pull_from_a_missing_project_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    denied = httpx.Response(
        401,
        headers={"www-authenticate": ""},
        json={"errors": [{"code": "UNAUTHORIZED", "message": "project x not found"}]},
    )
    _gallery(monkeypatch, {"/manifests/v2": denied})
    with pytest.raises(ModelError, match="refuses the login of the pull secret: project x not found"):
        find_model(REFERENCE, ("u", "p"), "")


def test_routing_name_belongs_to_the_older_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    def made(name: str, created: str) -> dict[str, Any]:
        metadata = {"name": name, "namespace": "n", "creationTimestamp": created}
        return {"metadata": metadata, "spec": {"routingName": "same"}}

    older, newer = made("b", "2026-01-01T00:00:00Z"), made("a", "2026-01-01T00:00:01Z")

    class _Supervisor:
        def list(self, *_: Any) -> list[dict[str, Any]]:
            return [older, newer]

    monkeypatch.setattr(endpoint, "supervisor", _Supervisor)
    check_routing(older)
    with pytest.raises(NotReadyError, match="belongs to ModelEndpoint b"):
        check_routing(newer)


def _properties(kind: str) -> dict[str, Any]:
    definition = yaml.safe_load((CRDS / f"pais.vmware.com_{kind}.yaml").read_text())
    (version,) = definition["spec"]["versions"]
    assert version["subresources"]["status"] == {}
    spec: dict[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return spec


def test_definition_of_endpoints_knows_the_engines_and_types() -> None:
    spec = _properties("modelendpoints")
    assert spec["properties"]["engine"]["enum"] == list(ENGINES)
    assert sorted(spec["properties"]["type"]["enum"]) == sorted(ENGINES.values())
    assert "replicas" not in spec["required"]


def test_definition_of_configurations_demands_what_the_vendor_demands() -> None:
    spec = _properties("paisconfigurations")
    assert sorted(spec["required"]) == ["auth", "database", "ingress", "vksControlPlane", "worker"]
    assert sorted(spec["properties"]["nvidiaConfig"]["properties"]) == [
        "gpuOperatorOverridesRef",
        "imagePullSecretRef",
        "licenseConfigRef",
    ]
