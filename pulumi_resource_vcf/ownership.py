"""Whose an object is: a short mark at the end of its description (or comment).

A create that was cut off leaves an object that no state knows of. The mark lets the next create recognize its own
work and go on with it, and lets it refuse an object that belongs to somebody else. Descriptions are the one free text
that Supervisor namespaces, VM classes and PostgreSQL objects have in common, written together with the object in one
step.

An object may carry several marks: of the stack that made it, and of every stack that has adopted it. The mark of an
adopter also says what of the object is its own, so that this is known after a run that was cut off, and to the others.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from .errors import VcfError, listed

_MARK = (
    r"\[pulumi:(?P<stack>[^\]\s]+) (?P<digest>[0-9a-f]{16})\.(?P<birth>[0-9a-f]{8})"
    r"(?P<adopted> adopted(?P<record>(?: [+~][^\]\s]+)*))?\]"
)
_ONE = re.compile(_MARK)
# The one blank before a mark is the mark's: whatever else is in front of it is the person's, to the byte.
_LAST = re.compile(rf"(?:^|\s){_MARK}\s*$")


@dataclass(frozen=True)
class Mark:
    """Owner of an object.

    `stack` is project/stack, `digest` the start of the SHA-256 of the resource's URN, `birth` random for each create.
    `adopted`: the object was there before, and is released instead of deleted. Of an adopted one, `added` names the
    parts that were not there before (by `token`), and `was` has the former value of those that were.
    """

    stack: str
    digest: str
    birth: str
    adopted: bool = False
    added: frozenset[str] = frozenset()
    was: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, urn: str, *, like: Mark | None = None) -> Mark:
        """A mark of the resource with this URN (`urn:pulumi:STACK::PROJECT::TYPE::NAME`).

        It is a new one, or the one it is `like` under this URN.
        """
        parts = urn.removeprefix("urn:pulumi:").split("::")
        stack = "/".join(re.sub(r"[\]\s]", "_", part) for part in reversed(parts[:2]))
        if like is None:
            return cls(stack, _digest(urn), secrets.token_hex(4))
        return dataclasses.replace(like, stack=stack, digest=_digest(urn))

    def __str__(self) -> str:
        record = ""
        if self.adopted:
            added = f" +{','.join(sorted(self.added))}" if self.added else ""
            former = "".join(f" ~{part}={quote(value, safe='')}" for part, value in sorted(self.was.items()))
            record = f" adopted{added}{former}"
        return f"[pulumi:{self.stack} {self.digest}.{self.birth}{record}]"

    def owned_by(self, urn: str) -> bool:
        """Whether the resource with this URN made (or adopted) the object."""
        return self.digest == _digest(urn)

    def uses(self, part: str) -> bool:
        """Whether this adopter wants a part of the object."""
        return part in self.added or part in self.was


def _digest(urn: str) -> str:
    return hashlib.sha256(urn.encode()).hexdigest()[:16]


def _mark(found: re.Match[str]) -> Mark:
    record = (found["record"] or "").split()
    added = [part for each in record if each.startswith("+") for part in each[1:].split(",")]
    former = [each[1:].partition("=") for each in record if each.startswith("~")]
    was = {part: unquote(value) for part, _, value in former}
    return Mark(found["stack"], found["digest"], found["birth"], bool(found["adopted"]), frozenset(added), was)


def token(part: str) -> str:
    """A part of an object (`class gpu-a`) as six letters, since a description has little room."""
    return base64.urlsafe_b64encode(hashlib.sha256(part.encode()).digest())[:6].decode()


@dataclass(frozen=True)
class Stored:
    """A description as it is stored: the person's text, and the marks behind it."""

    text: str
    marks: tuple[Mark, ...] = ()

    @classmethod
    def of(cls, stored: str | None) -> Stored:
        """The parts of a stored description."""
        text = stored or ""
        marks: list[Mark] = []
        while found := _LAST.search(text):
            marks.insert(0, _mark(found))
            text = text[: found.start()]
        return cls(text, tuple(marks))

    def __str__(self) -> str:
        return " ".join([*([self.text] if self.text else []), *map(str, self.marks)])

    def own(self, urn: str, recorded: Mark | None) -> Mark | None:
        """The mark of the resource with this URN, whose state has `recorded`; it may have had another URN."""
        for mark in self.marks:
            if recorded and mark.birth == recorded.birth:
                return mark
        return next((mark for mark in self.marks if mark.owned_by(urn)), None)

    def others(self, own: Mark | None) -> tuple[Mark, ...]:
        """The marks of everybody else."""
        return tuple(mark for mark in self.marks if mark != own)

    def replacing(self, own: Mark | None, new: Mark | None) -> Stored:
        """With a `new` mark instead of one's own, at the end where there was none; None only takes it away."""
        if own is None or new is None:
            return Stored(self.text, (*self.others(own), *([new] if new else [])))
        return Stored(self.text, tuple(new if mark == own else mark for mark in self.marks))

    def worded(self, text: str) -> Stored:
        """With another text before the same marks."""
        return Stored(text, self.marks)


def join(text: str, mark: Mark) -> str:
    """The description of a new object: the person's text, then the mark."""
    return str(Stored(text, (mark,)))


def parse(text: str | None) -> Mark | None:
    """The mark as kept in a resource's state (output `owner`)."""
    found = _ONE.fullmatch(text or "")
    return _mark(found) if found else None


def claim(what: str, urn: str, mark: Mark, stored: Stored, *, adopt: bool, import_id: str) -> Mark:
    """The mark under which an existing object may be taken over; raises VcfError when it is somebody else's.

    `mark` is the new create's, `stored` the object's description. `what` names the object (`Supervisor namespace
    'pai-dev'`); `import_id` is the id for `pulumi import`.
    """
    if found := stored.own(urn, None):
        return dataclasses.replace(mark, adopted=found.adopted, added=found.added, was=found.was)
    if adopt:
        return dataclasses.replace(mark, adopted=True)
    maker = next((each for each in stored.marks if not each.adopted), None)
    owner = f"belongs to the Pulumi stack {maker.stack}" if maker else "was not made by Pulumi"
    raise VcfError(
        f"{what} exists already and {owner}. Choose another name; or take it over for good with "
        f"`pulumi import` (id {import_id}); or set `adopt: true` to manage it here and leave it in place on destroy."
    )


def after_read(urn: str, recorded: str | None, stored: Stored, *, imported: bool) -> str:
    """The mark for the state (output `owner`) of an object as it is now, "" when it has none.

    What the state knows of an adopted object outlives a description that somebody has written anew, and so does the
    knowledge that an object which has changed hands was another one.
    """
    if imported:
        return str(next((mark for mark in stored.marks if not mark.adopted), ""))
    mark = parse(recorded)
    own = stored.own(urn, mark)
    if own is None and mark is not None and (mark.adopted or stored.marks):
        return str(mark)
    return str(own) if own else ""


def current(what: str, urn: str, state: Mapping[str, Any], stored: Stored, *, adopt: bool) -> tuple[Mark | None, Mark]:
    """The resource's mark on the object (None when it was lost) and the one to write, for an update.

    `adopt` is what the program says, which counts where there was no mark (an import). Raises VcfError when the object
    has changed hands since.
    """
    mark = parse(state.get("owner"))
    own = stored.own(urn, mark)
    if own is None and mark is not None and not mark.adopted:
        _raise_if_taken(what, urn, stored)
    if own is None and mark is None:
        return None, dataclasses.replace(Mark.of(urn), adopted=adopt)
    return own, Mark.of(urn, like=own or mark)


def deletable(what: str, urn: str, state: Mapping[str, Any], stored: Stored) -> bool:
    """Whether a delete may touch the object: false when a later create of the same resource has taken it over.

    That happens when the user forces a replacement: the engine creates first, and the object is the same. Raises
    VcfError when the object has changed hands, or is to be deleted while other stacks, which have adopted it, use it.
    """
    mark = parse(state.get("owner"))
    own = stored.own(urn, mark)
    if own and mark and own.birth != mark.birth:
        return False
    if own is None and not adopted(state, own):
        _raise_if_taken(what, urn, stored)
    users = listed(each.stack for each in stored.others(own) if each.adopted)
    if not adopted(state, own) and users != "none":
        raise VcfError(
            f"{what} is also used by {users}, which adopted it (Pulumi stack), and is left alone. Destroy it there "
            "first; or, where that stack is gone for good, remove its mark [pulumi:…] from the end of the object's "
            "description."
        )
    return True


def adopted(state: Mapping[str, Any], own: Mark | None) -> bool:
    """Whether the object was there before: by its mark, or by the state where somebody has removed the mark.

    Where neither knows it (an import), what the program says counts: nothing is deleted that it calls adopted.
    """
    mark = own or parse(state.get("owner"))
    return mark.adopted if mark else state.get("adopt") is True


def _raise_if_taken(what: str, urn: str, stored: Stored) -> None:
    if maker := next((mark for mark in stored.marks if not mark.adopted), None):
        raise VcfError(
            f"{what} now belongs to the Pulumi stack {maker.stack} and is left alone. "
            f"Remove it from this stack's state with `pulumi state delete '{urn}'`."
        )
