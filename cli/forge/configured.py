"""The forge that a job's environment describes."""

from __future__ import annotations

import os
from typing import Any

from cli.forge.client import Kind
from cli.forge.github import GitHub
from cli.forge.gitlab import GitLab


def from_environment(
    kind: Kind, *, repository: str | None = None, url: str | None = None, **others: Any
) -> GitHub | GitLab:
    """The forge that the environment describes: GITHUB_TOKEN, GITHUB_REPOSITORY and GITHUB_API_URL, or GITLAB_TOKEN,
    CI_PROJECT_ID and CI_API_V4_URL. Raises ``Failed`` when the token or the repository is missing.
    """
    read = os.environ.get
    if kind == "github":
        root = url or read("GITHUB_API_URL") or "https://api.github.com"
        return GitHub(repository or read("GITHUB_REPOSITORY", ""), read(GitHub.variable, ""), root, **others)
    root = url or read("CI_API_V4_URL") or "https://gitlab.com/api/v4"
    return GitLab(repository or read("CI_PROJECT_ID", ""), read(GitLab.variable, ""), root, **others)
