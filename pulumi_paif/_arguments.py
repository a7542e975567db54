"""How components read their arguments: None is absent, and what is plain in one program is an output in another."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar, cast

import pulumi

SECRET = "secret"  # noqa: S105 - the mark itself
"""In an `Annotated` type: the schema says secret, so that every language keeps the value out of states and logs."""
SecretInput = Annotated[pulumi.Input[str], SECRET]
"""Text that is always secret, given plain or not."""
SecretOutput = Annotated[pulumi.Output[str], SECRET]
"""Text that is always secret, given out."""
Labels = pulumi.Input[Mapping[str, pulumi.Input[str]]]
"""Labels of Kubernetes objects."""

_T = TypeVar("_T")


def present(args: _T) -> _T:
    """Arguments without those that are None, also inside of blocks and lists."""
    if isinstance(args, Mapping):
        return cast(_T, {key: present(each) for key, each in args.items() if each is not None})
    if isinstance(args, list | tuple):
        return cast(_T, [present(each) for each in args])
    return args


def given_or(value: Any, default: Any) -> Any:
    """A value, or what holds without it. Outputs have no truth value that `or` could ask for."""
    return default if value is None else value


def member(block: Any, name: str) -> Any:
    """A member of a block, or of one that another resource gives out; None where it has none."""
    if not isinstance(block, pulumi.Output):
        return block.get(name)
    # A block with a secret in it is secret as a whole: the others are not secrets because of that.
    return pulumi.Output.unsecret(block).apply(lambda known: known.get(name))


def secret_member(block: Any, name: str) -> Any:
    """A member of a block that is secret in any case; None where the block is plain and has none."""
    found = member(block, name)
    return None if found is None else pulumi.Output.secret(found)


def with_labels(labels: Labels, own: Mapping[str, pulumi.Input[str]]) -> Any:
    """Labels with some more."""
    if isinstance(labels, Mapping):
        return {**labels, **own}
    return pulumi.Output.all(labels, own).apply(lambda known: {**known[0], **known[1]})


def derived(value: Any, make: Callable[[Any], Any]) -> Any:
    """What follows from a value: at once from a plain one."""
    if isinstance(value, pulumi.Output):
        return value.apply(make)
    return make(value)
