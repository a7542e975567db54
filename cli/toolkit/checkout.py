"""This checkout: its version, and what git says of it."""

from __future__ import annotations

import shutil
import subprocess
import tomllib

from cli.output.console import BAD_INPUT, stop
from lab.state import ROOT


def version() -> str:
    """The version that pyproject.toml says, with the commit where git knows it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    commit = git("rev-parse", "--short", "HEAD", check=False) if shutil.which("git") else None
    return f"{project['version']}{f' (commit {commit.strip()})' if commit else ''}"


def git(*arguments: str, check: bool = True) -> str | None:
    """What git prints, or None when it fails and ``check`` is off. Raises ``typer.Exit`` with its message."""
    # A file of an earlier revision may have any bytes; what is written again must be the same.
    answer = subprocess.run(
        ["git", *arguments],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        check=False,
    )
    if answer.returncode == 0:
        return answer.stdout
    if not check:
        return None
    raise stop(f"git {arguments[0]} failed: {answer.stderr.strip()}", BAD_INPUT)
