"""VM classes of the Supervisor (VM Service)."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from .. import fields as f
from .. import ownership
from ..errors import GoneError, Problem, VcfError, listed
from ..hardware import DEVICES, FULL, change_of, hardware_of, parts_of, reserves, spec_of, whole
from ..ownership import Mark, Stored
from ..resource import Context, Notice, Resource, known, notice, refresh_inputs
from ..values import Props, has_unknown
from ..vcenter import VCenter, VCenterError, segment
from .namespace import DNS_LABEL

_CLASSES = "/api/vcenter/namespace-management/virtual-machine-classes"
_NAMESPACES = "/api/vcenter/namespaces/instances/v2"
# What uses a class may be on its way out already, and shown as its user a little longer.
_IN_USE_GRACE = 30.0


def pci_id(text: str) -> str:
    """A PCI vendor or device id as four lower-case hex digits; takes `0x10DE` too. Raises ValueError."""
    digits = text.lower().removeprefix("0x").rjust(4, "0")
    if len(digits) != 4 or any(c not in "0123456789abcdef" for c in digits):
        raise ValueError(text)
    return digits


_PCI = {"kind": "string", "required": True, "parse": pci_id, "expected": "four hex digits, for example 10de (NVIDIA)"}
_DEVICE = f.Field(
    kind="object",
    type_name="DirectPathDevice",
    doc="a Dynamic DirectPath I/O device",
    fields={
        "vendorId": f.Field(doc="PCI vendor id, hex", **_PCI),  # type: ignore[arg-type]
        "deviceId": f.Field(doc="PCI device id, hex", **_PCI),  # type: ignore[arg-type]
        "customLabel": f.Field(kind="string", doc="hardware label that the host's device must carry"),
    },
)
_PERCENT: dict[str, Any] = {"kind": "integer", "minimum": 0, "maximum": 100}


class VirtualMachineClass(Resource):
    """A VM class: size, reservations, and vGPU profiles or Dynamic DirectPath I/O devices.

    A class that was made in vSphere Client may have devices and reservations in its `config_spec` only. They are read
    there, and never written: whoever wants others is told. Of an adopted class what is not given stays, and what was
    changed gets its former value back when the class is released.

    Source: vSphere Automation API 9.0, com.vmware.vcenter.namespace_management.VirtualMachineClasses; wire names
    (`memory_MB`, `dynamic_direct_path_IO_devices`) as in the bindings of the official VCF SDK 9.1.
    """

    tok: ClassVar = "vcf:index:VirtualMachineClass"
    doc: ClassVar = (
        "A VM class with vGPU profiles or Dynamic DirectPath I/O devices, not both; one list entry per device. With "
        "devices the memory reservation is 100 percent. `adopt` takes over a class that exists already, whose "
        "description and whatever is not given stay, and gives it back as it was on destroy."
    )
    import_id: ClassVar = "the class's name, for example vgpu-a100-40c"
    identity: ClassVar = ("name",)
    fields: ClassVar[f.Fields] = {
        "name": f.Field(
            kind="string",
            doc="name of the class",
            required=True,
            replaces=True,
            pattern=DNS_LABEL,
            expected="a DNS label: lower-case letters, digits and hyphens, at most 63 characters",
        ),
        "cpuCount": f.Field(kind="integer", doc="vCPUs", required=True, minimum=1),
        "memoryMib": f.Field(kind="integer", doc="memory in MiB", required=True, minimum=4),
        "cpuReservationPercent": f.Field(doc="reserved share of the CPUs in percent", **_PERCENT),
        "memoryReservationPercent": f.Field(
            doc="reserved share of the memory in percent; 100 with any GPU device, which is then the default",
            **_PERCENT,
        ),
        "vgpuProfiles": f.Field(
            kind="array",
            doc="vGPU profiles, one per virtual GPU",
            unordered=True,
            items=f.Field(
                kind="string", doc="profile", pattern=r"\S+", expected="a profile name such as grid_a100-40c"
            ),
        ),
        "directPathDevices": f.Field(
            kind="array", doc="Dynamic DirectPath I/O devices, one entry per device", unordered=True, items=_DEVICE
        ),
        "description": f.Field(kind="string", doc="text that vCenter shows beside the name", kept=True),
        "adopt": f.Field(
            kind="boolean",
            doc="manage a class that exists already: its description and what is not given stay, and on destroy it "
            "gets its former values back",
        ),
        "owner": f.Field(kind="string", doc="ownership mark in the description", output=True),
    }

    def cross_check(self, inputs: Props) -> list[Problem]:
        """Devices need all memory reserved, and are of one kind."""
        if not known(inputs, "vgpuProfiles", "directPathDevices", "memoryReservationPercent"):
            return []
        problems = []
        devices = [name for name in ("vgpuProfiles", "directPathDevices") if inputs.get(name)]
        if len(devices) > 1:
            problems.append(
                Problem(
                    "directPathDevices",
                    "is given together with vgpuProfiles; expected only one of them: a VM gets its GPUs either "
                    "shared by "
                    "vGPU or whole by DirectPath I/O",
                )
            )
        if devices and inputs.setdefault("memoryReservationPercent", FULL) != FULL:
            problems.append(
                Problem(
                    "memoryReservationPercent",
                    f"got {inputs['memoryReservationPercent']}; expected {FULL}, since {devices[0]} is set: "
                    "vSphere starts a VM with PCI devices only when all its memory is reserved",
                )
            )
        return problems

    def same(self, name: str, field: f.Field, old: Any, new: Any, state: Props) -> bool:
        """`adopt` matters at creation only, and the description of an adopted class is not ours."""
        if name == "adopt" or (name == "description" and ownership.adopted(state, None)):
            return True
        return super().same(name, field, old, new, state)

    async def foresee(self, context: Context, state: Props, inputs: Props) -> Notice | None:
        """What an adoption changes in a class that is there."""
        name = inputs.get("name")
        info = await _get(context.vcenter, name) if isinstance(name, str) else None
        if info is None:
            return None
        what, stored = f"VM class {name!r}", Stored.of(info.get("description"))
        if state:
            own, mark = ownership.current(what, context.urn, state, stored, adopt=inputs.get("adopt") is True)
        else:
            own, mark = stored.own(context.urn, None), _claim(context, inputs, Mark.of(context.urn), stored)
        if not mark.adopted:
            return None
        given = {key: value for key, value in inputs.items() if not has_unknown(value)}
        _, mark, lines = _plan(info, own, mark, given, state)
        left = f"leaves its description {stored.text!r}" if stored.text else "leaves everything else"
        return notice(what, [*lines, left])

    async def create(self, context: Context, inputs: Props) -> tuple[str, Props]:
        """POST, or taking over what an earlier create left."""
        vcenter, name = context.vcenter, str(inputs["name"])
        mark = Mark.of(context.urn)
        info = await _get(vcenter, name)
        if info is None:
            description = ownership.join(inputs.get("description", ""), mark)
            try:
                await vcenter.post(_CLASSES, {"id": name, **spec_of(inputs), "description": description})
            except VCenterError as error:
                info = await _get(vcenter, name) if error.kind == "ALREADY_EXISTS" else None
                if info is None:
                    raise
        if info is not None:
            stored = Stored.of(info.get("description"))
            mark = _claim(context, inputs, mark, stored)
            mark = await self._bring(vcenter, info, stored.own(context.urn, None), mark, inputs, {})
        return name, {**inputs, "owner": str(mark)}

    async def _bring(
        self, vcenter: VCenter, info: dict[str, Any], own: Mark | None, mark: Mark, inputs: Props, before: Props
    ) -> Mark:
        """Changes a class that is there; returns its mark."""
        spec, mark, _ = _plan(info, own, mark, inputs, before)
        if spec:
            await vcenter.patch(f"{_CLASSES}/{segment(str(info['id']))}", spec)
        return mark

    async def read(self, context: Context, resource_id: str, state: Props) -> tuple[str, Props] | None:
        """Live state."""
        info = await _get(context.vcenter, resource_id)
        if info is None:
            return None
        stored = Stored.of(info.get("description"))
        live = {"name": resource_id, **hardware_of(info)}
        if live["cpuReservationPercent"] is None and reserves(info, "cpuReservationPercent"):
            # In MHz there, which nobody can tell as a share.
            live["cpuReservationPercent"] = state.get("cpuReservationPercent")
        adopted = state and ownership.adopted(state, None)
        live["description"] = state.get("description") if adopted else stored.text
        owner = ownership.after_read(context.urn, state.get("owner"), stored, imported=not state)
        return resource_id, {**refresh_inputs(self, state, live), "owner": owner}

    async def update(self, context: Context, resource_id: str, state: Props, inputs: Props) -> Props:
        """PATCH. Running VMs keep their size; new ones get the new one."""
        vcenter = context.vcenter
        info = await _get(vcenter, resource_id)
        if info is None:
            raise GoneError(f"VM class {resource_id!r} is gone. `pulumi refresh` notices, `pulumi up` makes it anew.")
        stored = Stored.of(info.get("description"))
        what, adopt = f"VM class {resource_id!r}", inputs.get("adopt") is True
        own, mark = ownership.current(what, context.urn, state, stored, adopt=adopt)
        mark = await self._bring(vcenter, info, own, mark, inputs, state)
        return {**inputs, "owner": str(mark)}

    async def delete(self, context: Context, resource_id: str, state: Props) -> None:
        """DELETE and wait; an adopted class gets its former values back."""
        vcenter = context.vcenter
        info = await _get(vcenter, resource_id)
        if info is None:
            return
        stored, recorded = Stored.of(info.get("description")), ownership.parse(state.get("owner"))
        if not ownership.deletable(f"VM class {resource_id!r}", context.urn, state, stored):
            return
        own = stored.own(context.urn, recorded)
        if ownership.adopted(state, own):
            mark = own or recorded or dataclasses.replace(Mark.of(context.urn), adopted=True)
            spec, _, _ = _plan(info, own, mark, {}, state, release=True)
            if spec:
                await vcenter.patch(f"{_CLASSES}/{segment(resource_id)}", spec)
            return
        await _delete(context, vcenter, resource_id)


async def _delete(context: Context, vcenter: VCenter, name: str) -> None:
    """DELETE, again while what uses the class is on its way out; waits until the class is gone."""
    start = context.clock.now()
    info: dict[str, Any] | None = None

    async def gone() -> bool:
        nonlocal info
        info = await _get(vcenter, name)
        if info is None:
            return True
        try:
            await vcenter.delete(f"{_CLASSES}/{segment(name)}")
        except GoneError:
            return True
        except VCenterError as error:
            if error.kind != "RESOURCE_IN_USE":
                raise
            if context.clock.now() - start > _IN_USE_GRACE and not await _users_change(vcenter, info):
                raise VcfError(
                    f"VM class {name!r} cannot be deleted: {error} {_users(info)} Take the class out of the list of "
                    "these namespaces and remove these VMs, or their stacks, then go on with `pulumi destroy`; or "
                    f"leave the class to them with `pulumi state delete '{context.urn}'`."
                ) from None
        return False

    await context.wait(
        gone,
        lambda seconds: VcfError(
            f"VM class {name!r} is still there {seconds:.0f} s after its removal began. {_users(info or {})}"
        ),
    )


async def _users_change(vcenter: VCenter, info: dict[str, Any]) -> bool:
    """Whether a namespace that may use the class is being changed or removed, so that it is worth to wait."""
    for name in info.get("namespaces") or []:
        try:
            status = (await vcenter.get(f"{_NAMESPACES}/{segment(name)}"))["config_status"]
        except GoneError:
            return True
        if status in ("CONFIGURING", "REMOVING"):
            return True
    return False


def _users(info: dict[str, Any]) -> str:
    machines = len(info.get("vms") or [])
    return f"Namespaces that may use it: {listed(info.get('namespaces') or [])}; VMs made from it: {machines}."


def _claim(context: Context, inputs: Props, mark: Mark, stored: Stored) -> Mark:
    name, adopt = str(inputs["name"]), inputs.get("adopt") is True
    return ownership.claim(f"VM class {name!r}", context.urn, mark, stored, adopt=adopt, import_id=name)


def _plan(
    info: dict[str, Any],
    own: Mark | None,
    mark: Mark,
    inputs: Props,
    before: Props,
    *,
    release: bool = False,
) -> tuple[dict[str, Any], Mark, list[str]]:
    """Body of an update (empty when all is as wanted), the mark as it will be, and what people should know.

    `own` is the mark on the class, `mark` the one to write, `before` the state until now. `release`: nothing is wanted
    any more. Raises VcfError when what is to change is in the class's config_spec.
    """
    stored = Stored.of(info.get("description"))
    others = stored.others(own)
    live, target, was, lines = hardware_of(info), hardware_of(info), {}, []
    wanted = {} if release else _managed(inputs, mark)
    for part, found in parts_of(live).items():
        if part in wanted:
            value = wanted[part]
            former = mark.was.get(part, next((o.was[part] for o in others if part in o.was), None))
            if former is not None or found != value:
                was[part] = found if former is None else former
            lines += [f"changes {part}: {found or 'none'} to {value or 'none'}"] if found != value else []
        elif mark.was.get(part, found) != found and not any(other.uses(part) for other in others):
            # What somebody else has set since is theirs.
            value = mark.was[part] if parts_of(before).get(part) == found else found
            lines += [f"gives {part} its former value back: {value or 'none'}"] if value != found else []
        else:
            continue
        target |= whole(part, value)
    text = stored.text if mark.adopted or release else str(inputs.get("description", stored.text))
    mark = dataclasses.replace(mark, was=was)
    description = str(stored.worded(text).replacing(own, None if release else mark))
    if target == live and description == (info.get("description") or ""):
        return {}, mark, lines
    return {**change_of(info, live, target), "description": description}, mark, lines


def _managed(inputs: Props, mark: Mark) -> dict[str, str]:
    """The parts that the inputs decide: all of a class that was made here, what is given of an adopted one."""
    decided = parts_of(inputs)
    if not mark.adopted:
        return decided
    given = {**dict.fromkeys(inputs, True), "devices": any(name in inputs for name in DEVICES)}
    return {part: value for part, value in decided.items() if given.get(part)}


async def _get(vcenter: VCenter, name: str) -> dict[str, Any] | None:
    try:
        info: dict[str, Any] = await vcenter.get(f"{_CLASSES}/{segment(name)}")
    except GoneError:
        return None
    return info
