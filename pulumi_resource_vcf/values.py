"""Between the engine's property values and plain Python data.

Plain data here is None, bool, int, float, str, list, dict and `UNKNOWN`. Secrecy is kept per top-level property: a
secret anywhere inside a property makes the whole property secret, which errs on the safe side.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from pulumi.provider.experimental.property_value import Computed, PropertyValue, ResourceReference

Props = dict[str, Any]

_SHORTEST_SECRET: Final = 4
# The engine marks unknown values by strings, one per type (sdk/go/common/resource/plugin/rpc.go of Pulumi).
_UNKNOWN_STRING: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_UNKNOWN_STRINGS: Final = frozenset(
    {
        _UNKNOWN_STRING,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)


class Unknown:
    """A value that is only known once other resources exist."""

    def __repr__(self) -> str:
        return "<not known yet>"


UNKNOWN: Final = Unknown()


def plain(value: PropertyValue) -> Any:
    """Plain data of a property value; secrecy is dropped (see `secrets_in`)."""
    inner = value.value
    if isinstance(inner, Computed) or (isinstance(inner, str) and inner in _UNKNOWN_STRINGS):
        return UNKNOWN
    if isinstance(inner, ResourceReference):
        return plain(inner.resource_id) if inner.resource_id is not None else inner.urn
    if isinstance(inner, Mapping):
        return {key: plain(item) for key, item in inner.items() if item.value is not None}
    if isinstance(inner, float) and inner.is_integer():
        return int(inner)
    if isinstance(inner, str | bool | float) or inner is None:
        return inner
    if isinstance(inner, Iterable):
        return [plain(item) for item in inner]
    return str(inner)


def plain_map(values: Mapping[str, PropertyValue]) -> Props:
    """Plain data of a property map without its nulls and without the engine's own keys (`__…`)."""
    return {k: plain(v) for k, v in values.items() if v.value is not None and not k.startswith("__")}


def secrets_in(*maps: Mapping[str, PropertyValue]) -> set[str]:
    """Names of the top-level properties that hold a secret in any of the maps."""
    return {key for values in maps for key, value in values.items() if value.contains_secret()}


def secret_strings(values: Mapping[str, PropertyValue]) -> Iterable[str]:
    """Every string inside a secret of a property map."""
    for value in values.values():
        if value.contains_secret():
            yield from _strings(plain(value))


def _strings(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """A message with `[secret]` in place of every secret that is in it."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "[secret]")
    return text


def wire(value: Any, *, secret: bool = False) -> PropertyValue:
    """Property value of plain data."""
    if isinstance(value, Unknown):
        return PropertyValue(_UNKNOWN_STRING, is_secret=secret)
    if isinstance(value, Mapping):
        return PropertyValue({k: wire(v) for k, v in value.items() if v is not None}, is_secret=secret)
    if isinstance(value, list | tuple):
        return PropertyValue([wire(item) for item in value], is_secret=secret)
    if isinstance(value, int) and not isinstance(value, bool):
        return PropertyValue(float(value), is_secret=secret)
    return PropertyValue(value, is_secret=secret)


def wire_map(values: Mapping[str, Any], secrets: Collection[str] = ()) -> dict[str, PropertyValue]:
    """Property map of plain data, without nulls; `secrets` names the properties to mark."""
    return {k: wire(v, secret=k in secrets) for k, v in values.items() if v is not None}


def has_unknown(value: Any) -> bool:
    """Whether an unknown value is anywhere inside."""
    if isinstance(value, Mapping):
        return any(has_unknown(v) for v in value.values())
    if isinstance(value, list | tuple):
        return any(has_unknown(v) for v in value)
    return isinstance(value, Unknown)
