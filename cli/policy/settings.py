"""Settings of the policy packs for an environment, policies/config/ENV.yaml: checked before the engine runs, and made.

The packs' own models judge them, so that a mistake is told with its line instead of by an engine that does not start.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

import paif_catalog as catalog
from lab.state import ROOT
from paif_catalog.nearest_names import nearest
from paif_catalog.predicates import KINDS
from policies.licensing.configuration import Entitlement, edition_of, entitled
from policies.licensing.pack import PACK as LICENSING
from policies.naming.pack import PACK as NAMING
from policies.platform.configuration import PlatformSettings
from policies.platform.pack import PACK as PLATFORM
from policies.shared.configuration import Settings
from stacks.document import Mistake, Unreadable, load, mistakes
from stacks.problems import Problem, display_value

_KeyPath = tuple[str | int, ...]

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
  # Where images, models and charts may come from. Your model gallery must be among them.
  trustedRegistries:
{registries}
    - harbor.example.com
"""


def settings_file(name: str) -> Path:
    """Where the settings of environment ``name`` belong."""
    return ROOT / "policies" / "config" / f"{name}.yaml"


def template(name: str, kind: str, organization: str) -> str:
    """Settings to fill in. They are valid as they are, and declare no license that nobody has."""
    hosts = "\n".join(f"    - {host}" for host in PlatformSettings().trusted_registries)
    return _TEMPLATE.format(name=name, kind=kind, organization=organization, registries=hosts)


def missing(name: str) -> str:
    """What it means that ``name`` has no settings; empty when it has some."""
    if settings_file(name).is_file():
        return ""
    return (
        f"{name} has no policies/config/{name}.yaml: the policy packs use their defaults, by which vGPU, the PAIF "
        f"add-on and your own gallery are refused; `./paif init {name}` writes one to fill in"
    )


def problems(name: str) -> list[Problem]:
    """Everything that is wrong with the settings of ``name``, in the order of the file; nothing when there are none."""
    file = settings_file(name)
    if not file.is_file():
        return []
    here = f"policies/config/{file.name}"
    try:
        node, data = load(file, here)
    except Unreadable as unreadable:
        return [unreadable.problem]
    places = {(): (1, 1)} | (dict(_positions(node)) if node else {})
    found = list(dict.fromkeys(_duplicate_keys(each, here) for each in mistakes(node))) if node else []
    for where, expected, value, near in (*_validation_problems(data), *_kind_mismatch(data, name)):
        line, column = next(places[where[:n]] for n in range(len(where), -1, -1) if where[:n] in places)
        found.append(Problem(_format_path(where), expected, value, near, here, line, column))
    return sorted(found, key=lambda each: (each.line, each.column))


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


def _positions(node: yaml.Node, where: _KeyPath = ()) -> Iterator[tuple[_KeyPath, tuple[int, int]]]:
    """Line and column, from 1, of everything in the file: of a key when its value is a mapping or list."""
    yield where, (node.start_mark.line + 1, node.start_mark.column + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*where, str(key.value))
            yield from _positions(value, inner)
            if not isinstance(value, yaml.ScalarNode):
                yield inner, (key.start_mark.line + 1, key.start_mark.column + 1)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _positions(value, (*where, index))


def _validation_problems(data: Any) -> Iterator[tuple[_KeyPath, str, str, str]]:
    """Place, expectation, value and nearest valid name of each mistake."""
    if not isinstance(data, dict):
        yield (), f"a mapping with kind, platformVersion, {', '.join(_PACKS)}", display_value(data), ""
        return
    known = ["kind", "platformVersion", *_PACKS]
    for key in data:
        if key not in known:
            yield (str(key),), f"one of {', '.join(known)}", "", nearest(str(key), known)
    if "kind" in data and data["kind"] not in KINDS:
        yield ("kind",), f"one of {', '.join(KINDS)}", display_value(data["kind"]), nearest(str(data["kind"]), KINDS)
    platforms = catalog.all_baselines()
    for where, given in _said(data, "platformVersion"):
        if isinstance(given, str) and given not in platforms:
            yield where, f"one of {', '.join(platforms)}", display_value(given), nearest(given, platforms)
    for name, (model, rules) in _PACKS.items():
        section = data.get(name)
        if section is None:
            continue
        if not isinstance(section, dict):
            yield (name,), "a mapping with the pack's settings", display_value(section), ""
            continue
        try:
            settings = model.model_validate(section)
        except ValidationError as error:
            for each in error.errors(include_url=False):
                yield _validation_problem(name, model, each)
            continue
        named: list[tuple[_KeyPath, str]] = [((name, "enforcement", rule), rule) for rule in settings.enforcement]
        named += [((name, "exemptions", index, "rule"), each.rule) for index, each in enumerate(settings.exemptions)]
        for where, rule in named:
            if rule not in rules:
                yield (
                    where,
                    "the name of a rule; docs/policies.md lists them",
                    display_value(rule),
                    nearest(rule, rules),
                )


def _kind_mismatch(data: Any, name: str) -> Iterator[tuple[_KeyPath, str, str, str]]:
    """Kinds and platforms by which the packs would judge ``name`` otherwise than the environment that it is."""
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
        if own[what] in known:
            expected = f"{own[what]}, as stacks/{stack.name} says, or nothing: the packs take the {what} from there"
            others = [(where, each) for where, each in _said(data, key) if each in known and each != own[what]]
            yield from ((where, expected, display_value(each), "") for where, each in others)


def _said(data: dict[str, Any], key: str) -> list[tuple[_KeyPath, Any]]:
    """What the file says under this key for all packs, and for each by itself."""
    sections = [(pack, data[pack]) for pack in _PACKS if isinstance(data.get(pack), dict)]
    return [((key,), data.get(key)), *(((pack, key), section.get(key)) for pack, section in sections)]


def _validation_problem(pack: str, model: type[Settings], error: Any) -> tuple[_KeyPath, str, str, str]:
    where: _KeyPath = (pack, *(part for part in error["loc"] if part != "[key]"))
    if error["type"] == "extra_forbidden":
        keys = _keys(model.model_json_schema(by_alias=True), error["loc"][:-1])
        return where, f"one of {', '.join(keys)}", "", nearest(str(where[-1]), keys)
    expected = error["msg"].removeprefix("Input should be ")
    if error["type"] == "missing":
        return where, "a value: it is required", "", ""
    return where, expected[:1].lower() + expected[1:], display_value(error["input"]), ""


def _keys(schema: dict[str, Any], loc: _KeyPath) -> list[str]:
    """Keys that a mapping in the settings may have."""
    part: Any = schema
    for step in loc:
        part = part.get("properties", {}).get(step) or part.get("items") or part.get("additionalProperties") or {}
        choices = [part, *part.get("anyOf", [])]
        reference = next((each["$ref"] for each in choices if "$ref" in each), None)
        part = schema["$defs"][reference.rsplit("/", 1)[1]] if reference else part
    return sorted(part.get("properties", {}))


def _format_path(where: _KeyPath) -> str:
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "the file"
