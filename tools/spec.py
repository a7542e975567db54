"""The list of tools, typed."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Build:
    """How ``go build`` makes the tool: in ``folder``, from ``package``; ``embed`` is copied beside the source first."""

    folder: str
    package: str
    ldflags: str = ""
    embed: dict[str, str] | None = None


@dataclass(frozen=True)
class Tool:
    """One entry of ``tools.toml``."""

    name: str
    version: str
    what: str
    binaries: list[str] = field(default_factory=list)
    installed: list[str] | None = None
    download: str | None = None
    checksums: str | None = None
    sha256: list[str] = field(default_factory=list)
    build: Build | None = None
    files: list[dict[str, str]] = field(default_factory=list)
    one_file: str | None = None
    folder: str | None = None
    plugin: str | None = None
    optional: str | None = None
    beside: str | None = None
    least: str | None = None
    on_demand: bool = False

    def _expand(self, text: str) -> str:
        machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        return text.format(
            version=self.version, os=sys.platform, arch=machine, x64={"amd64": "x64"}.get(machine, machine)
        )

    @property
    def url(self) -> str | None:
        """The vendor's own download for this machine."""
        return self._expand(self.download) if self.download else None

    @property
    def checksums_url(self) -> str | None:
        return self._expand(self.checksums) if self.checksums else None

    @property
    def linker_flags(self) -> str:
        return f"-s -w {self._expand(self.build.ldflags) if self.build else ''}".strip()

    @property
    def archive(self) -> str:
        """The name under which a mirror folder holds what this toolkit built itself."""
        return self._expand(f"paif-tool-{self.name}-{self.key()}-{{os}}-{{arch}}.tar.gz")

    def key(self) -> str:
        """What the tool is made of, as a short digest: its entry, and the source that builds it."""
        digest = hashlib.sha256(repr((self.name, self.version, self.build, self.files, self.binaries)).encode())
        folders = {each["folder"] for each in self.files} | ({self.build.folder} if self.build else set())
        for folder in sorted(folders):
            for path in sorted((ROOT / folder).rglob("*")):
                if path.is_file() and (path.suffix in {".go", ".mod", ".sum", ".ovf", ".json", ".yaml"}):
                    if path.name.endswith("_test.go"):
                        continue
                    digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()[:16]


def load(path: Path | None = None) -> dict[str, Tool]:
    """All tools by name, in the order of the file.

    Raises ``TypeError`` when an entry has an unknown key.
    """
    with (path or ROOT / "tools" / "tools.toml").open("rb") as stream:
        entries: dict[str, dict[str, Any]] = tomllib.load(stream)
    tools = {}
    for name, entry in entries.items():
        build = entry.pop("build", None)
        tools[name] = Tool(name=name, build=Build(**build) if build else None, **entry)
    return tools


def cache_directory() -> Path:
    """The user's cache: ``$PAIF_CACHE``, else ``paif`` in ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    named = os.environ.get("PAIF_CACHE")
    if named:
        return Path(named).resolve()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "paif"


def pulumi_home() -> Path:
    """Where Pulumi keeps its plugins: ``$PULUMI_HOME``, else ``~/.pulumi``."""
    named = os.environ.get("PULUMI_HOME")
    return Path(named) if named else Path.home() / ".pulumi"


def version_numbers(version: str) -> tuple[int, ...]:
    """``v1.26.8`` as ``(1, 26, 8)``, to compare."""
    found = re.search(r"\d+(?:\.\d+)+", version)
    return tuple(int(part) for part in found.group().split(".")) if found else ()
