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
_TRIES = 6
_LONGEST_WAIT = 120.0
_TIMEOUT = httpx.Timeout(30, connect=10)


@dataclass(frozen=True)
class Text:
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
    def _own(self, item: dict[str, Any]) -> bool: ...

    @abstractmethod
    def _as_text(self, item: dict[str, Any]) -> Text: ...

    @abstractmethod
    def _comments(self, number: int) -> str: ...

    @abstractmethod
    def _comment(self, number: int, comment: int) -> str: ...

    @abstractmethod
    def _issues(self, label: str) -> tuple[str, dict[str, str]]: ...

    @abstractmethod
    def _create_issue(self, title: str, body: str, label: str) -> Text: ...

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

        def find() -> list[Text]:
            return [text for text in self._texts(self._comments(number)) if _marked(text, marker)]

        def create() -> Text:
            return self._as_text(self._request("POST", self._comments(number), json={"body": body}))

        found, created = self._find_or_create(find, create)
        for copy in found[1:]:
            self._request("DELETE", self._comment(number, copy.number))
        if created:
            return Result("created", found[0].number)
        if _same(found[0].body, body):
            return Result("unchanged", found[0].number)
        self._request(self.update_method, self._comment(number, found[0].number), json={"body": body})
        return Result("updated", found[0].number)

    def upsert_issue(self, marker: str, fingerprint: str, title: str, body: str, *, label: str, news: str) -> Result:
        """Make the one open issue with ``marker`` tell ``body``, whose first line holds marker and fingerprint.

        With the same fingerprint it is left as it is, so that nobody is notified of what they know; with another one it
        is rewritten and gets ``news`` as a comment.
        """
        self._check(marker, body)

        def find() -> list[Text]:
            path, query = self._issues(label)
            return [text for text in self._texts(path, query) if _marked(text, marker)]

        found, created = self._find_or_create(find, lambda: self._create_issue(title, body, label))
        issue = found[0]
        if created:
            return Result("created", issue.number)
        if fingerprint in issue.body.splitlines()[0]:
            return Result("unchanged", issue.number)
        # In this order: a run that breaks off between the two tells the news again instead of never.
        self._tell(issue.number, news)
        self._update_issue(issue.number, {"title": title, "body": body})
        return Result("updated", issue.number)

    def close_issue(self, marker: str, *, label: str, news: str) -> Result:
        """Close the open issue with ``marker``, if there is one, after saying why."""
        path, query = self._issues(label)
        for text in self._texts(path, query):
            if _marked(text, marker):
                self._tell(text.number, news)
                self._close_issue(text.number)
                return Result("closed", text.number)
        return Result("absent")

    def _tell(self, issue: int, news: str) -> None:
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

    def _find_or_create(self, find: Callable[[], list[Text]], create: Callable[[], Text]) -> tuple[list[Text], bool]:
        """What exists, the oldest first, or the one just created. A creation whose answer got lost is looked for."""
        for attempt in range(_TRIES):
            found = sorted(find(), key=lambda text: text.number)
            if found:
                return found, False
            try:
                return [create()], True
            except _UncertainError as error:
                if attempt == _TRIES - 1:
                    raise error.failed from None
                self._sleep(error.wait)
        raise AssertionError("unreachable")

    def _texts(self, path: str, query: dict[str, str] | None = None) -> Iterator[Text]:
        for item in self._pages(path, query or {}):
            if self._own(item):
                yield self._as_text(item)

    def _pages(self, path: str, query: dict[str, str]) -> Iterator[dict[str, Any]]:
        page = 1
        while True:
            answer = self._send("GET", path, params={**query, "per_page": str(_PAGE), "page": str(page)})
            yield from answer.json()
            if "next" not in answer.links:
                return
            page += 1

    def _request(self, method: str, path: str, json: dict[str, Any] | None = None) -> Any:
        answer = self._send(method, path, json=json)
        return answer.json() if answer.content else None

    def _send(
        self, method: str, path: str, *, params: dict[str, str] | None = None, json: dict[str, Any] | None = None
    ) -> httpx.Response:
        """One request, repeated with growing pauses while the forge is busy or broken."""
        waited = 0.0
        for attempt in range(_TRIES):
            answer: httpx.Response | None = None
            try:
                answer = self._http.request(method, path, params=params, json=json)
                if answer.is_success:
                    return answer
                problem = f"{answer.status_code} {_message(answer)}"
            except httpx.HTTPError as error:
                problem = f"{type(error).__name__}: {error}"
            failed = Failed(self._readable(method, path, problem, answer))
            pause = self._pause(answer, attempt)
            if answer is not None and not _is_busy(answer) and answer.status_code < 500:
                raise failed
            # Repeating a creation that went wrong half-way would make a second comment.
            if method == "POST" and (answer is None or not _is_busy(answer)):
                raise _UncertainError(failed, pause)
            if attempt == _TRIES - 1 or waited + pause > _LONGEST_WAIT:
                raise failed
            self._sleep(pause)
            waited += pause
        raise AssertionError("unreachable")

    @staticmethod
    def _pause(answer: httpx.Response | None, attempt: int) -> float:
        told = answer.headers.get("retry-after", "") if answer is not None else ""
        if told.isdigit():
            return float(told)
        reset = answer.headers.get("x-ratelimit-reset", "") if answer is not None else ""
        if answer is not None and _is_busy(answer) and reset.isdigit():
            return max(1.0, float(reset) - time.time())
        return float(2**attempt)

    def _readable(self, method: str, path: str, problem: str, answer: httpx.Response | None) -> str:
        remedy = ""
        if answer is not None and answer.status_code in {401, 403} and not _is_busy(answer):
            remedy = f" Does the token in {self.variable} have write access to comments and issues here?"
        elif answer is not None and answer.status_code == 404:
            remedy = " Does it exist, and may the token see it?"
        text = f"{self.name} refused {method} {path}: {problem}.{remedy}"
        return scrub(text.replace(self._token, HIDDEN))


def _marked(text: Text, marker: str) -> bool:
    return text.body.lstrip().startswith(marker)


def _same(one: str, other: str) -> bool:
    # Forges normalise line ends and trailing space.
    return one.replace("\r\n", "\n").strip() == other.strip()


def _is_busy(answer: httpx.Response) -> bool:
    """Whether the forge asks to come back later: such a request was not carried out."""
    limited = answer.status_code == 403 and (
        "retry-after" in answer.headers or answer.headers.get("x-ratelimit-remaining") == "0"
    )
    return answer.status_code == 429 or limited


def _message(answer: httpx.Response) -> str:
    try:
        data = answer.json()
    except ValueError:
        return answer.reason_phrase
    message = data.get("message") or data.get("error") if isinstance(data, dict) else None
    return str(message or answer.reason_phrase)[:300]
