"""Where the settings of a stack are, and what is wrong with them: place, expectation, nearest name.

A file is found by project and stack: `paif-policies/<project>/<stack>.yaml` in the folder of the program that runs or
one above it, up to the top of its repository, else `policies/config/<project>/<stack>.yaml` beside the packs. It has a
section per pack, and what all packs know once at its top. A `--policy-pack-config` file overrides it, key by key of a
section (docs/decisions/0005-policy-data.md).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from paif_catalog import YAML_LOADER
from paif_catalog.nearest_names import nearest
from paif_catalog.predicates import GUARDS
from policies.shared.configuration import (
    LEVELS_EXPECTED,
    ConfigurationError,
    Settings,
    UnexpectedError,
    Vocabulary,
    kinds_without_levels,
)

FOLDER = Path(__file__).resolve().parents[1] / "config"
"""Settings of this repository's own projects."""
CALLERS_FOLDER = "paif-policies"
"""The folder of settings in a repository of somebody else's."""
PACKS = ("naming", "licensing", "platform")
OF_ALL_PACKS = ("kind", "kinds", "platformVersion", "target", "labels", "existingClasses")
"""What a file says once for all packs."""

KeyPath = tuple[str | int, ...]
NOTHING: Any = object()


@dataclass(frozen=True)
class SettingsProblem:
    """One mistake: where in the file, what was expected there, what stands there, and the nearest valid name."""

    where: KeyPath
    expected: str
    given: Any = NOTHING
    near: str = ""

    @property
    def path(self) -> str:
        """Dotted path, as platform.hostDriver.branch; "the file" for all of it."""
        text = ""
        for part in self.where:
            text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
        return text or "the file"


@dataclass(frozen=True)
class SettingsFile:
    """A file of settings, and what messages call it."""

    path: Path
    name: str

    def content(self) -> tuple[str, Any]:
        """Its text and what that says. Raises ConfigurationError."""
        try:
            text = self.path.read_text("utf-8")
            return text, yaml.load(text, Loader=YAML_LOADER) or {}  # noqa: S506
        except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
            raise ConfigurationError(f"{self.name} is no YAML: {error}") from None


def _there(file: Path, program: Path) -> list[SettingsFile]:
    """The files of this path in the folders of settings that count for a program, the nearest first."""
    above = [program, *program.parents]
    top = next((each for each in above if (each / ".git").exists()), None) or next(
        (each for each in above if (each / "Pulumi.yaml").is_file()), program
    )
    folders = [each for each in above if each.is_relative_to(top)]
    places = [(each / CALLERS_FOLDER / file, top) for each in folders] + [(FOLDER / file, FOLDER.parents[1])]
    return [SettingsFile(path, str(path.relative_to(root))) for path, root in places if path.is_file()]


def organization_files(model: type[Settings], program: Path) -> dict[str, SettingsFile]:
    """Files of settings that are the same for all stacks of an organization, by key: the nearest to a program each."""
    found = {key: _there(Path(name), program) for key, name in model.organization_files.items()}
    return {key: files[0] for key, files in found.items() if files}


def locate(project: str, stack: str, program: Path) -> SettingsFile | None:
    """The settings of a project's stack, whose program is in a folder; None when nobody has written any.

    Raises ConfigurationError when there are two, or one where they were looked for formerly.
    """
    own = Path(project) / f"{stack}.yaml"
    found = _there(own, program)
    if len(found) > 1:
        names = " and ".join(each.name for each in found)
        raise ConfigurationError(f"{names} are both settings of stack {stack} of project {project}: keep one of them")
    former = FOLDER / f"{stack}.yaml"
    if not found and former.is_file() and stack != "licenses":
        raise ConfigurationError(
            f"policies/config/{former.name} is not read any more: settings are found by project and stack; move it to "
            f"policies/config/{own}"
        )
    return found[0] if found else None


def file_problems(data: Any) -> Iterator[SettingsProblem]:
    """What is wrong with a file before any pack looks at its section."""
    known = (*OF_ALL_PACKS, *PACKS)
    if not isinstance(data, dict):
        yield SettingsProblem((), f"a mapping with {', '.join(known)}", data)
        return
    for key in data:
        if key not in known:
            yield SettingsProblem((str(key),), f"one of {', '.join(known)}", near=nearest(str(key), known))
    for name in kinds_without_levels(data.get("kinds")):
        yield SettingsProblem(("kinds", name), LEVELS_EXPECTED, near=nearest(name, GUARDS))


T = TypeVar("T", bound=Settings)


def judge(
    pack: str,
    model: type[T],
    rules: Collection[str],
    data: Mapping[str, Any],
    overrides: Mapping[str, Any],
    shared: Mapping[str, Any] | None = None,
) -> tuple[T | None, list[SettingsProblem]]:
    """A pack's settings of a file's content, or what is wrong with them.

    `shared` are contents of the organization's files by key; what is wrong in one is at the key, without the pack.
    """
    section = {} if data.get(pack) is None else data[pack]
    if not isinstance(section, dict):
        return None, [SettingsProblem((pack,), "a mapping with the pack's settings", section)]
    problems = [
        SettingsProblem((pack, key), f"nothing: {key} stands once at the top of the file, for all packs")
        for key in section
        if key in OF_ALL_PACKS
    ]
    aliases = {str(info.alias) for info in model.model_fields.values()}
    common = {key: data[key] for key in OF_ALL_PACKS if key in data and key in aliases}
    own = {key: each for key, each in section.items() if key not in OF_ALL_PACKS}
    above = {**common, **(shared or {})}
    values = {**above, **own, **overrides}
    problems += [
        SettingsProblem((pack, "kinds", name), LEVELS_EXPECTED, near=nearest(name, GUARDS))
        for name in kinds_without_levels(overrides.get("kinds"))
    ]
    kinds = values.get("kinds")
    names = [str(name) for name in kinds] if isinstance(kinds, dict) else []
    vocabulary = Vocabulary(frozenset(rules), model.renamed_rules, tuple(dict.fromkeys((*GUARDS, *names))))
    settings = None
    try:
        settings = model.model_validate(values, context=vocabulary)
    except ValidationError as error:
        for each in error.errors(include_url=False):
            first, *_ = each["loc"] or ("",)
            place = () if first in above and first not in own and first not in overrides else (pack,)
            problems.append(_problem(place, model, each))
    return (None if problems else settings), problems


def _problem(place: KeyPath, model: type[Settings], error: Any) -> SettingsProblem:
    loc = tuple(part for part in error["loc"] if part != "[key]" and not _is_form(part))
    where: KeyPath = (*place, *loc)
    context = error.get("ctx", {})
    if error["type"] == "extra_forbidden":
        moved = model.moved.get(".".join(map(str, loc)))
        if moved:
            return SettingsProblem(where, f"nothing: {moved}")
        keys = _keys(model.model_json_schema(by_alias=True), loc[:-1])
        # Of a pack's section: what all packs know stands at the top.
        keys = [each for each in keys if len(where) != 2 or each not in OF_ALL_PACKS]
        return SettingsProblem(where, f"one of {', '.join(keys)}", near=nearest(str(loc[-1]), keys))
    if error["type"] == "missing":
        return SettingsProblem(where, "a value: it is required")
    if error["type"] == "value_error":
        reason = context["error"]
        if isinstance(reason, UnexpectedError):
            return SettingsProblem(where, str(reason), error["input"], reason.near)
        return SettingsProblem(where, str(reason))
    if error["type"] in {"literal_error", "enum"}:
        choices = re.findall(r"'([^']*)'", context["expected"])
        return SettingsProblem(where, f"one of {', '.join(choices)}", error["input"], nearest(error["input"], choices))
    expected = error["msg"].removeprefix("Input should be ")
    return SettingsProblem(where, expected[:1].lower() + expected[1:], error["input"])


def _is_form(part: str | int) -> bool:
    """Whether a part of an error's place is the tag of one form of a value that has several."""
    return isinstance(part, str) and part.startswith("<")


def _keys(schema: dict[str, Any], loc: KeyPath) -> list[str]:
    """Keys that a mapping in the settings may have."""
    part: Any = schema
    for step in loc:
        part = part.get("properties", {}).get(step) or part.get("items") or part.get("additionalProperties") or {}
        choices = [part, *part.get("anyOf", [])]
        reference = next((each["$ref"] for each in choices if "$ref" in each), None)
        part = schema["$defs"][reference.rsplit("/", 1)[1]] if reference else part
    return sorted(part.get("properties", {}))


def positions(node: yaml.Node, where: KeyPath = ()) -> Iterator[tuple[KeyPath, tuple[int, int]]]:
    """Line and column, from 1, of everything in a file: of a key when its value is a mapping or list."""
    yield where, (node.start_mark.line + 1, node.start_mark.column + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*where, str(key.value))
            yield from positions(value, inner)
            if not isinstance(value, yaml.ScalarNode):
                yield inner, (key.start_mark.line + 1, key.start_mark.column + 1)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from positions(value, (*where, index))


def position_of(problem: SettingsProblem, places: Mapping[KeyPath, tuple[int, int]]) -> tuple[int, int]:
    """Line and column of a mistake: of what holds it when it is missing itself."""
    where = problem.where
    return next((places[where[:n]] for n in range(len(where), -1, -1) if where[:n] in places), (1, 1))


def load(
    model: type[T],
    pack: str,
    file: SettingsFile | None,
    overrides: Mapping[str, Any],
    rules: Collection[str],
    shared: Mapping[str, SettingsFile] | None = None,
) -> T:
    """A pack's settings: a file's section and the organization's files, overridden by what the engine handed over.

    Raises ConfigurationError with every problem.
    """
    text, data = file.content() if file else ("", {})
    contents = {key: each.content() for key, each in (shared or {}).items()}
    problems = list(file_problems(data))
    settings = None
    if isinstance(data, dict):
        settings, own = judge(pack, model, rules, data, overrides, {key: each[1] for key, each in contents.items()})
        problems += own
    if settings is None or problems:
        told = []
        for each in problems:
            first = each.where[0] if each.where else ""
            if shared and first in contents:
                below = replace(each, where=each.where[1:])
                said = _placed(below, shared[str(first)], contents[str(first)][0])
            elif file is None or (first == pack and each.where[1:2] and each.where[1] in overrides):
                said = f"--policy-pack-config: {_said(each)}"
            else:
                said = _placed(each, file, text)
            told.append(f"  {said}")
        raise ConfigurationError(f"the settings of policy pack {pack} are wrong:\n" + "\n".join(told))
    return settings


def _said(problem: SettingsProblem) -> str:
    # Not what stands there: it may be anything.
    hint = f" (did you mean {problem.near!r}?)" if problem.near else ""
    return f"{problem.path}: expected {problem.expected}{hint}"


def _placed(problem: SettingsProblem, file: SettingsFile, text: str) -> str:
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    line, column = position_of(problem, dict(positions(node)) if node else {})
    return f"{file.name}:{line}:{column}: {_said(problem)}"
