"""One wait for the objects of many components."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

import paif_catalog as catalog
from pulumi_paif import vcf


class SharedReadiness:
    """One wait for the objects of many components, which are told of it by their `readiness`.

    The engine runs only some operations at a time, by default four per processor, and a wait for one machine is one of
    them: more machines than that would wait in turns. Whose objects wait together, fail together as well. They are in
    one namespace. It needs a call of `wait` after the last component: until then none of their outputs is there.
    """

    def __init__(self, platform: str | None = None) -> None:
        """Needs a running program. The components are of this platform, by default the one that is known."""
        self._platform = catalog.baseline(platform)
        self._alike: dict[tuple[Any, ...], list[vcf.AwaitedObject]] = {}
        self._made: list[pulumi.Resource] = []
        deferred: tuple[pulumi.Output[Mapping[str, Any]], Any] = pulumi.deferred_output()
        self._values, self._resolve = deferred

    def add(
        self, name: pulumi.Input[str], *objects: vcf.AwaitedObject, depends_on: Sequence[pulumi.Resource]
    ) -> pulumi.Output[dict[str, Any]]:
        """Wait for these as well, all of them called `name`, which `depends_on` makes; gives out their `values`."""
        for each in objects:
            kind = (each.api_version, each.kind, str(each.wait_for), str(each.values))
            self._alike.setdefault(kind, []).append(each)
        self._made += depends_on
        # Not both in one output: the values of all would be searched for unknown ones as often as there are names.
        found: pulumi.Output[dict[str, Any]] = pulumi.Output.from_input(name).apply(
            lambda own: self._values.apply(lambda values: _of(own, values))
        )
        return found

    def wait(self, name: str, opts: pulumi.ResourceOptions | None = None) -> vcf.Readiness:
        """Wait until all are ready: as long as the slowest of their kinds may take."""
        objects = [
            dataclasses.replace(alike[0], name=None, asked=None, members=_members(alike))
            for alike in self._alike.values()
        ]
        own = pulumi.ResourceOptions(
            depends_on=self._made, custom_timeouts=as_long_as(objects, self._platform), protect=False
        )
        ready = vcf.Readiness(name, objects=objects, opts=pulumi.ResourceOptions.merge(own, opts))
        self._resolve(ready.values)
        return ready


def _of(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    prefix = f"{name}/"
    return {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}


def _members(alike: Sequence[vcf.AwaitedObject]) -> pulumi.Output[dict[str, str]]:
    names, asked = pulumi.Output.all(*(each.name for each in alike)), [each.asked for each in alike]
    return pulumi.Output.all(names, *asked).apply(lambda found: dict(zip(found[0], found[1:], strict=True)))


def as_long_as(objects: Sequence[vcf.AwaitedObject], platform: catalog.Baseline) -> pulumi.CustomTimeouts:
    """Timeouts of a wait for these: as long as the slowest of their kinds may take."""
    known = platform.conditions.conditions
    limit = f"{max(known[f'{each.api_version}/{each.kind}'].timeout_seconds for each in objects)}s"
    return pulumi.CustomTimeouts(create=limit, update=limit)
