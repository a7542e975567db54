"""What a URN of the engine tells: urn:pulumi:STACK::PROJECT::TYPES-OF-ALL-PARENTS$TYPE::NAME."""

from __future__ import annotations


def type_and_name(urn: str) -> tuple[str, str]:
    """Type and name of a URN; of what is none, no type and the whole of it."""
    parts = urn.split("::", 3)
    if len(parts) < 4:
        return "", urn
    return parts[2].rsplit("$", 1)[-1], parts[3]


def kind_and_name(urn: str) -> tuple[str, str]:
    """The last part of the type, such as VirtualMachine, and the name."""
    whole, name = type_and_name(urn)
    return whole.rsplit(":", 1)[-1], name
