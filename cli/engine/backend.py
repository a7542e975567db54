"""Where a backend that is a folder keeps the files of a stack. Layout as in pulumi 3.259, pkg/backend/diy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

PROJECT = "paif"
_FILE = "file://"
GZIP, ZSTD = ".gz", ".zst"


def address(folder: Path) -> str:
    """The address of a backend in ``folder``, without side files: a kill would leave an empty one that bars the way."""
    return f"{_FILE}{re.sub('[%?#]', lambda found: f'%{ord(found[0]):02X}', str(folder))}?metadata=skip"


def folder_of(address: str, home: Path | None = None, here: Path | None = None) -> Path | None:
    """The folder of the backend with this address, or None when it is none.

    ``home`` is what ``~`` stands for, ``here`` where a relative path begins; by default this process's.
    """
    if not address.startswith(_FILE):
        return None
    path = unquote(address.removeprefix(_FILE).partition("?")[0])
    if path == "~" or path.startswith("~/"):
        return (home or Path.home()) / path[2:]
    return (here or Path.cwd()) / path


def same_folder(one: str, other: str) -> bool:
    """Whether both addresses are of one folder, whatever else they say."""
    return one == other or (folder_of(one) is not None and folder_of(one) == folder_of(other))


@dataclass(frozen=True)
class Files:
    """Where the files of one stack are in a backend that is a folder."""

    folder: Path
    stack: str
    project: str = PROJECT

    @property
    def _book(self) -> Path:
        return self.folder / ".pulumi"

    @property
    def stacks(self) -> Path:
        return self._book / "stacks" / self.project

    @property
    def backups(self) -> Path:
        return self._book / "backups" / self.project / self.stack

    @property
    def history(self) -> Path:
        return self._book / "history" / self.project / self.stack

    @property
    def locks(self) -> Path:
        return self._book / "locks" / "organization" / self.project / self.stack

    @property
    def checkpoint(self) -> Path | None:
        """The checkpoint that the engine reads: the newest of its forms; None when there is none."""
        forms = [self.stacks / f"{self.stack}.json{ending}" for ending in ("", GZIP, ZSTD)]
        return max((each for each in forms if each.is_file()), key=lambda each: each.stat().st_mtime_ns, default=None)
