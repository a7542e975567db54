"""What the lab serves to browsers and tools, in one process: the chart repository, and the OpenID Connect issuer.

``python -m lab.web --charts-port P --oidc-port P --cert FILE --key FILE --state DIRECTORY``; charts by HTTP under
``/charts``, the issuer by TLS under ``/oidc``, both on 127.0.0.1.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import hashlib
import io
import signal
import ssl
import sys
import tarfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from lab.oidc import GROUPS, LIFETIME, SigningKey, claims_for

CHARTS = Path(__file__).resolve().parent / "charts"
CLIENTS = ("pais",)
"""OIDC clients that the lab knows: public ones, as Private AI Services wants them."""

_LATER = CHARTS / "later.yaml"
_PACKAGED_AT = "2024-11-01T00:00:00Z"


@dataclass(frozen=True)
class Chart:
    """A packaged Helm chart: its metadata (Chart.yaml) and the archive's bytes."""

    metadata: dict[str, Any]
    archive: bytes

    @property
    def file_name(self) -> str:
        return f"{self.metadata['name']}-{self.metadata['version']}.tgz"


def package(directory: Path, later: Mapping[str, str] | None = None) -> Chart:
    """The chart in ``directory`` as ``helm package`` would make it; the same bytes every time.

    ``later`` are versions of a later release by those of this one. Raises ``FileNotFoundError`` when there is no
    Chart.yaml.
    """
    metadata = yaml.safe_load(_renewed((directory / "Chart.yaml").read_bytes(), later))
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(each for each in directory.rglob("*") if each.is_file()):
            info = tarfile.TarInfo(f"{metadata['name']}/{path.relative_to(directory).as_posix()}")
            content = _renewed(path.read_bytes(), later)
            info.size, info.mode = len(content), 0o644
            archive.addfile(info, io.BytesIO(content))
    return Chart(metadata, gzip.compress(plain.getvalue(), mtime=0))


def _renewed(content: bytes, later: Mapping[str, str] | None) -> bytes:
    for before, after in (later or {}).items():
        content = content.replace(f"ersion: {before}\n".encode(), f"ersion: {after}\n".encode())
    return content


def index(charts: list[Chart]) -> str:
    """The repository's index.yaml, with archives named relative to it."""
    entries: dict[str, list[dict[str, Any]]] = {}
    for chart in charts:
        entry = chart.metadata | {
            "urls": [chart.file_name],
            "digest": hashlib.sha256(chart.archive).hexdigest(),
            "created": _PACKAGED_AT,
        }
        entries.setdefault(chart.metadata["name"], []).append(entry)
    return yaml.safe_dump({"apiVersion": "v1", "entries": entries, "generated": _PACKAGED_AT})


def chart_application(charts: list[Chart]) -> web.Application:
    """A Helm chart repository under ``/charts``."""
    archives = {chart.file_name: chart.archive for chart in charts}
    listing = index(charts)

    async def get_index(_: web.Request) -> web.Response:
        return web.Response(text=listing, content_type="application/yaml")

    async def get_archive(request: web.Request) -> web.Response:
        found = archives.get(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound(text=f"no such chart; there are {', '.join(archives)}")
        return web.Response(body=found, content_type="application/gzip")

    app = web.Application()
    app.add_routes([web.get("/charts/index.yaml", get_index), web.get("/charts/{name}", get_archive)])
    return app


def _refuse(error: str, description: str) -> web.Response:
    return web.json_response({"error": error, "error_description": description}, status=400)


def issuer_application(key: SigningKey, issuer: str) -> web.Application:
    """An OpenID Connect issuer (simulation) under the path of ``issuer``: discovery, keys, tokens; no login page."""

    async def discovery(_: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": issuer,
                "authorization_endpoint": f"{issuer}/authorize",
                "token_endpoint": f"{issuer}/token",
                "jwks_uri": f"{issuer}/keys",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "grant_types_supported": ["password"],
                "code_challenge_methods_supported": ["S256"],
                "scopes_supported": ["openid", "groups", *GROUPS],
            }
        )

    async def keys(_: web.Request) -> web.Response:
        return web.json_response({"keys": [key.jwk]})

    async def authorize(_: web.Request) -> web.Response:
        text = "The lab's issuer is a simulation without a login page: `./paif lab token` prints a token.\n"
        return web.Response(text=text, status=501)

    async def token(request: web.Request) -> web.Response:
        form = await request.post()
        client, user = form.get("client_id"), form.get("username")
        if form.get("grant_type") != "password":
            return _refuse("unsupported_grant_type", "the simulation knows grant_type=password only")
        if not isinstance(client, str) or client not in CLIENTS:
            return _refuse("invalid_client", f"client {client!r} is unknown; expected {', '.join(CLIENTS)}")
        if not isinstance(user, str) or not user:
            return _refuse("invalid_request", "username is missing")
        groups = [group for group in str(form.get("scope", "")).split() if group in GROUPS]
        signed = key.token(claims_for(issuer, client, user, groups, time.time()))
        return web.json_response(
            {"access_token": signed, "id_token": signed, "token_type": "Bearer", "expires_in": LIFETIME}
        )

    app = web.Application()
    base = "/oidc"
    app.add_routes(
        [
            web.get(f"{base}/.well-known/openid-configuration", discovery),
            web.get(f"{base}/keys", keys),
            web.get(f"{base}/authorize", authorize),
            web.post(f"{base}/token", token),
        ]
    )
    return app


def server_context(cert: Path, key: Path) -> ssl.SSLContext:
    """TLS for a server with this certificate and key (PEM)."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    return context


async def serve(*sites: tuple[web.Application, int, ssl.SSLContext | None]) -> None:
    """Serve applications on ports of 127.0.0.1 until told to stop (SIGTERM or SIGINT)."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    runners = []
    for app, port, context in sites:
        runner = web.AppRunner(app, access_log=None)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context, reuse_address=True).start()
    await stopping.wait()
    for runner in runners:
        await runner.cleanup()


def main(arguments: list[str]) -> int:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="lab.web", description="chart repository and OIDC issuer of the lab")
    for name in ("charts-port", "oidc-port"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("cert", "key", "state"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args(arguments)
    charts = [package(path.parent) for path in sorted(CHARTS.glob("*/Chart.yaml"))]
    for name, releases in yaml.safe_load(_LATER.read_text(encoding="utf-8")).items():
        charts += [package(CHARTS / name, later) for later in releases]
    key = SigningKey.load_or_create(options.state / "oidc.pem")
    issuer = f"https://127.0.0.1:{options.oidc_port}/oidc"
    asyncio.run(
        serve(
            (chart_application(charts), options.charts_port, None),
            (issuer_application(key, issuer), options.oidc_port, server_context(options.cert, options.key)),
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
