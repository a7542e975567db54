"""A Pulumi program for tests of the policy packs: registers the resources that resources.json lists.

Each is {type, name, properties, protect, after}; {"$secret": x} is a secret, {"$late": x} a value that is known only
during `up`. `after` names resources that it depends on: without, registration has no fixed order.
"""

import json
from pathlib import Path
from typing import Any

import pulumi

Properties = dict[str, Any]


class Whatever(pulumi.CustomResource):
    """A resource of any type."""

    def __init__(self, kind: str, name: str, properties: Properties, opts: pulumi.ResourceOptions | None = None):
        super().__init__(kind, name, properties, opts)

    @property
    @pulumi.getter
    def value(self) -> pulumi.Output[Any]:
        return pulumi.get(self, "value")  # type: ignore[no-any-return]


late = 0


def build(value: Any) -> Any:
    global late  # noqa: PLW0603
    if isinstance(value, dict):
        if set(value) == {"$secret"}:
            return pulumi.Output.secret(build(value["$secret"]))
        if set(value) == {"$late"}:
            late += 1
            return Whatever("test:index:Late", f"late-{late}", {"promised": value["$late"], "value": None}).value
        return {key: build(each) for key, each in value.items()}
    if isinstance(value, list):
        return [build(each) for each in value]
    return value


made: dict[str, Whatever] = {}
for each in json.loads(Path("resources.json").read_text(encoding="utf-8")):
    made[each["name"]] = Whatever(
        each["type"],
        each["name"],
        build(each["properties"]),
        pulumi.ResourceOptions(protect=each["protect"], depends_on=[made[name] for name in each["after"]]),
    )
