"""The lab's OpenID Connect issuer (a simulation): gives tokens to anybody on this machine."""

from __future__ import annotations

import time

from aiohttp import web

from lab.simulated.identity_provider.tokens import GROUPS, LIFETIME, SigningKey, claims_for

CLIENTS = ("pais",)
"""OIDC clients that the lab knows: public ones, as Private AI Services wants them."""


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
