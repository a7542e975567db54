"""Stand-ins for the APIs of GitHub and GitLab: comments and issues in memory, pages, and faults on demand."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

BOT = "paif-bot"


@dataclass
class Fault:
    """Answer the next request that fits with an error; `done` carries the request out all the same."""

    method: str
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    done: bool = False


@dataclass
class StandIn:
    """What the simulated forge holds, and what it was asked."""

    kind: str
    token: str
    url: str = ""
    comments: list[dict[str, Any]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)
    issue_comments: list[str] = field(default_factory=list)
    pulls: list[dict[str, Any]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    user_status: int = 200
    largest_page: int = 100
    numbers: int = 1000

    def next_number(self) -> int:
        self.numbers += 1
        return self.numbers

    def comment(self, body: str, author: str = BOT) -> dict[str, Any]:
        who = (
            {"user": {"login": author}} if self.kind == "github" else {"author": {"username": author}, "system": False}
        )
        made = {"id": self.next_number(), "body": body, **who}
        self.comments.append(made)
        return made

    def issue(self, title: str, body: str, author: str = BOT, **others: Any) -> dict[str, Any]:
        number = self.next_number()
        if self.kind == "github":
            made = {"id": number * 7, "number": number, "title": title, "body": body, "user": {"login": author}}
        else:
            made = {
                "id": number * 7,
                "iid": number,
                "title": title,
                "description": body,
                "author": {"username": author},
            }
        made |= {"state": "open", "labels": ["paif-drift"], **others}
        self.issues.append(made)
        return made

    def _by(self, author: str) -> dict[str, Any]:
        return {"user": {"login": author}} if self.kind == "github" else {"author": {"username": author}}

    # -- requests

    def answer(self, method: str, path: str, query: dict[str, str], data: dict[str, Any]) -> tuple[int, Any]:
        if path.endswith("/user"):
            name = {"login": BOT} if self.kind == "github" else {"username": BOT}
            return (200, name) if self.user_status == 200 else (self.user_status, {"message": "not accessible"})
        if self.kind == "github":
            return self._github(method, path, query, data)
        return self._gitlab(method, path, query, data)

    def _github(self, method: str, path: str, query: dict[str, str], data: dict[str, Any]) -> tuple[int, Any]:
        root = "/repos/acme/paif"
        if path == f"{root}/pulls":
            return 200, [each for each in self.pulls if query["head"] == each["label"]]
        if path == f"{root}/issues/7/comments":
            return self._list(self.comments, method, data, self.comment)
        if found := re.fullmatch(rf"{root}/issues/comments/(\d+)", path):
            return self._one(self.comments, "id", int(found[1]), method, data)
        if path == f"{root}/issues":
            return self._issues(method, query, data)
        if re.fullmatch(rf"{root}/issues/\d+/comments", path):
            self.issue_comments.append(data["body"])
            return 201, {"id": 1, "body": data["body"]}
        if found := re.fullmatch(rf"{root}/issues/(\d+)", path):
            return self._one(self.issues, "number", int(found[1]), method, data)
        return 404, {"message": "Not Found"}

    def _gitlab(self, method: str, path: str, query: dict[str, str], data: dict[str, Any]) -> tuple[int, Any]:
        root = "/projects/acme%2Fpaif"
        if path == f"{root}/merge_requests/7/notes":
            return self._list(self.comments, method, data, self.comment)
        if found := re.fullmatch(rf"{root}/merge_requests/7/notes/(\d+)", path):
            return self._one(self.comments, "id", int(found[1]), method, data)
        if path == f"{root}/issues":
            return self._issues(method, query, data)
        if re.fullmatch(rf"{root}/issues/\d+/notes", path):
            self.issue_comments.append(data["body"])
            return 201, {"id": 1, "body": data["body"]}
        if found := re.fullmatch(rf"{root}/issues/(\d+)", path):
            if data.get("state_event") == "close":
                data = {"state": "closed"}
            return self._one(self.issues, "iid", int(found[1]), method, data)
        return 404, {"message": "404 Not Found"}

    def _issues(self, method: str, query: dict[str, str], data: dict[str, Any]) -> tuple[int, Any]:
        if method == "POST":
            return 201, self.issue(data["title"], str(data.get("body") or data["description"]))
        return 200, [each for each in self.issues if each["state"] == "open" and query["labels"] in each["labels"]]

    @staticmethod
    def _list(items: list[dict[str, Any]], method: str, data: dict[str, Any], make: Any) -> tuple[int, Any]:
        return (201, make(data["body"])) if method == "POST" else (200, items)

    @staticmethod
    def _one(items: list[dict[str, Any]], key: str, number: int, method: str, data: dict[str, Any]) -> tuple[int, Any]:
        for item in items:
            if item[key] == number:
                if method == "DELETE":
                    items.remove(item)
                    return 204, None
                item.update(data)
                return 200, item
        return 404, {"message": "Not Found"}


def _handler(forge: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            method, parts = self.command, urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            length = int(self.headers.get("content-length") or 0)
            data = json.loads(self.rfile.read(length)) if length else {}
            forge.asked.append((method, self.path))
            given = self.headers.get("authorization", "").removeprefix("Bearer ") or self.headers.get("private-token")
            if given != forge.token:
                self._reply(401, {"message": "Bad credentials"}, {})
                return
            fault = next((each for each in forge.faults if each.method == method), None)
            if fault is not None:
                forge.faults.remove(fault)
                if fault.done:
                    forge.answer(method, parts.path, query, data)
                self._reply(fault.status, {"message": "simulated fault"}, fault.headers)
                return
            status, result = forge.answer(method, parts.path, query, data)
            headers = {}
            if isinstance(result, list):
                size, page = min(int(query["per_page"]), forge.largest_page), int(query["page"])
                if len(result) > size * page:
                    # A real forge's links may lead through another name of its; the client must not need them.
                    headers["Link"] = '<https://elsewhere.invalid/?page=2>; rel="next"'
                result = result[size * (page - 1) : size * page]
            self._reply(status, result, headers)

        def _reply(self, status: int, data: Any, headers: dict[str, str]) -> None:
            text = b"" if data is None else json.dumps(data).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(text))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve  # noqa: N815 - the server asks for these names

        def log_message(self, *arguments: Any) -> None:
            """Nothing: tests read `asked`."""

    return Handler


@contextmanager
def serve(kind: str, token: str) -> Iterator[StandIn]:
    """A stand-in of `kind` (github or gitlab) on a free port of 127.0.0.1."""
    forge = StandIn(kind, token)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(forge))
    forge.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield forge
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
