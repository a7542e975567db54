"""Containers of NVIDIA AI Enterprise."""

from __future__ import annotations

from collections.abc import Iterable

from policies.licensing.configuration import Context, LicensingObservations, LicensingSettings
from policies.licensing.declarations import is_declared, undeclared
from policies.licensing.demands import found_software
from policies.shared.model import Findings, Resource, Rules, Severity, Undecided, Violation
from policies.shared.selectors import is_type
from policies.shared.sources import GPU_GUIDE
from policies.shared.types import KUBERNETES, NEMO, NIM, SECRET, WORKSTATION

RULES: Rules[LicensingSettings, LicensingObservations] = Rules()


def _unlicensed(resource: Resource, run: Context, patterns: Iterable[str], what: str) -> Findings:
    """What a resource runs of these, where nothing licenses it."""
    if is_declared("nvaie", run):
        return
    problem = f"{what}, and no NVIDIA AI Enterprise entitlement is declared{undeclared(run)}"
    for each in found_software(resource, patterns):
        if isinstance(each, Undecided):
            yield each
        elif is_type(resource, SECRET + WORKSTATION):
            yield Violation(f"the machine starts it: {problem}", each[0])
        else:
            yield Violation(problem, *each)


@RULES.rule(
    "nim-entitlement",
    KUBERNETES + WORKSTATION,
    severity=Severity.CRITICAL,
    reason="NIM microservices need NVIDIA AI Enterprise on either GPU path, also with DirectPath I/O",
    remedy="declare it in policies/config/licenses.yaml, or serve an open model with vLLM",
    source=f"{GPU_GUIDE} (11.5.1); https://docs.nvidia.com/nim-operator/latest/pipelines.html (its kinds)",
)
def nim_entitlement(resource: Resource, run: Context) -> Findings:
    what = "this is a NIM microservice"
    if is_type(resource, NIM) and not is_declared("nvaie", run):
        # Whatever image a mirror calls it: the operator serves nothing else.
        yield Violation(f"{what}, and no NVIDIA AI Enterprise entitlement is declared{undeclared(run)}", "kind")
    else:
        yield from _unlicensed(resource, run, run.settings.nim_images, what)


@RULES.rule(
    "nvaie-container-entitlement",
    KUBERNETES + WORKSTATION,
    severity=Severity.CRITICAL,
    reason="containers of NVIDIA AI Enterprise may only be used with its license, on either GPU path",
    remedy="declare it in policies/config/licenses.yaml, or use the public container",
    source=f"{GPU_GUIDE} (11.5.1)",
)
def nvaie_container_entitlement(resource: Resource, run: Context) -> Findings:
    if is_type(resource, NEMO) and not is_declared("nvaie", run):
        what = "this is a NeMo microservice"
        yield Violation(f"{what}, and no NVIDIA AI Enterprise entitlement is declared{undeclared(run)}", "kind")
    else:
        what = "the container is part of NVIDIA AI Enterprise"
        yield from _unlicensed(resource, run, run.settings.nvaie_images, what)
