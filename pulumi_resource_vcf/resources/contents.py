"""Contents of a Supervisor namespace that are waited for before anything names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from .. import contents as c
from .. import fields as f
from ..api_server import ApiServer, RefusedReadError
from ..contents import Contents, Missing
from ..errors import AmbiguousNameError, VcfError
from ..progress import RIGHTS_SECONDS, Progress
from ..resource import Context, Resource
from ..values import Props, has_unknown
from .namespace import DNS_LABEL

_SETTLED_SECONDS: Final = 60.0
"""How long a list of names must stay as it is before a name that it does not have is taken for wrong."""
_NAME: Final = f.Field(kind="string", doc="name", required=True)


class NamespaceContents(Resource):
    """See the module's docstring. It is no object of its own: making it waits, removing it does nothing."""

    tok: ClassVar = "vcf:index:NamespaceContents"
    doc: ClassVar = (
        "Contents that a Supervisor namespace really has. They come some time after it is RUNNING, and what names them "
        "earlier is refused. Waited for when it is created, and again when others are asked for; given up when they "
        "cannot come any more, since others are there and they are not."
    )
    import_id: ClassVar = "none: it is no object of its own"
    identity: ClassVar = ("namespace",)
    fields: ClassVar[f.Fields] = {
        "namespace": f.Field(
            kind="string",
            doc="Supervisor namespace",
            required=True,
            replaces=True,
            pattern=DNS_LABEL,
            expected="a DNS label",
        ),
        "vmClasses": f.Field(kind="array", doc="VM classes that must be bound to it", items=_NAME, unordered=True),
        "storageClasses": f.Field(
            kind="array", doc="Kubernetes storage classes that it must have a quota for", items=_NAME, unordered=True
        ),
        "images": f.Field(
            kind="array",
            doc="images of machines, of its own or the whole Supervisor",
            unordered=True,
            items=f.Field(
                kind="object",
                doc="an image",
                type_name="AwaitedImage",
                fields={
                    "name": f.Field(kind="string", doc="name, or id vmi-…", required=True),
                    "itemId": f.Field(
                        kind="string", doc="id of its item of a content library, which tells those of one name apart"
                    ),
                },
            ),
        ),
        "imageNames": f.Field(
            kind="object",
            doc="how a machine names each image: its name, or its id vmi-… where others have the same name",
            output=True,
            # Nothing can be made of an image before everything else is there as well.
            source=("namespace", "vmClasses", "storageClasses", "images"),
        ),
    }

    async def expect(self, context: Context, inputs: Props) -> Props | None:
        """At preview, of a namespace that has it all already: what will be given out; None when that cannot be told."""
        if has_unknown(inputs):
            return None
        try:
            found, failed = await c.look(_api(context), inputs["namespace"], _kinds(inputs))
            return None if failed or list(c.lacking(found, inputs)) else _state(found, inputs)
        except VcfError:
            return None

    async def create(self, context: Context, inputs: Props) -> tuple[str, Props]:
        """Waits."""
        return str(inputs["namespace"]), await _wait(context, inputs)

    async def update(self, context: Context, resource_id: str, state: Props, inputs: Props) -> Props:
        """Waits again."""
        del resource_id, state
        return await _wait(context, inputs)

    async def read(self, context: Context, resource_id: str, state: Props) -> tuple[str, Props] | None:
        """As it was; None when nothing of it is left, since another namespace of that name has to be waited for.

        Unreachable, it is as it was: nothing is lost by it.
        """
        if not state:
            raise VcfError(f"Cannot import {resource_id!r}: contents are no object; declare them without importing.")
        try:
            found, failed = await c.look(_api(context), state["namespace"], _kinds(state))
            # Of a namespace that is gone a Supervisor may let nothing be read.
            refused = all(isinstance(error, RefusedReadError) for error in failed.values())
            gone = refused and _nothing_of(found, failed, state)
        except VcfError as error:
            await context.warn(context.urn, f"What the namespace has could not be looked up: {error}")
            gone = False
        return None if gone else (resource_id, state)

    async def delete(self, context: Context, resource_id: str, state: Props) -> None:
        """Leaves the namespace as it is."""
        del context, resource_id, state


_ASKED: Final = {"vmClasses": c.VM_CLASS, "storageClasses": c.STORAGE_CLASS, "images": c.IMAGE}


def _api(context: Context) -> ApiServer:
    return context.supervisor("to see what a namespace has")


def _kinds(inputs: Props) -> list[str]:
    return [kind for name, kind in _ASKED.items() if inputs.get(name)]


def _state(found: Contents, inputs: Props) -> Props:
    names = {
        each["name"]: c.reference(found.images, each["name"], each.get("itemId") or "")
        for each in inputs.get("images") or []
    }
    return {**inputs, "imageNames": names}


def _nothing_of(found: Contents, failed: Mapping[str, VcfError], state: Props) -> bool:
    asked = sum(len(state.get(name) or []) for name, kind in _ASKED.items() if kind not in failed)
    try:
        return bool(_kinds(state)) and sum(not each.reason for each in c.lacking(found, state)) == asked
    except AmbiguousNameError:
        return False


async def _wait(context: Context, inputs: Props) -> Props:
    api, watch = _api(context), _Watch(context, str(inputs["namespace"]))
    for pause in context.clock.backoff(first=0.3, factor=1.5, ceiling=5):
        try:
            found, failed = await c.look(api, watch.namespace, _kinds(inputs))
        except VcfError as error:
            watch.last = str(error)
        else:
            await watch.forgive(failed)
            missing = list(c.lacking(found, inputs))
            if not missing and not failed.keys() - watch.forgiven:
                return _state(found, inputs)
            await watch.see(missing, failed)
        watch.out_of_patience(pause)
        await context.clock.sleep(pause)
    raise AssertionError


class _Watch:
    """What was seen so far: it tells what is waited for, and when that makes no sense any more."""

    def __init__(self, context: Context, namespace: str) -> None:
        self.namespace = namespace
        self.last = ""
        self.forgiven: set[str] = set()
        self._context, self._start = context, context.clock.now()
        self._refused: dict[str, float] = {}
        self._there: dict[str, tuple[tuple[str, ...], float]] = {}
        self._progress = Progress(context)

    async def forgive(self, failed: Mapping[str, VcfError]) -> None:
        """Do without a kind that the login may not look at: what is made with it tells whether it was there."""
        now = self._context.clock.now()
        self._refused = {
            kind: self._refused.get(kind, now) for kind, error in failed.items() if isinstance(error, RefusedReadError)
        }
        for kind, since in self._refused.items():
            if kind not in self.forgiven and now - since >= RIGHTS_SECONDS:
                self.forgiven.add(kind)
                text = f"Whether namespace {self.namespace} has its {kind} is not waited for: {failed[kind]}"
                await self._context.warn(self._context.urn, text)

    async def see(self, missing: Sequence[Missing], failed: Mapping[str, VcfError]) -> None:
        """Tell what is missing. Raises VcfError for what cannot come any more, since others are there for long."""
        now = self._context.clock.now()
        for each in missing:
            if self._there.get(each.kind, ((), 0.0))[0] != each.there:
                self._there[each.kind] = each.there, now
        lost = [
            each.told(self.namespace)
            for each in missing
            if each.there and now - self._there[each.kind][1] >= _SETTLED_SECONDS
        ]
        if lost:
            raise VcfError(
                "\n".join(lost) + f"\nNothing was added for {_SETTLED_SECONDS:.0f} s. Correct the name, or have it "
                "added to the namespace; then run `pulumi up` again."
            )
        waits = [str(each) for each in missing] + [f"{kind}: {error}" for kind, error in failed.items()]
        self.last = "waiting for " + "; ".join(waits)
        await self._progress.tell(self.last)

    def out_of_patience(self, pause: float) -> None:
        """Raises VcfError when there is no time for another look."""
        waited = self._context.clock.now() - self._start
        if waited + pause > self._context.patience:
            raise VcfError(
                f"Namespace {self.namespace} does not have everything after {waited:.0f} s: {self.last}. Look at it in "
                "vCenter: whether it is in error, and whether its content libraries are synchronized. Then run "
                "`pulumi up` again."
            )
