"""Whether what a stack file only names is there in vCenter, asked before anything is made."""

from __future__ import annotations

from paif_catalog.nearest_names import nearest
from pulumi_paif.vcf import Library, MissingName
from stacks.environment import Environment
from stacks.problems import LocatedProblem, Path, join_names, located_problem

_KINDS = {
    "computeClusters": "compute cluster",
    "supervisors": "Supervisor",
    "storagePolicies": "storage policy",
    "contentLibraries": "content library",
    "vmClasses": "VM class",
}


def names(env: Environment) -> dict[str, dict[str, Path]]:
    """What an environment names and does not make, by kind, each with where the stack file names it first.

    A compute cluster is only named for its GPU hosts.
    """
    found: dict[str, dict[str, Path]] = {kind: {} for kind in _KINDS}
    found["supervisors"][env.supervisor.name] = ("supervisor", "name")
    if any(env.vm_class(name).has_gpu for name in env.used_vm_classes()):
        found["computeClusters"][env.vcenter.compute_cluster] = ("vcenter", "computeCluster")
    for index, storage in enumerate(env.namespace.storage):
        found["storagePolicies"].setdefault(storage.policy, ("namespace", "storage", index, "policy"))
    made = {library.name for library in env.content_libraries}
    for key, library in (
        ("dlvmLibrary", env.content.dlvm_library),
        ("kubernetesLibrary", env.content.kubernetes_library),
    ):
        if library not in made:
            found["contentLibraries"].setdefault(library, ("content", key))
    for index, own in enumerate(env.vm_classes):
        if own.existing:
            found["vmClasses"].setdefault(own.name, ("vmClasses", index, "name"))
    for path, name in env.class_references():
        if env.vm_class(name).existing:
            found["vmClasses"].setdefault(name, path)
    return found


def missing_name_problem(missing: MissingName, path: Path) -> LocatedProblem:
    """The problem of a name that vCenter cannot use."""
    what = _KINDS[missing.kind]
    if missing.ids:
        return located_problem(path, f"an id, since several are called so: {join_names(missing.ids)}", missing.name)
    near = nearest(missing.name, missing.known)
    return located_problem(path, f"a {what} that vCenter has: {join_names(missing.known)}", missing.name, near)


def image(env: Environment, library: Library) -> list[LocatedProblem]:
    """The workstations' image, where its library does not hold it."""
    items = sorted(item.name for item in library.items)
    if env.content.dlvm_image in items:
        return []
    there = ", ".join(items) or "nothing yet; is it still synchronizing?"
    expected = f"an item of content library {library.name}, which holds: {there}"
    near = nearest(env.content.dlvm_image, items)
    return [located_problem(("content", "dlvmImage"), expected, env.content.dlvm_image, near)]
