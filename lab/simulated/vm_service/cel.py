"""Rules in CEL, as a ValidatingAdmissionPolicy has them, with VM Operator's words where one does not hold."""

from __future__ import annotations

from lab.operators.resources import Object

NEW, OLD = "object.spec", "oldObject.spec"
BOOT = f"{NEW}.?bootstrap"


def rule(holds: str, message: str) -> Object:
    """A rule in CEL, with what VM Operator says where it does not hold."""
    return {"expression": holds, "message": message}


def telling(holds: str, message: str) -> Object:
    """A rule whose message is an expression in CEL too, since it quotes the object."""
    return {"expression": holds, "messageExpression": message}


def on(operation: str, holds: str) -> str:
    """``holds``, asked of this operation only."""
    return f"request.operation != '{operation}' || ({holds})"


def has(*parts: str) -> str:
    """Whether a machine has one of these ways to be prepared."""
    return " || ".join(f"{BOOT}.?{part}.hasValue()" for part in parts)


def immutable(field: str, *, once_set: bool = False) -> Object:
    """A rule for a field of the spec that stays, or with ``once_set`` stays once it has a value."""
    path = ".?".join(field.split("."))
    new, old = f'{NEW}.?{path}.orValue("")', f'{OLD}.?{path}.orValue("")'
    holds = f"{old} == '' || {new} == {old}" if once_set else f"{new} == {old}"
    return telling(on("UPDATE", holds), f"""'spec.{field}: Invalid value: "' + {new} + '": field is immutable'""")


def first(items: str, wrong: str) -> str:
    """The first of ``items`` for which ``wrong`` (of ``i``) holds."""
    return f"{items}.filter(i, {wrong})[0]"


def each_of(items: str, wrong: str, path: str, said: str) -> Object:
    """A rule for each of a list; ``path`` is the list's, and ``said`` an expression that follows the item's."""
    place = f"string({items}.indexOf({first(items, wrong)}))"
    return telling(f"!{items}.exists(i, {wrong})", f"'{path}[' + {place} + ']' + {said}")
