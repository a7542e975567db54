"""Read an environment from a YAML stack file, with every problem at its line and column.

An encrypted value only counts as present, unless the passphrase is at hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from paif_catalog.nearest_names import nearest
from paif_catalog.redaction import HIDDEN, is_secret_key
from stacks.document import Mistake, Unreadable, compose, entries, scalar
from stacks.encryption import Decrypt, WrongPassphraseError, check_form, decrypter
from stacks.environment import SECRETS, Environment, from_text, naming_conflicts, validate
from stacks.problems import NAMESPACE, Path, Problem, property_path

_FOREIGN = {"pulumi", "kubernetes", "vsphere", "vcf"}
"""Namespaces of configuration that belong to Pulumi and the providers."""

_STACK_KEYS = ("config", "encryptionsalt", "secretsprovider", "encryptedkey", "environment")
_ANCHORS = "x-"
"""How keys begin that Pulumi passes over, below which anchors may stand."""
_NEVER_SECRET = ("target", "kind")
_ROOT = ""
"""First part of the path of what stands beside `config`."""


@dataclass
class StackFile:
    """A stack file that was read: the environment (None when there are problems) and the problems, in file order.

    `target` is what it names as such, whatever else is wrong; "" when it names none. `keys` are the single values
    beside `config`, `ciphertexts` what is encrypted, by path.
    """

    file: FilePath
    environment: Environment | None = None
    target: str = ""
    problems: list[Problem] = field(default_factory=list)
    positions: dict[Path, tuple[int, int]] = field(default_factory=dict, repr=False)
    keys: dict[str, str] = field(default_factory=dict, repr=False)
    ciphertexts: dict[Path, str] = field(default_factory=dict, repr=False)

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


Passphrase = Callable[[bool], str | None]
"""The passphrase of a stack that targets the lab (True), or something real; None when it is not at hand."""


def read(file: FilePath, passphrase: Passphrase | None = None) -> StackFile:
    """Read one stack file. Whatever its bytes are, it gives an environment or problems.

    With `passphrase`, half a second for each file, what is encrypted must be of the right form, and decryptable where
    that is known; the plain values are checked like others, and never shown.
    """
    result = StackFile(file)
    try:
        root = compose(file)
    except Unreadable as unreadable:
        result.problems.append(unreadable.problem)
        return result
    reader = _Reader(result)
    raw = reader.configuration(root)
    result.target = str(raw.get("target") or "")
    if passphrase is not None:
        reader.decrypt(raw, passphrase)
    environment, problems = validate(raw, result.stack, reader.encrypted, reader.hidden)
    result.problems += [result.place(path, problem) for path, problem in problems]
    result.problems.sort(key=lambda problem: (problem.line, problem.column))
    result.environment = None if result.problems else environment
    return result


def check_together(files: list[StackFile]) -> list[Problem]:
    """Problems between environments, e.g. a namespace used twice, each at its place in the later file."""
    by_identity = {id(file.environment): file for file in files if file.environment is not None}
    environments = [file.environment for file in files if file.environment is not None]
    return [by_identity[id(env)].place(path, problem) for env, path, problem in naming_conflicts(environments)]


class _Reader:
    """Turns YAML nodes into plain data and notes where each value stands."""

    def __init__(self, result: StackFile) -> None:
        self.result = result
        self.encrypted: set[str] = set()
        self.hidden: set[Path] = set()
        self.names: set[str] = set()

    def configuration(self, root: Node | None) -> dict[str, Any]:
        """The project's keys of the file, without their namespace."""
        if not isinstance(root, MappingNode):
            self._problem(root, "", "a mapping with the key config")
            return {}
        data: dict[str, Any] = {}
        config: Node | None = None
        for key, value in self._entries(root, str):
            name = str(key.value)
            if name == "config":
                config = value
            elif name in _STACK_KEYS:
                if isinstance(value, ScalarNode):
                    self.result.keys[name] = str(value.value)
                    self.result.positions[_ROOT, name] = (value.start_mark.line + 1, value.start_mark.column + 1)
            elif not name.startswith(_ANCHORS):
                self._problem(key, name, f"one of {', '.join(_STACK_KEYS)}", nearest(name, _STACK_KEYS))
        if not isinstance(config, MappingNode):
            self._problem(config or root, "config", "a mapping with this project's keys")
            return data
        self.result.positions[()] = (config.start_mark.line + 1, config.start_mark.column + 1)
        configured = self._entries(config, lambda name: name or "config")
        self.names = {str(key.value) for key, _ in configured}
        for key, value in configured:
            own = self._own_key(key, value)
            if own is not None:
                self._mark((own,), key, value)
                data[own] = self._top_level(own, value)
        return data

    def decrypt(self, data: dict[str, Any], passphrase: Passphrase) -> None:
        """Put plain values in the place of encrypted ones, as far as that is possible here; what cannot be is told."""
        found, lab = self.result.ciphertexts, data.get("target") == "lab"
        salt, cloud = self.result.keys.get("encryptionsalt"), "encryptedkey" in self.result.keys
        if salt is None and lab and found and not cloud:
            self._root_problem("encryptionsalt", "the salt with which this file's values were encrypted")
        if salt is None and not cloud:
            # Pulumi's own service keeps key and salt, and has values of another form.
            return
        plain: Decrypt | None = None
        word = passphrase(lab) if salt is not None and not cloud else None
        if salt is not None and word is not None:
            try:
                plain = decrypter(salt, word)
            except WrongPassphraseError:
                whose = "the lab's passphrase, paif-lab" if lab else "PULUMI_CONFIG_PASSPHRASE (or …_FILE) as it is set"
                self._root_problem("encryptionsalt", f"a salt that fits {whose}: nothing in this file can be decrypted")
            except ValueError:
                self._root_problem("encryptionsalt", "a salt as Pulumi writes it, v1:…:v1:…:…")
        for path, ciphertext in found.items():
            try:
                if plain is None:
                    check_form(ciphertext)
                else:
                    text = plain(ciphertext)
                    _put(data, path, from_text(str(path[0]), text) if len(path) == 1 else text)
                    self.hidden.discard(path)
            except ValueError:
                name = property_path(path)
                how = f"pulumi config set --secret{' --path' if len(path) > 1 else ''} {name}"
                expected = f"what this file's salt and passphrase encrypted: {how}"
                self.result.problems.append(self.result.place(path, Problem(name, expected, "not decryptable")))

    def _root_problem(self, key: str, expected: str) -> None:
        where: Path = (_ROOT, key) if key in self.result.keys else ()
        self.result.problems.append(self.result.place(where, Problem(key, expected)))

    def _own_key(self, key: ScalarNode, value: Node) -> str | None:
        namespace, colon, name = str(key.value).partition(":")
        if namespace == NAMESPACE and colon:
            return name
        if colon and namespace in _FOREIGN:
            if isinstance(value, ScalarNode) and value.value and is_secret_key(name):
                self._problem(
                    value,
                    str(key.value),
                    f"an encrypted value: pulumi config set --secret {key.value}",
                    shown_value=HIDDEN,
                )
            return None
        wanted = nearest(name if colon else namespace, _top_level_keys())
        near = f"{NAMESPACE}:{wanted}" if wanted else ""
        if wanted and near not in self.names:
            self.hidden.add((wanted,))
        self._problem(key, str(key.value), f"a key of namespace {NAMESPACE} or of a provider", near)
        return None

    def _top_level(self, name: str, node: Node) -> Any:
        ciphertext = _ciphertext(node)
        if ciphertext is not None:
            self.encrypted.add(name)
            if name in _NEVER_SECRET:
                expected = f"a value that everybody can read: it decides how careful all commands are with {NAMESPACE}"
                self._problem(node, property_path((name,)), expected, shown_value="encrypted")
            return self._secure((name,), ciphertext)
        value = self._plain(node, (name,))
        if not isinstance(node, ScalarNode):
            return value
        if name in SECRETS:
            return str(node.value)
        # Pulumi hands a scalar at the top level to the program as text: as it has read it, which may not be as written.
        text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        if text not in {str(node.value), ""} and text != str(node.value).lower():
            self._problem(node, property_path((name,)), f"the value in quotes: without them it is read as {text}")
        return from_text(name, text)

    def _secure(self, path: Path, ciphertext: str) -> Any:
        """What stands for an encrypted value. One that need not be secret is not judged: nobody knows it here."""
        self.result.ciphertexts[path] = ciphertext
        if path[0] not in SECRETS:
            self.hidden.add(path)
        return "(encrypted)"

    def _plain(self, node: Node, path: Path) -> Any:
        if isinstance(node, MappingNode):
            ciphertext = _ciphertext(node)
            if ciphertext is not None:
                return self._secure(path, ciphertext)
            result: dict[str, Any] = {}
            for key, value in self._entries(node, lambda name: property_path((*path, name))):
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
        assert isinstance(node, ScalarNode)  # noqa: S101 (the third kind)
        single = scalar(node)
        if isinstance(single, Mistake):
            self._problem(node, property_path(path), single.expected)
            # Not judged again: what stands there is told already.
            self.hidden.add(path)
            return ""
        return single

    def _entries(self, node: MappingNode, spell: Callable[[str], str]) -> list[tuple[ScalarNode, Node]]:
        """Keys and values of a mapping; a key that stands there twice, or is no text, is a problem."""
        found = entries(node)
        for each in found.mistakes:
            self._problem(each.node, spell(each.key) if each.key is not None else spell(""), each.expected)
        return list(found.values.values())

    def _mark(self, path: Path, key: Node, value: Node) -> None:
        # A scalar is wrong at its own place; a mapping or list is found at its key.
        mark = value.start_mark if isinstance(value, ScalarNode) else key.start_mark
        self.result.positions[path] = (mark.line + 1, mark.column + 1)

    def _problem(self, node: Node | None, path: str, expected: str, near: str = "", shown_value: str = "") -> None:
        line, column = (node.start_mark.line + 1, node.start_mark.column + 1) if node is not None else (1, 1)
        file = str(self.result.file)
        found = Problem(path or file, expected, shown_value, near, file, line, column)
        # What an alias stands for is read again at each.
        if found not in self.result.problems:
            self.result.problems.append(found)


def _put(data: Any, path: Path, value: Any) -> None:
    for part in path[:-1]:
        data = data[part]
    data[path[-1]] = value


def _ciphertext(node: Node) -> str | None:
    """What is encrypted, where a value stands as Pulumi writes those: a mapping with the single key secure."""
    if isinstance(node, MappingNode):
        inner = entries(node).values
        if list(inner) == ["secure"] and isinstance(inner["secure"][1], ScalarNode):
            return str(inner["secure"][1].value)
    return None


def _top_level_keys() -> list[str]:
    return [info.alias or name for name, info in Environment.model_fields.items()]
