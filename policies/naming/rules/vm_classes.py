"""Names of VM classes with GPUs."""

from __future__ import annotations

import re

import paif_catalog as catalog
from policies.naming.configuration import Context, NamingObservations, NamingSettings
from policies.naming.convention import matches, name_of
from policies.naming.sources import CONVENTION
from policies.shared.model import (
    Findings,
    Level,
    Resource,
    Rules,
    Severity,
    Violation,
    everywhere,
    mandatory_in,
    require_known,
)
from policies.shared.sources import GUIDE
from policies.shared.types import VM_CLASS
from policies.shared.vm_classes import class_devices, class_profiles

RULES: Rules[NamingSettings, NamingObservations] = Rules()


@RULES.rule(
    "vgpu-class-name",
    VM_CLASS,
    severity=Severity.LOW,
    levels=mandatory_in("staging", "prod"),
    reason="who picks a class sees its GPU share in its name, as vgpu-a100-40c",
    remedy="call it vgpu-<gpu>-<GiB><series>, as its profile says (several: -x<count> behind)",
    source=f"{GUIDE} (class names vgpu-a100-40c, vgpu-a100-80c)",
)
def vgpu_class_name(resource: Resource, run: Context) -> Findings:
    profiles = class_profiles(resource)
    name = name_of(resource)
    if not profiles or name is None:
        return
    own = _own_name(name, run)
    expression = run.settings.class_patterns.get("vgpu", r"vgpu-[a-z0-9]+(?:-[a-z0-9]+)*?(?:-\d)?-\d+[cqba](?:-x\d+)?")
    if re.fullmatch(expression, own) is None:
        yield Violation(f"{own!r} does not tell its GPU and profile size", "name", name)


@RULES.rule(
    "vgpu-class-name-true",
    VM_CLASS,
    severity=Severity.MEDIUM,
    reason="a class whose name promises another GPU share than it has misleads everybody who orders a machine",
    remedy="make name and profile agree",
    source=f"{GUIDE} (class names vgpu-a100-40c, vgpu-a100-80c)",
)
def vgpu_class_name_true(resource: Resource, run: Context) -> Findings:
    profiles = class_profiles(resource)
    name = name_of(resource)
    match = re.search(r"vgpu-([a-z0-9]+(?:-[a-z0-9]+)*?)(?:-\d)?-(\d+)([cqba])", name or "")
    if not profiles or match is None:
        return
    for path, each in profiles:
        profile = catalog.parse_profile(str(require_known(each)))
        if profile is None:
            continue
        same_size = (match[2], match[3]) == (str(profile.framebuffer_gib), profile.series)
        if not (same_size and catalog.names_gpu(match[1], profile, catalog.gpus())):
            yield Violation(f"the name promises {match[0]}, the profile is {profile.name}", path, profile.name)


@RULES.rule(
    "directpath-class-name",
    VM_CLASS,
    severity=Severity.LOW,
    levels=everywhere(Level.ADVISORY),
    reason="a class of whole GPUs must not be taken for a share of one",
    remedy="call it gpu-<gpu> or directpath-<gpu>, several devices with -x<count> behind",
    source=CONVENTION,
)
def directpath_class_name(resource: Resource, run: Context) -> Findings:
    devices = class_devices(resource)
    name = name_of(resource)
    if not devices or name is None:
        return
    own = _own_name(name, run)
    expression = run.settings.class_patterns.get("directpath", r"(?:gpu|directpath|dp)-[a-z0-9]+(?:-x\d+)?")
    if re.fullmatch(expression, own) is None:
        yield Violation(f"{own!r} does not tell that it has whole GPUs, and which", "name", name)


def _own_name(name: str, run: Context) -> str:
    """The part of a name that is not the pattern's."""
    return next((each["name"] for each in matches(name, "vm-class", run) if "name" in each.groupdict()), name)
