"""What only one environment of a vCenter can have."""

from __future__ import annotations

from collections.abc import Iterator

from stacks.environment.model import Environment
from stacks.problems import Path, Problem, display_value, property_path


def naming_conflicts(environments: list[Environment]) -> list[tuple[Environment, Path, Problem]]:
    """Problems between environments: namespaces and names that two of them use. Each is reported at the later one."""
    problems: list[tuple[Environment, Path, Problem]] = []
    owners: dict[tuple[str, str], Environment] = {}
    for env in environments:
        for path, kind, name in _global_names(env):
            other = owners.setdefault((kind, name), env)
            # Of a namespace that nobody shares it is said already that there are two.
            shared = other.namespace.adopt or env.namespace.adopt
            if other is not env and (kind != _WITH_SERVICES or shared):
                verb = "makes" if kind in _SHARED else "uses"
                problem = Problem(
                    property_path(path),
                    f"a {kind} that no other environment {verb}; {other.name} does",
                    display_value(name),
                )
                problems.append((env, path, problem))
    return problems


_WITH_SERVICES = "namespace with Private AI Services"
_SHARED = ("content library", "tag category", "tag")
"""What several environments may use, while only one of them can make it."""


def _global_names(env: Environment) -> Iterator[tuple[Path, str, str]]:
    """Names that are unique in the whole vCenter, each with where it comes from."""
    if not env.namespace.adopt or env.namespace.exclusive:
        yield ("namespace", "name"), "namespace", env.namespace.name
    if env.ai_services is not None:
        # There is one PAISConfiguration in a namespace, whoever shares that.
        yield ("aiServices",), _WITH_SERVICES, env.namespace.name
    if env.database is not None and env.database.external is not None:
        there = env.database.external
        yield ("database", "external"), "database", f"{there.host}:{there.port}/{there.database}"
    for index, library in enumerate(env.content_libraries):
        yield ("contentLibraries", index, "name"), "content library", library.name
    if env.vsphere_tags is not None:
        tags = env.tags()
        for key in tags if env.vsphere_tags.create_categories else ():
            yield ("vsphereTags", "createCategories"), "tag category", env.vsphere_tags.category(key)
        for index, key in enumerate(env.vsphere_tags.create):
            for tag in tags[key]:
                yield ("vsphereTags", "create", index), "tag", f"{env.vsphere_tags.category(key)}/{tag}"
    for index, vm_class in enumerate(env.vm_classes):
        if not vm_class.existing:
            yield ("vmClasses", index, "name"), "VM class", env.full_name(vm_class)
    for index, workstation in enumerate(env.workstations):
        yield ("workstations", index, "name"), "workstation", env.full_name(workstation)
        if workstation.vsphere is not None:
            device = f"{workstation.vsphere.host} {workstation.vsphere.pci_device}"
            yield ("workstations", index, "vsphere", "pciDevice"), "PCI device", device
