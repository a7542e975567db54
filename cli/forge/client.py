"""One sticky comment on a pull or merge request, and one issue, on GitHub or GitLab.

Both are found again by a hidden marker in their first line, among what the token's own account wrote: anybody may write
a text with that marker. The token comes from the environment only; it is sent in a header, over TLS, to the API's own
address and nowhere else (pages are counted, links in answers are not followed).
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx

from cli.output.console import Failed
from paif_catalog.redaction import HIDDEN, scrub

Kind = Literal["github", "gitlab"]
Action = Literal["created", "updated", "unchanged", "closed", "absent"]
LIMITS: dict[Kind, int] = {"github": 65_536, "gitlab": 1_000_000}
"""Longest text of a comment or issue, in characters (GitHub's answer to longer ones; GitLab docs, instance limits)."""

_PAGE = 100
_MAX_ATTEMPTS = 6
_MAX_WAIT = 120.0
_TIMEOUT = httpx.Timeout(30, connect=10)


@dataclass(frozen=True)
class Post:
    """A comment or an issue that exists. `number` addresses it; `title` is empty for comments."""

    number: int
    body: str
    title: str = ""


@dataclass(frozen=True)
class Result:
    """What was done, to what."""

    action: Action
    number: int | None = None


class _UncertainError(Exception):
    """A creation was answered by an error of the server's: it may have happened or not."""

    def __init__(self, failed: Failed, wait: float) -> None:
        super().__init__(str(failed))
        self.failed = failed
        self.wait = wait


class Forge(ABC):
    """What both forges offer. Every method raises ``Failed``, with the forge's own message and never the token."""

    kind: Kind
    name: str
    header: str
    prefix: str = ""
    variable: str

    def __init__(self, url: str, token: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        """`url` is the API's root; `sleep` takes seconds (tests hand in a clock of their own)."""
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in {"127.0.0.1", "::1", "localhost"}:
            raise Failed(f"{url} is no address to send a token to; expected https://")
        if not token.strip():
            raise Failed(f"there is no token for {self.name}; expected one in the environment variable {self.variable}")
        self._sleep = sleep
        self._token = token.strip()
        self._http = httpx.Client(
            base_url=url.rstrip("/") + "/",
            headers={self.header: f"{self.prefix}{self._token}", "User-Agent": "paif", **self._extra_headers()},
            timeout=_TIMEOUT,
        )

    def __enter__(self) -> Forge:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def _extra_headers(self) -> dict[str, str]:
        return {}

    @abstractmethod
    def account(self) -> str:
        """The login that this token writes as."""

    @abstractmethod
    def _is_own(self, item: dict[str, Any]) -> bool: ...

    @abstractmethod
    def _parse_post(self, item: dict[str, Any]) -> Post: ...

    @abstractmethod
    def _comments(self, number: int) -> str: ...

    @abstractmethod
    def _comment(self, number: int, comment: int) -> str: ...

    @abstractmethod
    def _issues(self, label: str) -> tuple[str, dict[str, str]]: ...

    @abstractmethod
    def _create_issue(self, title: str, body: str, label: str) -> Post: ...

    @abstractmethod
    def _update_issue(self, number: int, changes: dict[str, str]) -> None: ...

    @abstractmethod
    def _issue_comments(self, number: int) -> str: ...

    @abstractmethod
    def _close_issue(self, number: int) -> None: ...

    update_method: str

    def upsert_comment(self, number: int, marker: str, body: str) -> Result:
        """Make the one comment with ``marker`` on request ``number`` say ``body``, whose first line holds the marker.

        Later copies, which two runs at the same moment may have left, are removed.
        """
        self._check(marker, body)

        def find() -> list[Post]:
            return [text for text in self._posts(self._comments(number)) if _has_marker(text, marker)]

        def create() -> Post:
            return self._parse_post(self._request("POST", self._comments(number), json={"body": body}))

        found, created = self._find_or_create(find, create)
        for copy in found[1:]:
            self._request("DELETE", self._comment(number, copy.number))
        if created:
            return Result("created", found[0].number)
        if _same_body(found[0].body, body):
            return Result("unchanged", found[0].number)
        self._request(self.update_method, self._comment(number, found[0].number), json={"body": body})
        return Result("updated", found[0].number)

    def upsert_issue(self, marker: str, fingerprint: str, title: str, body: str, *, label: str, news: str) -> Result:
        """Make the one open issue with ``marker`` tell ``body``, whose first line holds marker and fingerprint.

        With the same fingerprint it is left as it is, so that nobody is notified of what they know; with another one it
        is rewritten and gets ``news`` as a comment.
        """
        self._check(marker, body)

        def find() -> list[Post]:
            path, query = self._issues(label)
            return [text for text in self._posts(path, query) if _has_marker(text, marker)]

        found, created = self._find_or_create(find, lambda: self._create_issue(title, body, label))
        issue = found[0]
        if created:
            return Result("created", issue.number)
        if fingerprint in issue.body.splitlines()[0]:
            return Result("unchanged", issue.number)
        # In this order: a run that breaks off between the two tells the news again instead of never.
        self._add_comment(issue.number, news)
        self._update_issue(issue.number, {"title": title, "body": body})
        return Result("updated", issue.number)

    def close_issue(self, marker: str, *, label: str, news: str) -> Result:
        """Close the open issue with ``marker``, if there is one, after saying why."""
        path, query = self._issues(label)
        for text in self._posts(path, query):
            if _has_marker(text, marker):
                self._add_comment(text.number, news)
                self._close_issue(text.number)
                return Result("closed", text.number)
        return Result("absent")

    def _add_comment(self, issue: int, news: str) -> None:
        try:
            self._request("POST", self._issue_comments(issue), json={"body": news})
        except _UncertainError as error:
            raise error.failed from None

    def _check(self, marker: str, body: str) -> None:
        limit = LIMITS[self.kind]
        if len(body) > limit:
            raise Failed(f"the text has {len(body)} characters; {self.name} takes {limit}: render it for this forge")
        if not body.startswith(marker):
            raise Failed(f"the text does not begin with {marker}, so it could not be found again; render it anew")

    def _find_or_create(self, find: Callable[[], list[Post]], create: Callable[[], Post]) -> tuple[list[Post], bool]:
        """What exists, the oldest first, or the one just created. A creation whose answer got lost is looked for."""
        for attempt in range(_MAX_ATTEMPTS):
            found = sorted(find(), key=lambda text: text.number)
            if found:
                return found, False
            try:
                return [create()], True
            except _UncertainError as error:
                if attempt == _MAX_ATTEMPTS - 1:
                    raise error.failed from None
                self._sleep(error.wait)
        raise AssertionError("unreachable")

    def _posts(self, path: str, query: dict[str, str] | None = None) -> Iterator[Post]:
        for item in self._pages(path, query or {}):
            if self._is_own(item):
                yield self._parse_post(item)

    def _pages(self, path: str, query: dict[str, str]) -> Iterator[dict[str, Any]]:
        page = 1
        while True:
            response = self._send("GET", path, params={**query, "per_page": str(_PAGE), "page": str(page)})
            yield from response.json()
            if "next" not in response.links:
                return
            page += 1

    def _request(self, method: str, path: str, json: dict[str, Any] | None = None) -> Any:
        response = self._send(method, path, json=json)
        return response.json() if response.content else None

    def _send(
        self, method: str, path: str, *, params: dict[str, str] | None = None, json: dict[str, Any] | None = None
    ) -> httpx.Response:
        """One request, repeated with growing pauses while the forge is busy or broken."""
        waited = 0.0
        for attempt in range(_MAX_ATTEMPTS):
            response: httpx.Response | None = None
            try:
                response = self._http.request(method, path, params=params, json=json)
                if response.is_success:
                    return response
                problem = f"{response.status_code} {_message(response)}"
            except httpx.HTTPError as error:
                problem = f"{type(error).__name__}: {error}"
            failed = Failed(self._error_message(method, path, problem, response))
            pause = self._pause(response, attempt)
            if response is not None and not _is_busy(response) and response.status_code < 500:
                raise failed
            # Repeating a creation that went wrong half-way would make a second comment.
            if method == "POST" and (response is None or not _is_busy(response)):
                raise _UncertainError(failed, pause)
            if attempt == _MAX_ATTEMPTS - 1 or waited + pause > _MAX_WAIT:
                raise failed
            self._sleep(pause)
            waited += pause
        raise AssertionError("unreachable")

    @staticmethod
    def _pause(response: httpx.Response | None, attempt: int) -> float:
        retry_after = response.headers.get("retry-after", "") if response is not None else ""
        if retry_after.isdigit():
            return float(retry_after)
        reset = response.headers.get("x-ratelimit-reset", "") if response is not None else ""
        if response is not None and _is_busy(response) and reset.isdigit():
            return max(1.0, float(reset) - time.time())
        return float(2**attempt)

    def _error_message(self, method: str, path: str, problem: str, response: httpx.Response | None) -> str:
        remedy = ""
        if response is not None and response.status_code in {401, 403} and not _is_busy(response):
            remedy = f" Does the token in {self.variable} have write access to comments and issues here?"
        elif response is not None and response.status_code == 404:
            remedy = " Does it exist, and may the token see it?"
        text = f"{self.name} refused {method} {path}: {problem}.{remedy}"
        return scrub(text.replace(self._token, HIDDEN))


def _has_marker(text: Post, marker: str) -> bool:
    return text.body.lstrip().startswith(marker)


def _same_body(one: str, other: str) -> bool:
    # Forges normalize line ends and trailing space.
    return one.replace("\r\n", "\n").strip() == other.strip()


def _is_busy(response: httpx.Response) -> bool:
    """Whether the forge asks to come back later: such a request was not carried out."""
    limited = response.status_code == 403 and (
        "retry-after" in response.headers or response.headers.get("x-ratelimit-remaining") == "0"
    )
    return response.status_code == 429 or limited


def _message(response: httpx.Response) -> str:
    try:
        data = response.json()
    except ValueError:
        return response.reason_phrase
    message = data.get("message") or data.get("error") if isinstance(data, dict) else None
    return str(message or response.reason_phrase)[:300]
