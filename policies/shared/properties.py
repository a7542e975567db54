"""From the engine's wire form of properties to plain data, keeping what is unknown and what is secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from paif_catalog.redaction import HIDDEN, SIGNATURE
from policies.shared.forms import Conformer
from policies.shared.model import Provider, Resource, Unknown

if TYPE_CHECKING:
    from google.protobuf.struct_pb2 import Struct, Value  # type: ignore[import-untyped]

_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the protocol's mark of a secret
_OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
_UNKNOWN = frozenset(
    {
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)


class Decoder:
    """Decodes one resource's properties, once for all rules. `secrets` are the dotted paths that are marked secret."""

    def __init__(self) -> None:
        self.secrets: set[str] = set()

    def decode(self, struct: Struct, path: str = "") -> dict[str, Any]:
        """Plain data of a Struct: mappings, lists, text, numbers (whole ones as int), booleans, None and Unknown."""
        prefix = f"{path}." if path else ""
        return {key: self._value(value, prefix + key) for key, value in struct.fields.items()}

    def _value(self, value: Value, path: str) -> Any:
        kind = value.WhichOneof("kind")
        if kind == "string_value":
            text = value.string_value
            return Unknown(path) if text in _UNKNOWN else text
        if kind == "struct_value":
            return self._struct(value.struct_value, path)
        if kind == "list_value":
            return [self._value(item, f"{path}.{index}") for index, item in enumerate(value.list_value.values)]
        if kind == "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        if kind == "bool_value":
            return value.bool_value
        return None

    def _struct(self, struct: Struct, path: str) -> Any:
        signature = struct.fields.get(SIGNATURE)
        if signature is None:
            return self.decode(struct, path)
        if signature.string_value == _SECRET:
            self.secrets.add(path)
            value = struct.fields["value"]
            # `pulumi policy analyze --file` puts this in the place of secrets that it cannot decrypt.
            return Unknown(path) if value.string_value == HIDDEN else self._value(value, path)
        if signature.string_value == _OUTPUT:
            secret = struct.fields.get("secret")
            if secret is not None and secret.bool_value:
                self.secrets.add(path)
            value = struct.fields.get("value")
            return Unknown(path) if value is None else self._value(value, path)
        # Assets and archives are files; no rule looks into one.
        return {key: field.string_value for key, field in struct.fields.items() if key != SIGNATURE}


_PATCH = "Patch"


def judged_type(kind: str) -> str:
    """The type as which a resource is judged: a patch as the object that it changes."""
    return kind.removesuffix(_PATCH) if kind.startswith("kubernetes:") else kind


def decode(request: Any) -> Resource:
    """A resource in the engine's words as plain data, every value in its form or marked as one without."""
    decoder = Decoder()
    kind = judged_type(request.type)
    conformer = Conformer(kind)
    properties = conformer.conform(decoder.decode(request.properties))
    provider = Provider(request.provider.type, request.provider.urn) if request.HasField("provider") else None
    return Resource(
        urn=request.urn,
        type=kind,
        name=request.name,
        properties=properties,
        secrets=frozenset(decoder.secrets),
        protect=request.options.protect,
        ignore_changes=frozenset(request.options.ignoreChanges),
        provider=provider,
        partial=kind != request.type,
        unreadable=tuple(conformer.unreadable),
    )


def set_strings(struct: Struct, path: str, texts: Mapping[str, str]) -> None:
    """Put texts into the mapping at a dotted path, which must be there."""
    for part in path.split("."):
        struct = struct.fields[part].struct_value
    for key, text in texts.items():
        struct.fields[key].string_value = text
