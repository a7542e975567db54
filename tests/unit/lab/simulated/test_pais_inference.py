"""The simulated inference server and the tokens it accepts."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from lab.simulated.identity_provider.tokens import LIFETIME, SigningKey, TokenError, claims_for, verify
from lab.simulated.pais.inference import OPENAI, Configuration, Endpoint, Server, completion, embedding

ISSUER = "https://issuer.test/oidc"
NOW = 1_800_000_000.0


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return SigningKey.load_or_create(tmp_path_factory.mktemp("oidc") / "key.pem")


def _dot(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


def test_embedding_depends_on_text_and_model_only() -> None:
    assert embedding("a cat", 8, "m") == embedding("a cat", 8, "m")
    assert embedding("a cat", 8, "m") != embedding("a cat", 8, "other")


def test_embedding_is_a_unit_vector_of_the_models_dimension() -> None:
    vector = embedding("one two three", 384, "m")
    assert len(vector) == 384
    assert _dot(vector, vector) == pytest.approx(1.0)


def test_texts_that_share_words_lie_closer_than_those_that_do_not() -> None:
    question, near, far = (
        embedding(text, 384, "m")
        for text in ("gpu memory of the a100", "the a100 has gpu memory", "bananas are yellow")
    )
    assert _dot(question, near) > 0.5 > _dot(question, far)


def test_completion_says_that_it_is_a_simulation() -> None:
    answer = completion([{"role": "user", "content": [{"type": "text", "text": "hello"}]}], "llama")
    assert "simulation of llama" in answer
    assert answer.endswith("hello")


def test_token_of_the_issuer_is_accepted(key: SigningKey) -> None:
    token = key.token(claims_for(ISSUER, "pais", "ann", ["app-developers"], NOW))
    claims = verify(token, [key.jwk], issuer=ISSUER, audiences=["pais"], groups=["app-developers"], now=NOW)
    assert claims["sub"] == "ann"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"issuer": "https://other.test"}, "issued by"),
        ({"audiences": ["other"]}, "meant for pais"),
        ({"groups": ["platform-engineers"]}, "none of the authorized groups"),
        ({"now": NOW + LIFETIME + 3600}, "expired"),
    ],
)
def test_token_for_something_else_is_refused(key: SigningKey, change: dict[str, Any], expected: str) -> None:
    token = key.token(claims_for(ISSUER, "pais", "ann", ["app-developers"], NOW))
    wanted: dict[str, Any] = {"issuer": ISSUER, "audiences": ["pais"], "groups": ["app-developers"], "now": NOW}
    with pytest.raises(TokenError, match=expected):
        verify(token, [key.jwk], **(wanted | change))


def test_changed_claims_break_the_signature(key: SigningKey) -> None:
    head, body, signature = key.token(claims_for(ISSUER, "pais", "ann", [], NOW)).split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    forged = base64.urlsafe_b64encode(json.dumps(claims | {"sub": "root"}).encode()).rstrip(b"=").decode()
    with pytest.raises(TokenError, match="signature"):
        verify(f"{head}.{forged}.{signature}", [key.jwk], issuer=ISSUER, audiences=["pais"], now=NOW)


def test_unsigned_token_is_refused_whatever_its_header_says(key: SigningKey) -> None:
    body = key.token(claims_for(ISSUER, "pais", "ann", [], NOW)).split(".")[1]
    head = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": key.id}).encode()).rstrip(b"=").decode()
    with pytest.raises(TokenError, match="does not publish"):
        verify(f"{head}.{body}.", [key.jwk], issuer=ISSUER, audiences=["pais"], now=NOW)


def _write(directory: Path) -> None:
    endpoints = directory / "endpoints"
    endpoints.mkdir()
    (directory / "config.json").write_text(
        json.dumps({"issuer": ISSUER, "client_id": "pais", "scope": ["openid"], "ca": "unused"})
    )
    for name, kind, dimension in (("llama", "Completions", 0), ("bge", "Embeddings", 16)):
        endpoint = Endpoint(routing_name=f"test/{name}", type=kind, engine="e", model=name, dimension=dimension)  # type: ignore[arg-type]
        (endpoints / f"{name}.json").write_text(endpoint.model_dump_json())


Call = Callable[[TestClient[web.Request, web.Application]], Awaitable[ClientResponse]]


@pytest.fixture
def ask(tmp_path: Path, key: SigningKey, monkeypatch: pytest.MonkeyPatch) -> Callable[[Call], tuple[int, Any]]:
    """Run one call against a server whose issuer publishes ``key``."""
    _write(tmp_path)

    async def published(_: Server, __: Configuration, *, again: bool) -> list[dict[str, Any]]:
        return [key.jwk]

    monkeypatch.setattr(Server, "_published_keys", published)
    token = key.token(claims_for(ISSUER, "pais", "ann", [], time.time()))

    async def run(call: Call) -> tuple[int, Any]:
        server = TestServer(Server(tmp_path).application())
        async with TestClient(server, headers={"Authorization": f"Bearer {token}"}) as client:
            answer = await call(client)
            return answer.status, await answer.json()

    return lambda call: asyncio.run(run(call))


def test_models_are_listed_under_their_routing_names(ask: Callable[[Call], tuple[int, Any]]) -> None:
    status, body = ask(lambda client: client.get(f"{OPENAI}/models"))
    assert status == 200
    assert [model["id"] for model in body["data"]] == ["test/bge", "test/llama"]


def test_call_without_token_is_refused(ask: Callable[[Call], tuple[int, Any]]) -> None:
    status, body = ask(lambda client: client.get(f"{OPENAI}/models", headers={"Authorization": ""}))
    assert status == 401
    assert body["error"]["code"] == "missing_token"


def test_embedding_has_the_models_dimension_in_either_encoding(ask: Callable[[Call], tuple[int, Any]]) -> None:
    asked = {"model": "test/bge", "input": ["hello"]}
    _, plain = ask(lambda client: client.post(f"{OPENAI}/embeddings", json=asked))
    _, packed = ask(lambda client: client.post(f"{OPENAI}/embeddings", json=asked | {"encoding_format": "base64"}))
    vector = plain["data"][0]["embedding"]
    assert len(vector) == 16
    assert struct.unpack("<16f", base64.b64decode(packed["data"][0]["embedding"])) == pytest.approx(vector)


@pytest.mark.parametrize(
    ("path", "model", "status", "code"),
    [
        ("embeddings", "test/none", 404, "model_not_found"),
        ("embeddings", "test/llama", 400, "wrong_model_type"),
        ("chat/completions", "test/bge", 400, "wrong_model_type"),
    ],
)
def test_wrong_model_is_refused_in_the_clients_shape(
    ask: Callable[[Call], tuple[int, Any]], path: str, model: str, status: int, code: str
) -> None:
    asked = {"model": model, "input": "x", "messages": [{"role": "user", "content": "x"}]}
    answered, body = ask(lambda client: client.post(f"{OPENAI}/{path}", json=asked))
    assert (answered, body["error"]["code"]) == (status, code)
