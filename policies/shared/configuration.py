"""Configuration of a policy pack: what all packs have in common, and which values of it are none.

Where it comes from is settings_files.py's. A site's own words in it (kinds of environment, rules, label keys, patterns)
are judged by the models, so that a mistake has its place like any other.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo
from pydantic.alias_generators import to_camel

import paif_catalog as catalog
from paif_catalog.nearest_names import nearest
from paif_catalog.predicates import GUARDS, RULE_LEVELS, Guards
from policies.shared.model import Level

_LONGEST_EXEMPTION = dt.timedelta(days=3 * 366)
_LABEL_KEY = re.compile(r"(?:[a-z0-9](?:[-.a-z0-9]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


class ConfigurationError(Exception):
    """A pack's configuration is wrong; the message says where, what was expected and what to do."""


class UnexpectedError(ValueError):
    """A value that is none: what was expected there, and the nearest name."""

    def __init__(self, expected: str, near: str = "") -> None:
        super().__init__(expected)
        self.near = near


@dataclass(frozen=True)
class Vocabulary:
    """Names that settings may use: the pack's rules, and the kinds of environment with the site's own."""

    rules: frozenset[str] = frozenset()
    renamed_rules: Mapping[str, str] = field(default_factory=dict)
    kinds: tuple[str, ...] = tuple(GUARDS)
    today: dt.date = field(default_factory=dt.date.today)


def _vocabulary(info: ValidationInfo) -> Vocabulary | None:
    return info.context if isinstance(info.context, Vocabulary) else None


def _known_kind(value: str, info: ValidationInfo) -> str:
    known = _vocabulary(info)
    if known is not None and value not in known.kinds:
        raise UnexpectedError(
            f"one of {', '.join(known.kinds)}, or a kind of your own under kinds", nearest(value, known.kinds)
        )
    return value


def _known_rule(value: str, info: ValidationInfo) -> str:
    known = _vocabulary(info)
    if known is not None and value not in known.rules:
        if value in known.renamed_rules:
            raise UnexpectedError(f"{known.renamed_rules[value]}, as it is called now")
        raise UnexpectedError("the name of a rule; docs/policies.md lists them", nearest(value, known.rules))
    return value


def _known_platform(value: str) -> str:
    known = catalog.all_baselines()
    if value not in known:
        raise UnexpectedError(f"one of {', '.join(known)}", nearest(value, known))
    return value


def _label_name(value: str) -> str:
    known = catalog.naming().labels
    if value not in known:
        raise UnexpectedError(f"one of {', '.join(known)}", nearest(value, known))
    return value


def is_label_key(text: str) -> bool:
    """Whether Kubernetes takes a text as a label's key."""
    return _LABEL_KEY.fullmatch(text) is not None


def _label_key(value: str) -> str:
    if not is_label_key(value):
        raise UnexpectedError("a label's key, as example.com/owner")
    return value


def _narrow(value: str) -> str:
    """A pattern of URNs that names a type or a name: one that takes anything would switch its rule off unseen."""
    parts = value.split("::")
    own = parts[2:] if len(parts) > 2 else [part for part in parts[-1:] if not part.startswith("urn:")]
    if not re.sub(r"\[.*?\]|[*?:$]", "", "".join(own)):
        raise UnexpectedError(
            "a pattern with a resource's type or name in it: for everything set the rule's level under enforcement"
        )
    return value


def _soon(value: dt.date, info: ValidationInfo) -> dt.date:
    known = _vocabulary(info)
    if known is not None and value > known.today + _LONGEST_EXEMPTION:
        last = known.today + _LONGEST_EXEMPTION
        raise UnexpectedError(f"{last} at the latest: who exempts something looks at it again within three years")
    return value


KindName = Annotated[str, AfterValidator(_known_kind)]
"""A kind of environment, of the catalog or of the site's own."""
RuleName = Annotated[str, AfterValidator(_known_rule)]
LabelName = Annotated[str, AfterValidator(_label_name)]
"""What a label says, as the catalog calls it: environment, owner, persona …"""
LabelKey = Annotated[str, AfterValidator(_label_key)]


class Model(BaseModel):
    """Base of everything in a pack's configuration: camelCase keys, none unknown."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, hide_input_in_errors=True
    )


class Exemption(Model):
    """A violation that is accepted for a time. It is listed in every run, and fails the run once it has expired."""

    rule: RuleName = Field(description="name of the rule")
    resource: Annotated[str, AfterValidator(_narrow)] = Field(
        description="URN of the resource; * stands for anything", min_length=1
    )
    reason: str = Field(description="why the violation is accepted", min_length=10)
    owner: str = Field(description="who answers for it", min_length=2)
    expires: Annotated[dt.date, AfterValidator(_soon)] = Field(description="last day on which it holds")


class Settings(Model):
    """What every pack can be told.

    `organization_files` are settings that stand in a file of their own beside those of the stacks, since they are the
    same for all: key -> file. `moved` and `renamed_rules` tell what keys and rules of before are now.
    """

    organization_files: ClassVar[Mapping[str, str]] = {}
    moved: ClassVar[Mapping[str, str]] = {}
    renamed_rules: ClassVar[Mapping[str, str]] = {}

    kind: KindName | None = Field(
        default=None, description="kind of the environment; that of the stack's configuration by default, else prod"
    )
    kinds: dict[str, Guards] = Field(
        default={},
        description="guards of kinds of environment that differ from the catalog's, and kinds of the site's own, which "
        "say whose `levels` rules have in them and get the guards of that one where they say nothing",
    )
    platform_version: Annotated[str, AfterValidator(_known_platform)] | None = Field(
        default=None,
        description="version of the platform; that of the stack's configuration by default, else the only one known",
    )
    target: Literal["lab", "vcf"] | None = Field(
        default=None,
        description="lab or vcf; that of the stack's configuration by default: what is made up for the lab counts only "
        "there",
    )
    labels: dict[LabelName, LabelKey] = Field(
        default={}, description="the site's own label keys, by what they say, as persona: example.com/role"
    )
    enforcement: dict[RuleName, Level] = Field(default={}, description="level per rule, instead of the rule's own")
    exemptions: list[Exemption] = Field(default=[], description="violations that are accepted for a time")

    def label(self, name: str) -> str:
        """Key of a label by what it says: the site's own, else the catalog's."""
        return self.labels.get(name) or catalog.naming().labels[name]

    def guards(self) -> dict[str, Guards]:
        """Guards of every kind of environment, with the site's own."""
        found = dict(GUARDS)
        for name, given in self.kinds.items():
            base = GUARDS.get(name) or GUARDS[given.levels]
            found[name] = base.model_copy(update={each: getattr(given, each) for each in given.model_fields_set})
        return found


def kinds_without_levels(kinds: Any) -> list[str]:
    """Kinds of a site's own that do not say whose levels rules have in them."""
    own = kinds.items() if isinstance(kinds, dict) else ()
    return [name for name, given in own if name not in GUARDS and isinstance(given, dict) and "levels" not in given]


LEVELS_EXPECTED = f"levels: whose rules a kind of your own has, one of {', '.join(RULE_LEVELS)}"


def schema(model: type[Settings]) -> dict[str, Any]:
    """JSON Schema of a pack's settings by key, without references and defaults.

    The engine would hand a default back as if somebody had set it, and it does not follow references.
    """
    whole = model.model_json_schema(by_alias=True)
    definitions = whole.get("$defs", {})

    def plain(part: Any) -> Any:
        if isinstance(part, dict):
            if "$ref" in part:
                return plain(definitions[part["$ref"].rsplit("/", 1)[1]])
            return {key: plain(value) for key, value in part.items() if key not in {"default", "title"}}
        if isinstance(part, list):
            return [plain(item) for item in part]
        return part

    # Keys of a mapping are names, not schema keywords: a property called `title` must survive.
    return {key: plain(value) for key, value in whole["properties"].items()}
