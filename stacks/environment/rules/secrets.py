"""Secrets: those that are needed are there, in one piece."""

from __future__ import annotations

import re
from collections.abc import Iterator

from paif_catalog.redaction import HIDDEN
from stacks.environment.findings import Findings
from stacks.environment.model import Environment
from stacks.problems import NAMESPACE, LocatedProblem, Problem, located_problem

_OTHERWISE = ("licenseToken", "ngcApiKey", "kubeconfig")
"""Secrets that may have several lines, or are judged more strictly."""


def check(env: Environment, findings: Findings) -> Iterator[LocatedProblem]:
    """Secrets that something needs and that are missing, or that came with a line end of their file."""
    if env.ngc_api_key is not None and re.search(r"\s", env.ngc_api_key.get_secret_value()):
        yield ("ngcApiKey",), Problem("", "a key without spaces and line ends, as NGC shows it", HIDDEN)
    for key, value in env.secrets().items():
        # A file's line end is easily taken along, and most of these are tried late or never.
        if key not in _OTHERWISE and value is not None and re.search(r"[\r\n]", value.get_secret_value()):
            yield (key,), Problem("", "one line: a line end of the file it came from is in it", HIDDEN)
    if findings.lacks("gpu", "mode"):
        return
    vgpu = env.gpu.mode == "vgpu"
    if vgpu and env.license_token is None and not findings.lacks("licenseToken"):
        yield located_problem(
            ("licenseToken",),
            "the NVIDIA client configuration token, since paif:gpu.mode is vgpu: "
            f"pulumi config set --secret {NAMESPACE}:licenseToken (DirectPath I/O needs none)",
        )
    if vgpu and env.license_token is not None and "\r" in env.license_token.get_secret_value():
        yield (
            ("licenseToken",),
            Problem("", "a token without carriage returns: convert the file to Unix line ends", HIDDEN),
        )
    pulls = any(
        cluster.gpu_operator.enabled and not findings.unsure("clusters", index, "gpuOperator", "enabled")
        for index, cluster in enumerate(env.clusters)
    )
    pulls = pulls or env.ai_services is not None or bool(env.workstations)
    if vgpu and pulls and env.ngc_api_key is None and not findings.lacks("ngcApiKey"):
        yield located_problem(
            ("ngcApiKey",),
            "the NGC key with which workstations, endpoints and clusters get the vGPU guest driver: "
            f"pulumi config set --secret {NAMESPACE}:ngcApiKey",
        )
    if env.workstations and env.workstation_password is None and not findings.lacks("workstationPassword"):
        yield located_problem(
            ("workstationPassword",),
            f"the first password of the workstations: pulumi config set --secret {NAMESPACE}:workstationPassword",
        )
