"""Containers of NVIDIA AI Enterprise."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from policies.licensing.configuration import Context, LicensingObservations, LicensingSettings
from policies.licensing.declarations import entitlements_of
from policies.shared.boot_texts import boot_texts
from policies.shared.containers import charts, find_references, images
from policies.shared.model import Findings, Resource, Rules, Severity, Undecided, Violation
from policies.shared.selectors import is_type
from policies.shared.sources import GPU_GUIDE
from policies.shared.types import CHART, CHART_OBJECT, KUBERNETES, NEMO, NIM, SECRET, WORKSTATION

RULES: Rules[LicensingSettings, LicensingObservations] = Rules()


def _unlicensed(resource: Resource, run: Context, patterns: Iterable[str], what: str) -> Findings:
    """What a resource runs of these, where nothing licenses it."""
    if entitlements_of("nvaie", run):
        return
    problem = f"{what}, and no NVIDIA AI Enterprise entitlement is declared"

    def is_one(reference: str) -> bool:
        # A mirror that keeps the whole name of what it mirrors has it behind its own.
        names = [reference, reference[max(reference.find("nvcr.io/"), reference.find("helm.ngc.nvidia.com/"), 0) :]]
        return any(fnmatchcase(each, pattern) for name in names for each in (name, f"{name}/") for pattern in patterns)

    if is_type(resource, SECRET + WORKSTATION):
        for each in boot_texts(resource):
            if isinstance(each, Undecided):
                yield each
            elif any(is_one(name) for name in find_references(each[1])):
                yield Violation(f"the machine starts it: {problem}", each[0])
        return
    if is_type(resource, CHART + CHART_OBJECT):
        for path, address in charts(resource):
            parts = urlsplit(address)
            if is_one(f"{parts.hostname}{parts.path}".rstrip("/")):
                yield Violation(problem, path, address)
    for each in images(resource):
        if isinstance(each, Undecided):
            yield each
        elif is_one(each[1]):
            yield Violation(problem, *each)


@RULES.rule(
    "nim-entitlement",
    KUBERNETES + WORKSTATION,
    severity=Severity.CRITICAL,
    reason="NIM microservices need NVIDIA AI Enterprise on either GPU path, also with DirectPath I/O",
    remedy="declare the entitlement, or serve an open model with vLLM",
    source=f"{GPU_GUIDE} (11.5.1); https://docs.nvidia.com/nim-operator/latest/pipelines.html (its kinds)",
)
def nim_entitlement(resource: Resource, run: Context) -> Findings:
    what = "this is a NIM microservice"
    if is_type(resource, NIM) and not entitlements_of("nvaie", run):
        # Whatever image a mirror calls it: the operator serves nothing else.
        yield Violation(f"{what}, and no NVIDIA AI Enterprise entitlement is declared", "kind")
    else:
        yield from _unlicensed(resource, run, run.settings.nim_images, what)


@RULES.rule(
    "nvaie-container-entitlement",
    KUBERNETES + WORKSTATION,
    severity=Severity.CRITICAL,
    reason="containers of NVIDIA AI Enterprise may only be used with its license, on either GPU path",
    remedy="declare the entitlement, or use the public container",
    source=f"{GPU_GUIDE} (11.5.1)",
)
def nvaie_container_entitlement(resource: Resource, run: Context) -> Findings:
    if is_type(resource, NEMO) and not entitlements_of("nvaie", run):
        yield Violation("this is a NeMo microservice, and no NVIDIA AI Enterprise entitlement is declared", "kind")
    else:
        what = "the container is part of NVIDIA AI Enterprise"
        yield from _unlicensed(resource, run, run.settings.nvaie_images, what)
