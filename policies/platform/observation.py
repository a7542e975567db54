"""What the pack `platform` remembers of a run."""

from __future__ import annotations

from policies.platform.configuration import Context
from policies.platform.objects import OBJECTS, observe_object
from policies.platform.rules.directpath import has_fixed_device
from policies.platform.rules.vgpu import class_profiles
from policies.shared.machines import observe_class
from policies.shared.model import Resource, Unknown, raw_value_at, require_known
from policies.shared.selectors import is_type
from policies.shared.types import PAIS, VM_CLASS, VSPHERE_VM, WORKSTATION


def observe(resource: Resource, run: Context) -> None:
    """Note what others collide with; what is not known yet collides when it is."""
    seen = run.observations
    observe_object(resource, run)
    if resource.type in VSPHERE_VM:
        unknown = isinstance(raw_value_at(resource.properties, "pciDeviceIds"), Unknown)
        run.record(seen.pinned, resource.urn, (resource.label, None if unknown else has_fixed_device(resource)))
        devices = resource.items("pciDeviceIds")
        for device in devices:
            seen.devices.setdefault((str(resource.get("hostSystemId", "")), str(require_known(device))), resource.urn)
    elif is_type(resource, VM_CLASS):
        observe_class(resource, run, seen.classes)
        for profile in (each for _, each in class_profiles(resource) if not each.slices):
            seen.sizes.setdefault(profile.prefix, {}).setdefault(profile.framebuffer_gib, resource.urn)
    elif is_type(resource, PAIS):
        seen.services.setdefault(str(resource.get("metadata.namespace", "")), resource.urn)


OBSERVED = WORKSTATION + VM_CLASS + PAIS + OBJECTS
