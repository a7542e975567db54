"""The rules of the pack `naming`."""

# ruff: noqa: ARG001 - every rule takes the same two arguments, and some need one of them only

from __future__ import annotations

import re
from typing import Any

import catalog
from policies.naming.configuration import PATTERN, Names, NamingSettings
from policies.shared.machines import entries, node_pools
from policies.shared.model import (
    KINDS,
    Found,
    Level,
    Resource,
    Rules,
    Run,
    Severity,
    Undecided,
    Unknown,
    Violation,
    at,
    everywhere,
    guarded,
    known,
    raw,
)
from policies.shared.selectors import is_of, profiles_key
from policies.shared.sources import GUIDE
from policies.shared.types import (
    CLUSTER,
    CONFIG_MAP,
    DATABASE,
    ENDPOINT,
    GALLERY_MODEL,
    KUBERNETES,
    KUBERNETES_NAMESPACE,
    LABELLED,
    NAMESPACE,
    RELEASE,
    ROOT,
    SECRET,
    VM,
    VM_CLASS,
    VSPHERE_VM,
    WORKSTATION,
)

pack: Rules[NamingSettings, Names] = Rules()
Context = Run[NamingSettings, Names]

_RFC1123 = "https://www.rfc-editor.org/rfc/rfc1123"
_K8S_NAMES = "https://kubernetes.io/docs/concepts/overview/working-with-objects/names/"
_K8S_LABELS = "https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/"
_HELM = "https://helm.sh/docs/chart_template_guide/builtin_objects/ (release names: at most 53 characters)"
_CONVENTION = "catalog/naming.yaml"
_POSTGRES = "https://www.postgresql.org/docs/16/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS"
_VSPHERE = "catalog/naming.yaml; vSphere's own limit of 80 characters is from memory"
_OCI = "https://github.com/opencontainers/distribution-spec/blob/main/spec.md (names of repositories)"
_HARBOR = "https://goharbor.io/docs/2.13.0/working-with-projects/create-projects/"

_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9](?:[-.a-z0-9]*[a-z0-9])?")
_LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_LABEL_KEY = re.compile(r"(?:[a-z0-9](?:[-.a-z0-9]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_KINDS: tuple[tuple[tuple[str, ...], str], ...] = (
    (WORKSTATION, "workstation"),
    (CLUSTER, "cluster"),
    (DATABASE, "database"),
    (ENDPOINT, "endpoint"),
    (NAMESPACE, "namespace"),
    (VM_CLASS, "vm-class"),
)
NAMED = WORKSTATION + CLUSTER + DATABASE + ENDPOINT + NAMESPACE + VM_CLASS


def _kind(resource: Resource) -> str:
    """Kind of the naming catalogue, or nothing for a type that has none."""
    return next((kind for types, kind in _KINDS if is_of(resource, types)), "")


def _name_path(resource: Resource) -> str:
    return "metadata.name" if resource.type.startswith("kubernetes:") and not is_of(resource, RELEASE) else "name"


def _name(resource: Resource) -> str | None:
    """The name on the platform; None when the engine or the server makes it up. Raises UndecidedError."""
    value = resource.get(_name_path(resource))
    return value if isinstance(value, str) and value else None


def _organisation(run: Context) -> str:
    return run.settings.organisation or str(run.environment.get("organisation") or "")


def _pattern(kind: str, run: Context) -> tuple[str, re.Pattern[str]]:
    """The pattern of a kind for people, and as a regular expression with groups environment and name."""
    shown = run.settings.patterns.get(kind, PATTERN)
    organisation = _organisation(run)
    parts = {
        "organisation": re.escape(organisation) if organisation else "[a-z][a-z0-9]*",
        "environment": rf"(?P<environment>{re.escape(run.stack)})",
        "kind": re.escape(catalog.naming().kinds[kind].code),
        # An endpoint is often named like its model, whose name has a version in it.
        "name": rf"(?P<name>[a-z0-9](?:[-{'.' if kind == 'endpoint' else ''}a-z0-9]*[a-z0-9])?)",
    }
    expression = "".join(
        parts.get(piece[1:-1], "") if piece.startswith("{") else re.escape(piece)
        for piece in re.split(r"(\{\w+\})", shown)
    )
    known_parts = {"organisation": organisation or "<organisation>", "environment": run.stack}
    known_parts |= {"kind": catalog.naming().kinds[kind].code, "name": "<name>"}
    return re.sub(r"\{(\w+)\}", lambda match: known_parts.get(match[1], match[0]), shown), re.compile(expression)


def _adopted(resource: Resource) -> bool:
    return bool(resource.get("adopt", False))


@pack.rule(
    "name-pattern",
    NAMED,
    severity=Severity.MEDIUM,
    levels=everywhere(),
    reason="a name tells whose it is, which environment it belongs to and what it is, in every list of every tool",
    remedy="rename it by the pattern, or set `patterns` of the pack for this kind of resource",
    source=_CONVENTION,
)
def name_pattern(resource: Resource, run: Context) -> Found:
    name = _name(resource)
    if name is None or _adopted(resource):
        return
    shown, expression = _pattern(_kind(resource), run)
    if expression.fullmatch(name) is None:
        yield Violation(f"the name does not follow {shown}", _name_path(resource), name)


@pack.rule(
    "name-environment",
    NAMED,
    severity=Severity.HIGH,
    reason="something of one environment under another's name is changed or deleted by mistake",
    remedy="use the stack's own name as the environment in it",
    source=_CONVENTION,
)
def name_environment(resource: Resource, run: Context) -> Found:
    name = _name(resource)
    if name is None or _adopted(resource):
        return
    other = _other_environment(name, run)
    if other and _pattern(_kind(resource), run)[1].fullmatch(name) is None:
        yield Violation(
            f"the name belongs to environment {other}, the stack is {run.stack}", _name_path(resource), name
        )


def _other_environment(name: str, run: Context) -> str:
    """Which environment a name has first behind the organisation, when it is not the stack's own; else nothing."""
    organisation = _organisation(run)
    own = organisation and name.startswith(f"{organisation}-")
    rest = name[len(organisation) + 1 :] if own else name.partition("-")[2]
    # One part more than the environment's place: a site's pattern may put the kind before it.
    for _ in range(2):
        if f"{rest}-".startswith(f"{run.stack}-"):
            return ""
        token, _, rest = rest.partition("-")
        if token in KINDS:
            return token
    return ""


@pack.rule(
    "name-dns-label",
    NAMED + KUBERNETES_NAMESPACE + ("kubernetes:core/v1:Service",),
    severity=Severity.HIGH,
    reason="the platform makes host names and addresses of it and refuses anything else, some time after the start",
    remedy="use lower-case letters, digits and inner hyphens only",
    source=_RFC1123,
)
def name_dns_label(resource: Resource, run: Context) -> Found:
    name = _name(resource)
    labels = (name or "").split(".") if is_of(resource, ENDPOINT) else [name or ""]
    if name is not None and not all(map(_LABEL.fullmatch, labels)):
        yield Violation("the name is no DNS label (RFC 1123)", _name_path(resource), name)


@pack.rule(
    "name-length-kubernetes",
    KUBERNETES,
    severity=Severity.HIGH,
    reason="longer names are refused, or the names that are derived from them are cut and then collide",
    remedy="shorten the name; catalog/naming.yaml has the limit of each kind and why it is so",
    source=_K8S_NAMES,
)
def name_length_kubernetes(resource: Resource, run: Context) -> Found:
    if is_of(resource, RELEASE):
        return
    name = _name(resource)
    if name is None:
        return
    kind = _kind(resource)
    labels = is_of(resource, KUBERNETES_NAMESPACE) or resource.type.endswith(":Service")
    limit = catalog.naming().kinds[kind].max_length if kind else 63 if labels else 253
    if len(name) > limit:
        yield Violation(f"the name has {len(name)} characters, at most {limit} fit", _name_path(resource), name)


@pack.rule(
    "name-length-vsphere",
    VSPHERE_VM + VM_CLASS + NAMESPACE,
    severity=Severity.HIGH,
    reason="vSphere refuses longer names, and a guest's host name is cut at 63 characters",
    remedy="shorten the name; catalog/naming.yaml has the limit of each kind",
    source=_VSPHERE,
)
def name_length_vsphere(resource: Resource, run: Context) -> Found:
    name = _name(resource)
    limit = catalog.naming().kinds[_kind(resource)].max_length
    if name is not None and len(name) > limit:
        yield Violation(f"the name has {len(name)} characters, at most {limit} fit", "name", name)


@pack.rule(
    "environment-name",
    ROOT,
    severity=Severity.MEDIUM,
    reason="the stack's name becomes part of every name of the environment",
    remedy="name the stack as a short DNS label: a letter first, at most 20 characters",
    source=_CONVENTION,
)
def environment_name(resource: Resource, run: Context) -> Found:
    if re.fullmatch(r"[a-z](?:[-a-z0-9]{0,18}[a-z0-9])?", run.stack) is None:
        yield Violation(f"stack {run.stack!r} is no short DNS label")
    kind = run.environment.get("kind")
    if isinstance(kind, str) and run.stack in {"dev", "qa", "staging", "prod"} and kind != run.stack:
        yield Violation(f"stack {run.stack} says that it is of kind {kind}: names and rules would disagree")


@pack.rule(
    "guest-host-name",
    VM,
    severity=Severity.MEDIUM,
    reason="the image sets it as the guest's host name and fails its first boot when it cannot",
    remedy="give property hostname a DNS label of at most 63 characters, best the machine's own name",
    source=_RFC1123,
)
def guest_host_name(resource: Resource, run: Context) -> Found:
    for index, each in enumerate(resource.items("spec.bootstrap.vAppConfig.properties")):
        if at(each, "key") != "hostname":
            continue
        value = at(each, "value.value")
        if isinstance(value, str) and (len(value) > 63 or _LABEL.fullmatch(value) is None):
            path = f"spec.bootstrap.vAppConfig.properties.{index}.value.value"
            yield Violation("the host name is no DNS label of at most 63 characters", path, value)


@pack.rule(
    "vgpu-class-name",
    VM_CLASS,
    severity=Severity.LOW,
    levels=guarded("staging", "prod"),
    reason="who picks a class sees its GPU share in its name, as vgpu-a100-40c",
    remedy="call it vgpu-<gpu>-<GiB><series>, as its profile says (several: -x<count> behind)",
    source=f"{GUIDE} (class names vgpu-a100-40c, vgpu-a100-80c)",
)
def vgpu_class_name(resource: Resource, run: Context) -> Found:
    profiles = known(_profiles(resource))
    name = _name(resource)
    if not profiles or name is None:
        return
    own = _own_name(name, run)
    expression = run.settings.class_patterns.get("vgpu", r"vgpu-[a-z0-9]+(?:-\d)?-\d+[cqba](?:-x\d+)?")
    if re.fullmatch(expression, own) is None:
        yield Violation(f"{own!r} does not tell its GPU and profile size", "name", name)


@pack.rule(
    "vgpu-class-name-true",
    VM_CLASS,
    severity=Severity.MEDIUM,
    reason="a class whose name promises another GPU share than it has misleads everybody who orders a machine",
    remedy="make name and profile agree",
    source=f"{GUIDE} (class names vgpu-a100-40c, vgpu-a100-80c)",
)
def vgpu_class_name_true(resource: Resource, run: Context) -> Found:
    profiles = known(_profiles(resource))
    name = _name(resource)
    match = re.search(r"vgpu-([a-z0-9]+)-(\d+)([cqba])", name or "")
    if not profiles or match is None:
        return
    for index, each in enumerate(profiles):
        profile = catalog.parse_profile(str(known(each)))
        if profile is None:
            continue
        gpu = profile.prefix.split("_", 1)[1]
        promised = (match[1], int(match[2]), match[3])
        if not (gpu.startswith(promised[0]) and promised[1:] == (profile.framebuffer_gib, profile.series)):
            yield Violation(
                f"the name promises {match[0]}, the profile is {profile.name}", f"vgpuProfiles.{index}", profile.name
            )


@pack.rule(
    "directpath-class-name",
    VM_CLASS,
    severity=Severity.LOW,
    levels=everywhere(Level.ADVISORY),
    reason="a class of whole GPUs must not be taken for a share of one",
    remedy="call it gpu-<gpu> or directpath-<gpu>, several devices with -x<count> behind",
    source=_CONVENTION,
)
def directpath_class_name(resource: Resource, run: Context) -> Found:
    devices = resource.items("directPathDevices")
    name = _name(resource)
    if not devices or name is None:
        return
    own = _own_name(name, run)
    expression = run.settings.class_patterns.get("directpath", r"(?:gpu|directpath|dp)-[a-z0-9]+(?:-x\d+)?")
    if re.fullmatch(expression, own) is None:
        yield Violation(f"{own!r} does not tell that it has whole GPUs, and which", "name", name)


def _profiles(resource: Resource) -> Any:
    return raw(resource.properties, profiles_key(resource)) or []


def _own_name(name: str, run: Context) -> str:
    """The part of a name that is not the pattern's."""
    match = _pattern("vm-class", run)[1].fullmatch(name)
    return match["name"] if match is not None and "name" in match.groupdict() else name


@pack.rule(
    "model-name",
    ENDPOINT + GALLERY_MODEL,
    severity=Severity.MEDIUM,
    reason="registries take lower-case names only, and the model is looked up by project, organisation and model",
    remedy="name the model <host>/<project>/<organisation>/<model>:<tag> or @sha256:<digest>, all lower case",
    source=_OCI,
)
def model_name(resource: Resource, run: Context) -> Found:
    path, repository = _repository(resource)
    parts = repository.split("/") if repository is not None else []
    component = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
    if repository is not None and (len(parts) < 2 or any(component.fullmatch(part) is None for part in parts)):
        yield Violation("the model's repository is no <project>/<organisation>/<model> in lower case", path, repository)


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


@pack.rule(
    "gallery-project",
    ENDPOINT + GALLERY_MODEL,
    severity=Severity.MEDIUM,
    reason="permissions and robot accounts are given per project; the default project is open to everybody",
    remedy="keep models in a project of their own with a lower-case name of at least 2 characters",
    source=_HARBOR,
)
def gallery_project(resource: Resource, run: Context) -> Found:
    path, repository = _repository(resource)
    if repository is None:
        return
    project = repository.split("/", 1)[0]
    if project in run.settings.reserved_projects:
        yield Violation(f"project {project!r} is reserved", path, repository)
    elif re.fullmatch(r"[a-z0-9]+(?:[._-][a-z0-9]+)*", project) is None or not 2 <= len(project) <= 255:
        yield Violation(f"{project!r} is no name of a Harbor project", path, repository)


@pack.rule(
    "routing-name",
    ENDPOINT,
    severity=Severity.MEDIUM,
    reason="clients send it as the model's name, and gateways route by it",
    remedy="use letters, digits and . _ - / only, at most 128 characters",
    source="https://github.com/vsphere-tmm/Supervisor-Services (ModelEndpoint examples)",
)
def routing_name(resource: Resource, run: Context) -> Found:
    name = resource.get("spec.routingName")
    if isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9](?:[\w./-]{0,126}[A-Za-z0-9])?", name) is None:
        yield Violation("the routing name has other characters, or too many", "spec.routingName", name)


@pack.rule(
    "routing-name-unique",
    ENDPOINT,
    severity=Severity.HIGH,
    reason="with two endpoints under one routing name a client gets either model",
    remedy="give each endpoint a routing name of its own, or raise the replicas of one",
    source="https://github.com/vsphere-tmm/Supervisor-Services (ModelEndpoint examples)",
)
def routing_name_unique(resource: Resource, run: Context) -> Found:
    route = _route(resource)
    if route is not None and run.seen.routes.get(route, resource.urn) != resource.urn:
        other = run.seen.routes[route].rsplit("::", 1)[1]
        yield Violation(f"{other} has the same routing name", "spec.routingName", route[1])


def _route(resource: Resource) -> tuple[str, str] | None:
    name = resource.get("spec.routingName")
    return (str(resource.get("metadata.namespace", "")), name) if isinstance(name, str) else None


@pack.rule(
    "database-name",
    DATABASE,
    severity=Severity.MEDIUM,
    reason="other names need quotes in every statement, and the templates belong to PostgreSQL",
    remedy="use lower-case letters, digits and underscores, a letter first, at most 63 characters",
    source=_POSTGRES,
)
def database_name(resource: Resource, run: Context) -> Found:
    name = resource.get("spec.databaseName")
    if not isinstance(name, str):
        return
    if re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", name) is None:
        yield Violation("the name of the database is no plain PostgreSQL identifier", "spec.databaseName", name)
    elif name in {"postgres", "template0", "template1"}:
        yield Violation("the name belongs to PostgreSQL itself", "spec.databaseName", name)


@pack.rule(
    "database-role",
    (*DATABASE, "vcf:index:PostgresRole"),
    severity=Severity.MEDIUM,
    reason="roles that begin with pg_ belong to PostgreSQL, and other names need quotes in every statement",
    remedy="use lower-case letters, digits and underscores, not pg_ in front",
    source="https://www.postgresql.org/docs/16/predefined-roles.html",
)
def database_role(resource: Resource, run: Context) -> Found:
    path = "name" if resource.type.startswith("vcf:") else "spec.adminUsername"
    name = resource.get(path)
    if isinstance(name, str) and (re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", name) is None or name.startswith("pg_")):
        yield Violation("the role's name is reserved or needs quotes", path, name)


@pack.rule(
    "secret-name",
    SECRET + CONFIG_MAP,
    severity=Severity.MEDIUM,
    reason="other objects refer to it by name, and the name is shown where the content is not",
    remedy="use a lower-case DNS name of at most 63 characters that says what it is for",
    source=_K8S_NAMES,
)
def secret_name(resource: Resource, run: Context) -> Found:
    name = _name(resource)
    if name is None:
        return
    if len(name) > 63 or _SUBDOMAIN.fullmatch(name) is None:
        yield Violation("the name is no lower-case DNS name of at most 63 characters", "metadata.name", name)


@pack.rule(
    "node-pool-name",
    CLUSTER,
    severity=Severity.HIGH,
    reason="names of nodes are made of cluster and pool with two hashes behind, and must fit 63 characters",
    remedy="use short DNS labels, each once per cluster",
    source="https://github.com/kubernetes-sigs/cluster-api (names of topology machine deployments)",
)
def node_pool_name(resource: Resource, run: Context) -> Found:
    cluster = _name(resource) or ""
    names: list[str] = []
    for pool in node_pools(resource):
        name, path = pool.name, f"{pool.path}.name"
        if _LABEL.fullmatch(name) is None:
            yield Violation("the name of the pool is no DNS label", path, name)
        elif name in names:
            yield Violation("two pools have the same name", path, name)
        elif len(cluster) + len(name) + 18 > 63 + len("-") * 2:
            yield Violation(
                f"cluster and pool have {len(cluster) + len(name)} characters; with the hashes no node name fits",
                path,
                name,
            )
        names.append(name)


@pack.rule(
    "helm-release-name",
    RELEASE,
    severity=Severity.MEDIUM,
    reason="Helm refuses longer release names, after the cluster is there",
    remedy="use a DNS label of at most 53 characters",
    source=_HELM,
)
def helm_release_name(resource: Resource, run: Context) -> Found:
    name = _name(resource)
    if name is not None and (len(name) > 53 or _LABEL.fullmatch(name) is None):
        yield Violation("the release name is no DNS label of at most 53 characters", "name", name)


def _wanted(run: Context) -> dict[str, str]:
    """Required labels with the value they must have, where the configuration tells."""
    keys = catalog.naming().labels
    values = {
        "organisation": _organisation(run),
        "environment": run.stack,
        "owner": run.environment.get("owner"),
        "costCentre": run.environment.get("costCentre"),
    }
    return {keys.get(name, name): str(values.get(name) or "") for name in run.settings.required_labels}


def _add_labels(resource: Resource, run: Context) -> dict[str, dict[str, str]]:
    present = resource.labels()
    missing = {key: value for key, value in _wanted(run).items() if value and not present.get(key)}
    # An object without any labels is left to its author: what would be put right is not one text, but a structure.
    return {"metadata.labels": missing} if missing and present else {}


@pack.rule(
    "required-labels",
    LABELLED,
    severity=Severity.MEDIUM,
    levels=guarded("staging", "prod", otherwise=Level.REMEDIATE),
    reason="costs, incidents and clean-ups are assigned by owner, cost centre and environment",
    remedy="label it; the components do so by themselves",
    source=_CONVENTION,
    remedied=_add_labels,
)
def required_labels(resource: Resource, run: Context) -> Found:
    present = resource.labels()
    missing = [key for key in _wanted(run) if not known(present.get(key))]
    if missing:
        yield Violation(f"labels are missing: {', '.join(missing)}", "metadata.labels")


def _right_environment(resource: Resource, run: Context) -> dict[str, dict[str, str]]:
    key = catalog.naming().labels["environment"]
    value = known(resource.labels().get(key))
    return {"metadata.labels": {key: run.stack}} if value not in {None, "", run.stack} else {}


@pack.rule(
    "environment-label",
    KUBERNETES,
    severity=Severity.HIGH,
    levels=guarded("staging", "prod", otherwise=Level.REMEDIATE),
    reason="costs and clean-ups of one environment must not hit another",
    remedy="set the environment label to the stack's name",
    source=_CONVENTION,
    remedied=_right_environment,
)
def environment_label(resource: Resource, run: Context) -> Found:
    key = catalog.naming().labels["environment"]
    value = known(resource.labels().get(key))
    if value not in {None, "", run.stack}:
        yield Violation(f"the environment label is not {run.stack}", f"metadata.labels.{key}", value)


@pack.rule(
    "persona-label",
    VM,
    severity=Severity.MEDIUM,
    reason="who works on a machine decides whether it may exist and who may log in",
    remedy="label it with the persona of its user",
    source=_CONVENTION,
)
def persona_label(resource: Resource, run: Context) -> Found:
    key = catalog.naming().labels["persona"]
    if not known(resource.labels().get(key)):
        yield Violation(f"label {key} is missing", "metadata.labels")


@pack.rule(
    "vsphere-tags",
    VSPHERE_VM,
    severity=Severity.MEDIUM,
    levels=guarded("staging", "prod"),
    reason="in vCenter a machine is found by its tags, and backup and chargeback go by them; they are counted only, "
    "since a tag is attached by its id, which tells nothing of its category",
    remedy="attach tags for owner, cost centre, environment and persona; or set requireVsphereTags to false",
    source="https://github.com/vmware/terraform-provider-vsphere docs/resources/virtual_machine.md (tags)",
)
def vsphere_tags(resource: Resource, run: Context) -> Found:
    if not run.settings.require_vsphere_tags:
        return
    # A machine has a user, whose persona is labelled by a rule of its own where labels are.
    wanted = list(dict.fromkeys((*run.settings.required_labels, "persona")))
    attached = {each.path if isinstance(each, Unknown) else str(each) for each in resource.items("tags")}
    if len(attached) < len(wanted):
        text = f"{len(attached)} tags are attached, at least {len(wanted)} are needed: {', '.join(wanted)}"
        yield Violation(text, "tags")


@pack.rule(
    "label-syntax",
    KUBERNETES,
    severity=Severity.MEDIUM,
    reason="Kubernetes refuses other labels when the object is created",
    remedy="use letters, digits, '-', '_' and '.', at most 63 characters",
    source=_K8S_LABELS,
)
def label_syntax(resource: Resource, run: Context) -> Found:
    for key, value in resource.labels().items():
        path = f"metadata.labels.{key}"
        if _LABEL_KEY.fullmatch(key) is None:
            yield Violation(f"{key!r} is no label key", path)
        elif isinstance(value, Unknown):
            yield Undecided(value.path)
        elif not isinstance(value, str) or _LABEL_VALUE.fullmatch(value) is None:
            yield Violation("this is no label value", path, value)


@pack.rule(
    "reserved-prefix",
    NAMED + KUBERNETES_NAMESPACE + SECRET + CONFIG_MAP,
    severity=Severity.HIGH,
    reason="names with these prefixes belong to the platform, which may take over or delete what has them",
    remedy="choose another name",
    source=f"{_K8S_NAMES}; reserved prefixes of the Supervisor: vmware-system-, svc-",
)
def reserved_prefix(resource: Resource, run: Context) -> Found:
    name = _name(resource)
    found = [prefix for prefix in run.settings.reserved_prefixes if name is not None and name.startswith(prefix)]
    if found:
        yield Violation(f"prefix {found[0]!r} is reserved", _name_path(resource), name)


@pack.rule(
    "reserved-label",
    KUBERNETES,
    severity=Severity.LOW,
    levels=everywhere(Level.ADVISORY),
    reason="labels of these domains are read and written by controllers of the platform",
    remedy="use a domain of your own for your labels",
    source=_K8S_LABELS,
)
def reserved_label(resource: Resource, run: Context) -> Found:
    well_known = ("app.kubernetes.io/", "pod-security.kubernetes.io/", "topology.kubernetes.io/")
    for key in resource.labels():
        domain = key.split("/", 1)[0] if "/" in key else ""
        if key.startswith(well_known):
            continue
        if any(domain == each or domain.endswith(f".{each}") for each in run.settings.reserved_label_domains):
            yield Violation(f"label {key} is in a reserved domain", f"metadata.labels.{key}")


@pack.rule(
    "name-collision",
    NAMED + SECRET + CONFIG_MAP + ROOT,
    severity=Severity.HIGH,
    reason="two things with one name, or with one name after it was cut to its limit, overwrite each other",
    remedy="give each a name of its own within the limit of its kind (catalog/naming.yaml)",
    source=_CONVENTION,
)
def name_collision(resource: Resource, run: Context) -> Found:
    if is_of(resource, ROOT):
        yield from _configured_collisions(run)
        return
    identity = _identity(resource)
    if identity is None:
        return
    urn, name = run.seen.physical.get(identity, (resource.urn, ""))
    if urn != resource.urn:
        other = urn.rsplit("::", 1)[1]
        cut = "" if name == _name(resource) else f", whose name {name} is the same within {len(identity[2])} characters"
        yield Violation(f"{other} has the same name{cut}", _name_path(resource), _name(resource))


def _limit(kind: str) -> int:
    return catalog.naming().kinds[kind].max_length if kind else 253


def _identity(resource: Resource) -> tuple[str, str, str] | None:
    """What must be unique: kind, namespace, and the name as far as it counts. Raises UndecidedError."""
    name = _name(resource)
    if name is None:
        return None
    kind = _kind(resource) or resource.type
    where = str(resource.get("metadata.namespace", "")) if resource.type.startswith("kubernetes:") else ""
    provider = resource.provider.urn if resource.provider and resource.type.startswith("kubernetes:") else ""
    return kind, f"{provider}/{where}", name[: _limit(_kind(resource))]


def _configured_collisions(run: Context) -> Found:
    """Names that the stack's configuration will give, before any of it exists."""
    organisation = _organisation(run)
    lists = {
        "workstations": "workstation",
        "clusters": "cluster",
        "modelEndpoints": "endpoint",
        "vmClasses": "vm-class",
    }
    for key, kind in lists.items():
        code, limit = catalog.naming().kinds[kind].code, _limit(kind)
        taken: dict[str, str] = {}
        for entry in entries(run.environment, key):
            name = str(entry.get("name"))
            whole = name if entry.get("existing") else f"{organisation}-{run.stack}-{code}-{name}"
            other = taken.setdefault(whole[:limit], whole)
            if other != whole:
                yield Violation(f"paif:{key}: {whole} and {other} are the same within {limit} characters")
            elif (
                list(taken).count(whole[:limit])
                and sum(1 for each in entries(run.environment, key) if str(each.get("name")) == name) > 1
            ):
                yield Violation(f"paif:{key}: {name} is used more than once")


def observe(resource: Resource, run: Context) -> None:
    """Note the names that a resource takes; what is not known yet takes none."""
    identity, name = _identity(resource), _name(resource)
    if identity is not None and name is not None:
        run.seen.physical.setdefault(identity, (resource.urn, name))
    if is_of(resource, ENDPOINT):
        route = _route(resource)
        if route is not None:
            run.seen.routes.setdefault(route, resource.urn)


OBSERVED = NAMED + SECRET + CONFIG_MAP
