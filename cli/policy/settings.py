"""Settings of the policy packs for an environment, policies/config/paif/ENV.yaml: checked before a run, and made.

The packs' own models judge them, so that a mistake is told with its line instead of by an engine that does not start.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter

import paif_catalog as catalog
from cli.engine.backend import PROJECT
from lab.state import ROOT
from paif_catalog.predicates import KINDS
from policies.licensing.configuration import Entitlement, edition_of, entitled
from policies.licensing.pack import PACK as LICENSING
from policies.naming.pack import PACK as NAMING
from policies.platform.configuration import TRUSTED_REGISTRIES
from policies.platform.pack import PACK as PLATFORM
from policies.shared.configuration import Settings
from policies.shared.settings_files import (
    NOTHING,
    SettingsProblem,
    file_problems,
    judge,
    position_of,
    positions,
)
from stacks.document import Mistake, Unreadable, load, mistakes
from stacks.problems import Problem, display_value

_PACKS: dict[str, tuple[type[Settings], frozenset[str]]] = {
    pack.name: (pack.settings, frozenset(rule.name for rule in pack.rules)) for pack in (NAMING, LICENSING, PLATFORM)
}

_TEMPLATE = """\
# What the policy packs know of environment {name} beside its stack file; docs/policies.md has every setting.
# `./paif check` checks this file. `./paif preview` and `./paif up` refuse what it does not cover.
kind: {kind}
naming:
  organization: {organization}
licensing:
  # vGPU mode is refused until the licenses that this environment may use stand here; DirectPath I/O needs none.
  # Editions: nvaie for C profiles, vws for Q, vpc for B, vapps for A. `seats` are machines that may run at once.
  entitlements: []
  #  - {{edition: nvaie, seats: 8, expires: 2027-12-31}}
  # The add-on VMware Private AI Foundation with NVIDIA, and the GPU hosts whose cores it must cover.
  # paifAddOn: {{cores: 256, expires: 2027-12-31}}
  # gpuHosts:
  #   - {{count: 2, sockets: 2, coresPerSocket: 64}}
platform:
  # The vGPU driver on the hosts, so that guests of another branch are refused.
  # hostDriver: {{branch: 550, nvaieMajor: 5}}
  # Where images, models and charts may come from, beside {registries}.
  # Your model gallery must be among them.
  trustedRegistries:
    - harbor.example.com
"""


def relative_file(name: str) -> str:
    """Where the settings of environment ``name`` belong, from the root of the repository."""
    return f"policies/config/{PROJECT}/{name}.yaml"


def settings_file(name: str) -> Path:
    """Where the settings of environment ``name`` belong."""
    return ROOT / relative_file(name)


def template(name: str, kind: str, organization: str) -> str:
    """Settings to fill in. They are valid as they are, and declare no license that nobody has."""
    hosts = ", ".join(TRUSTED_REGISTRIES)
    return _TEMPLATE.format(name=name, kind=kind, organization=organization, registries=hosts)


def missing(name: str) -> str:
    """What it means that ``name`` has no settings; empty when it has some."""
    if settings_file(name).is_file():
        return ""
    return (
        f"{name} has no {relative_file(name)}: the policy packs use their defaults, by which vGPU, the "
        f"PAIF add-on and your own gallery are refused; `./paif init {name}` writes one to fill in"
    )


def problems(name: str) -> list[Problem]:
    """Everything that is wrong with the settings of ``name``, in the order of the file; nothing when there are none."""
    file = settings_file(name)
    if not file.is_file():
        former = file.parents[1] / file.name
        expected = f"nothing: settings are found by project and stack, move it to {relative_file(name)}"
        here = f"policies/config/{former.name}"
        return [Problem("the file", expected, file=here, line=1, column=1)] if former.is_file() else []
    here = relative_file(name)
    try:
        node, data = load(file, here)
    except Unreadable as unreadable:
        return [unreadable.problem]
    places = {(): (1, 1)} | (dict(positions(node)) if node else {})
    found = list(dict.fromkeys(_duplicate_keys(each, here) for each in mistakes(node))) if node else []
    for each in (*_judged(data), *_kind_mismatch(data, name)):
        line, column = position_of(each, places)
        given = each.given.isoformat() if isinstance(each.given, dt.date) else each.given
        value = "" if given is NOTHING else display_value(given)
        found.append(Problem(each.path, each.expected, value, each.near, here, line, column))
    return sorted(dict.fromkeys(found), key=lambda each: (each.line, each.column))


def _judged(data: Any) -> Iterator[SettingsProblem]:
    """What the packs would say of the file."""
    yield from file_problems(data)
    if isinstance(data, dict):
        for name, (model, rules) in _PACKS.items():
            yield from judge(name, model, rules, data, {})[1]


def _duplicate_keys(found: Mistake, file: str) -> Problem:
    mark = found.node.start_mark
    return Problem(found.key or "the file", found.expected, file=file, line=mark.line + 1, column=mark.column + 1)


def entitled_seats(text: str, profiles: Collection[str]) -> int | None:
    """Seats that machines with these vGPU profiles may take, one profile for each, by the ``text`` of a settings file.

    None when it declares no entitlement. An edition licenses its own series only: where one has too few seats, those
    of another that are left over do not count.
    """
    try:
        listed = TypeAdapter(list[Entitlement]).validate_python(yaml.safe_load(text)["licensing"]["entitlements"])
    except (yaml.YAMLError, ValueError, RecursionError, KeyError, TypeError):
        return None
    seats = entitled(listed, dt.datetime.now(dt.UTC).date())
    used = Counter(edition_of(each) for each in profiles)
    if any(count > seats[edition] for edition, count in used.items()):
        return (used & seats).total()
    return sum(seats[edition] for edition in used or seats)


def _kind_mismatch(data: Any, name: str) -> Iterator[SettingsProblem]:
    """Kind and platform by which the packs would judge ``name`` otherwise than the environment that it is."""
    stack = ROOT / "stacks" / f"Pulumi.{name}.yaml"
    try:
        config = load(stack)[1]["config"]
        own = {"kind": config["paif:kind"], "platform": config.get("paif:platform")}
    except (Unreadable, KeyError, TypeError, AttributeError):
        return
    if not isinstance(data, dict):
        return
    for key, what, known in (
        ("kind", "kind", list(KINDS)),
        ("platformVersion", "platform", list(catalog.all_baselines())),
    ):
        said = data.get(key)
        if own[what] in known and said in known and said != own[what]:
            expected = f"{own[what]}, as stacks/{stack.name} says, or nothing: the packs take the {what} from there"
            yield SettingsProblem((key,), expected, said)
