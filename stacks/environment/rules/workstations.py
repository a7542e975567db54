"""Workstations: for those who may have one, on a route that can give it its GPU."""

from __future__ import annotations

from collections.abc import Iterator

from stacks.environment.findings import Findings
from stacks.environment.model import Environment
from stacks.environment.rules.vm_classes import may_have_gpu
from stacks.problems import LocatedProblem, Path, located_problem


def check(env: Environment, findings: Findings) -> Iterator[LocatedProblem]:
    """Workstations that their persona, class or route rules out."""
    for index, workstation in enumerate(env.workstations):
        path: Path = ("workstations", index)
        if env.kind in {"staging", "prod"} and workstation.persona != "mlops-engineer" and not findings.lacks("kind"):
            yield located_problem(
                (*path, "persona"),
                f"mlops-engineer: in {env.kind} only those who push models get a workstation",
                workstation.persona,
            )
        if not may_have_gpu(env, workstation.vm_class, findings):
            yield located_problem(
                (*path, "class"), "a class with a GPU: a Deep Learning VM exists for it", workstation.vm_class
            )
        if findings.unsure(*path, "route"):
            continue
        if workstation.route == "vm-service":
            if workstation.vsphere is not None:
                yield located_problem(
                    (*path, "vsphere"), "route vsphere: the VM Service places machines itself", "a mapping"
                )
            continue
        if workstation.renewal is not None:
            yield located_problem(
                (*path, "renewal"),
                "nothing on route vsphere: remove the workstation from the file, and add it again in another run",
                workstation.renewal,
            )
        if workstation.vsphere is None and not findings.unsure(*path, "vsphere"):
            yield located_problem(
                (*path, "vsphere"), "the host, datastore, network and PCI device, since route is vsphere"
            )
        if env.gpu.mode == "vgpu" and not findings.lacks("gpu", "mode"):
            yield located_problem(
                (*path, "route"), "vm-service: a vGPU cannot be given to a machine on route vsphere", workstation.route
            )
