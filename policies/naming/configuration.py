"""Settings of the pack `naming`, and what it remembers of a run."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

import paif_catalog as catalog
from paif_catalog.nearest_names import nearest
from policies.shared.configuration import Settings, is_label_key, unexpected
from policies.shared.model import Run

PATTERN = "{organization}-{environment}-{kind}-{name}"
PARTS = ("organization", "environment", "kind", "name")
"""Placeholders of a pattern; groups of an expression that are called so mean the same."""
_PLACEHOLDER = re.compile(r"\{([A-Za-z]\w*)\}")
_PLAIN = re.compile(r"[-._A-Za-z0-9]*")


def is_expression(pattern: str) -> bool:
    """Whether a pattern is a regular expression: it has more in it than placeholders and plain characters."""
    return _PLAIN.fullmatch(_PLACEHOLDER.sub("", pattern)) is None


def filled(pattern: str, parts: dict[str, str]) -> str:
    """A pattern as a regular expression, with an expression for each placeholder."""
    if is_expression(pattern):
        return _PLACEHOLDER.sub(lambda match: parts[match[1]], pattern)
    pieces = re.split(r"(\{\w+\})", pattern)
    return "".join(parts[each[1:-1]] if each.startswith("{") else re.escape(each) for each in pieces)


def _compiled(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise unexpected(f"a regular expression of Python ({error})") from None


def _expression(value: str) -> str:
    _compiled(value)
    return value


def _pattern(value: str) -> str:
    for name in _PLACEHOLDER.findall(value):
        if name not in PARTS:
            raise unexpected(f"placeholders {', '.join(f'{{{each}}}' for each in PARTS)}", nearest(name, PARTS))
    groups = _compiled(filled(value, {part: f"(?P<{part}>x)" for part in PARTS})).groupindex
    for group in groups:
        # Groups of a site's own are its own business. One that is nearly another was meant to be that.
        near = difflib.get_close_matches(group.lower(), PARTS, n=1, cutoff=0.85)
        if group not in PARTS and near:
            raise unexpected(f"groups {', '.join(PARTS)}, or of names less like them", near[0])
    return value


def _kind(value: str) -> str:
    kinds = catalog.naming().kinds
    if value not in kinds:
        raise unexpected(f"one of {', '.join(kinds)}", nearest(value, kinds))
    return value


def _label(value: str) -> str:
    labels = catalog.naming().labels
    if value not in labels and not ("/" in value and is_label_key(value)):
        raise unexpected(f"one of {', '.join(labels)}, or a label's key with its domain", nearest(value, labels))
    return value


Pattern = Annotated[str, AfterValidator(_pattern)]
"""How names are made: text with placeholders, or a regular expression with groups."""
Patterns = Annotated[
    Annotated[Pattern, Tag("<one>")] | Annotated[list[Pattern], Tag("<several>")],
    Discriminator(lambda value: "<several>" if isinstance(value, list) else "<one>"),
]
"""One, or several of which a name follows one."""
Expression = Annotated[str, AfterValidator(_expression)]


class NamingSettings(Settings):
    """What a site may say about names."""

    organization: str = Field(
        default="", description="the organization's token; that of the stack's configuration by default, else any"
    )
    patterns: dict[Annotated[str, AfterValidator(_kind)], Patterns] = Field(
        default={},
        description=f"pattern per kind (paif_catalog/naming.yaml) instead of {PATTERN}, or several of which a name "
        "follows one; either text with these placeholders, or a regular expression, whose groups `environment` and "
        "`name` mean the same as (?P<environment>prd)-(?P<site>[a-z]{5})-gpu-(?P<name>\\d{3})",
    )
    environment_codes: dict[str, str] = Field(
        default={},
        description="what names and labels call an environment, and the stack or the kind that it is, as prd: prod",
    )
    class_patterns: dict[Literal["vgpu", "directpath"], Expression] = Field(
        default={},
        description="regular expression of a GPU class's own name, keys `vgpu` and `directpath`",
    )
    required_labels: list[Annotated[str, AfterValidator(_label)]] = Field(
        default=["environment", "owner", "costCenter"],
        description="labels (keys of paif_catalog/naming.yaml, or whole keys) that every object of a person's concern "
        "carries",
    )
    reserved_prefixes: list[str] = Field(
        default=["kube-", "vmware-", "vmware-system-", "svc-", "system-", "openshift-"],
        description="prefixes of names that belong to the platform",
    )
    reserved_label_domains: list[str] = Field(
        default=["k8s.io", "kubernetes.io", "vmware.com", "nvidia.com"],
        description="domains of label keys that belong to the platform",
    )
    reserved_projects: list[str] = Field(
        default=["library"], description="gallery projects that models must not be kept in"
    )
    require_vsphere_tags: bool = Field(
        default=False,
        description="machines made through vSphere carry a tag for each required label and for the persona",
    )

    def patterns_of(self, kind: str) -> tuple[str, ...]:
        """The patterns of a kind, of which a name follows one."""
        given = self.patterns.get(kind, PATTERN)
        return (given,) if isinstance(given, str) else tuple(given) or (PATTERN,)

    def codes_of(self, *environments: str) -> Iterator[str]:
        """What names and labels call an environment, each by stack or kind."""
        yield from (code for code, meant in self.environment_codes.items() if meant in environments)


@dataclass
class NamingObservations:
    """Names in use so far, each by the URN of its first user."""

    physical: dict[tuple[str, str, str], tuple[str, str]] = field(default_factory=dict)
    """(kind, where, name cut to its limit) -> (URN, whole name)."""
    routes: dict[tuple[str, str], str] = field(default_factory=dict)
    """(where, routing name) -> URN."""


Context = Run[NamingSettings, NamingObservations]
"""What every rule of the pack gets beside the resource."""
