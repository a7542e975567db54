"""What the image of a Deep Learning VM has deprecated, and its proxy."""

from __future__ import annotations

import re

from policies.platform.configuration import Context, PlatformObservations, PlatformSettings
from policies.shared.boot_texts import boot_texts
from policies.shared.model import Findings, Level, Resource, Rules, Severity, Undecided, Violation, everywhere
from policies.shared.sources import GUIDE
from policies.shared.types import CONFIG_MAP, SECRET, VM_SERVICE, VSPHERE_VM

RULES: Rules[PlatformSettings, PlatformObservations] = Rules()
_BOOTED = SECRET + CONFIG_MAP + VM_SERVICE + VSPHERE_VM


def _mentions(resource: Resource, pattern: str, problem: str) -> Findings:
    for each in boot_texts(resource):
        if isinstance(each, Undecided):
            yield each
        elif re.search(pattern, each[1]):
            yield Violation(problem, each[0])


@RULES.rule(
    "deprecated-tensorflow",
    _BOOTED,
    severity=Severity.LOW,
    levels=everywhere(Level.ADVISORY),
    reason="the TensorFlow bundle is deprecated since Deep Learning VM 9.0.1 and goes in the next release",
    remedy="use the PyTorch bundle, or bring a container of your own",
    source=f"{GUIDE} (part 2, 4.5)",
)
def deprecated_tensorflow(resource: Resource, run: Context) -> Findings:
    yield from _mentions(resource, r"(?i)\btensorflow\b", "the machine starts the TensorFlow bundle")


@RULES.rule(
    "deprecated-pais-cli",
    _BOOTED,
    severity=Severity.LOW,
    levels=everywhere(Level.ADVISORY),
    reason="the pais CLI of the image is deprecated since Deep Learning VM 9.0.1",
    remedy="push models with an OCI client such as oras",
    source=f"{GUIDE} (part 2, 4.7)",
)
def deprecated_pais_cli(resource: Resource, run: Context) -> Findings:
    # As a command, or as words of a list in either notation of YAML.
    command = r"\bpais(?:[\s\"',]+(?:-\s+)?[\"']?)(?:models?|login)\b"
    yield from _mentions(resource, command, "the machine calls the pais CLI")


@RULES.rule(
    "proxy-exceptions",
    _BOOTED,
    severity=Severity.MEDIUM,
    levels=everywhere(Level.ADVISORY),
    reason="behind an HTTPS proxy without exceptions the guest driver's download fails (DLVM 9.0)",
    remedy="set no_proxy with the addresses that are reached directly",
    source=f"{GUIDE} (part 2, 4.8)",
)
def proxy_exceptions(resource: Resource, run: Context) -> Findings:
    for each in boot_texts(resource):
        if isinstance(each, Undecided):
            yield each
        elif re.search(r"(?i)https_proxy\s*[=:]", each[1]) and not re.search(r"(?i)no_proxy\s*[=:]\s*\S", each[1]):
            yield Violation("an HTTPS proxy is set without exceptions", each[0])
