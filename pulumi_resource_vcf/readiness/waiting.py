"""One object that is waited for."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ..api_server import ApiServer, RefusedReadError, UnansweredError
from ..errors import VcfError
from ..progress import RIGHTS_SECONDS
from ..resource import Context
from . import allowed, expressions, nodes, operands, status, workers
from .status import Finding, Look

_FIRST_PAUSE, _LONGEST_PAUSE = 0.3, 5.0
_SURPLUS_SECONDS: Final = 60.0
"""How long what is there beyond what was asked for, such as a node that is being drained, is waited for."""
_ANY: Final = "*"
_EVENTS: Final = 3
MESSAGE_LENGTH: Final = 400


@dataclass
class Wait:
    """One object that is waited for."""

    context: Context
    api: ApiServer
    asked: Mapping[str, Any]
    item: dict[str, Any] | None = None
    progress: str = ""
    _since: dict[str, float] = field(default_factory=dict)
    _guest: ApiServer | None = None

    @property
    def name(self) -> str:
        """Kind, namespace and name, for a person."""
        within = f"{self.asked['namespace']}/" if self.asked.get("namespace") else ""
        return f"{self.asked['kind']} {within}{self.asked['name']}"

    def values(self) -> dict[str, Any]:
        """What the object gives out; nothing for what it does not say."""
        found = {
            key: expressions.value_at(self.item or {}, expressions.path(path))
            for key, path in (self.asked.get("values") or {}).items()
        }
        return {key: value for key, value in found.items() if value is not None}

    async def find(self, since: float | None = None) -> bool:
        """Read the object; whether there is one. Raises UnansweredError or RefusedReadError."""
        asked = self.asked
        self.item = await self.api.item(
            asked["apiVersion"], asked["kind"], asked.get("namespace") or "", asked["name"], since
        )
        return self.item is not None

    async def look(self, since: float | None = None) -> Look:
        """One look at the object, and at what it promises. Raises UnansweredError or RefusedReadError."""
        if not await self.find(since) or self.item is None:
            return Look([Finding("it is not there", "NotFound")])
        wait_for, failed_by = (
            [expressions.parse(each) for each in self.asked.get(name) or []] for name in ("waitFor", "failedBy")
        )
        found = status.of(self.item, wait_for, failed_by)
        # What it says of itself comes first: of an object that is refused nobody wants to hear that it has no nodes.
        wanted = self.asked.get("nodes")
        if wanted and not any(self._patience(each.reason) == 0 for each in found.waiting):
            found.waiting += await self._promised(wanted, since)
        return found

    async def _promised(self, wanted: Mapping[str, Any], since: float | None) -> list[Finding]:
        pools = [
            nodes.Pool(each["name"], each["label"], each["minimum"], each["maximum"], each.get("gpus"))
            for each in wanted.get("pools") or []
        ]
        guest = await self._cluster(wanted)
        if guest is None:
            return [Finding("its kubeconfig is not published yet")]
        there = await guest.items("v1", "Node", since=since)
        found = workers.lacking(self.item) if self.item is not None and self.asked["kind"] == "Cluster" else []
        if wanted.get("release") or wanted.get("controlPlane"):
            found += nodes.lacking(there, pools, wanted.get("controlPlane") or 0, wanted.get("release") or "")
        if self.asked["kind"] == "ClusterPolicy" and self.item is not None:
            found += await self._operands(guest, there, pools, since)
        return found

    async def _operands(
        self, guest: ApiServer, there: list[dict[str, Any]], pools: list[nodes.Pool], since: float | None
    ) -> list[Finding]:
        assert self.item is not None  # noqa: S101 (the caller's condition)
        few = [
            Finding(f"{pool.name}: {len(members)} of {pool.minimum} nodes")
            for pool in pools
            if len(members := [each for each in there if pool.has(each)]) < pool.minimum
        ]
        sets = operands.owned(await guest.items("apps/v1", "DaemonSet", since=since), self.item["metadata"]["uid"])
        lacking = nodes.without_gpus(there, pools)
        found = [*few, *(finding for _, finding in lacking), *operands.not_rolled_out(self.item, sets)]
        if not found:
            return []
        namespace = {each["metadata"]["namespace"] for each in sets}
        pods = [pod for each in namespace for pod in await guest.items("v1", "Pod", each, since=since)]
        mine = [pod for each in sets for pod in operands.owned(pods, each["metadata"]["uid"])]
        on = [each["metadata"]["name"] for each in there if any(pool.has(each) for pool in pools)]
        held = operands.held_up(mine, on)
        # Reasons first: they are what can be mended.
        return [*held, *found]

    async def _cluster(self, wanted: Mapping[str, Any]) -> ApiServer | None:
        if not wanted.get("secretName"):
            return self.api
        if self._guest is None:
            base = f"/api/v1/namespaces/{self.asked.get('namespace')}/secrets/{wanted['secretName']}"
            text = ((await self.api.get(base) or {}).get("data") or {}).get(wanted.get("secretKey") or "value")
            if not text:
                return None
            self._guest = self.context.api_server(base64.b64decode(text).decode())
        return self._guest

    async def until_ready(self, tell: Callable[[], Awaitable[None]]) -> None:
        """Look until nothing is waited for. Raises VcfError when it cannot become ready, or time is over."""
        clock = self.context.clock
        start = clock.now()
        ready_since: float | None = None
        changing = False
        for pause in clock.backoff(first=_FIRST_PAUSE, factor=1.4, ceiling=_LONGEST_PAUSE):
            look = await self._looked(start)
            if clock.now() - start > _SURPLUS_SECONDS and (surplus := look.without_surplus()):
                told = f"{self.name}: {'; '.join(surplus)}. Is it somebody else's? It was waited for no longer."
                await self.context.warn(self.context.urn, told)
            if not look.waiting:
                ready_since = clock.now() if ready_since is None else ready_since
                # What was seen to become ready is; what was ready all along may be so by a status of before.
                left = ready_since + (0 if changing else self._settle()) - clock.now()
                if left <= 0:
                    self.progress = ""
                    return
                wait = min(pause, left)
                self.progress = f"{self.name} is ready; whether it stays so"
            else:
                wait, ready_since = pause, None
                changing = changing or any(each.told for each in look.waiting)
                self.progress = f"{self.name}: {'; '.join(look.texts)}"
                if hopeless := self._given_up(look):
                    raise VcfError(await self._failure(look, hopeless))
            await tell()
            if clock.now() - start + wait > self.context.patience:
                raise VcfError(await self._failure(look, f"was not ready within {self.context.patience:.0f} s"))
            await clock.sleep(wait)

    async def _looked(self, start: float) -> Look:
        try:
            return await self.look(start)
        except UnansweredError as error:
            # Another look decides; what was seen of the object so far still stands.
            return Look([Finding(str(error), told=False)])
        except RefusedReadError as error:
            return Look([Finding(str(error), "Forbidden", told=False)])

    def _settle(self) -> float:
        """How long what is ready at the first look must stay so: it may not have begun to change yet.

        Whether something changed it is not known: a run before this one may have, and was cut off. Of an object whose
        spec is still its first one, there is nothing that its status could be left from.
        """
        first = ((self.item or {}).get("metadata") or {}).get("generation") == 1
        return 0.0 if first else float(self.asked.get("settleSeconds") or 0)

    def _patience(self, reason: str) -> float | None:
        """How long a reason may last, None when as long as the whole may."""
        if reason == "Forbidden":
            return RIGHTS_SECONDS
        if reason == "NotFound":
            return _LONGEST_PAUSE
        known: Mapping[str, Any] = self.asked.get("patience") or {}
        seconds = known.get(reason, known.get(_ANY)) if reason else None
        return None if seconds is None else float(seconds)

    def _given_up(self, look: Look) -> str:
        """Why waiting is no use any more; empty while it is."""
        now = self.context.clock.now()
        reasons = {finding.reason for finding in look.waiting if finding.reason}
        self._since = {reason: self._since.get(reason, now) for reason in reasons}
        for finding in look.waiting:
            patience = self._patience(finding.reason)
            if patience is None or now - self._since[finding.reason] < patience:
                continue
            return (
                "cannot become ready" if not patience else f"is not getting ready: nothing changed in {patience:.0f} s"
            )
        return ""

    async def _failure(self, look: Look, what: str) -> str:
        lines = [f"{self.name} {what}:", *(f"  {line}" for line in look.texts)]
        lines += [f"  {line}" for line in await self._told_besides(look)]
        lines.append("Mend it, then run `pulumi up` again: it goes on from here. Nothing was removed.")
        return "\n".join(lines)

    async def _told_besides(self, look: Look) -> list[str]:
        """What the platform says elsewhere: values that it allows, and recent events."""
        asked = self.asked
        namespace = asked.get("namespace") or ""
        try:
            found = [line async for line in allowed.lines(self.api, asked["kind"], namespace)]
            events = await self._events(namespace)
        except VcfError:
            # The reason is told above; this was only to add to it.
            return []
        said = {each.text for each in look.waiting}
        return found + [f"event {text}" for text in events if not any(text.partition(": ")[2] in line for line in said)]

    async def _events(self, namespace: str) -> list[str]:
        selector = f"involvedObject.kind={self.asked['kind']},involvedObject.name={self.asked['name']}"
        answer = await self.api.get(f"/api/v1/namespaces/{namespace or 'default'}/events", {"fieldSelector": selector})
        items = sorted((answer or {}).get("items") or [], key=_when)
        texts = (f"{each.get('reason')}: {str(each.get('message') or '').strip()}" for each in items if _warns(each))
        return list(dict.fromkeys(text[:MESSAGE_LENGTH] for text in texts))[-_EVENTS:]


def _when(event: Mapping[str, Any]) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")


def _warns(event: Mapping[str, Any]) -> bool:
    return event.get("type") != "Normal"
