"""Rules and what they look at, free of any engine: plain data in, violations out."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, NoReturn, TypeVar

from paif_catalog import Baseline
from paif_catalog.predicates import RULE_LEVELS, Guards, RuleLevels

STACK = "pulumi:pulumi:Stack"
"""Type of the root resource. It is registered first: what a rule refuses here stops a run before anything exists."""


class Level(StrEnum):
    """What a violation does, in the engine's words."""

    ADVISORY = "advisory"
    """It is shown."""
    MANDATORY = "mandatory"
    """It stops the run."""
    REMEDIATE = "remediate"
    """It is put right where the rule can, and else stops the run."""
    DISABLED = "disabled"
    """The rule does not run."""


class Severity(StrEnum):
    """How bad a violation is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


@dataclass(frozen=True)
class Undecided:
    """One property that a rule could not judge yet; other properties of the resource may still be judged.

    `declare` is set where another resource would tell and none has so far: what to do when that stays so. `unnamed`
    says that it may have been seen under a name that is not known yet.
    """

    path: str
    declare: str = ""
    unnamed: bool = False


class UndecidedError(Exception):
    """A rule needs a value that is not known yet, or a resource that has not been seen yet."""

    def __init__(self, path: str, declare: str = "", *, unnamed: bool = False) -> None:
        super().__init__(path)
        self.undecided = Undecided(path, declare, unnamed)


class Unknown:
    """A value that is not known yet, in the place where it will be. Using it raises UndecidedError.

    So a rule that forgets to ask cannot pass by mistake.
    """

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    def _raise_undecided(self, *_: object) -> NoReturn:
        raise UndecidedError(self.path)

    __bool__ = __len__ = __iter__ = __getitem__ = __contains__ = __str__ = __hash__ = __int__ = __float__ = (
        _raise_undecided
    )
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __add__ = __radd__ = _raise_undecided

    def __repr__(self) -> str:
        return f"Unknown({self.path!r})"

    def __getattr__(self, name: str) -> NoReturn:
        raise UndecidedError(self.path)


class WrongFormError(Exception):
    """A value has another form than the platform takes there: at which path, and what was expected."""

    def __init__(self, path: str, value: Any, expected: str) -> None:
        super().__init__(path)
        self.path, self.value, self.expected = path, value, expected


class Unreadable(Unknown):
    """A value of a form that nobody can read, in its place: whoever needs it finds it as good as unknown.

    It is told once, by the rule unreadable-value, whichever rules needed it.
    """

    __slots__ = ("expected", "value")

    def __init__(self, path: str, value: Any, expected: str) -> None:
        super().__init__(path)
        self.value, self.expected = value, expected


_MISSING: Any = object()


@dataclass(frozen=True)
class Violation:
    """One breach of a rule: what is wrong, at which property (dotted path), with which value.

    `cause` is what it has in common with breaches that other resources have in other words, as an overuse that each
    further machine adds to: a preview tells it once. Without, the words are the cause.
    """

    problem: str
    path: str = ""
    value: Any = _MISSING
    cause: str = ""

    @property
    def has_value(self) -> bool:
        """Whether there is a value to show."""
        return self.value is not _MISSING


@dataclass(frozen=True)
class Provider:
    """The provider of a resource."""

    type: str
    urn: str


@dataclass(frozen=True)
class Resource:
    """A resource as the program asks for it: plain data, with `Unknown` in the place of what is not known yet."""

    urn: str
    type: str
    name: str
    properties: Mapping[str, Any]
    secrets: frozenset[str] = frozenset()
    """Dotted paths of the properties that are marked secret; what is below one is secret too."""
    protect: bool = False
    ignore_changes: frozenset[str] = frozenset()
    """Paths of properties whose changes are ignored: of what is there already they say what is there."""
    provider: Provider | None = None
    partial: bool = False
    """It is a patch: what it does not name stands in the object already, and cannot be judged here."""
    unreadable: tuple[Unreadable, ...] = ()
    """Values of a form that nobody can read; each stands in its place among the properties."""
    told: set[str] = field(default_factory=set, compare=False)
    """Paths of those for which the resource was refused already, by any rule of any pack in this process."""
    memo: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """What rules have found out about the resource by looking through all of it, for the rules after them."""

    def get(self, path: str, default: Any = None) -> Any:
        """The value at a dotted path such as spec.topology.class. Raises UndecidedError when it is not known yet."""
        return value_at(self.properties, path, default)

    def items(self, path: str) -> list[Any]:
        """The list at a dotted path, empty when there is none. Raises UndecidedError."""
        return self._of_form(path, list, "a list") or []

    def mapping(self, path: str) -> Mapping[str, Any]:
        """The mapping at a dotted path, empty when there is none. Raises UndecidedError."""
        return self._of_form(path, dict, "a mapping") or {}

    def text(self, path: str, default: str = "") -> str:
        """The text at a dotted path. Raises UndecidedError and WrongFormError."""
        return str(self._of_form(path, str, "text", default))

    def number(self, path: str, default: float = 0) -> Any:
        """The number at a dotted path. Raises UndecidedError and WrongFormError."""
        value = self._of_form(path, (int, float), "a number", default)
        if isinstance(value, bool):
            raise WrongFormError(path, value, "a number")
        return value

    def _of_form(self, path: str, form: Any, expected: str, default: Any = None) -> Any:
        value = self.get(path, default)
        if value is not None and not isinstance(value, form):
            raise WrongFormError(path, value, expected)
        return value

    def is_secret(self, path: str) -> bool:
        """Whether the value at this path, or something that holds it, is marked secret."""
        parts = path.split(".")
        return any(".".join(parts[:length]) in self.secrets for length in range(1, len(parts) + 1))

    @property
    def label(self) -> str:
        """What a person calls the resource: its name on the platform where that is known, else its logical name."""
        for path in ("metadata.name", "name"):
            value = raw_value_at(self.properties, path)
            if isinstance(value, str):
                return value
        return self.name

    def labels(self) -> Mapping[str, Any]:
        """Labels of a Kubernetes object. Raises UndecidedError."""
        return self.mapping("metadata.labels")


def raw_value_at(data: Any, path: str, default: Any = None) -> Any:
    """The value at a dotted path, `Unknown` included; null counts as nothing, as platforms have it."""
    for part in path.split("."):
        if isinstance(data, Unknown):
            return data
        if not isinstance(data, dict) or part not in data:
            return default
        data = data[part]
    return default if data is None else data


def value_at(data: Any, path: str, default: Any = None) -> Any:
    """The value at a dotted path of plain data. Raises UndecidedError when it, or what holds it, is not known yet."""
    return require_known(raw_value_at(data, path, default))


def list_of(value: Any, path: str) -> list[Any]:
    """A list that no form tells of, empty when there is none. Raises UndecidedError and WrongFormError."""
    if require_known(value) is not None and not isinstance(value, list):
        raise WrongFormError(path, value, "a list")
    return value or []


def require_known(value: Any) -> Any:
    """The value. Raises UndecidedError when it is not known yet."""
    if isinstance(value, Unknown):
        raise UndecidedError(value.path)
    return value


S = TypeVar("S")
M = TypeVar("M")
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
TableKey = tuple[int, Hashable]
"""A table that a pack remembers, and a key in it."""
_ALL_ENTRIES = object()


@dataclass
class Run(Generic[S, M]):
    """What a rule may know beside the resource.

    `stack` is the environment's name, `guards` what its kind has at least, `platform` what is known of its platform's
    version. `environment` is the stack's own configuration without its secrets, parsed, keys without namespace; empty
    where the engine does not hand it over (`pulumi policy analyze`). `secrets` are the values of its encrypted keys,
    for rules about their form. `observations` are what the pack remembers of the resources so far, in tables that are
    written with `record` and read with `lookup` and `all_entries`: resources come in any order, so that whoever has
    read an entry, also one that was not there, is judged again once it changes.
    """

    stack: str
    project: str
    kind: str
    guards: Guards
    platform: Baseline
    settings: S
    observations: M
    environment: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    dry_run: bool = True
    today: dt.date = field(default_factory=dt.date.today)
    unnamed: set[int] = field(default_factory=set)
    """Tables of which something was seen under a name that is not known yet."""
    reads: set[TableKey] = field(default_factory=set)
    """What the check under way has read."""
    writes: set[TableKey] = field(default_factory=set)
    """What the resource under way has changed."""

    def record(self, table: dict[K, V], key: K, value: V) -> None:
        """Remember a value."""
        if key not in table or table[key] != value:
            table[key] = value
            self.writes |= {(id(table), key), (id(table), _ALL_ENTRIES)}

    def record_unnamed(self, table: Mapping[Any, Any]) -> None:
        """Remember that something belongs into a table under a name that is not known yet."""
        self.unnamed.add(id(table))

    def missing_entry(self, table: Mapping[Any, Any], path: str, declare: str) -> UndecidedError:
        """The error of a rule for which a table should have an entry; `declare` says what to do when none comes."""
        return UndecidedError(path, declare, unnamed=id(table) in self.unnamed)

    def lookup(self, table: Mapping[K, V | Undecided], key: K) -> V | None:
        """What is remembered under a key, or None. Raises UndecidedError when it was seen and is not known yet."""
        self.reads.add((id(table), key))
        entry = table.get(key)
        if isinstance(entry, Undecided):
            raise UndecidedError(entry.path)
        return entry

    def all_entries(self, table: Mapping[K, V]) -> Mapping[K, V]:
        """Everything that is remembered in a table."""
        self.reads.add((id(table), _ALL_ENTRIES))
        return table


Findings = Iterator[Violation | Undecided]
"""What a check yields."""
Check = Callable[[Resource, Run[S, M]], Iterable[Violation | Undecided]]
Levels = Mapping[RuleLevels, Level]


def everywhere(level: Level = Level.MANDATORY) -> Levels:
    """The same level in every kind of environment."""
    return dict.fromkeys(RULE_LEVELS, level)


def mandatory_in(*kinds: RuleLevels, otherwise: Level = Level.ADVISORY) -> Levels:
    """Mandatory in the given kinds of environment, `otherwise` in the others."""
    return {kind: Level.MANDATORY if kind in kinds else otherwise for kind in RULE_LEVELS}


@dataclass(frozen=True)
class Rule(Generic[S, M]):
    """One rule.

    `types` are resource types it looks at; a `*` stands for any API version or any rest. `levels` are its defaults by
    kind of environment. `reason` says why it exists, `remedy` what to do, `source` where the fact comes from.
    `remediate` returns the properties to change for good, as dotted path and new value; only safe changes.
    """

    name: str
    types: tuple[str, ...]
    check: Check[S, M]
    severity: Severity
    levels: Levels
    reason: str
    remedy: str
    source: str
    remediate: Callable[[Resource, Run[S, M]], Mapping[str, Mapping[str, str]]] | None = None
    at_end: bool = False
    """It is asked once, at the end of a preview, about all that was seen."""

    @property
    def address(self) -> str:
        """Where the source can be read; empty when it is no page."""
        found = re.search(r"https://[^ ;,)]+", self.source)
        return found.group() if found else ""


class Rules(Generic[S, M]):
    """The rules of a pack, collected by its decorator."""

    def __init__(self) -> None:
        self.all: list[Rule[S, M]] = []

    def rule(
        self,
        name: str,
        types: tuple[str, ...],
        *,
        severity: Severity,
        levels: Levels | None = None,
        reason: str,
        remedy: str,
        source: str,
        remediate: Callable[[Resource, Run[S, M]], Mapping[str, Mapping[str, str]]] | None = None,
        at_end: bool = False,
    ) -> Callable[[Check[S, M]], Check[S, M]]:
        """Make a rule of a check; it is mandatory everywhere unless `levels` says otherwise."""

        def add(check: Check[S, M]) -> Check[S, M]:
            levels_ = levels or everywhere()
            self.all.append(Rule(name, types, check, severity, levels_, reason, remedy, source, remediate, at_end))
            return check

        return add
