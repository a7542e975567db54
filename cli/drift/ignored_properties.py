"""What somebody else has changed on purpose, written into a stack file as left alone (`paif:ignoreChanges`).

The file is edited as text that keeps its comments and its form. Where that cannot be done the text to put in is told.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from cli.engine.urns import kind_and_name
from cli.output.console import Failed
from lab.state import ROOT, write_atomically
from stacks.problems import NAMESPACE

_KEY = f"{NAMESPACE}:ignoreChanges"
_INDEX = re.compile(r"\[(?!\")")


def resource_key(urn: str) -> str:
    """How an entry names a resource: its kind and logical name, such as VirtualMachine/acme-dev-dlvm-alice."""
    return "/".join(kind_and_name(urn))


def ignorable_path(path: str) -> str:
    """The property that can be left alone for a path that differs: a list only as a whole, since entries move."""
    return _INDEX.split(path, maxsplit=1)[0]


def add_ignored(file: Path, properties: Mapping[str, Sequence[str]]) -> list[str]:
    """Add properties by resource, as `resource_key` and `ignorable_path` give them.

    Returns what is new, a line for each.

    Raises ``Failed`` when the file cannot be edited without changing more of it.
    """
    text = file.read_text(encoding="utf-8")
    yaml = _yaml()
    try:
        data = yaml.load(text)
        ignored = data["config"].setdefault(_KEY, {})
        listed = {resource: ignored.setdefault(resource, []) for resource in properties}
    except (YAMLError, KeyError, TypeError, AttributeError) as error:
        raise _manual_edit_error(
            file, properties, f"it cannot be read as a stack file ({type(error).__name__})"
        ) from None
    if _dump(yaml, yaml.load(text)) != text:
        raise _manual_edit_error(file, properties, "its form would not stay as it is")
    added = []
    for resource, paths in properties.items():
        for path in dict.fromkeys(paths):
            if path not in listed[resource]:
                listed[resource].append(path)
                added.append(f"{resource}: {path}")
    if added:
        write_atomically(file, _dump(yaml, data), 0o644)
    return added


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 1 << 16
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _dump(yaml: YAML, data: object) -> str:
    stream = io.StringIO()
    yaml.dump(data, stream)
    return stream.getvalue()


def _manual_edit_error(file: Path, properties: Mapping[str, Sequence[str]], why: str) -> Failed:
    snippet = _dump(_yaml(), {_KEY: {resource: list(dict.fromkeys(paths)) for resource, paths in properties.items()}})
    name = file.relative_to(ROOT) if file.is_relative_to(ROOT) else file
    return Failed(f"{name} is not changed, since {why}; put this below its `config:` by hand, then repeat:\n{snippet}")
