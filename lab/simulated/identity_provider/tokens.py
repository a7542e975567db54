"""Tokens of the lab's OpenID Connect issuer (a simulation): really signed, given to whoever asks on this machine."""

from __future__ import annotations

import base64
import json
import ssl
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import httpx
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from lab.state import write_atomically

GROUPS = ("app-developers", "data-scientists", "mlops-engineers", "platform-engineers")
"""Groups of the lab's SSO domain; a lab user is in all of them unless a token is asked for fewer."""

LIFETIME = 3600
"""Seconds that a token is valid."""

_ALGORITHM = "RS256"
_CLOCK_SKEW = 60


class TokenError(Exception):
    """A token is not acceptable; the message says why, never the token."""


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _number(value: int) -> str:
    return _encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class SigningKey:
    """The issuer's RSA key, kept in a file so that tokens outlive a restart of the issuer."""

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        self._key = key
        numbers = key.public_key().public_numbers()
        digest = hashes.Hash(hashes.SHA256())
        digest.update(_number(numbers.n).encode("ascii"))
        self.id = _encode(digest.finalize())[:16]
        self.jwk = {
            "kty": "RSA",
            "use": "sig",
            "alg": _ALGORITHM,
            "kid": self.id,
            "n": _number(numbers.n),
            "e": _number(numbers.e),
        }

    @classmethod
    def load_or_create(cls, path: Path) -> SigningKey:
        """The key in the PEM file ``path``; made on first use."""
        if path.exists():
            key = serialization.load_pem_private_key(path.read_bytes(), password=None)
            if not isinstance(key, rsa.RSAPrivateKey):
                raise ValueError(f"{path}: expected an RSA key; remove the file and restart the lab")
            return cls(key)
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_atomically(path, pem.decode("ascii"))
        return cls(key)

    def token(self, claims: Mapping[str, Any]) -> str:
        """A signed JWT with these claims."""
        header = {"alg": _ALGORITHM, "kid": self.id, "typ": "JWT"}
        signed = ".".join(_encode(json.dumps(part).encode()) for part in (header, dict(claims)))
        signature = self._key.sign(signed.encode("ascii"), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_encode(signature)}"


def claims_for(issuer: str, audience: str, user: str, groups: Iterable[str], now: float) -> dict[str, Any]:
    """The claims of an ID token; ``now`` in seconds since the epoch."""
    return {
        "iss": issuer,
        "sub": user,
        "aud": audience,
        "iat": int(now),
        "exp": int(now) + LIFETIME,
        "preferred_username": user,
        "groups": sorted(groups),
    }


def verify(
    token: str,
    keys: Iterable[Mapping[str, Any]],
    *,
    issuer: str,
    audiences: Iterable[str],
    groups: Iterable[str] = (),
    now: float | None = None,
) -> dict[str, Any]:
    """The claims of ``token`` when it is good.

    ``keys`` are the issuer's JWKs. One of ``audiences`` must be in ``aud`` and, when there are any, one of ``groups``
    in ``groups``. Raises ``TokenError`` with the reason.
    """
    try:
        head, body, signature = token.split(".")
        header, claims = json.loads(_decode(head)), json.loads(_decode(body))
        signed_with = _decode(signature)
    except ValueError:
        raise TokenError("not a JWT") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise TokenError("not a JWT")
    # The algorithm is ours to choose, never the token's: "none" and HMAC with the public key are the classic forgeries.
    key = next((each for each in keys if each.get("kid") == header.get("kid")), None)
    if header.get("alg") != _ALGORITHM or key is None:
        raise TokenError("signed with a key that the issuer does not publish")
    numbers = rsa.RSAPublicNumbers(*(int.from_bytes(_decode(key[name]), "big") for name in ("e", "n")))
    try:
        numbers.public_key().verify(signed_with, f"{head}.{body}".encode("ascii"), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise TokenError("the signature is wrong") from None
    _check_claims(claims, issuer, set(audiences), set(groups), time.time() if now is None else now)
    return claims


def _check_claims(claims: Mapping[str, Any], issuer: str, audiences: set[str], groups: set[str], now: float) -> None:
    if claims.get("iss") != issuer:
        raise TokenError(f"issued by {claims.get('iss')}, expected {issuer}")
    named = claims.get("aud", [])
    if not audiences & set([named] if isinstance(named, str) else named):
        raise TokenError(f"meant for {named}, expected one of {', '.join(sorted(audiences))}")
    if float(claims.get("exp", 0)) + _CLOCK_SKEW < now:
        raise TokenError("expired; get a new one")
    if groups and not groups & set(claims.get("groups", [])):
        raise TokenError(f"the user is in none of the authorized groups {', '.join(sorted(groups))}")


def fetch_token(
    endpoints: Mapping[str, Any], *, user: str = "developer@lab.test", groups: Iterable[str] = GROUPS
) -> str:
    """A token of the lab's issuer for ``user`` in ``groups``; ``endpoints`` is the content of ``endpoints.json``.

    Stands in for the browser login of a real site. Raises ``TokenError`` when the issuer refuses or does not answer.
    """
    oidc = endpoints["oidc"]
    form = {"grant_type": "password", "client_id": oidc["clientId"], "username": user, "scope": " ".join(groups)}
    try:
        answer = httpx.post(
            f"{oidc['issuer']}/token", data=form, verify=ssl.create_default_context(cadata=oidc["ca"]), trust_env=False
        )
    except httpx.TransportError as error:
        raise TokenError(
            f"the lab's issuer {oidc['issuer']} does not answer ({error}); `./paif lab status` shows why"
        ) from None
    if answer.is_error:
        raise TokenError(f"the lab's issuer refused: {answer.json().get('error_description', answer.status_code)}")
    return str(answer.json()["id_token"])
