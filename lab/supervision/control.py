"""What the parts of the lab use to ask the daemon for ports and processes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import httpx

from lab.state import lab_directory, read_json
from lab.supervision.part import Part, PartFailedError, PartStatus

OTHER_OWNER = 2
"""Exit status of a daemon that finds another one owning its lab."""


class LabDownError(Exception):
    """The lab's daemon does not answer."""


class Control:
    """The daemon's own API on 127.0.0.1, with the bearer token of ``control.json``."""

    def __init__(self, directory: Path, url: str, token: str) -> None:
        self.directory = directory
        self._client = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=120, trust_env=False
        )

    @classmethod
    def connect(cls, directory: Path | None = None) -> Control:
        """The daemon named by ``$PAIF_LAB_CONTROL``, else the one of this checkout.

        Raises ``LabDownError`` when no daemon was ever started there.
        """
        named = os.environ.get("PAIF_LAB_CONTROL")
        path = Path(named) if named and directory is None else (directory or lab_directory()) / "control.json"
        data = read_json(path, None)
        if data is None:
            raise LabDownError(f"{path} does not exist: the lab is down; `./paif lab up` starts it")
        return cls(path.parent, data["url"], data["token"])

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        try:
            answer = self._client.request(method, path, json=body)
        except httpx.TransportError as error:
            raise LabDownError(f"the lab's daemon does not answer ({error}); `./paif lab up` starts it") from None
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            raise LabDownError(
                f"{self._client.base_url} does not take the token of {self.directory / 'control.json'}: what answers "
                "there is not the daemon that wrote it; `./paif lab up` starts it"
            )
        if answer.status_code == httpx.codes.CONFLICT:
            raise PartFailedError(answer.json()["message"])
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def port(self, name: str) -> int:
        """The port on 127.0.0.1 that belongs to ``name``, for as long as it is not released."""
        return int(self._call("POST", f"/ports/{name}")["port"])

    def release_port(self, name: str) -> None:
        self._call("DELETE", f"/ports/{name}")

    def ensure(self, part: Part) -> None:
        """Start ``part``, or restart it when its definition changed; returns when it is ready.

        Raises ``PartFailedError`` with the end of the part's log.
        """
        self._call("PUT", f"/parts/{part.name}", json.loads(part.model_dump_json()))

    def remove(self, name: str) -> None:
        """Stop ``name`` and forget it; nothing happens when it is not there."""
        self._call("DELETE", f"/parts/{name}")

    def parts(self, *, memory: bool = False) -> dict[str, PartStatus]:
        """All parts by name; with `memory` what each of them holds, which takes a moment."""
        found = self._call("GET", "/parts?memory" if memory else "/parts")
        return {name: PartStatus(**status) for name, status in found.items()}

    def ready(self) -> bool:
        """Whether the lab as a whole has come up since the daemon started."""
        return bool(self._call("GET", "/health")["ready"])

    def health(self) -> dict[str, Any]:
        """How far the lab has come up. Raises ``LabDownError`` when something else answers at the daemon's address."""
        try:
            found = self._call("GET", "/health")
        except (httpx.HTTPStatusError, ValueError):
            found = None
        if not isinstance(found, dict):
            raise LabDownError(f"{self._client.base_url} is not the lab's daemon; `./paif lab up` starts it")
        return found

    def faults(self) -> dict[str, dict[str, Any]]:
        """The faults that are switched on, by name."""
        return dict(read_json(self.directory / "faults.json", {}))

    def stop(self) -> None:
        """Ask the daemon to stop every part and itself."""
        self._call("POST", "/stop")
