"""Files that a program hands over beside its properties: value files of charts, and charts in folders.

They are read where the packs run, which is the program's own folder. What is not there, or has other content than the
engine has seen, counts as not readable.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LARGEST = 1 << 20
"""Bytes of a file that is read at most: values of charts have some tens of KiB."""
_VALUES, _DEPTH = 20_000, 50
"""Values in a text at most, and mappings in one another: those of the largest charts are a tenth of it."""


def asset_text(asset: Any) -> str | None:
    """Text of an asset; None when it cannot be read here."""
    if not isinstance(asset, Mapping):
        return None
    text = asset.get("text")
    if isinstance(text, str) and text:
        return text
    path, digest = asset.get("path"), asset.get("hash")
    if not isinstance(path, str) or not path or not isinstance(digest, str):
        return None
    content = _read(Path(path))
    return content.decode("utf-8", "replace") if content and hashlib.sha256(content).hexdigest() == digest else None


def parse_yaml(text: str | None) -> Any:
    """Plain data of a YAML text; None when there is none or it is no YAML, as a template may be."""
    if text is None:
        return None
    import yaml  # noqa: PLC0415 - few runs have such a file

    from paif_catalog import YAML_LOADER  # noqa: PLC0415 - likewise

    try:
        loaded = yaml.load(text, Loader=YAML_LOADER)  # noqa: S506
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    return {} if loaded is None else loaded if _is_small(loaded) else None


def _is_small(data: Any) -> bool:
    """Whether data can be walked through: aliases in a text of a few lines make millions of values, or never end."""
    waiting, left = [(data, 0)], _VALUES
    while waiting:
        each, depth = waiting.pop()
        inner = list(each.values()) if isinstance(each, dict) else each if isinstance(each, list) else []
        left -= len(inner)
        if left < 0 or depth > _DEPTH:
            return False
        waiting += [(one, depth + 1) for one in inner]
    return True


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes() if path.is_file() and path.stat().st_size <= _LARGEST else None
    except OSError:
        return None


@dataclass(frozen=True)
class Folder:
    """A chart in a folder: its version, the charts that it brings by their alias, and its own values.

    `values` is None where they cannot be read.
    """

    path: str
    version: str
    dependencies: Mapping[str, tuple[str, str]]
    """Alias -> name and version of a chart that this one brings."""
    values: Mapping[str, Any] | None

    @classmethod
    def of(cls, path: str) -> Folder:
        """What can be read of the chart in a folder."""
        about = parse_yaml(_text(Path(path).expanduser() / "Chart.yaml"))
        about = about if isinstance(about, Mapping) else None
        values = parse_yaml(_text(Path(path).expanduser() / "values.yaml")) if about is not None else None
        listed = about.get("dependencies") if about is not None else None
        dependencies = {
            str(each.get("alias") or each["name"]): (str(each["name"]), str(each.get("version") or ""))
            for each in (listed if isinstance(listed, list) else [])
            if isinstance(each, Mapping) and "name" in each
        }
        return cls(
            path,
            str((about or {}).get("version") or ""),
            dependencies,
            values if isinstance(values, Mapping) else ({} if about is not None else None),
        )


def _text(path: Path) -> str | None:
    content = _read(path)
    return None if content is None else content.decode("utf-8", "replace")
