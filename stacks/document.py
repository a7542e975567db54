"""A YAML file as nodes, or the one problem that keeps it from being read: any bytes give one of the two.

Nodes are PyYAML's, whose grammar is that of Go's yaml.v3, with which Pulumi (3.259) reads its files. What a value means
is told by ``scalar`` and ``entries`` as Pulumi takes it: it reads a file, writes it anew, and reads that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from math import isinf
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from stacks.problems import Problem

_MOST_NODES = 100_000
"""Nodes that a file may have once its aliases stand for what they name."""
_BOM = b"\xef\xbb\xbf"
_WIDE_BOMS = (b"\xff\xfe", b"\xfe\xff")


class _Loader(yaml.SafeLoader):
    """Leaves the tag of a plain value empty, so that it can be told from one that the file gives."""

    def resolve(self, kind: type[Node], value: Any, implicit: Any) -> str:
        """The tag of a node that has none."""
        if kind is ScalarNode and implicit[0]:
            return ""
        return str(super().resolve(kind, value, implicit))  # type: ignore[no-untyped-call]


@dataclass
class Unreadable(Exception):  # noqa: N818 - it is raised and read as a sentence
    """Nothing of a file could be read; the problem says why, at the line where that showed."""

    problem: Problem


def load(file: Path, name: str = "") -> tuple[Node | None, Any]:
    """The root of a YAML file, and its data by PyYAML's rules instead of Pulumi's. Raises ``Unreadable``."""
    root = compose(file, name)
    content = file.read_bytes()
    try:
        return root, yaml.safe_load(content.removeprefix(_BOM).decode("utf-8"))
    except (yaml.YAMLError, ValueError) as error:
        line, column, expected = _why(content, error)
        raise Unreadable(Problem("YAML", expected, file=name, line=line, column=column)) from None


def compose(file: Path, name: str = "") -> Node | None:
    """The root of a YAML file; None when there is nothing in it. `name` is what the file is called in the problem.

    Raises ``Unreadable``.
    """
    name = name or str(file)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise Unreadable(
            Problem(name, f"a file that can be read ({error.strerror})", file=name, line=1, column=1)
        ) from None
    try:
        text = content.removeprefix(_BOM).decode("utf-8")
        root: Node | None = _Loader(text).get_single_node()
        _measure(root)
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError, ValueError, _TooMuchError) as error:
        line, column, expected = _why(content, error)
        raise Unreadable(Problem("YAML", expected, file=name, line=line, column=column)) from None
    return root


def _why(content: bytes, error: Exception) -> tuple[int, int, str]:
    """Line, column and expectation of what kept a file from being read."""
    line, column = 1, 1
    if isinstance(error, UnicodeDecodeError):
        if content.startswith(_WIDE_BOMS):
            return line, column, "text in UTF-8, this is UTF-16"
        return content[: error.start].count(b"\n") + 1, column, "text in UTF-8"
    if isinstance(error, yaml.reader.ReaderError):
        before = content.removeprefix(_BOM).decode("utf-8")[: error.position]
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        wide = "; is this UTF-16?" if error.character == 0 else ""
        return line, column, f"text without control characters (0x{error.character:02x}{wide})"
    if isinstance(error, _TooMuchError):
        mark = error.node.start_mark
        return mark.line + 1, mark.column + 1, error.expected
    if isinstance(error, yaml.MarkedYAMLError):
        if error.problem_mark:
            line, column = error.problem_mark.line + 1, error.problem_mark.column + 1
        return line, column, f"valid YAML ({error.problem})"
    if isinstance(error, RecursionError):
        return line, column, "values that are nested less deeply"
    return line, column, f"valid YAML ({error})"


@dataclass
class _TooMuchError(Exception):
    node: Node
    expected: str


def _measure(root: Node | None) -> None:
    """Raise for a value that contains itself, or that is too large once its aliases stand for what they name."""
    sizes: dict[int, int] = {}
    open_: set[int] = set()

    def size(node: Node) -> int:
        if id(node) in open_:
            raise _TooMuchError(node, "a value that does not contain itself (*alias)")
        if id(node) not in sizes:
            open_.add(id(node))
            sizes[id(node)] = 1 + sum(size(each) for each in _below(node))
            open_.remove(id(node))
            if sizes[id(node)] > _MOST_NODES:
                raise _TooMuchError(node, f"at most {_MOST_NODES} values, with what *aliases stand for")
        return sizes[id(node)]

    if root is not None:
        size(root)


def _below(node: Node) -> Iterator[Node]:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            yield key
            yield value
    elif isinstance(node, SequenceNode):
        yield from node.value


@dataclass(frozen=True)
class Mistake:
    """A node of which nobody can make something, and what was expected; `key` names it if it is a mapping's key."""

    node: Node
    expected: str
    key: str | None = None


@dataclass
class Entries:
    """Keys and values of a mapping, in the order in which they count: its own, then those that `<<` merges."""

    values: dict[str, tuple[ScalarNode, Node]] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)


def entries(node: MappingNode) -> Entries:
    """Keys and values of a mapping, with what ``<<: *alias`` merges: its own keys win, then the first of a list."""
    found = Entries()
    merged: list[Node] = []
    first: dict[str, ScalarNode] = {}
    for key, value in node.value:
        if not isinstance(key, ScalarNode):
            found.mistakes.append(Mistake(key, "text as a key"))
            continue
        name = str(key.value)
        if _halved(name):
            found.mistakes.append(Mistake(key, _HALVED))
            continue
        if name in first:
            line = first[name].start_mark.line + 1
            found.mistakes.append(Mistake(key, f"each key once (line {line} has it too)", name))
            continue
        first[name] = key
        if name == "<<":
            # In quotes too: Pulumi writes the file anew, without them, before it reads it.
            merged = list(value.value) if isinstance(value, SequenceNode) else [value]
        else:
            found.values[name] = (key, value)
    for each in merged:
        if not isinstance(each, MappingNode):
            found.mistakes.append(Mistake(each, "a mapping, or a list of mappings, to merge", "<<"))
            continue
        inner = entries(each)
        found.mistakes += inner.mistakes
        for name, entry in inner.values.items():
            found.values.setdefault(name, entry)
    return found


def mistakes(root: Node) -> Iterator[Mistake]:
    """Keys that stand twice, or are no text, and values that nothing can be made of, anywhere in a file."""
    seen: set[int] = set()

    def below(node: Node) -> Iterator[Mistake]:
        if id(node) in seen:
            return
        seen.add(id(node))
        if isinstance(node, MappingNode):
            yield from entries(node).mistakes
        if isinstance(node, ScalarNode) and _halved(str(node.value)):
            yield Mistake(node, _HALVED)
        for each in _below(node):
            yield from below(each)

    yield from below(root)


_HALVED = r"text without half of a surrogate pair (\ud800 to \udfff)"


def _halved(text: str) -> bool:
    """Whether a text holds what no encoding can write; an escape in quotes makes it."""
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def _tag(node: Node) -> str:
    return str(node.tag).rpartition(":")[2]


_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_KINDS = {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false", "null": "nothing"}
_INTEGER = re.compile(
    r"(?P<sign>[-+]?)(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<bin>[01]+)|0[oO]?(?P<oct>[0-7]+)|(?P<dec>0|[1-9][0-9]*))"
)
_BASES = {"hex": 16, "bin": 2, "oct": 8, "dec": 10}
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_ENDLESS = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_DATE = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:[Tt]\d{1,2}:\d{1,2}:\d{1,2}(?:\.\d+)?(?:Z|[-+]\d\d:\d\d)| \d{1,2}:\d{1,2}:\d{1,2}(?:\.\d+)?)?"
)
_BEFORE = 2**63
_MOST_DIGITS = 64
_WHOLE = 1e21
"""From here on Go writes a number that is whole in a form that JSON takes for a fraction."""


def scalar(node: ScalarNode) -> str | int | float | bool | Mistake | None:
    """What a single value is for Pulumi, whose rules are yaml.v3's: neither YAML 1.1's nor 1.2's.

    So `yes` is text, `012` is ten, `2.0` is two. A date would reach the program in Go's words, hence it is a mistake.
    """
    text = str(node.value)
    if _halved(text):
        return Mistake(node, _HALVED)
    asked = _asked(node)
    if asked == "str":
        return text
    found = _resolved(text, dated=asked in {None, "timestamp"})
    if isinstance(found, date):
        return Mistake(node, "text in quotes: without them it is a date")
    if isinstance(found, float) and _ENDLESS.fullmatch(text):
        return Mistake(node, "a number that is finite")
    kind = _kind(found)
    if asked not in {None, kind} and (asked, kind) != ("float", "int"):
        return Mistake(node, f"a value of the type that its tag says ({_KINDS.get(asked or '', asked)})")
    return found


def _asked(node: ScalarNode) -> str | None:
    """The type that a value must have: by its tag, or because it is in quotes; None when its form decides."""
    return _tag(node) or None


def _resolved(text: str, *, dated: bool) -> str | int | float | bool | date | None:
    if text in _WORDS:
        return _WORDS[text]
    if dated and (day := _DATE.fullmatch(text)):
        try:
            return date(*(int(part) for part in day.groups()))
        except ValueError:
            return text
    if _ENDLESS.fullmatch(text):
        return float(text.replace(".", "", 1))
    plain = text.replace("_", "") if text[0] in "+-0123456789" else text
    if whole := _INTEGER.fullmatch(plain):
        [(form, digits)] = [(form, digits) for form, digits in whole.groupdict().items() if form in _BASES and digits]
        # What is too long for Go is too large for it, and a number that Python would rather not read.
        if len(digits) <= _MOST_DIGITS:
            number = int(whole["sign"] + digits, _BASES[form])
            if -_BEFORE <= number < _BEFORE:
                return number
    if _FLOAT.fullmatch(plain):
        fraction = float(plain)
        if isinf(fraction):
            return text
        # Pulumi writes the file anew before it reads it: what is whole is a whole number by then.
        return int(Decimal(repr(fraction))) if fraction.is_integer() and abs(fraction) < _WHOLE else fraction
    return text


def _kind(value: object) -> str:
    kinds: dict[type, str] = {str: "str", bool: "bool", int: "int", float: "float", type(None): "null"}
    return kinds[type(value)]
