"""Read an environment from a YAML stack file, with every problem at its line and column.

Nothing is decrypted: an encrypted value only counts as present.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from stacks.environment import SECRETS, Environment, clashes, from_text, validate
from stacks.problems import NAMESPACE, Path, Problem, nearest, property_path

_FOREIGN = {"pulumi", "kubernetes", "vsphere", "vcf"}
"""Namespaces of configuration that belong to Pulumi and the providers."""

_DEEPEST = 20
_STACK_KEYS = ("config", "encryptionsalt", "secretsprovider", "encryptedkey", "environment")


@dataclass
class StackFile:
    """A stack file that was read: the environment (None when there are problems) and the problems, in file order.

    `target` is what it names as such, whatever else is wrong; "" when it names none.
    """

    file: FilePath
    environment: Environment | None = None
    target: str = ""
    problems: list[Problem] = field(default_factory=list)
    positions: dict[Path, tuple[int, int]] = field(default_factory=dict, repr=False)

    @property
    def stack(self) -> str:
        """Name of the stack: Pulumi.<stack>.yaml."""
        return self.file.name.removeprefix("Pulumi.").removesuffix(".yaml")

    def place(self, path: Path, problem: Problem) -> Problem:
        """The problem with this file and the position of `path`, or of the nearest thing around it that is there."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.positions:
                line, column = self.positions[path[:length]]
                return replace(problem, file=str(self.file), line=line, column=column)
        return replace(problem, file=str(self.file), line=1, column=1)


def read(file: FilePath) -> StackFile:
    """Read one stack file. A file that is missing or is no YAML gives one problem, as everything else does."""
    result = StackFile(file)
    try:
        root = YAML(typ="safe", pure=True).compose(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        result.problems.append(_unreadable(file, error))
        return result
    reader = _Reader(result)
    raw = reader.configuration(root)
    result.target = str(raw.get("target") or "")
    encrypted = {key for key in SECRETS if key in reader.encrypted}
    environment, problems = validate(raw, result.stack, encrypted)
    result.problems += [result.place(path, problem) for path, problem in problems]
    result.problems.sort(key=lambda problem: (problem.line, problem.column))
    result.environment = None if result.problems else environment
    return result


def _unreadable(file: FilePath, error: Exception) -> Problem:
    """Why nothing of a file could be read, at the line where that showed."""
    what, expected, line, column = "YAML", "valid YAML", 1, 1
    if isinstance(error, OSError):
        what, expected = str(file), f"a stack file ({error.strerror})"
    elif isinstance(error, UnicodeDecodeError):
        expected, line = "text in UTF-8", error.object[: error.start].count(b"\n") + 1
    elif isinstance(error, ReaderError):
        expected = f"text without control characters (0x{error.character:02x} at position {error.position})"
    elif isinstance(error, MarkedYAMLError):
        expected = f"valid YAML ({error.problem})"
        if error.problem_mark:
            line, column = error.problem_mark.line + 1, error.problem_mark.column + 1
    return Problem(what, expected, file=str(file), line=line, column=column)


def check_together(files: list[StackFile]) -> list[Problem]:
    """Problems between environments, e.g. a namespace used twice, each at its place in the later file."""
    by_identity = {id(file.environment): file for file in files if file.environment is not None}
    environments = [file.environment for file in files if file.environment is not None]
    return [by_identity[id(env)].place(path, problem) for env, path, problem in clashes(environments)]


class _Reader:
    """Turns YAML nodes into plain data and notes where each value stands."""

    def __init__(self, result: StackFile) -> None:
        self.result = result
        self.encrypted: set[str] = set()
        self._constructor = YAML(typ="safe", pure=True).constructor

    def configuration(self, root: Node | None) -> dict[str, Any]:
        """The project's keys of the file, without their namespace."""
        if not isinstance(root, MappingNode):
            self._problem(root, "", "a mapping with the key config")
            return {}
        data: dict[str, Any] = {}
        config: Node | None = None
        for key, value in self._entries(root, "", str):
            if key.value == "config":
                config = value
            elif key.value not in _STACK_KEYS:
                self._problem(key, str(key.value), f"one of {', '.join(_STACK_KEYS)}", nearest(key.value, _STACK_KEYS))
        if not isinstance(config, MappingNode):
            self._problem(config or root, "config", "a mapping with this project's keys")
            return data
        self.result.positions[()] = (config.start_mark.line + 1, config.start_mark.column + 1)
        for key, value in self._entries(config, "", str):
            name = self._own_key(key)
            if name is not None:
                data[name] = self._top_level(name, key, value)
        return data

    def _own_key(self, key: ScalarNode) -> str | None:
        namespace, colon, name = str(key.value).partition(":")
        if namespace == NAMESPACE and colon:
            return name
        if colon and namespace in _FOREIGN:
            return None
        wanted = nearest(name if colon else namespace, _top_level_keys())
        near = f"{NAMESPACE}:{wanted}" if wanted else ""
        self._problem(key, str(key.value), f"a key of namespace {NAMESPACE} or of a provider", near)
        return None

    def _top_level(self, name: str, key: ScalarNode, node: Node) -> Any:
        self._mark((name,), key, node)
        if name in SECRETS:
            encrypted = isinstance(node, MappingNode) and [entry[0].value for entry in node.value] == ["secure"]
            if encrypted:
                self.encrypted.add(name)
            return "(encrypted)" if encrypted or isinstance(node, ScalarNode) else self._plain(node, (name,))
        value = self._plain(node, (name,))
        # Pulumi hands a scalar at the top level to the program as text, whatever it looks like.
        return from_text(name, str(node.value)) if isinstance(node, ScalarNode) and value is not None else value

    def _plain(self, node: Node, path: Path) -> Any:
        if len(path) > _DEEPEST:
            self._problem(node, property_path(path[:1]), "a value that does not contain itself (*alias)")
            return None
        if isinstance(node, MappingNode):
            result: dict[str, Any] = {}
            for key, value in self._entries(node, property_path(path), lambda name: property_path((*path, name))):
                name = str(key.value)
                self._mark((*path, name), key, value)
                result[name] = self._plain(value, (*path, name))
            return result
        if isinstance(node, SequenceNode):
            items = []
            for index, value in enumerate(node.value):
                self._mark((*path, index), value, value)
                items.append(self._plain(value, (*path, index)))
            return items
        try:
            return self._constructor.construct_object(node)
        except (YAMLError, ValueError):
            # What only looks like a date is text, for Pulumi too.
            kind = str(node.tag).rpartition(":")[2]
            if kind != "timestamp":
                self._problem(node, property_path(path), f"a value of the type that its tag says ({kind})")
            return str(node.value)

    def _entries(self, node: MappingNode, path: str, spell: Any) -> list[tuple[ScalarNode, Node]]:
        """Keys and values of a mapping; a key that stands there twice, or is no text, is a problem."""
        entries: dict[str, tuple[ScalarNode, Node]] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self._problem(key, path or "config", "text as a key")
                continue
            name = str(key.value)
            if name in entries:
                first = entries[name][0].start_mark.line + 1
                self._problem(key, spell(name), f"each key once (line {first} has it too)")
                continue
            entries[name] = (key, value)
        return list(entries.values())

    def _mark(self, path: Path, key: Node, value: Node) -> None:
        # A scalar is wrong at its own place; a mapping or list is found at its key.
        mark = value.start_mark if isinstance(value, ScalarNode) else key.start_mark
        self.result.positions[path] = (mark.line + 1, mark.column + 1)

    def _problem(self, node: Node | None, path: str, expected: str, near: str = "") -> None:
        line, column = (node.start_mark.line + 1, node.start_mark.column + 1) if node is not None else (1, 1)
        self.result.problems.append(
            Problem(
                path or str(self.result.file),
                expected,
                nearest=near,
                file=str(self.result.file),
                line=line,
                column=column,
            )
        )


def _top_level_keys() -> list[str]:
    return [info.alias or name for name, info in Environment.model_fields.items()]
