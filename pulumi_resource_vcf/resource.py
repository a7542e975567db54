"""What every resource of the provider has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from . import fields as f
from .api_server import ApiServer
from .clock import Clock
from .errors import Problem, VcfError
from .host import Tell, silent
from .values import Props, Unknown, has_unknown
from .vcenter import VCenter

DEFAULT_TIMEOUT = 600.0
LOOK_AHEAD_SECONDS = 30.0
"""How long an answer to a look-up before anything is made may take.

Nobody there is found out in the ten seconds of a connection. A server that is there and slow, or a busy machine on this
side, is worth waiting for: what is not answered is found out in the middle of `up`.
"""


@dataclass(frozen=True)
class Context:
    """What an operation works with. `timeout`: seconds from `customTimeouts`, 0 when none was given.

    `kubeconfig` is the Supervisor's, "" when none is configured. `api_servers` are those by kubeconfig that
    operations share. `warn` tells what does not stop the run, `progress` what is going on, for as long as it does.
    """

    urn: str
    clock: Clock
    connect: Callable[[], VCenter]
    timeout: float = 0.0
    kubeconfig: str = ""
    warn: Tell = silent
    progress: Tell = silent
    api_servers: dict[str, ApiServer] = field(default_factory=dict)

    def api_server(self, kubeconfig: str) -> ApiServer:
        """The API server of a kubeconfig, shared by all operations. Raises VcfError when it cannot be used."""
        found = self.api_servers.get(kubeconfig)
        if found is None:
            found = self.api_servers[kubeconfig] = ApiServer(kubeconfig, self.clock)
        return found

    def supervisor(self, purpose: str) -> ApiServer:
        """The Supervisor's API server; raises VcfError, naming the purpose, when no kubeconfig is configured."""
        if not self.kubeconfig:
            raise VcfError(f"The vcf provider needs `kubeconfig`, the Supervisor's, {purpose}.")
        return self.api_server(self.kubeconfig)

    @property
    def vcenter(self) -> VCenter:
        """The vCenter of the provider's configuration; raises VcfError when that is incomplete."""
        return self.connect()

    @property
    def patience(self) -> float:
        """Seconds to wait for an object to become ready or to go."""
        return self.timeout or DEFAULT_TIMEOUT

    async def wait(self, done: Callable[[], Awaitable[bool]], too_late: Callable[[float], VcfError]) -> None:
        """Polls `done` with growing pauses until it is true; raises `too_late(seconds)` when patience is over."""
        start = self.clock.now()
        pauses = self.clock.backoff(first=0.4, factor=1.5, ceiling=15)
        while not await done():
            pause = next(pauses)
            if self.clock.now() - start + pause > self.patience:
                raise too_late(self.clock.now() - start)
            await self.clock.sleep(pause)


@dataclass(frozen=True)
class Change:
    """How inputs differ.

    `changed` top-level properties, those of them that need a new object, and the order of replacing.
    """

    changed: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    delete_first: bool = False


@dataclass(frozen=True)
class Notice:
    """What people read in a preview beside the engine's own diff. `loses`: something foreign is taken away."""

    text: str
    loses: bool = False


def notice(what: str, lines: Sequence[str], *, loses: bool = False) -> Notice:
    """The notice of an adoption, one line for each thing that is changed or left."""
    return Notice("\n".join([f"{what} is there and is adopted:", *(f"  {line}" for line in lines)]), loses)


class Resource(ABC):
    """One resource type.

    State is the inputs plus the outputs. A property that the program leaves out is not managed: neither changed nor
    reported as drift. `identity` names the inputs that make up the object's name in its system.
    """

    tok: ClassVar[str]
    doc: ClassVar[str]
    import_id: ClassVar[str]
    fields: ClassVar[f.Fields]
    identity: ClassVar[tuple[str, ...]]

    def check(self, given: Mapping[str, Any]) -> tuple[Props, list[Problem]]:
        """Normalized inputs and every problem in them, without contacting anything."""
        inputs, problems = f.check(self.fields, given)
        return inputs, problems or self.cross_check(inputs)

    def cross_check(self, inputs: Props) -> list[Problem]:
        """Problems between properties; every property is valid by itself. May fill in what follows from others."""
        del inputs
        return []

    async def try_out(self, context: Context, old: Props, inputs: Props) -> list[Problem]:
        """Problems that only the other side can tell, looked for at preview already; `old` inputs are {} at creation.

        Changes nothing there. What cannot be reached is no problem: it says nothing of the inputs.
        """
        del context, old, inputs
        return []

    def upgraded(self, state: Props) -> Props:
        """A state as this version writes it, of one that an earlier version may have written."""
        return state

    def diff(self, state: Props, inputs: Props) -> Change:
        """What differs between the state and the new inputs."""
        changed = tuple(
            name
            for name, field in f.inputs_of(self.fields).items()
            if not self.same(name, field, state.get(name), inputs.get(name), state)
        )
        replaces = tuple(name for name in changed if self.fields[name].replaces)
        # An object of the same name in the same place can only be made once the old one is gone; this also holds when
        # the user forces a replacement.
        renamed = any(name in changed for name in self.identity)
        return Change(changed, replaces, delete_first=not renamed)

    def same(self, name: str, field: f.Field, old: Any, new: Any, state: Props) -> bool:
        """Whether one property is unchanged."""
        del name, state
        return f.same(field, old, new)

    def preview(self, state: Props, inputs: Props) -> Props:
        """Properties as they will be: inputs, outputs that do not depend on a change, and unknown ones."""
        changed = self.diff(state, inputs).changed if state else tuple(inputs)
        outputs = {
            name: Unknown() if not state or name not in state or set(field.source) & set(changed) else state[name]
            for name, field in self.fields.items()
            if field.output
        }
        return {**inputs, **outputs}

    async def expect(self, context: Context, inputs: Props) -> Props | None:
        """At preview, the state that a creation will come to, where that can be told; None where it cannot."""
        del context, inputs
        return None

    async def foresee(self, context: Context, state: Props, inputs: Props) -> Notice | None:
        """At preview, what will happen to an object that is there and was not made here; None when there is none.

        Inputs may be unknown. Raises VcfError where the real run would fail.
        """
        del context, state, inputs
        return None

    @abstractmethod
    async def create(self, context: Context, inputs: Props) -> tuple[str, Props]:
        """Makes the object, or goes on with the one that an earlier, cut-off create made. Returns id and state."""

    @abstractmethod
    async def read(self, context: Context, resource_id: str, state: Props) -> tuple[str, Props] | None:
        """Id and state as they are now.

        None when the object is gone. An empty `state` means import: everything is filled in.
        """

    @abstractmethod
    async def update(self, context: Context, resource_id: str, state: Props, inputs: Props) -> Props:
        """Changes the object in place. Returns the new state."""

    @abstractmethod
    async def delete(self, context: Context, resource_id: str, state: Props) -> None:
        """Removes the object and waits until it is gone; an object that is gone already is fine."""


def known(inputs: Props, *names: str) -> bool:
    """Whether all these inputs are given or absent, but not unknown."""
    return not any(has_unknown(inputs.get(name)) for name in names)


def refresh_inputs(resource: Resource, state: Props, live: Props) -> Props:
    """Inputs after a read: the live value of every managed property, of all properties on import."""
    result: Props = {}
    for name, declared in f.inputs_of(resource.fields).items():
        if state and name not in state:
            continue
        value = live[name] if name in live else state.get(name)
        # Where both mean the same, the program's own order and spelling stay.
        result[name] = state[name] if state and f.same(declared, state[name], value) else value
    return {name: value for name, value in result.items() if value is not None}
