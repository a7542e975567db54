"""Names of models, of their projects in the gallery, and of what clients ask for."""

from __future__ import annotations

import re

from policies.naming.configuration import Context, NamingObservations, NamingSettings
from policies.shared.model import Findings, Resource, Rules, Severity, Violation
from policies.shared.sources import PAIS_ENDPOINTS
from policies.shared.types import ENDPOINT, GALLERY_MODEL

RULES: Rules[NamingSettings, NamingObservations] = Rules()

_OCI = "https://github.com/opencontainers/distribution-spec/blob/main/spec.md (names of repositories)"
_HARBOR = "https://goharbor.io/docs/2.13.0/working-with-projects/create-projects/"


@RULES.rule(
    "model-name",
    ENDPOINT + GALLERY_MODEL,
    severity=Severity.MEDIUM,
    reason="registries take lower-case names only, and the model is looked up by project, organization and model",
    remedy="name the model <host>/<project>/<organization>/<model>:<tag> or @sha256:<digest>, all lower case",
    source=_OCI,
)
def model_name(resource: Resource, run: Context) -> Findings:
    path, repository = _repository(resource)
    parts = repository.split("/") if repository is not None else []
    component = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
    if repository is not None and (len(parts) < 2 or any(component.fullmatch(part) is None for part in parts)):
        yield Violation("the model's repository is no <project>/<organization>/<model> in lower case", path, repository)


def _repository(resource: Resource) -> tuple[str, str | None]:
    """Path of the property, and the repository in the gallery without host, tag and digest. Raises UndecidedError."""
    if resource.type.startswith("vcf:"):
        value = resource.get("repository")
        return "repository", value if isinstance(value, str) else None
    value = resource.get("spec.model.ociRef")
    if not isinstance(value, str):
        return "spec.model.ociRef", None
    repository = value.split("@", 1)[0].split("/", 1)[-1]
    return "spec.model.ociRef", re.sub(r":[\w][\w.-]{0,127}$", "", repository)


@RULES.rule(
    "gallery-project",
    ENDPOINT + GALLERY_MODEL,
    severity=Severity.MEDIUM,
    reason="permissions and robot accounts are given per project; the default project is open to everybody",
    remedy="keep models in a project of their own with a lower-case name of at least 2 characters",
    source=_HARBOR,
)
def gallery_project(resource: Resource, run: Context) -> Findings:
    path, repository = _repository(resource)
    if repository is None:
        return
    project = repository.split("/", 1)[0]
    if project in run.settings.reserved_projects:
        yield Violation(f"project {project!r} is reserved", path, repository)
    elif re.fullmatch(r"[a-z0-9]+(?:[._-][a-z0-9]+)*", project) is None or not 2 <= len(project) <= 255:
        yield Violation(f"{project!r} is no name of a Harbor project", path, repository)


@RULES.rule(
    "routing-name",
    ENDPOINT,
    severity=Severity.MEDIUM,
    reason="clients send it as the model's name, and gateways route by it",
    remedy="use letters, digits and . _ - / only, at most 128 characters",
    source=PAIS_ENDPOINTS,
)
def routing_name(resource: Resource, run: Context) -> Findings:
    name = resource.get("spec.routingName")
    if isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9](?:[\w./-]{0,126}[A-Za-z0-9])?", name) is None:
        yield Violation("the routing name has other characters, or too many", "spec.routingName", name)


@RULES.rule(
    "routing-name-unique",
    ENDPOINT,
    severity=Severity.HIGH,
    reason="with two endpoints under one routing name a client gets either model",
    remedy="give each endpoint a routing name of its own, or raise the replicas of one",
    source=PAIS_ENDPOINTS,
)
def routing_name_unique(resource: Resource, run: Context) -> Findings:
    route = route_of(resource)
    if route is not None and run.observations.routes.get(route, resource.urn) != resource.urn:
        other = run.observations.routes[route].rsplit("::", 1)[1]
        yield Violation(f"{other} has the same routing name", "spec.routingName", route[1])


def route_of(resource: Resource) -> tuple[str, str] | None:
    """Namespace and routing name of an endpoint, when it has one. Raises UndecidedError."""
    name = resource.get("spec.routingName")
    return (str(resource.get("metadata.namespace", "")), name) if isinstance(name, str) else None
