"""Where images, charts, models and libraries come from."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from policies.platform.concern import is_private_ai, stack_is_private_ai
from policies.platform.configuration import Context, PlatformObservations, PlatformSettings
from policies.platform.sources import OPERATOR, PAIS_EXAMPLES
from policies.shared.containers import charts, images
from policies.shared.model import Findings, Resource, Rules, Severity, Undecided, Violation, mandatory_in
from policies.shared.sources import OWN, POWERCLI_PAIF
from policies.shared.types import CHART, CHART_OBJECT, ENDPOINT, GALLERY_LOGIN, GALLERY_MODEL, KUBERNETES, LIBRARY

RULES: Rules[PlatformSettings, PlatformObservations] = Rules()


@RULES.rule(
    "library-source",
    LIBRARY,
    severity=Severity.HIGH,
    reason="machines start from these images: who changes them on the way owns the machines",
    remedy="subscribe over https to the vendor or to your own mirror, and name the mirror in libraryHosts",
    source=f"{POWERCLI_PAIF} (content libraries)",
)
def library_source(resource: Resource, run: Context) -> Findings:
    path = "subscription.subscriptionUrl"
    url = resource.get(path)
    if not isinstance(url, str) or not url or not stack_is_private_ai(run):
        return
    parts = urlsplit(url)
    if parts.scheme != "https":
        yield Violation("the subscription has no TLS", path)
    elif not any(fnmatchcase(parts.hostname or "", each) for each in run.settings.library_hosts):
        yield Violation(f"host {parts.hostname} is not among the trusted ones", path)


def _trusted(host: str, run: Context) -> bool:
    return any(fnmatchcase(host, each) for each in run.settings.registries)


def _registry(image: str) -> str:
    """Host of an image reference; Docker Hub when there is none."""
    first = image.split("/", 1)[0]
    return first if "/" in image and (re.search(r"[.:]", first) or first == "localhost") else "docker.io"


@RULES.rule(
    "trusted-registry",
    KUBERNETES + GALLERY_MODEL + GALLERY_LOGIN,
    severity=Severity.HIGH,
    reason="images and models run with access to GPUs and data, so that they come from where somebody looks at them",
    remedy="copy it to the gallery, or add the host to trustedRegistries",
    source=f"{OWN}: the organization's own list; NVIDIA's registry by {OPERATOR}",
)
def trusted_registry(resource: Resource, run: Context) -> Findings:
    if resource.type in GALLERY_MODEL + GALLERY_LOGIN:
        host = resource.get("registry")
        if isinstance(host, str) and not _trusted(host, run):
            yield Violation(f"registry {host} is not trusted", "registry", host)
        return
    found = list(images(resource))
    for each in found if found and is_private_ai(resource, run) else ():
        if isinstance(each, Undecided):
            yield each
        elif not _trusted(_registry(each[1]), run):
            yield Violation(f"registry {_registry(each[1])} is not trusted", *each)


@RULES.rule(
    "chart-source",
    CHART + CHART_OBJECT,
    severity=Severity.HIGH,
    reason="a chart runs with the rights of the cluster's administrator",
    remedy="take it from the vendor or from your own repository, and name its host in trustedRegistries",
    source="https://helm.sh/docs/topics/provenance/",
)
def chart_source(resource: Resource, run: Context) -> Findings:
    for path, address in charts(resource) if is_private_ai(resource, run) else ():
        parts = urlsplit(address)
        # Without who logs in: that is a secret, and nothing that a host is trusted by.
        host = parts.netloc.rpartition("@")[2].lower()
        if not _trusted(host, run):
            yield Violation(f"host {host} is not trusted", path, address)
        elif parts.scheme not in {"https", "oci"} and parts.hostname not in {"127.0.0.1", "localhost"}:
            yield Violation("the repository has no TLS", path, address)


@RULES.rule(
    "model-pinned",
    ENDPOINT,
    severity=Severity.MEDIUM,
    levels=mandatory_in("prod"),
    reason="a tag can be moved to another model while its replicas run",
    remedy="name the model by digest (@sha256:…); the component does so by itself",
    source=PAIS_EXAMPLES,
)
def model_pinned(resource: Resource, run: Context) -> Findings:
    if not run.guards.pinned_models:
        return
    reference = resource.get("spec.model.ociRef")
    if isinstance(reference, str) and "@sha256:" not in reference:
        yield Violation("the model is named by a tag", "spec.model.ociRef", reference)
