"""The inference server of one Private AI Services instance (a simulation): OpenAI-compatible, with no model inside.

``python -m lab.simulated.pais.inference --port P --cert FILE --key FILE --config DIRECTORY`` serves on
127.0.0.1 with TLS. Answers depend on the request alone. The operator writes the directory, every request reads it:
``config.json`` (``Configuration``), and one ``endpoints/<name>.json`` (``Endpoint``) per model endpoint that is ready.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import math
import ssl
import struct
import sys
from pathlib import Path
from typing import Any, Literal

import aiohttp
from aiohttp import web
from pydantic import BaseModel, ConfigDict

from lab.serving import serve, server_context
from lab.simulated.identity_provider.tokens import TokenError, verify
from lab.state import read_json

OPENAI = "/api/v1/compatibility/openai/v1"
"""Path of the OpenAI-compatible API, as Private AI Services 2.0 serves it (facts: pais-sdk-cli, graded P)."""

DEFAULT_DIMENSION = 384
CREATED = 1730419200
"""``created`` of every model, seconds since the epoch: answers must not depend on when they are given."""


class Configuration(BaseModel):
    """Who may call: the OIDC client of the PAISConfiguration.

    ``ca`` is what the issuer is verified with (PEM; empty: the system's).
    """

    model_config = ConfigDict(extra="forbid")

    issuer: str
    client_id: str
    scope: list[str] = []
    audiences: list[str] = []
    groups: list[str] = []
    ca: str


class Endpoint(BaseModel):
    """One model endpoint; ``dimension`` is the length of its vectors (embeddings only)."""

    model_config = ConfigDict(extra="forbid")

    routing_name: str
    type: Literal["Completions", "Embeddings"]
    engine: str
    model: str
    dimension: int = DEFAULT_DIMENSION


def embedding(text: str, dimension: int, model: str) -> list[float]:
    """A unit vector of ``dimension`` numbers made of the words of ``text``: texts that share words lie close together.

    Every word gives a direction by its hash, so it is the same on every machine; models differ by their name.
    """
    total = [0.0] * dimension
    words = text.lower().split() or [""]
    for word in words:
        seed = f"{model}\n{word}".encode()
        for at in range(dimension):
            if at % 32 == 0:
                block = hashlib.sha256(seed + (at // 32).to_bytes(4, "big")).digest()
            total[at] += block[at % 32] - 127.5
    length = math.sqrt(sum(value * value for value in total)) or 1.0
    return [value / length for value in total]


def completion(messages: list[dict[str, Any]], model: str) -> str:
    """What the simulated model answers: its name, that it is one, and the last thing the user said."""
    said = next((_text(each.get("content")) for each in reversed(messages) if each.get("role") == "user"), "")
    return f"[simulation of {model}] No model is running here. You said: {said}"


def _text(content: Any) -> str:
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")


class ApiProblemError(Exception):
    """An error as an OpenAI client expects it."""

    def __init__(self, status: int, message: str, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@web.middleware
async def problems_as_json(request: web.Request, handler: Any) -> web.StreamResponse:
    """Give every refusal OpenAI's shape."""
    try:
        answer: web.StreamResponse = await handler(request)
    except ApiProblemError as problem:
        body = {"error": {"message": str(problem), "type": "invalid_request_error", "code": problem.code}}
        return web.json_response(body, status=problem.status)
    return answer


class Server:
    """Answers from the operator's directory, to whoever has a token of the configured issuer."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._keys: dict[tuple[str, str], list[dict[str, Any]]] = {}

    def application(self) -> web.Application:
        app = web.Application(middlewares=[problems_as_json], client_max_size=8 << 20)
        app.add_routes(
            [
                web.get("/env.json", self.environment),
                web.get("/healthz", self.health),
                web.get(f"{OPENAI}/models", self.models),
                web.post(f"{OPENAI}/chat/completions", self.chat),
                web.post(f"{OPENAI}/embeddings", self.embeddings),
            ]
        )
        return app

    def _configuration(self) -> Configuration:
        found = read_json(self._directory / "config.json", None)
        if found is None:
            raise ApiProblemError(503, "the PAISConfiguration of this namespace is not ready", "not_ready")
        return Configuration(**found)

    def endpoints(self) -> dict[str, Endpoint]:
        """Ready endpoints by routing name."""
        found: dict[str, Endpoint] = {}
        for path in sorted((self._directory / "endpoints").glob("*.json")):
            data = read_json(path, None)
            if data is not None:
                endpoint = Endpoint(**data)
                found[endpoint.routing_name] = endpoint
        return found

    async def _published_keys(self, configuration: Configuration, *, again: bool) -> list[dict[str, Any]]:
        known = (configuration.issuer, configuration.ca)
        if again or known not in self._keys:
            context = ssl.create_default_context(cadata=configuration.ca or None)
            connector = aiohttp.TCPConnector(ssl=context)
            timeout = aiohttp.ClientTimeout(total=10)
            async with aiohttp.ClientSession(connector=connector, timeout=timeout, raise_for_status=True) as session:
                async with session.get(f"{configuration.issuer}/.well-known/openid-configuration") as answer:
                    discovered = await answer.json()
                async with session.get(discovered["jwks_uri"]) as answer:
                    self._keys = {known: (await answer.json())["keys"]}
        return self._keys[known]

    async def _authorize(self, request: web.Request) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise ApiProblemError(401, "a bearer token of the OIDC issuer is needed; see /env.json", "missing_token")
        configuration = self._configuration()
        # A key that is not among those known may be newer than them; a second look is enough.
        for again in (False, True):
            try:
                verify(
                    token.strip(),
                    await self._published_keys(configuration, again=again),
                    issuer=configuration.issuer,
                    audiences=[configuration.client_id, *configuration.audiences],
                    groups=configuration.groups,
                )
            except aiohttp.ClientError as error:
                message = f"the OIDC issuer {configuration.issuer} does not answer: {error}"
                raise ApiProblemError(503, message, "issuer_unreachable") from None
            except TokenError as error:
                if again:
                    raise ApiProblemError(401, f"the token is not accepted: {error}", "invalid_token") from None
            else:
                return

    async def environment(self, _: web.Request) -> web.Response:
        configuration = self._configuration()
        oidc = {
            "issuerUrl": configuration.issuer,
            "clientId": configuration.client_id,
            "scope": " ".join(configuration.scope),
        }
        return web.json_response({"oidc": oidc, "simulation": True})

    async def health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "simulation": True})

    async def models(self, request: web.Request) -> web.Response:
        await self._authorize(request)
        listed = [
            {
                "id": name,
                "object": "model",
                "created": CREATED,
                "owned_by": "paif lab (simulation)",
                "model_type": endpoint.type.upper(),
                "model_engine": endpoint.engine,
            }
            for name, endpoint in self.endpoints().items()
        ]
        return web.json_response({"object": "list", "data": listed})

    async def _asked(self, request: web.Request, kind: str) -> tuple[dict[str, Any], Endpoint]:
        await self._authorize(request)
        try:
            body = await request.json()
        except json.JSONDecodeError:
            body = None
        if not isinstance(body, dict):
            raise ApiProblemError(400, "the body must be a JSON object", "invalid_body")
        endpoints = self.endpoints()
        endpoint = endpoints.get(str(body.get("model")))
        if endpoint is None:
            there = ", ".join(endpoints) or "none"
            message = f"model {body.get('model')} is not deployed here; routing names that are: {there}"
            raise ApiProblemError(404, message, "model_not_found")
        if endpoint.type != kind:
            message = f"model {endpoint.routing_name} is of type {endpoint.type}; this path needs {kind}"
            raise ApiProblemError(400, message, "wrong_model_type")
        return body, endpoint

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body, endpoint = await self._asked(request, "Completions")
        messages = body.get("messages")
        if not isinstance(messages, list) or not all(isinstance(each, dict) for each in messages):
            raise ApiProblemError(400, "messages must be a list of objects with role and content", "invalid_messages")
        text = completion(messages, endpoint.routing_name)
        prompt = sum(len(_text(each.get("content")).split()) for each in messages)
        answer_id = "chatcmpl-" + hashlib.sha256(f"{endpoint.routing_name}{messages}".encode()).hexdigest()[:24]
        common = {"id": answer_id, "created": CREATED, "model": endpoint.routing_name}
        if body.get("stream"):
            return await self._stream(request, common, text)
        message = {"role": "assistant", "content": text}
        written = len(text.split())
        return web.json_response(
            common
            | {
                "object": "chat.completion",
                "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
                "usage": {
                    "prompt_tokens": prompt,
                    "completion_tokens": written,
                    "total_tokens": prompt + written,
                },
            }
        )

    async def _stream(self, request: web.Request, common: dict[str, Any], text: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        await response.prepare(request)
        words = text.split(" ")
        pieces: list[tuple[dict[str, str], str | None]] = [({"role": "assistant", "content": ""}, None)]
        pieces += [({"content": word if at == 0 else f" {word}"}, None) for at, word in enumerate(words)]
        pieces.append(({}, "stop"))
        for delta, finish in pieces:
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            chunk = common | {"object": "chat.completion.chunk", "choices": [choice]}
            await response.write(f"data: {json.dumps(chunk)}\n\n".encode())
        await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response

    async def embeddings(self, request: web.Request) -> web.Response:
        body, endpoint = await self._asked(request, "Embeddings")
        given = body.get("input")
        texts = [given] if isinstance(given, str) else given
        if not isinstance(texts, list) or not texts or not all(isinstance(each, str) for each in texts):
            raise ApiProblemError(400, "input must be a text or a list of texts", "invalid_input")
        data = []
        for number, text in enumerate(texts):
            vector = embedding(text, endpoint.dimension, endpoint.model)
            # OpenAI's own client asks for base64 unless told otherwise.
            packed = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode("ascii")
            value = packed if body.get("encoding_format") == "base64" else vector
            data.append({"object": "embedding", "index": number, "embedding": value})
        words = sum(len(text.split()) for text in texts)
        usage = {"prompt_tokens": words, "total_tokens": words}
        return web.json_response({"object": "list", "model": endpoint.routing_name, "data": data, "usage": usage})


def main(arguments: list[str]) -> int:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(
        prog="lab.simulated.pais.inference", description="simulated inference server of one namespace"
    )
    parser.add_argument("--port", type=int, required=True)
    for name in ("cert", "key", "config"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args(arguments)
    app = Server(options.config).application()
    asyncio.run(serve((app, options.port, server_context(options.cert, options.key))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
