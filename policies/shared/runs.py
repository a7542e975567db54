"""Which run it is: the stack that the engine names, its settings, kind and platform, and what is said of them first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paif_catalog import UnknownBaselineError, baseline
from paif_catalog.nearest_names import nearest
from paif_catalog.predicates import GUARDS, Guards
from policies.shared.configuration import ConfigurationError, Settings
from policies.shared.diagnostics import exemption_terms
from policies.shared.model import Level, Rule, Run, Severity
from policies.shared.pack import M, Pack, S
from policies.shared.settings_files import load, locate, organization_files


@dataclass
class RunInfo:
    """What the engine said of the run, before any resource."""

    stack: str
    project: str
    dry_run: bool
    environment: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)


def settings_of(pack: Pack[S, M], info: RunInfo | None, overrides: Mapping[str, Any]) -> S:
    """Settings of a pack for a stack, or those by default where none is named. Raises ConfigurationError."""
    # The engine starts a pack in the program's folder.
    file = locate(info.project, info.stack, Path.cwd()) if info else None
    shared = organization_files(pack.settings, Path.cwd())
    return load(pack.settings, pack.name, file, overrides, [rule.name for rule in pack.rules], shared)


def kind_of(settings: Settings, info: RunInfo | None) -> str:
    """The environment's kind. Raises ConfigurationError for one that nobody has declared."""
    # Where nothing says how much there is to lose, it is checked as if it were everything.
    kind = settings.kind or (info.environment.get("kind") if info else None) or "prod"
    known = settings.guards()
    if kind not in known:
        near = nearest(kind, known)
        hint = f" (did you mean {near!r}?)" if near else ""
        raise ConfigurationError(
            f"paif:kind of the stack is {kind!r}: expected one of {', '.join(known)}{hint}; a kind of your own is "
            "declared under kinds in the settings of the packs"
        )
    return str(kind)


def expected_guards(settings: Settings, info: RunInfo | None) -> Guards:
    """The guards of the environment's kind, as far as is known before a --policy-pack-config file is."""
    try:
        return settings.guards()[kind_of(settings, info)]
    except ConfigurationError:
        return GUARDS["prod"]


def platform_name(settings: Settings, info: RunInfo | None) -> str:
    """The version of the platform that settings or stack name, or nothing."""
    return settings.platform_version or str((info.environment.get("platform") if info else None) or "")


def target_of(run: Run[Any, Any]) -> str | None:
    """Whether the run is about the lab or a real site, as its stack says or, where that is not told, its settings."""
    target = run.environment.get("target") or run.settings.target
    return None if target is None else str(target)


def start(pack: Pack[S, M], info: RunInfo, overrides: Mapping[str, Any]) -> Run[S, M]:
    """A run of which nothing has been seen yet. Raises ConfigurationError for settings that are wrong."""
    settings = settings_of(pack, info, overrides)
    try:
        platform = baseline(platform_name(settings, info) or None)
    except UnknownBaselineError as error:
        raise ConfigurationError(f"platformVersion of the settings, or paif:platform of the stack: {error}") from None
    kind = kind_of(settings, info)
    return Run(
        stack=info.stack,
        project=info.project,
        kind=kind,
        guards=settings.guards()[kind],
        platform=platform,
        settings=settings,
        observations=pack.observations(),
        environment=info.environment,
        secrets=info.secrets,
        dry_run=info.dry_run,
    )


Statement = tuple[str, str, Level, Severity]
"""Something said of a run as a whole: the name it is listed under, its text, level and severity."""


def differences(run: Run[S, M]) -> Iterator[tuple[str, Level]]:
    """Where settings and stack contradict each other."""
    for key, name, given, what in (
        ("kind", "kind", run.settings.kind, "its guards would be another kind's"),
        ("platform", "platformVersion", run.settings.platform_version, "it would be judged by another platform"),
        ("target", "target", run.settings.target, "licenses that are made up would count, or owned ones not"),
    ):
        own = run.environment.get(key)
        if given is not None and own is not None and own != given:
            yield (
                f"the settings say {name} {given}, the stack's configuration says {own}: {what}\n"
                f"do: remove {name} from the settings (or --policy-pack-config), or set {own}",
                Level.MANDATORY,
            )


def statements(pack: Pack[S, M], run: Run[S, M], levels: Mapping[str, Level], *, first: bool) -> Iterator[Statement]:
    """What is said before any resource is judged: contradictions, what is overridden, exemptions.

    `levels` are those that a --policy-pack-config file gives rules. `first`: no other pack of the process says what is
    the same for all.
    """
    if first:
        for text, level in differences(run):
            yield pack.configuration, text, level, Severity.CRITICAL
        if run.settings.kind is None and not run.environment.get("kind"):
            text = "nothing says which kind of environment this is: it is judged as prod\n"
            text += "do: say kind in the settings of the packs, or paif:kind in the stack's configuration"
            yield pack.configuration, text, Level.ADVISORY, Severity.LOW
    overridden = [*_levels(pack.rules, run, levels), *(_guards(run.settings) if first else ())]
    if overridden:
        text = f"settings differ from the defaults: {'; '.join(overridden)}"
        yield pack.configuration, text, Level.ADVISORY, Severity.LOW
    for each in run.settings.exemptions:
        if each.expires >= run.today:
            text = f"{each.rule} is exempted for {each.resource} {exemption_terms(each)}"
            yield pack.exemptions, text, Level.ADVISORY, Severity.LOW
        else:
            text = (
                f"the exemption of {each.resource} from {each.rule} has expired on {each.expires} "
                f"({each.owner}: {each.reason})\ndo: mend the resource and remove the exemption, or renew it"
            )
            yield pack.exemptions, text, Level.MANDATORY, Severity.HIGH


def _levels(rules: list[Rule[S, M]], run: Run[S, M], levels: Mapping[str, Level]) -> Iterator[str]:
    for rule in rules:
        own = rule.levels[run.guards.levels]
        given = levels.get(rule.name) or run.settings.enforcement.get(rule.name) or own
        if given is not own:
            yield f"{rule.name} is {given} instead of {own}"


def _guards(settings: Settings) -> Iterator[str]:
    for name, given in settings.kinds.items():
        own, of = GUARDS.get(name) or GUARDS[given.levels], "" if name in GUARDS else f" of {given.levels}"
        changed = [
            f"{info.alias} {getattr(given, key)} instead of {getattr(own, key)}{of}"
            for key, info in type(given).model_fields.items()
            if key in given.model_fields_set and getattr(given, key) != getattr(own, key)
        ]
        if changed:
            yield f"kind {name} has {', '.join(changed)}"
