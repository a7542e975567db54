"""The packs' rules as formats and lists show them: what each is called, its topic, where its fact can be read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from paif_catalog.nearest_names import nearest
from policies.licensing.pack import PACK as LICENSING
from policies.naming.pack import PACK as NAMING
from policies.platform.pack import PACK as PLATFORM
from policies.shared.describing import display_name, topic
from policies.shared.pack import VERSION
from policies.shared.settings_files import FOLDER

__all__ = [
    "VERSION",
    "DescribedRule",
    "UnknownTopicError",
    "chosen",
    "described",
    "organization_files",
    "setting_names",
]


@dataclass(frozen=True)
class DescribedRule:
    """A rule without its check; `levels` by kind of environment, `address` empty where the source is no page."""

    pack: str
    name: str
    title: str
    topic: str
    severity: str
    levels: Mapping[str, str]
    reason: str
    remedy: str
    source: str
    address: str
    types: tuple[str, ...]

    @property
    def id(self) -> str:
        return f"{self.pack}/{self.name}"

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)

    def looks_at(self, kind: str) -> bool:
        """Whether it judges resources of this type."""
        return any(fnmatchcase(kind, each) for each in self.types)


class UnknownTopicError(Exception):
    """No rule has this topic; the message says which is meant."""


@cache
def described() -> dict[str, DescribedRule]:
    """All rules by pack/name, in the order of the packs."""
    found = (
        DescribedRule(
            pack.name,
            rule.name,
            display_name(rule),
            topic(rule),
            rule.severity.value,
            {kind: level.value for kind, level in rule.levels.items()},
            rule.reason,
            rule.remedy,
            rule.source,
            rule.address,
            rule.types,
        )
        for pack in (NAMING, LICENSING, PLATFORM)
        for rule in pack.rules
    )
    return {each.id: each for each in found}


def chosen(topics: Collection[str]) -> dict[str, DescribedRule]:
    """Rules of these topics, packs or names; all when none is given. Raises ``UnknownTopicError``."""
    rules = described()
    if not topics:
        return rules
    known = sorted({name for each in rules.values() for name in (each.pack, each.topic, each.name)})
    for each in topics:
        if each not in known:
            near = nearest(each, known)
            hint = f": did you mean {near}?" if near else f": expected one of {', '.join(sorted(_topics(rules)))}"
            raise UnknownTopicError(f"--topic {each}: no rule is about it{hint}")
    return {key: each for key, each in rules.items() if {each.pack, each.topic, each.name} & set(topics)}


def _topics(rules: Mapping[str, DescribedRule]) -> set[str]:
    return {each.topic for each in rules.values()}


def organization_files(pack: str) -> dict[str, Path]:
    """Files of settings that are the same for all environments, by key of the pack."""
    models = {each.name: each.settings for each in (NAMING, LICENSING, PLATFORM)}
    return {key: FOLDER / name for key, name in models[pack].organization_files.items()} if pack in models else {}


@cache
def setting_names(pack: str) -> frozenset[str]:
    """Keys that a settings file may have below a pack."""
    models = {each.name: each.settings for each in (NAMING, LICENSING, PLATFORM)}
    return (
        frozenset(str(field.alias) for field in models[pack].model_fields.values()) if pack in models else frozenset()
    )
