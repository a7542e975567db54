"""GitHub and GitHub Enterprise."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from cli.forge.client import Forge, Post
from cli.output.console import Failed


class GitHub(Forge):
    """GitHub and GitHub Enterprise. Source: docs.github.com REST API 2022-11-28, issues and issue comments."""

    kind = "github"
    name = "GitHub"
    header = "Authorization"
    prefix = "Bearer "
    variable = "GITHUB_TOKEN"
    update_method = "PATCH"

    def __init__(self, repository: str, token: str, url: str = "https://api.github.com", **others: Any) -> None:
        super().__init__(url, token, **others)
        owner, _, name = repository.partition("/")
        if not owner or not name or "/" in name:
            raise Failed(f"{repository!r} is no repository; expected OWNER/NAME")
        self._root = f"repos/{quote(owner, safe='')}/{quote(name, safe='')}"
        self._account: str | None = None

    def _extra_headers(self) -> dict[str, str]:
        return {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}

    def account(self) -> str:
        if self._account is None:
            try:
                self._account = str(self._request("GET", "user")["login"])
            except Failed as failed:
                # The token of a workflow run is no user's: it may not ask who it is.
                if " 403 " not in str(failed):
                    raise
                self._account = "github-actions[bot]"
        return self._account

    def _is_own(self, item: dict[str, Any]) -> bool:
        return "pull_request" not in item and (item.get("user") or {}).get("login") == self.account()

    def _parse_post(self, item: dict[str, Any]) -> Post:
        return Post(
            int(item["number"] if "number" in item else item["id"]), item.get("body") or "", item.get("title", "")
        )

    def _comments(self, number: int) -> str:
        return f"{self._root}/issues/{number}/comments"

    def _comment(self, number: int, comment: int) -> str:  # noqa: ARG002 - GitLab needs it
        return f"{self._root}/issues/comments/{comment}"

    def _issues(self, label: str) -> tuple[str, dict[str, str]]:
        return f"{self._root}/issues", {"state": "open", "labels": label}

    def _create_issue(self, title: str, body: str, label: str) -> Post:
        data = {"title": title, "body": body, "labels": [label]}
        return self._parse_post(self._request("POST", f"{self._root}/issues", json=data))

    def _update_issue(self, number: int, changes: dict[str, str]) -> None:
        self._request("PATCH", f"{self._root}/issues/{number}", json=changes)

    def _issue_comments(self, number: int) -> str:
        return self._comments(number)

    def _close_issue(self, number: int) -> None:
        self._update_issue(number, {"state": "closed", "state_reason": "completed"})

    def pull_request(self, head: str, sha: str) -> int | None:
        """Number of the open pull request from ``head`` (OWNER:BRANCH) whose newest commit is ``sha``.

        None when it moved on or was closed meanwhile. A run for a fork's commit knows the number only from files that
        the fork's code could have written; head and commit come from the forge itself.
        """
        for item in self._pages(f"{self._root}/pulls", {"state": "open", "head": head}):
            if item.get("head", {}).get("sha") == sha:
                return int(item["number"])
        return None
