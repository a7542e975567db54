"""Where a finding is mended: a line of the stack file or of the packs' settings, as the documents have it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from cli.policy.packs import Finding
from cli.policy.rules import organization_files, setting_names
from cli.policy.settings import settings_file
from lab.state import ROOT

_SECTIONS = {
    "VirtualMachine": "workstations",
    "VirtualMachineClass": "vmClasses",
    "Cluster": "clusters",
    "ModelEndpoint": "modelEndpoints",
    "PostgresCluster": "databases",
    "GalleryModel": "models",
    "Namespace": "namespaces",
}
"""Section of a stack file that kinds of resources usually come from; a name that only another has is found there."""
_PATH = re.compile(r"\(([A-Za-z][\w.:/-]*)(?: is .*)?\)$")


@dataclass(frozen=True)
class Place:
    """A line, from 1, of a file below the checkout."""

    file: str
    line: int = 1
    column: int = 1


class Places:
    """Finds the places of findings on one environment."""

    def __init__(self, environment: str, root: Path = ROOT) -> None:
        self._stack_name = f"stacks/Pulumi.{environment}.yaml"
        self._stack = _load(root / self._stack_name)
        file = root / settings_file(environment).relative_to(ROOT)
        self._settings_name = str(file.relative_to(root)) if file.is_file() else ""
        self._settings = _load(file)
        self._root = root

    def of(self, finding: Finding) -> Place:
        """Where the finding is mended; the stack file's configuration when nothing tells more."""
        first, *rest = finding.message.splitlines()
        if finding.rule.endswith("-exemptions"):
            return self._exemption(finding) or self._in_settings(finding.pack, "exemptions")
        said = _PATH.search(first)
        path = said.group(1) if said else ""
        names = setting_names(finding.pack)
        if place := self._in_organization_file(finding.pack, path.split(".")):
            return place
        if path.split(".")[0] in names and self._settings_name:
            return self._in_settings(finding.pack, path)
        if entry := self._entry(finding, path):
            return entry
        words = [*re.findall(r"[A-Za-z]\w*", first), *re.findall(r"[A-Za-z]\w*", "\n".join(rest))]
        for each in words:
            if place := self._in_organization_file(finding.pack, [each]):
                return place
        setting = next((each for each in words if each in names), "")
        if setting and self._settings_name:
            return self._in_settings(finding.pack, setting)
        config = self._stack.get("config")
        if isinstance(config, CommentedMap):
            keys = {str(key).rpartition(":")[2]: key for key in config}
            for each in words:
                if each in keys:
                    return _key(self._stack_name, config, keys[each])
            return _key(self._stack_name, self._stack, "config")
        return Place(self._stack_name)

    def _in_settings(self, pack: str, path: str) -> Place:
        """The deepest part of a dotted path that the settings have, below a pack or for all of them."""
        parts = path.split(".")
        file = self._settings_name or self._stack_name
        return _deepest(file, self._settings, parts if parts[0] in self._settings else [pack, *parts]) or Place(file)

    def _in_organization_file(self, pack: str, parts: list[str]) -> Place | None:
        """The deepest part of a path in a file that all environments share; None when it has nothing of it."""
        for key, path in organization_files(pack).items():
            file = self._root / path.relative_to(ROOT)
            name, content = str(file.relative_to(self._root)), _load(file)
            if parts[0] == key and content:
                return _deepest(name, content, parts[1:]) or Place(name)
            if parts[0] in content:
                return _deepest(name, content, parts)
        return None

    def _exemption(self, finding: Finding) -> Place | None:
        section = self._settings.get(finding.pack)
        listed = section.get("exemptions") if isinstance(section, CommentedMap) else None
        if not isinstance(listed, CommentedSeq):
            return None
        for index, each in enumerate(listed):
            texts = [str(each.get(key, "")) for key in ("rule", "resource")] if isinstance(each, CommentedMap) else []
            if texts and all(text and text in finding.message for text in texts):
                return _item(self._settings_name, listed, index)
        return None

    def _entry(self, finding: Finding, path: str) -> Place | None:
        """The entry of the stack file that a resource comes from, at the key that the finding is about."""
        config = self._stack.get("config")
        if not isinstance(config, CommentedMap):
            return None
        names = [finding.name, finding.message.partition(": ")[0]]
        kind = finding.resource.split("::")[2].rsplit(":", 1)[-1] if finding.resource.count("::") > 1 else ""
        best: tuple[int, bool, Place] | None = None
        for section, entry in _named(config):
            own = str(entry["name"])
            if not any(name == own or name.endswith(f"-{own}") for name in names):
                continue
            place = _key(self._stack_name, entry, _matching(entry, path) or "name")
            rank = (len(own), section == _SECTIONS.get(kind), place)
            if best is None or rank[:2] > best[:2]:
                best = rank
        return best[2] if best else None


def _deepest(file: str, here: Any, parts: list[str]) -> Place | None:
    """The place of the deepest of nested keys and numbers that is there."""
    place = None
    for part in parts:
        if isinstance(here, CommentedMap) and part in here:
            place, here = _key(file, here, part), here[part]
        elif isinstance(here, CommentedSeq) and part.isdigit() and int(part) < len(here):
            place, here = _item(file, here, int(part)), here[int(part)]
        else:
            break
    return place


def _named(node: Any, section: str = "") -> Iterator[tuple[str, CommentedMap]]:
    """Everything that has a name, and the key of the configuration that it is below."""
    if isinstance(node, CommentedMap):
        if section and isinstance(node.get("name"), str):
            yield section, node
        for key, value in node.items():
            yield from _named(value, section or str(key).rpartition(":")[2])
    elif isinstance(node, CommentedSeq):
        for each in node:
            yield from _named(each, section)


def _matching(entry: CommentedMap, path: str) -> str:
    """The key of an entry that a resource's property comes from: className from class, replicas from replicas."""
    last = next((part for part in reversed(path.split(".")) if not part.isdigit()), "").lower()
    found = [str(key) for key in entry if key != "name" and str(key).lower() in last]
    return max(found, key=len, default="")


def _key(file: str, mapping: CommentedMap, key: Any) -> Place:
    line, column = mapping.lc.key(key)
    return Place(file, line + 1, column + 1)


def _item(file: str, sequence: CommentedSeq, index: int) -> Place:
    line, column = sequence.lc.item(index)
    return Place(file, line + 1, column + 1)


def _load(file: Path) -> CommentedMap:
    """A document with the positions of what is in it; empty when it is none. What is wrong in it is told elsewhere."""
    try:
        loaded = YAML().load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError):
        return CommentedMap()
    return loaded if isinstance(loaded, CommentedMap) else CommentedMap()
