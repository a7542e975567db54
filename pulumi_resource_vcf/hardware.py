"""Hardware of a VM class, as properties and as vCenter has it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from .errors import VcfError
from .values import Props

FULL = 100
RESERVATIONS: Final = {"cpuReservationPercent": "cpu_reservation", "memoryReservationPercent": "memory_reservation"}
DEVICES: Final = ("vgpuProfiles", "directPathDevices")


def parts_of(hardware: Mapping[str, Any]) -> dict[str, str]:
    """Size, reservations and devices as text, which is how a mark keeps former values."""
    devices = {name: hardware[name] for name in DEVICES if hardware.get(name)}
    if "directPathDevices" in devices:
        devices["directPathDevices"] = sorted(devices["directPathDevices"], key=lambda each: sorted(each.items()))
    if "vgpuProfiles" in devices:
        devices["vgpuProfiles"] = sorted(devices["vgpuProfiles"])
    plain = {name: hardware.get(name) for name in ("cpuCount", "memoryMib", *RESERVATIONS)}
    return {
        **{name: "" if value is None else str(value) for name, value in plain.items()},
        "devices": json.dumps(devices, sort_keys=True, separators=(",", ":")) if devices else "",
    }


def whole(part: str, value: str) -> Props:
    """A part as text, as properties again."""
    if part == "devices":
        return {**{name: [] for name in DEVICES}, **(json.loads(value) if value else {})}
    return {part: int(value) if value else None}


def change_of(info: dict[str, Any], live: Props, target: Props) -> dict[str, Any]:
    """The body that makes `target` of `live`."""
    spec = spec_of(target)
    same = {part for part, value in parts_of(live).items() if parts_of(target)[part] == value}
    if "devices" in same:
        del spec["devices"]
    elif _only_in_config_spec(info):
        raise fixed(info, "devices", parts_of(live)["devices"], parts_of(target)["devices"])
    for name, wire in RESERVATIONS.items():
        if info.get(wire) is not None or not reserves(info, name):
            continue
        if name not in same:
            raise fixed(info, name, parts_of(live)[name], parts_of(target)[name])
        spec.pop(wire, None)
    return spec


def fixed(info: dict[str, Any], part: str, found: str, wanted: str) -> VcfError:
    return VcfError(
        f"VM class {info['id']!r} has its {part} in its config_spec, as vSphere Client makes classes, which is read "
        f"here and never written. It has {found or 'something that cannot be told as a share'}, wanted is "
        f"{wanted or 'none'}: change it in vSphere Client, give what it has, or use a class of another name."
    )


def spec_of(hardware: Props) -> dict[str, Any]:
    """Body of a create. Always whole: an absent reservation means none, absent devices would stay."""
    spec = {
        "cpu_count": hardware["cpuCount"],
        "memory_MB": hardware["memoryMib"],
        "devices": {
            "vgpu_devices": [{"profile_name": p} for p in hardware.get("vgpuProfiles", [])],
            "dynamic_direct_path_IO_devices": [
                {"vendor_id": int(d["vendorId"], 16), "device_id": int(d["deviceId"], 16)}
                | ({"custom_label": d["customLabel"]} if d.get("customLabel") else {})
                for d in hardware.get("directPathDevices", [])
            ],
        },
    }
    for name, wire in RESERVATIONS.items():
        if hardware.get(name) is not None:
            spec[wire] = hardware[name]
    return spec


def hardware_of(info: dict[str, Any]) -> Props:
    """Size, reservations and devices of a class as properties, wherever vCenter keeps them."""
    memory = info.get("memory_MB", info.get("memory_mb"))
    devices = info.get("devices") or {}
    found: Props = {
        "cpuCount": info["cpu_count"],
        "memoryMib": memory,
        "cpuReservationPercent": info.get("cpu_reservation"),
        "memoryReservationPercent": info.get("memory_reservation"),
        "vgpuProfiles": [d["profile_name"] for d in devices.get("vgpu_devices") or []],
        "directPathDevices": [_device(d) for d in devices.get("dynamic_direct_path_IO_devices") or []],
    }
    spec = _loose(info.get("config_spec") or {})
    if _only_in_config_spec(info):
        found["vgpuProfiles"], found["directPathDevices"] = _config_spec_devices(spec)
    if found["memoryReservationPercent"] is None and memory:
        reserved = _allocated(spec, "memoryallocation")
        share = FULL if spec.get("memoryreservationlockedtomax") else round(reserved * FULL / memory)
        found["memoryReservationPercent"] = share or None
    return found


def _only_in_config_spec(info: dict[str, Any]) -> bool:
    devices = info.get("devices") or {}
    named = devices.get("vgpu_devices") or devices.get("dynamic_direct_path_IO_devices")
    return not named and any(_config_spec_devices(_loose(info.get("config_spec") or {})))


def _config_spec_devices(spec: Props) -> tuple[list[str], list[dict[str, Any]]]:
    """vGPU profiles and DirectPath devices that a config_spec adds."""
    profiles: list[str] = []
    devices: list[dict[str, Any]] = []
    for change in spec.get("devicechange") or []:
        backing = ((change.get("device") or {}).get("backing") or {}) if change.get("operation") != "remove" else {}
        if backing.get("vgpu"):
            profiles.append(str(backing["vgpu"]))
        elif allowed := backing.get("alloweddevice"):
            wire = {"vendor_id": allowed[0]["vendorid"], "device_id": allowed[0]["deviceid"]}
            devices.append(_device({**wire, "custom_label": backing.get("customlabel")}))
    return profiles, devices


def reserves(info: dict[str, Any], name: str) -> bool:
    """Whether a class's config_spec reserves CPU or memory."""
    spec = _loose(info.get("config_spec") or {})
    if name == "cpuReservationPercent":
        return _allocated(spec, "cpuallocation") > 0
    return bool(spec.get("memoryreservationlockedtomax")) or _allocated(spec, "memoryallocation") > 0


def _allocated(spec: Props, name: str) -> int:
    return int((spec.get(name) or {}).get("reservation") or 0)


def _loose(value: Any) -> Any:
    """A config_spec whose keys are lower-case without underscores: servers spell them deviceChange or device_change."""
    if isinstance(value, dict):
        return {key.replace("_", "").lower(): _loose(item) for key, item in value.items()}
    return [_loose(item) for item in value] if isinstance(value, list) else value


def _device(wire: dict[str, Any]) -> dict[str, Any]:
    label = wire.get("custom_label")
    ids = {"vendorId": f"{int(wire['vendor_id']):04x}", "deviceId": f"{int(wire['device_id']):04x}"}
    return ids | ({"customLabel": label} if label else {})
