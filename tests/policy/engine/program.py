"""A Pulumi program for tests of the policy packs: registers the resources that resources.json lists.

Each is {type, name, properties, protect, after, via}; {"$secret": x} is a secret, {"$late": x} a value that is known
only during `up`, {"$text": x} an asset with this text and {"$file": x} one of a file with it. `after` names resources
that it depends on: without, registration has no fixed order. `via` names its provider.
"""

import hashlib
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
        if set(value) == {"$text"}:
            return pulumi.StringAsset(value["$text"])
        if set(value) == {"$file"}:
            file = Path(f"{hashlib.sha256(value['$file'].encode()).hexdigest()[:12]}.yaml")
            file.write_text(value["$file"], encoding="utf-8")
            return pulumi.FileAsset(str(file))
        return {key: build(each) for key, each in value.items()}
    if isinstance(value, list):
        return [build(each) for each in value]
    return value


def options(each: Properties) -> pulumi.ResourceOptions:
    """Options of a resource: what it is registered after, and the provider that it goes to."""
    provider = made[each["via"]] if each["via"] else None
    assert provider is None or isinstance(provider, pulumi.ProviderResource)
    depends = [made[name] for name in each["after"]]
    return pulumi.ResourceOptions(protect=each["protect"], depends_on=depends, provider=provider)


made: dict[str, pulumi.CustomResource] = {}
for each in json.loads(Path("resources.json").read_text(encoding="utf-8")):
    kind, name, properties = each["type"], each["name"], build(each["properties"])
    if kind.startswith("pulumi:providers:"):
        made[name] = pulumi.ProviderResource(kind.rsplit(":", 1)[1], name, properties, options(each))
    else:
        made[name] = Whatever(kind, name, properties, options(each))
