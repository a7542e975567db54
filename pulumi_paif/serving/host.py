"""The process that serves the components: takes what a program gives in any language, and gives out what they made."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi.errors import InputPropertyError
from pulumi.provider import ConstructResult, Provider, main
from pulumi.provider.experimental.analyzer import ComponentDefinition, PropertyDefinition, PropertyType, TypeDefinition
from pulumi.provider.server import ComponentInitError

from pulumi_paif.serving.schema import analyzed
from pulumi_paif.version import version


class PackageProvider(Provider):
    """Makes components by their names.

    The SDK's own host takes enums, objects and lists as plain values only: one that comes from another resource it
    takes for an empty object, or refuses.
    """

    def __init__(self, components: Sequence[type[pulumi.ComponentResource]]) -> None:
        found, schema = analyzed(components)
        self._classes = {each.__name__: each for each in components}
        self._components, self._types = found["component_definitions"], found["type_definitions"]
        super().__init__(version(), json.dumps(schema))

    def construct(
        self,
        name: str,
        resource_type: str,
        inputs: Mapping[str, Any],
        options: pulumi.ResourceOptions | None = None,
    ) -> ConstructResult:
        """Make one component. Raises InputPropertyError and the component's own errors."""
        definition = self._components[resource_type.rsplit(":", 1)[-1]]
        args = self._object(inputs, definition.inputs, definition.inputs_mapping, "")
        try:
            made = self._classes[definition.name](name, args, options)  # type: ignore[arg-type]
        except Exception as error:
            # By this the SDK tells errors of components from its own.
            raise ComponentInitError(error) from error
        return ConstructResult(made.urn, self._state(made, definition))

    def _taken(self, value: Any, property_: PropertyDefinition, path: str) -> Any:
        """A value as the component takes it: names as in Python, enums, whole numbers."""
        if isinstance(value, pulumi.Output):
            if property_.plain:
                raise InputPropertyError(path, f"{path}: expected a value that no other resource gives out")
            return value.apply(lambda known: self._taken(known, property_, path))
        if value is None:
            return None
        if (of_type := self._type(property_)) is not None:
            if of_type.enum:
                return _member(value, of_type, path)
            return self._object(value, of_type.properties, of_type.properties_mapping, f"{path}.")
        if property_.items is not None:
            return [self._taken(each, property_.items, f"{path}[{index}]") for index, each in enumerate(value)]
        if property_.additional_properties is not None:
            entries = property_.additional_properties
            return {key: self._taken(each, entries, f"{path}.{key}") for key, each in value.items()}
        # Numbers are sent as floats.
        return int(value) if property_.type is PropertyType.INTEGER else value

    def _object(
        self,
        given: Mapping[str, Any],
        properties: Mapping[str, PropertyDefinition],
        names: Mapping[str, str],
        path: str,
    ) -> dict[str, Any]:
        taken = {}
        for key, property_ in properties.items():
            if given.get(key) is not None:
                taken[names[key]] = self._taken(given[key], property_, f"{path}{key}")
            elif not property_.optional:
                raise InputPropertyError(f"{path}{key}", f"{path}{key} is missing")
        return taken

    def _state(self, made: pulumi.ComponentResource, definition: ComponentDefinition) -> dict[str, Any]:
        values = {key: getattr(made, name, None) for key, name in definition.outputs_mapping.items()}
        return {key: self._given(each, definition.outputs[key]) for key, each in values.items() if each is not None}

    def _given(self, value: Any, property_: PropertyDefinition) -> Any:
        """A value as it is given out: names as in the schema."""
        of_type = self._type(property_)
        if of_type is None and property_.items is None:
            return value
        if isinstance(value, pulumi.Output):
            return value.apply(lambda known: self._given(known, property_))
        if value is None or (of_type is not None and of_type.enum):
            return value
        if of_type is None:
            return [self._given(each, property_.items) for each in value] if property_.items else value
        members = {
            key: self._given(value[name], of_type.properties[key])
            for key, name in of_type.properties_mapping.items()
            if value.get(name) is not None
        }
        # As one: Pulumi YAML hands on no secret that is inside of an object.
        return pulumi.Output.from_input(members)

    def _type(self, property_: PropertyDefinition) -> TypeDefinition | None:
        """The package's own type of a property, if it is of one."""
        own = property_.ref and property_.ref.startswith("#/types/")
        return self._types[property_.ref.rsplit(":", 1)[-1]] if own and property_.ref else None


def _member(value: Any, of_type: TypeDefinition, path: str) -> Any:
    try:
        return of_type.python_type(value)
    except ValueError:
        expected = ", ".join(str(each.value) for each in of_type.enum or ())
        raise InputPropertyError(path, f"{path} is {value!r}: expected one of {expected}") from None


def serve(components: Sequence[type[pulumi.ComponentResource]]) -> None:
    """Serve the components to the engine that started this process."""
    main(PackageProvider(components), sys.argv[1:])
