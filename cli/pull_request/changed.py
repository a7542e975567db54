"""Which environments a change touches, judged by the files that differ.

When in doubt an environment counts as touched: a preview too many costs minutes, one too few hides a change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from cli.engine.backend import PROJECT
from cli.toolkit.checkout import git

_IGNORED_PATTERNS = (
    "docs/*",
    "tests/*",
    "*.md",
    ".github/*",
    "ci/*",
    ".gitlab-ci.yml",
    ".gitignore",
    "LICENSE*",
    "NOTICE*",
    "cli/bench/*",
)
"""Files that no preview depends on. Anything else that is not one environment's own counts for all of them."""

_ENVIRONMENT_FILE = re.compile(rf"(?:stacks/Pulumi\.|policies/config/{PROJECT}/)(?P<name>[^/]+)\.yaml")


def affected_environments(files: Iterable[str], environments: Iterable[str]) -> list[str]:
    """Environments among ``environments`` that a change of ``files`` (paths from the root) touches, in order."""
    known, found = set(environments), set()
    for file in files:
        own = _ENVIRONMENT_FILE.fullmatch(file)
        if own:
            found |= {own["name"]} & known
        elif not any(fnmatchcase(file, pattern) for pattern in _IGNORED_PATTERNS):
            return sorted(known)
    return sorted(found)


def removed_environments(files: Iterable[str], environments: Iterable[str]) -> list[str]:
    """Environments whose stack file is among ``files`` and that are none of ``environments`` any more, in order."""
    known = set(environments)
    own = (_ENVIRONMENT_FILE.fullmatch(file) for file in files if file.startswith("stacks/"))
    return sorted({each["name"] for each in own if each and each["name"] not in known})


def merge_base(revision: str) -> str | None:
    """The commit at which HEAD left ``revision``, or None when git knows of none."""
    found = git("merge-base", "--end-of-options", revision, "HEAD", check=False)
    return found.strip() if found else None


def files_since(revision: str) -> list[str]:
    """Files that differ between ``revision`` (where this branch left it) and HEAD, removed ones included."""
    # Without renames: a stack file that was renamed touches both names.
    listed = git("diff", "--name-only", "--no-renames", "-z", "--end-of-options", f"{revision}...HEAD") or ""
    return [each for each in listed.split("\0") if each]
