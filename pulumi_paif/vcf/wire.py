"""How arguments of the vcf provider's resources go out, and outputs come back."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

_NO_INPUTS = {"self", "resource_name", "opts", "__class__"}


class VcfResource(pulumi.CustomResource):
    """What all resources share: arguments by the provider's names, and passwords that are secret whatever is given."""

    def __init__(
        self,
        resource_name: str,
        arguments: Mapping[str, Any],
        opts: pulumi.ResourceOptions | None,
        secrets: Sequence[str] = (),
        outputs: Sequence[str] = (),
    ) -> None:
        """Register vcf:index:<Class>; `arguments` are the local variables of the class's own constructor."""
        inputs = _inputs(arguments, secrets)
        if secrets:
            secret = pulumi.ResourceOptions(additional_secret_outputs=sorted(inputs.keys() & {*secrets}))
            opts = pulumi.ResourceOptions.merge(opts, secret)
        super().__init__(f"vcf:index:{type(self).__name__}", resource_name, {**inputs, **dict.fromkeys(outputs)}, opts)


class VcfProvider(pulumi.ProviderResource):
    """What the provider's own class is made of."""

    def __init__(
        self,
        resource_name: str,
        arguments: Mapping[str, Any],
        opts: pulumi.ResourceOptions | None,
        secrets: Sequence[str] = (),
    ) -> None:
        """Register pulumi:providers:vcf; `arguments` are the local variables of the class's own constructor."""
        super().__init__("vcf", resource_name, _inputs(arguments, secrets), opts)


def output(resource: pulumi.Resource, name: str) -> pulumi.Output[Any]:
    """A property by the provider's name: the SDK renames nothing on classes without getters of its own."""
    value: pulumi.Output[Any] = pulumi.get(resource, name)
    return value


def camel(name: str) -> str:
    """A Python name as the provider has it."""
    first, *rest = name.rstrip("_").split("_")
    return first + "".join(part.title() for part in rest)


def _inputs(arguments: Mapping[str, Any], secrets: Sequence[str]) -> dict[str, Any]:
    inputs = {camel(name): _wire(value) for name, value in arguments.items() if name not in _NO_INPUTS}
    given = {name for name in secrets if inputs[name] is not None}
    return {name: pulumi.Output.secret(value) if name in given else value for name, value in inputs.items()}


def _wire(value: Any) -> Any:
    """Argument classes as the maps the provider takes: camelCase keys, nothing for None."""
    if isinstance(value, pulumi.Output):
        return value.apply(_wire)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_wire(item) for item in value]
    if dataclasses.is_dataclass(value):
        members = {member.name: getattr(value, member.name) for member in dataclasses.fields(value)}
        return {camel(name): _wire(member) for name, member in members.items() if member is not None}
    return value
