"""Texts of a stack file by what they may hold, each with what is expected where one does not fit."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

import paif_catalog as catalog


@dataclass(frozen=True)
class matching:  # noqa: N801 - read as a word where a type is annotated
    """Text that a pattern matches as a whole; `expected` says what fits, in an error and where nothing else is said."""

    pattern: str
    expected: str

    def _check(self, value: str) -> str:
        if re.fullmatch(self.pattern, value) is None:
            raise PydanticCustomError("paif", "{expected}", {"expected": self.expected})
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "description": self.expected}


def parsed_network(value: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """A network of an address and a length. Raises ValueError."""
    # The vendor's own default, 192.168.156.0/20, has host bits set, and the platform takes it.
    return ipaddress.ip_network(value, strict=False)


def _network(value: str) -> str:
    try:
        parsed_network(value)
    except ValueError as error:
        raise PydanticCustomError(
            "paif", "{expected}", {"expected": f"a network such as 10.96.0.0/12 ({error})"}
        ) from None
    return value


def _platform(value: str) -> str:
    try:
        return catalog.baseline(value or None).name
    except catalog.UnknownBaselineError:
        known = ", ".join(catalog.all_baselines())
        context = {
            "expected": f"a platform that is known: {known}",
            "near": catalog.nearest(value, catalog.all_baselines()),
        }
        raise PydanticCustomError("paif", "{expected}", context) from None


def _known_platforms(schema: dict[str, Any]) -> None:
    del schema["default"]
    schema["enum"] = list(catalog.all_baselines())


PlatformName = Annotated[
    str, AfterValidator(_platform), Field(validate_default=True, json_schema_extra=_known_platforms)
]
"""Name of a baseline; "" is the only one there is."""
_LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
Label = Annotated[
    str,
    matching(_LABEL, "a DNS label: lower-case letters, digits and inner hyphens, at most 63 characters"),
]
SHORT_NAME = re.compile(r"[a-z](?:[-a-z0-9]{0,18}[a-z0-9])?")
"""Names that become part of every name: an environment's, an organization's."""
ShortName = Annotated[
    str,
    matching(SHORT_NAME.pattern, "a short DNS label: a letter first, at most 20 characters"),
]
LabelValue = Annotated[
    str,
    matching(
        r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?",
        "what fits the Kubernetes label that is made of it: letters A to Z, digits, inside also '-_.', at most 63",
    ),
]
NonEmptyText = Annotated[str, matching(r"(?s).*\S.*", "some text")]
_RESOURCE = re.compile(r"[A-Z][A-Za-z0-9]*/\S+")
IgnoredProperty = Annotated[
    str,
    matching(
        r'[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*|\["[^"\]]+"\])*',
        'a property path without list entries, such as spec.powerState or metadata.labels["a.b/c"]',
    ),
]
Repository = Annotated[
    str,
    matching(
        r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)+",
        "a model in the gallery as <project>/<organization>/<model>, lower case without spaces",
    ),
]
Network = Annotated[str, AfterValidator(_network)]
# Nothing in this file but what stands under `secure` is encrypted.
_NO_LOGIN = "without credentials, which would stand here, and wherever it is written to, in plain text"
Https = Annotated[str, matching(r"https://[^\s@]+", f"an https:// address {_NO_LOGIN}")]
Address = Annotated[str, matching(r"(https?://[^\s@]+)?", f"an http:// or https:// address {_NO_LOGIN}")]
ChartRepository = Annotated[
    str, matching(r"((https?|oci)://[^\s@]+)?", f"an https://, http:// or oci:// address {_NO_LOGIN}")
]
LibraryUrl = Annotated[
    str,
    matching(
        # No {…} but the token's, and no user:password@, which would stand there in plain text.
        r"https://[^\s/@{}]+/(?:[^\s@{}]|\{token\})*",
        "an https:// address of a published library, without credentials; {token} in it stands for paif:libraryToken",
    ),
]

MIB_PER_GIB = 1024
PostgresName = Annotated[str, matching(r"[a-z_][a-z0-9_]{0,62}", "a PostgreSQL name in lower case")]
