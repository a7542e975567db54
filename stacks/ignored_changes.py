"""What somebody else has changed on purpose and this program leaves alone: `paif:kept` of a stack file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi


class IgnoredChanges:
    """Gives resources the option to ignore changes of what is kept, and knows which entries have met none."""

    def __init__(self, kept: Mapping[str, Sequence[str]]) -> None:
        self._ignored = kept
        self.matched: set[str] = set()

    def __call__(self, args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        """Pulumi's transformation of a resource's options; None leaves them as they are."""
        name = f"{args.type_.rsplit(':', 1)[-1]}/{args.name}"
        if name not in self._ignored:
            return None
        self.matched.add(name)
        ignored = pulumi.ResourceOptions(ignore_changes=list(self._ignored[name]))
        return pulumi.ResourceTransformationResult(args.props, pulumi.ResourceOptions.merge(args.opts, ignored))

    def warn_unmatched(self) -> None:
        """Warn of entries for what a program that builds all phases has not made: they keep nothing."""
        for name in sorted(self._ignored.keys() - self.matched):
            pulumi.log.warn(f"paif:kept names {name}, and nothing of that kind and name is made here: take it out")


def ignore_changes(kept: Mapping[str, Sequence[str]]) -> IgnoredChanges:
    """Leave what is kept alone in everything that is declared from now on."""
    result = IgnoredChanges(kept)
    if kept:
        pulumi.runtime.register_stack_transformation(result)
    return result
