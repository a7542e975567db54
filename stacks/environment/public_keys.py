"""SSH public keys of a stack file: whole, and not the private half."""

from __future__ import annotations

import base64
import re
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

_PUBLIC_KEY = re.compile(
    r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)|sk-(?:ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com)"
    r" ([A-Za-z0-9+/]+={0,2})(?: [^\r\n]*)?\n?"
)


def _whole_key(value: str) -> bool:
    """Whether a text is an SSH public key of which nothing is cut off: a list of lengths and parts, its type first."""
    found = _PUBLIC_KEY.fullmatch(value)
    if found is None:
        return False
    try:
        rest = base64.b64decode(found[2], validate=True)
    except ValueError:
        return False
    parts: list[bytes] = []
    while rest:
        length = int.from_bytes(rest[:4], "big")
        if len(rest) < 4 + length:
            return False
        parts.append(rest[4 : 4 + length])
        rest = rest[4 + length :]
    return len(parts) > 1 and parts[0] == found[1].encode() and all(parts)


def _public_key(value: str) -> str:
    expected = ""
    if "PRIVATE KEY" in value:
        expected = (
            "the public half, the file that ends in .pub: this is a private key, which counts as known from now on"
        )
    elif value and not _whole_key(value):
        expected = "one whole SSH public key, a line such as ssh-ed25519 AAAA… comment"
    if expected:
        raise PydanticCustomError("paif", "{expected}", {"expected": expected})
    return value


PublicKey = Annotated[str, AfterValidator(_public_key)]
