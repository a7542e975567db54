"""VM classes: GPUs in the way that the environment has them, and every class that is named is there."""

from __future__ import annotations

from collections.abc import Iterator

import paif_catalog as catalog
from paif_catalog.nearest_names import nearest
from stacks.environment.findings import Findings
from stacks.environment.model import Environment
from stacks.environment.sections.vm_classes import VmClass
from stacks.problems import LocatedProblem, Path, join_names, located_problem


def check(env: Environment, findings: Findings) -> Iterator[LocatedProblem]:
    """Classes that have no GPU in the environment's way, and references to classes that nobody defines."""
    models = catalog.gpus().gpus
    gpu = models.get(env.gpu.model)
    if gpu is None:
        yield located_problem(
            ("gpu", "model"), f"one of {join_names(models)}", env.gpu.model, nearest(env.gpu.model, models)
        )
    for index, vm_class in enumerate(env.vm_classes):
        path: Path = ("vmClasses", index)
        if vm_class.name in env.baseline.cluster_classes.default_vm_classes:
            yield located_problem((*path, "name"), "a name that no class of the Supervisor has", vm_class.name)
        if vm_class.profile is not None:
            yield from _check_profile(env, gpu, (*path, "profile"), vm_class, findings)
        whole = vm_class.gpus and vm_class.profile is None and not findings.unsure(*path, "profile")
        if whole and env.gpu.mode == "vgpu" and not findings.lacks("gpu", "mode"):
            yield located_problem(
                (*path, "gpus"), "a profile instead: whole GPUs need paif:gpu.mode directpath", vm_class.gpus
            )
        if vm_class.label is not None and not vm_class.gpus and not findings.unsure(*path, "gpus"):
            yield located_problem(
                (*path, "label"), "a class with gpus: only whole devices carry a label", vm_class.label
            )
        if vm_class.device_id is not None and not findings.unsure(*path, "gpus"):
            if not vm_class.gpus:
                expected = "a class with gpus: a profile names its GPUs itself"
                yield located_problem((*path, "deviceId"), expected, vm_class.device_id)
            elif gpu is not None and vm_class.device_id not in gpu.device_ids and not findings.lacks("gpu", "model"):
                expected = f"one of {join_names(gpu.device_ids)}, which are {gpu.name}"
                yield located_problem((*path, "deviceId"), expected, vm_class.device_id)
    given = findings.raw.get("vmClasses", [])
    # A class that is named but was itself found wrong is no second mistake: its name counts as well.
    own = [
        entry["name"]
        for index, entry in enumerate(given if isinstance(given, list) else ())
        if isinstance(entry, dict)
        and isinstance(entry.get("name"), str)
        and not any(part in findings.hidden for part in (("vmClasses", index), ("vmClasses", index, "name")))
    ]
    if findings.lacks("vmClasses") or (isinstance(given, list) and len(own) < len(given)):
        # One of which nobody knows the name may be the one that is meant.
        return
    known = own + list(env.baseline.cluster_classes.default_vm_classes)
    for where, name in env.class_references():
        if name not in known:
            yield located_problem(
                where,
                f"a class of paif:vmClasses ({join_names(own)}) or one of the Supervisor's own",
                name,
                nearest(name, known),
            )


def _check_profile(
    env: Environment, gpu: catalog.Gpu | None, path: Path, vm_class: VmClass, findings: Findings
) -> Iterator[LocatedProblem]:
    name = vm_class.profile or ""
    parsed = catalog.parse_profile(name)
    if vm_class.gpus:
        yield located_problem(path, "either a profile or gpus, not both", name)
    if env.gpu.mode == "directpath" and not findings.lacks("gpu", "mode"):
        yield located_problem(path, "gpus instead: in DirectPath I/O mode a class has whole GPUs and no profile", name)
    if gpu is None or findings.lacks("gpu", "model"):
        return
    valid = gpu.profiles()
    whole = parsed is not None and parsed.slices is not None and parsed.prefix in gpu.profile_prefixes
    if name not in valid and not whole:
        usual = [profile for profile in valid if profile.startswith(f"{gpu.profile_prefixes[0]}-")]
        near = nearest(name, valid)
        if parsed is not None:
            # The size says more than the letters: 41c is nearer to 40c than to 4c.
            near = f"{gpu.profile_prefixes[0]}-{_nearest_size(parsed.framebuffer_gib, gpu.profile_sizes_gib)}c"
        yield located_problem(path, f"a profile that a {gpu.name} has: {', '.join(usual)}", name, near)


def _nearest_size(wanted: int, sizes: list[int]) -> int:
    return min(sizes, key=lambda size: abs(size - wanted))


def may_have_gpu(env: Environment, name: str, findings: Findings) -> bool:
    """Whether a class has a GPU; one that is not known, or whose GPUs are not, counts: it has a problem already."""
    for index, own in enumerate(env.vm_classes):
        if own.name == name and any(findings.unsure("vmClasses", index, key) for key in ("profile", "gpus")):
            return True
    try:
        return env.vm_class(name).has_gpu
    except KeyError:
        return True
