"""What Helm reads of a private chart repository from files: an authority, and the login of an OCI registry.

pulumi-kubernetes hands on the login of an HTTPS repository itself, but of an authority it takes a path only, and an OCI
registry's login is taken from a file in Docker's form. Both are named by paths from where the engine starts programs
and plugins, so that a state says the same on every machine.
"""

from __future__ import annotations

import atexit
import base64
import json
import os
from contextlib import suppress
from pathlib import Path

from stacks.connections import ROOT

_OCI = "oci://"


def authority_file(stack: str, pem: str) -> str:
    """Path of a file with these authorities, which are no secret; it stays, and is written anew by every run."""
    file = _file(f"{stack}.pem")
    new = file.with_name(f".{file.name}.{os.getpid()}")
    new.write_text(pem, encoding="utf-8")
    new.replace(file)
    return os.path.relpath(file)


def login_file(stack: str, repository: str, username: str, password: str) -> str:
    """Path under which a login of an OCI registry is read as long as this process runs.

    It is in memory where the kernel offers that, else in a file that only its owner can read, removed at the end.
    """
    host = repository.removeprefix(_OCI).partition("/")[0]
    login = base64.b64encode(f"{username}:{password}".encode()).decode()
    text = json.dumps({"auths": {host: {"auth": login}}}).encode()
    file = _file(f"{stack}.json")
    new = file.with_name(f".{file.name}.{os.getpid()}")
    if hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir():
        # Kept open: it is gone with this process, whatever ends it.
        memory = os.memfd_create("charts")
        os.write(memory, text)
        new.symlink_to(f"/proc/{os.getpid()}/fd/{memory}")
    else:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            stream.write(text)
    inode = os.lstat(new).st_ino
    new.replace(file)
    atexit.register(_remove, file, inode)
    return os.path.relpath(file)


def _file(name: str) -> Path:
    folder = ROOT / ".paif" / "charts"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder / name


def _remove(file: Path, inode: int) -> None:
    """Remove a file unless another run has put its own there."""
    with suppress(OSError):
        if os.lstat(file).st_ino == inode:
            file.unlink()
