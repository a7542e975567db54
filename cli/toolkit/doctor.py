"""What is installed, from where, and what mends what is missing."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
import sys
import tarfile
from dataclasses import asdict, dataclass
from pathlib import Path

from tools.obtain import cached_tool, plugin_folder, tool_folder
from tools.setup import managed_tools, state_directory, venv_folder


@dataclass(frozen=True)
class Row:
    """One tool; ``mend`` is the command or step that mends it, empty when nothing is wrong."""

    name: str
    version: str
    how: str
    where: str
    mend: str = ""
    optional: bool = False

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def examine() -> list[Row]:
    """Python, its packages and every tool. Nothing is changed and nothing is fetched."""
    rows = [
        Row("python", platform.python_version(), "installed", sys.executable),
        Row("pulumi SDK", importlib.metadata.version("pulumi"), "pinned requirements", str(venv_folder())),
    ]
    for tool in managed_tools():
        found = cached_tool(tool)
        version = found.version if found else tool.version
        version = "this checkout" if version == "source" else version
        if found is not None:
            rows.append(Row(tool.name, version, found.how, found.folder))
            continue
        mend = "run `./paif lab up`: set-up gets it"
        if tool.optional:
            mend = (
                f"not at hand; {tool.optional}. With a download: `pulumi plugin install resource {tool.plugin} "
                f"v{tool.version}`; without: put its archive into the folder that PAIF_MIRROR names"
            )
        rows.append(Row(tool.name, version, "missing", "", mend, optional=bool(tool.optional)))
    rows.append(Row("state", "", "", str(state_directory())))
    return rows


def write_mirror(folder: Path) -> list[str]:
    """Pack every tool that is here into ``folder``, with SHA256SUMS. Returns the names of the archives."""
    folder.mkdir(parents=True, exist_ok=True)
    sums: dict[str, str] = {}
    for tool in managed_tools():
        found = cached_tool(tool)
        if found is None:
            continue
        source = plugin_folder(tool) if tool.plugin else tool_folder(tool) / "bin"
        if not source.is_dir():
            continue  # the user's own installation: the other machine installs its own
        path = folder / tool.archive
        with tarfile.open(path, "w:gz") as archive:
            for each in sorted(source.iterdir()):
                archive.add(each, arcname=each.name)
        with path.open("rb") as stream:
            sums[path.name] = hashlib.file_digest(stream, "sha256").hexdigest()
    (folder / "SHA256SUMS").write_text("".join(f"{value}  {name}\n" for name, value in sums.items()), encoding="utf-8")
    return sorted(sums)
