"""Authorities of a stack file, as text in PEM: whole, and trusted by those who are given them."""

from __future__ import annotations

import re
import ssl
from typing import Annotated, Any

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)


def _authorities(value: str) -> str:
    if not value:
        return value
    blocks = list(_BLOCK.finditer(value))
    reason = "" if blocks else "there is none"
    for number, block in enumerate(blocks, 1):
        if block[1] != "CERTIFICATE":
            reason = f"block {number} is a {block[1]}, which has no place here"
            break
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=block[0] + "\n")
        except (ssl.SSLError, ValueError):
            reason = f"block {number} is damaged"
            break
    if not reason and value.count("-----BEGIN ") != len(blocks):
        reason = "one of them is cut off"
    if reason:
        expected = f"the text of certificates in PEM, -----BEGIN CERTIFICATE----- … ({reason})"
        raise PydanticCustomError("paif", "{expected}", {"expected": expected})
    return value


_BASIC_CONSTRAINTS = bytes.fromhex("0603551d13")
"""The X.509 extension that says who is an authority, as it begins in a certificate."""


def _trusted(value: str) -> ssl.SSLContext:
    """A context that knows the authorities of a bundle which is whole."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if value:
        context.load_verify_locations(cadata=value)
    return context


def _called(name: Any) -> str:
    """The common name of a certificate's subject or issuer, or all of it, as the ssl module has it."""
    parts = [part for group in name for part in group]
    return next((text for key, text in parts if key == "commonName"), ", ".join(text for _, text in parts))


def _with_root(value: str) -> str:
    """PostgreSQL's client trusts a chain up to a root only, where everybody else trusts any authority it is given."""
    context = _trusted(value)
    known = context.get_ca_certs()
    # A server's own certificate may be given too, as long as it has signed itself.
    if known and len(known) == context.cert_store_stats()["x509"]:
        signed = [each for each in known if each["subject"] != each["issuer"]]
        if len(signed) == len(known):
            expected = (
                f"the root authority too, {_called(signed[-1]['issuer'])!r}: there is only what it has signed, "
                f"{_called(signed[-1]['subject'])!r}, and PostgreSQL's client trusts nothing without a root"
            )
            raise PydanticCustomError("paif", "{expected}", {"expected": expected})
    return value


def _constrained(value: str) -> str:
    """Programs in Go, as most of the platform is, refuse an authority that does not say that it is one."""
    context = _trusted(value)
    for each, content in zip(context.get_ca_certs(), context.get_ca_certs(binary_form=True), strict=True):
        if str(each["version"]) == "3" and _BASIC_CONSTRAINTS not in content:
            expected = (
                f"authorities that say so: {_called(each['subject'])!r} lacks the extension basicConstraints CA:TRUE, "
                "and what runs on the platform trusts nothing that it has signed"
            )
            raise PydanticCustomError("paif", "{expected}", {"expected": expected})
    return value


Pem = Annotated[str, AfterValidator(_authorities)]
PlatformPem = Annotated[Pem, AfterValidator(_constrained)]
DatabasePem = Annotated[Pem, AfterValidator(_with_root)]
