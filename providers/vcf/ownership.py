"""Whose an object is: a short mark at the end of its description (or comment).

A create that was cut off leaves an object that no state knows of. The mark lets the next create recognise its own
work and go on with it, and lets it refuse an object that belongs to somebody else. Descriptions are the one free text
that Supervisor namespaces, VM classes and PostgreSQL objects have in common, written together with the object in one
step.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import secrets
from dataclasses import dataclass

from .errors import VcfError

_MARK = re.compile(
    r"\s*\[pulumi:(?P<stack>[^\]\s]+) (?P<digest>[0-9a-f]{16})\.(?P<birth>[0-9a-f]{8})(?P<adopted> adopted)?\]\s*$"
)


@dataclass(frozen=True)
class Mark:
    """Owner of an object.

    `stack` is project/stack, `digest` the start of the SHA-256 of the resource's URN, `birth` random for each create.
    `adopted`: the object was there before, and is released instead of deleted.
    """

    stack: str
    digest: str
    birth: str
    adopted: bool = False

    @classmethod
    def of(cls, urn: str, *, like: Mark | None = None) -> Mark:
        """A mark of the resource with this URN (`urn:pulumi:STACK::PROJECT::TYPE::NAME`).

        It is a new one, or the one it is `like` under this URN.
        """
        parts = urn.removeprefix("urn:pulumi:").split("::")
        stack = "/".join(re.sub(r"[\]\s]", "_", part) for part in reversed(parts[:2]))
        birth = like.birth if like else secrets.token_hex(4)
        return cls(stack, _digest(urn), birth, adopted=bool(like and like.adopted))

    def __str__(self) -> str:
        return f"[pulumi:{self.stack} {self.digest}.{self.birth}{' adopted' if self.adopted else ''}]"

    def owned_by(self, urn: str) -> bool:
        """Whether the resource with this URN made (or adopted) the object."""
        return self.digest == _digest(urn)


def _digest(urn: str) -> str:
    return hashlib.sha256(urn.encode()).hexdigest()[:16]


def join(text: str, mark: Mark) -> str:
    """The description as stored: the person's text, then the mark."""
    return f"{text} {mark}".strip()


def split(stored: str | None) -> tuple[str, Mark | None]:
    """The person's text and the mark of a stored description."""
    found = _MARK.search(stored or "")
    if not found:
        return stored or "", None
    mark = Mark(found["stack"], found["digest"], found["birth"], bool(found["adopted"]))
    return (stored or "")[: found.start()], mark


def parse(text: str) -> Mark | None:
    """The mark as kept in a resource's state (output `owner`)."""
    return split(text)[1]


def claim(what: str, urn: str, mark: Mark, found: Mark | None, *, adopt: bool, import_id: str) -> Mark:
    """The mark under which an existing object may be taken over; raises VcfError when it is somebody else's.

    `mark` is the new create's, `found` the object's. `what` names the object (`Supervisor namespace 'pai-dev'`);
    `import_id` is the id for `pulumi import`.
    """
    if found and found.owned_by(urn):
        return dataclasses.replace(mark, adopted=found.adopted)
    if adopt:
        return dataclasses.replace(mark, adopted=True)
    owner = f"belongs to the Pulumi stack {found.stack}" if found else "was not made by Pulumi"
    raise VcfError(
        f"{what} exists already and {owner}. Choose another name; or take it over for good with "
        f"`pulumi import` (id {import_id}); or set `adopt: true` to manage it here and leave it in place on destroy."
    )


def deletable(what: str, urn: str, recorded: str | None, found: Mark | None) -> bool:
    """Whether a delete may touch the object: false when a later create of the same resource has taken it over.

    That happens when the user forces a replacement: the engine creates first, and the object is the same. `recorded` is
    the mark in the state. Raises VcfError when the object has changed hands.
    """
    known = parse(recorded or "")
    if found is None or (known and found.birth == known.birth):
        return True
    if found.owned_by(urn):
        return known is None
    raise VcfError(
        f"{what} now belongs to the Pulumi stack {found.stack} and is left alone. "
        f"Remove it from this stack's state with `pulumi state delete '{urn}'`."
    )
