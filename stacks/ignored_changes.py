"""What somebody else has changed on purpose and this program leaves alone: `paif:ignoreChanges` of a stack file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi


class IgnoredChanges:
    """Gives resources the option `ignoreChanges`, and knows which entries have met no resource."""

    def __init__(self, ignored: Mapping[str, Sequence[str]]) -> None:
        self._ignored = ignored
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
        """Warn of entries for what a program that builds all phases has not made: they change nothing."""
        for name in sorted(self._ignored.keys() - self.matched):
            reason = "and nothing of that kind and name is made here: take it out"
            pulumi.log.warn(f"paif:ignoreChanges names {name}, {reason}")


def ignore_changes(ignored: Mapping[str, Sequence[str]]) -> IgnoredChanges:
    """Ignore these changes in everything that is declared from now on."""
    result = IgnoredChanges(ignored)
    if ignored:
        pulumi.runtime.register_stack_transformation(result)
    return result
