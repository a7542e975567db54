"""Settings of the policy packs for an environment, policies/config/paif/ENV.yaml: checked before a run, and made.

The packs' own models judge them, so that a mistake is told with its line instead of by an engine that does not start.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import paif_catalog as catalog
from cli.configuration.stack_files import stack_names
from cli.engine.backend import PROJECT
from lab.state import ROOT
from paif_catalog.nearest_names import nearest
from paif_catalog.predicates import KINDS
from policies.licensing.configuration import LICENSES_FILE, LicensingSettings
from policies.licensing.counting.balance import PRODUCTS
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
# What licenses the organization owns, and how many of them this environment may use, stands in licenses.yaml in the
# folder above. vGPU mode is refused until it does; DirectPath I/O needs none for the GPU itself.
platform:
  # The vGPU driver on the hosts, so that guests of another branch are refused.
  # hostDriver: {{branch: 550, nvaieMajor: 5}}
  # Where images, models and charts may come from, beside {registries}.
  # Your model gallery must be among them.
  trustedRegistries:
    - harbor.example.com
"""


_LICENSES_TEMPLATE = """\
# What the organization owns, once for all environments, in the unit that each product is bought in; docs/licenses.md.
# `./paif check` checks this file, `./paif policy licenses` shows what is owned, shared and used.
nvaie:
  owned: []
  #  - {gpus: 8, ends: 2027-12-31}
  #  - {gpus: 4, term: perpetual}
  # What came with H100 PCIe, H100 NVL or H200 NVL covers these GPUs only.
  # included:
  #   - {model: H100-NVL, gpus: 4, ends: 2030-06-30}
  # shares: {site1: 4}
# Q, B and A profiles, by machines that run at once.
# vws: {owned: [{concurrentUsers: 10, ends: 2027-12-31}]}
# vpc: {owned: [{concurrentUsers: 10, ends: 2027-12-31}]}
# vapps: {owned: [{concurrentUsers: 10, ends: 2027-12-31}]}
# The add-on VMware Private AI Foundation with NVIDIA, and the GPU hosts whose cores it must cover.
# paifAddOn:
#   owned: [{cores: 256, ends: 2027-12-31}]
#   hosts: [{count: 2, cpus: 2, coresPerCpu: 64}]
"""


def licenses_file() -> Path:
    """Where it stands what the organization owns."""
    return ROOT / "policies" / "config" / LICENSES_FILE


def licenses_template() -> str:
    """A file of what is owned to fill in; it declares nothing."""
    return _LICENSES_TEMPLATE


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
    """Everything that is wrong with the settings of ``name``, and with what the organization owns, file by file."""
    file = settings_file(name)
    former = file.parents[1] / file.name
    found = _file_problems(file, relative_file(name), lambda data: (*_judged(data), *_kind_mismatch(data, name)))
    if not file.is_file() and former.is_file() and former != licenses_file():
        expected = f"nothing: settings are found by project and stack, move it to {relative_file(name)}"
        found.append(Problem("the file", expected, file=f"policies/config/{former.name}", line=1, column=1))
    return found + _file_problems(licenses_file(), f"policies/config/{LICENSES_FILE}", _license_problems)


def _file_problems(file: Path, here: str, judged: Callable[[Any], Iterable[SettingsProblem]]) -> list[Problem]:
    if not file.is_file():
        return []
    try:
        node, data = load(file, here)
    except Unreadable as unreadable:
        return [unreadable.problem]
    places = {(): (1, 1)} | (dict(positions(node)) if node else {})
    found = list(dict.fromkeys(_duplicate_keys(each, here) for each in mistakes(node))) if node else []
    for each in judged(data):
        line, column = position_of(each, places)
        given = each.given.isoformat() if isinstance(each.given, dt.date) else each.given
        value = "" if given is NOTHING else display_value(given)
        found.append(Problem(each.path, each.expected, value, each.near, here, line, column))
    return sorted(dict.fromkeys(found), key=lambda each: (each.line, each.column))


def _license_problems(data: Any) -> Iterator[SettingsProblem]:
    """What is wrong with the file of what is owned. A share under a name that no environment has helps nobody."""
    model, rules = _PACKS[LICENSING.name]
    settings, found = judge(LICENSING.name, model, rules, {}, {}, {"licenses": {} if data is None else data})
    for each in found:
        where = each.where[1:]
        yield replace(each, where=(*where, "shares") if each.expected.startswith("shares") else where)
    if not isinstance(settings, LicensingSettings) or settings.licenses.made_up_for:
        # The lab's stay when its example environments go: they count nowhere else.
        return
    names = stack_names()
    for product in PRODUCTS:
        for share in getattr(settings.licenses, product).shares:
            if "/" not in share and share not in names:
                expected = f"an environment, {', '.join(names)}, or project/stack of another project"
                yield SettingsProblem((product, "shares", share), expected, near=nearest(share, names))


def _judged(data: Any) -> Iterator[SettingsProblem]:
    """What the packs would say of the file."""
    yield from file_problems(data)
    if isinstance(data, dict):
        for name, (model, rules) in _PACKS.items():
            yield from judge(name, model, rules, data, {})[1]


def _duplicate_keys(found: Mistake, file: str) -> Problem:
    mark = found.node.start_mark
    return Problem(found.key or "the file", found.expected, file=file, line=mark.line + 1, column=mark.column + 1)


def _kind_mismatch(data: Any, name: str) -> Iterator[SettingsProblem]:
    """Kind, platform and target by which the packs would judge ``name`` otherwise than the environment that it is."""
    stack = ROOT / "stacks" / f"Pulumi.{name}.yaml"
    try:
        config = load(stack)[1]["config"]
        own = {
            "kind": config["paif:kind"],
            "platform": config.get("paif:platform"),
            "target": config.get("paif:target"),
        }
    except (Unreadable, KeyError, TypeError, AttributeError):
        return
    if not isinstance(data, dict):
        return
    for key, what, known in (
        ("kind", "kind", list(KINDS)),
        ("platformVersion", "platform", list(catalog.all_baselines())),
        ("target", "target", ["lab", "vcf"]),
    ):
        said = data.get(key)
        if own[what] in known and said in known and said != own[what]:
            expected = f"{own[what]}, as stacks/{stack.name} says, or nothing: the packs take the {what} from there"
            yield SettingsProblem((key,), expected, said)
