"""GitLab, on gitlab.com and elsewhere."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from cli.forge.client import Forge, Post
from cli.output.console import Failed


class GitLab(Forge):
    """GitLab. Source: docs.gitlab.com REST API v4, notes and issues."""

    kind = "gitlab"
    name = "GitLab"
    header = "PRIVATE-TOKEN"
    variable = "GITLAB_TOKEN"
    update_method = "PUT"

    def __init__(self, project: str, token: str, url: str = "https://gitlab.com/api/v4", **others: Any) -> None:
        """`project` is its number, or its path such as GROUP/NAME."""
        super().__init__(url, token, **others)
        if not project.strip():
            raise Failed("there is no project; expected its number or path, or the variable CI_PROJECT_ID")
        self._root = f"projects/{quote(project, safe='')}"
        self._account: str | None = None

    def account(self) -> str:
        if self._account is None:
            self._account = str(self._request("GET", "user")["username"])
        return self._account

    def _is_own(self, item: dict[str, Any]) -> bool:
        return not item.get("system") and (item.get("author") or {}).get("username") == self.account()

    def _parse_post(self, item: dict[str, Any]) -> Post:
        if "iid" in item:
            return Post(int(item["iid"]), item.get("description") or "", item.get("title", ""))
        return Post(int(item["id"]), item.get("body") or "")

    def _comments(self, number: int) -> str:
        return f"{self._root}/merge_requests/{number}/notes"

    def _comment(self, number: int, comment: int) -> str:
        return f"{self._comments(number)}/{comment}"

    def _issues(self, label: str) -> tuple[str, dict[str, str]]:
        return f"{self._root}/issues", {"state": "opened", "labels": label}

    def _create_issue(self, title: str, body: str, label: str) -> Post:
        data = {"title": title, "description": body, "labels": label}
        return self._parse_post(self._request("POST", f"{self._root}/issues", json=data))

    def _update_issue(self, number: int, changes: dict[str, str]) -> None:
        renamed = {("description" if key == "body" else key): value for key, value in changes.items()}
        self._request("PUT", f"{self._root}/issues/{number}", json=renamed)

    def _issue_comments(self, number: int) -> str:
        return f"{self._root}/issues/{number}/notes"

    def _close_issue(self, number: int) -> None:
        self._update_issue(number, {"state_event": "close"})
