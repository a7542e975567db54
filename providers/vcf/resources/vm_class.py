"""VM classes of the Supervisor (VM Service)."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import fields as f
from .. import ownership
from ..errors import GoneError, Problem, VcfError
from ..ownership import Mark
from ..resource import Context, Resource, known, refresh_inputs
from ..values import Props
from ..vcenter import VCenter, VCenterError, segment
from .namespace import DNS_LABEL

_CLASSES = "/api/vcenter/namespace-management/virtual-machine-classes"
_FULL = 100


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

    Source: vSphere Automation API 9.0, com.vmware.vcenter.namespace_management.VirtualMachineClasses; wire names
    (`memory_MB`, `dynamic_direct_path_IO_devices`) as in the bindings of the official VCF SDK 9.1.
    """

    tok: ClassVar = "vcf:index:VirtualMachineClass"
    doc: ClassVar = "A VM class with vGPU profiles or Dynamic DirectPath I/O devices."
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
        "adopt": f.Field(kind="boolean", doc="manage a class that exists already, and leave it in place on destroy"),
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
        if devices and inputs.setdefault("memoryReservationPercent", _FULL) != _FULL:
            problems.append(
                Problem(
                    "memoryReservationPercent",
                    f"got {inputs['memoryReservationPercent']}; expected {_FULL}, since {devices[0]} is set: "
                    "vSphere starts a VM with PCI devices only when all its memory is reserved",
                )
            )
        return problems

    def same(self, name: str, field: f.Field, old: Any, new: Any, state: Props) -> bool:
        """`adopt` matters at creation only."""
        return name == "adopt" or super().same(name, field, old, new, state)

    async def create(self, context: Context, inputs: Props) -> tuple[str, Props]:
        """POST, or taking over what an earlier create left."""
        vcenter, name = context.vcenter, str(inputs["name"])
        mark = Mark.of(context.urn)
        info = await _get(vcenter, name)
        if info is None:
            description = ownership.join(inputs.get("description", ""), mark)
            try:
                await vcenter.post(_CLASSES, {"id": name, **_spec(inputs, description)})
            except VCenterError as error:
                info = await _get(vcenter, name) if error.kind == "ALREADY_EXISTS" else None
                if info is None:
                    raise
        if info is not None:
            text, found = ownership.split(info.get("description"))
            mark = ownership.claim(
                f"VM class {name!r}", context.urn, mark, found, adopt=inputs.get("adopt", False), import_id=name
            )
            description = ownership.join(inputs.get("description", text), mark)
            await vcenter.patch(f"{_CLASSES}/{segment(name)}", _spec(inputs, description))
        return name, {**inputs, "owner": str(mark)}

    async def read(self, context: Context, resource_id: str, state: Props) -> tuple[str, Props] | None:
        """Live state."""
        info = await _get(context.vcenter, resource_id)
        if info is None:
            return None
        text, mark = ownership.split(info.get("description"))
        devices = info.get("devices") or {}
        live = {
            "name": resource_id,
            "cpuCount": info["cpu_count"],
            "memoryMib": info.get("memory_MB", info.get("memory_mb")),
            "cpuReservationPercent": info.get("cpu_reservation"),
            "memoryReservationPercent": info.get("memory_reservation"),
            "vgpuProfiles": [d["profile_name"] for d in devices.get("vgpu_devices") or []],
            "directPathDevices": [_device(d) for d in devices.get("dynamic_direct_path_IO_devices") or []],
            "description": text,
        }
        return resource_id, {**refresh_inputs(self, state, live), "owner": str(mark) if mark else ""}

    async def update(self, context: Context, resource_id: str, state: Props, inputs: Props) -> Props:
        """PATCH. Running VMs keep their size; new ones get the new one."""
        vcenter = context.vcenter
        info = await _get(vcenter, resource_id)
        if info is None:
            raise GoneError(f"VM class {resource_id!r} is gone. `pulumi refresh` notices, `pulumi up` makes it anew.")
        text, found = ownership.split(info.get("description"))
        mark = Mark.of(context.urn, like=found or ownership.parse(state.get("owner") or ""))
        description = ownership.join(inputs.get("description", text), mark)
        await vcenter.patch(f"{_CLASSES}/{segment(resource_id)}", _spec(inputs, description))
        return {**inputs, "owner": str(mark)}

    async def delete(self, context: Context, resource_id: str, state: Props) -> None:
        """DELETE and wait; an adopted class only loses its mark."""
        vcenter = context.vcenter
        info = await _get(vcenter, resource_id)
        if info is None:
            return
        text, mark = ownership.split(info.get("description"))
        if not ownership.deletable(f"VM class {resource_id!r}", context.urn, state.get("owner"), mark):
            return
        if mark and mark.adopted:
            await vcenter.patch(f"{_CLASSES}/{segment(resource_id)}", {"description": text})
            return
        try:
            await vcenter.delete(f"{_CLASSES}/{segment(resource_id)}")
        except GoneError:
            return

        async def gone() -> bool:
            return await _get(vcenter, resource_id) is None

        await context.wait(
            gone,
            lambda seconds: VcfError(
                f"VM class {resource_id!r} is still there {seconds:.0f} s after its removal began; namespaces or "
                "VMs may use "
                f"it: {info.get('namespaces') or 'no namespace'}, {len(info.get('vms') or [])} VMs."
            ),
        )


def _spec(inputs: Props, description: str) -> dict[str, Any]:
    """Body of create and update. Always whole: an absent reservation means none, absent devices would stay."""
    spec = {
        "cpu_count": inputs["cpuCount"],
        "memory_MB": inputs["memoryMib"],
        "description": description,
        "devices": {
            "vgpu_devices": [{"profile_name": p} for p in inputs.get("vgpuProfiles", [])],
            "dynamic_direct_path_IO_devices": [
                {"vendor_id": int(d["vendorId"], 16), "device_id": int(d["deviceId"], 16)}
                | ({"custom_label": d["customLabel"]} if d.get("customLabel") else {})
                for d in inputs.get("directPathDevices", [])
            ],
        },
    }
    for name, wire in (
        ("cpuReservationPercent", "cpu_reservation"),
        ("memoryReservationPercent", "memory_reservation"),
    ):
        if inputs.get(name) is not None:
            spec[wire] = inputs[name]
    return spec


def _device(wire: dict[str, Any]) -> dict[str, Any]:
    label = wire.get("custom_label")
    ids = {"vendorId": f"{int(wire['vendor_id']):04x}", "deviceId": f"{int(wire['device_id']):04x}"}
    return ids | ({"customLabel": label} if label else {})


async def _get(vcenter: VCenter, name: str) -> dict[str, Any] | None:
    try:
        info: dict[str, Any] = await vcenter.get(f"{_CLASSES}/{segment(name)}")
    except GoneError:
        return None
    return info
