"""Where the lab keeps its files, and how a file is replaced so that a crash leaves the old or the new one."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def state_directory() -> Path:
    """The state directory of this checkout: ``$PAIF_STATE``, else ``.paif`` at the repository's root."""
    return Path(os.environ.get("PAIF_STATE") or ROOT / ".paif").resolve()


def lab_directory() -> Path:
    """The folder that holds everything of the lab."""
    return state_directory() / "lab"


def platform_file() -> Path:
    """The file with the name of the platform's version that the lab plays, from its first start on."""
    return lab_directory() / "platform.json"


def bin_directory() -> Path:
    """The folder with links to the tools that set-up obtained: ``$PAIF_BIN``, else ``bin`` in the state directory."""
    return Path(os.environ.get("PAIF_BIN") or state_directory() / "bin")


def write_atomically(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace ``path`` by ``text`` in one step; readers never see half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    """Replace ``path`` by ``value`` as JSON, readable by the owner only."""
    write_atomically(path, json.dumps(value, indent=1, sort_keys=True))


def read_json(path: Path, default: Any) -> Any:
    """The JSON in ``path``, or ``default`` when there is no such file.

    Raises ``ValueError`` naming the file when it is not JSON.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return default
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(
            f"{path}: not JSON ({error}); expected what the lab wrote; `./paif lab reset` starts anew"
        ) from None
