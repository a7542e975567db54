"""The rules of the pack `licensing`."""

# ruff: noqa: ARG001 - every rule takes the same two arguments, and some need one of them only

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

import catalog
from policies.licensing.configuration import (
    EDITION_OF_SERIES,
    Edition,
    Entitlement,
    LicensingSettings,
    Seats,
    edition_of,
    entitled,
)
from policies.shared.containers import boot_texts, charts, images, mentioned
from policies.shared.machines import (
    GpuClass,
    Pool,
    class_or_undecided,
    configured_classes,
    configured_pools,
    gpu_class,
    observe_class,
    pools,
)
from policies.shared.model import (
    Found,
    Level,
    Resource,
    Rules,
    Run,
    Severity,
    Undecided,
    UndecidedError,
    Unknown,
    Violation,
    everywhere,
    guarded,
    known,
    raw,
)
from policies.shared.selectors import entries_of, has_vgpu_driver, is_gpu_operator, is_of, profiles_key
from policies.shared.sources import GPU_GUIDE, GUIDE, NVAIE_VGPU
from policies.shared.types import (
    CLUSTER,
    CONFIG_MAP,
    ENDPOINT,
    NIM,
    PAIS,
    RELEASE,
    ROOT,
    SECRET,
    VM,
    VM_CLASS,
    VSPHERE_VM,
    WORKLOAD,
    WORKSTATION,
)

pack: Rules[LicensingSettings, Seats] = Rules()
Context = Run[LicensingSettings, Seats]

TOKEN_KEY = "client_configuration_token.tok"  # noqa: S105 - a key, not a token
OVF_TOKEN_KEY = "vgpu-license"  # noqa: S105
MACHINES = VM + CLUSTER + ENDPOINT

_VGPU_LICENSING = "https://docs.nvidia.com/vgpu/latest/grid-licensing-user-guide/index.html"
_OPERATOR = "https://docs.nvidia.com/datacenter/cloud-native/gpu-operator/24.9/install-gpu-operator-vgpu.html"
_ISSUE = "the organisation's licence rules; policies/config"
_CORES = "Broadcom KB 313548, from memory (cores are counted per socket, 16 at least)"


def _entitlement(edition: Edition, run: Context) -> list[Entitlement]:
    return [each for each in run.settings.entitlements if each.edition == edition]


def _profiles(resource: Resource) -> list[tuple[str, Any]]:
    """Path and value of every vGPU profile of a class. Raises UndecidedError when their number is not known."""
    key = profiles_key(resource)
    return [(f"{key}.{index}", each) for index, each in enumerate(resource.items(key))]


def _parsed(resource: Resource) -> Iterator[tuple[str, catalog.Profile] | Undecided]:
    for path, each in _profiles(resource):
        if isinstance(each, Unknown):
            yield Undecided(each.path)
            continue
        profile = catalog.parse_profile(str(each))
        if profile is not None:
            yield path, profile


def _mode(run: Context) -> str:
    gpu = run.environment.get("gpu")
    return str(gpu.get("mode")) if isinstance(gpu, dict) else ""


@pack.rule(
    "vgpu-entitlement",
    VM_CLASS + ROOT,
    severity=Severity.CRITICAL,
    reason="every vGPU needs an NVIDIA licence, for compute that of NVIDIA AI Enterprise; without, it is slowed "
    "down and then loses CUDA, and an audit costs",
    remedy="declare the entitlement under licensing.entitlements of the environment, or use DirectPath I/O",
    source=NVAIE_VGPU,
)
def vgpu_entitlement(resource: Resource, run: Context) -> Found:
    if run.settings.entitlements:
        return
    if resource.type in ROOT:
        used = [name for name, each in configured_classes(run.environment, run.stack).items() if each.profiles]
        if _mode(run) == "vgpu" and used:
            yield Violation("the configuration uses vGPU and no NVIDIA entitlement is declared")
    elif _profiles(resource):
        yield Violation("the class has a vGPU and no NVIDIA entitlement is declared", _profiles(resource)[0][0])


@pack.rule(
    "profile-edition",
    VM_CLASS,
    severity=Severity.HIGH,
    reason="each series of profiles is licensed by its own product: C by AI Enterprise, Q by vWS, B by vPC, A by vApps",
    remedy="use a profile of a licensed series, or declare an entitlement of that edition",
    source=f"{GPU_GUIDE} §11.6",
)
def profile_edition(resource: Resource, run: Context) -> Found:
    if not run.settings.entitlements:
        return
    for each in _parsed(resource):
        if isinstance(each, Undecided):
            yield each
            continue
        path, profile = each
        edition = EDITION_OF_SERIES[profile.series]
        if not _entitlement(edition, run):
            yield Violation(
                f"series {profile.series.upper()} needs {edition}, which is not among the entitlements",
                path,
                profile.name,
            )


@pack.rule(
    "profile-compute",
    VM_CLASS,
    severity=Severity.MEDIUM,
    levels=guarded("staging", "prod"),
    reason="graphics profiles have no place on an AI platform: they cost another licence and limit CUDA",
    remedy="use the C profile of the same size",
    source=f"{GPU_GUIDE} §11.11.2",
)
def profile_compute(resource: Resource, run: Context) -> Found:
    for each in _parsed(resource):
        if isinstance(each, Undecided):
            yield each
        elif each[1].series != "c":
            yield Violation(f"series {each[1].series.upper()} is not for compute", each[0], each[1].name)


@pack.rule(
    "profile-known",
    VM_CLASS,
    severity=Severity.MEDIUM,
    reason="a name that is no vGPU profile tells nothing of the licence it takes",
    remedy="use a profile name as the inventory shows it, such as grid_a100-40c",
    source="https://github.com/vmware/PowerCLI-Example-Scripts (PAIF-N)",
)
def profile_known(resource: Resource, run: Context) -> Found:
    for path, each in _profiles(resource):
        if isinstance(each, Unknown):
            yield Undecided(each.path)
        elif catalog.parse_profile(str(each)) is None:
            yield Violation("this is no vGPU profile", path, each)


# Licence tokens.


def _tokens(resource: Resource, run: Context) -> Iterator[tuple[str, str] | Undecided]:
    """Path and text of every licence token in a resource or in the stack's configuration.

    Where a resource has the configuration's own, that was judged with the stack, before anything else: one wrong token
    is one finding.
    """
    if resource.type in ROOT:
        if "licenceToken" in run.secrets:
            yield "paif:licenceToken", run.secrets["licenceToken"]
        return
    in_secret = resource.type in SECRET
    keys = {"stringData": (OVF_TOKEN_KEY,), "data": (OVF_TOKEN_KEY,)} if in_secret else {"data": (TOKEN_KEY,)}
    for each in entries_of(resource, keys):
        if isinstance(each, Undecided):
            yield each
            continue
        path, text = each[0], _decoded(each[1]) if in_secret and each[0].startswith("data.") else each[1]
        if text != run.secrets.get("licenceToken"):
            yield path, text


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return text


@pack.rule(
    "licence-token-form",
    CONFIG_MAP + SECRET + ROOT,
    severity=Severity.HIGH,
    reason="a guest that cannot read its token runs unlicensed, and says so only in a log",
    remedy="paste the whole token file as it was downloaded: one line, no quotes; convert Windows line ends",
    source=f"{GPU_GUIDE} §11.6 (no CRLF in the token); that it is a JWT: "
    "https://git.collinwebdesigns.de/oscar.krause/fastapi-dls (signs one in a licence server's place)",
)
def licence_token_form(resource: Resource, run: Context) -> Found:
    strict = run.settings.licence_token_form == "jwt"  # noqa: S105 - a form, not a token
    for each in _tokens(resource, run):
        if isinstance(each, Undecided):
            yield each
            continue
        path, token = each
        if "\r" in token:
            yield Violation("the licence token has Windows line ends", path)
        elif not token.strip():
            yield Violation("the licence token is empty", path)
        elif re.fullmatch(r"[A-Za-z0-9._~+/=-]+\n?", token) is None:
            yield Violation("the licence token is not one line of token characters", path)
        elif _claims(token) is None and (strict or token.count(".") == 2):
            yield Violation("the licence token is not three readable parts: it is cut, changed or no token", path)


def _claims(token: str) -> dict[str, Any] | None:
    """What a JWT says: three parts in base64url, JSON in the first two. None when a text is none."""
    parts = token.strip().split(".")
    if len(parts) != 3 or any(re.fullmatch(r"[A-Za-z0-9_-]+", part) is None for part in parts):
        return None
    try:
        head, claims = (json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in parts[:2])
    except (ValueError, binascii.Error):
        return None
    return claims if isinstance(head, dict) and isinstance(claims, dict) else None


@pack.rule(
    "licence-token-expired",
    CONFIG_MAP + SECRET + ROOT,
    severity=Severity.HIGH,
    reason="guests get no licence with an expired token",
    remedy="generate a new client configuration token on the NVIDIA licensing portal or DLS",
    source=_VGPU_LICENSING,
)
def licence_token_expired(resource: Resource, run: Context) -> Found:
    for each in _tokens(resource, run):
        if isinstance(each, Undecided):
            yield each
            continue
        path, token = each
        expires = (_claims(token) or {}).get("exp")
        if isinstance(expires, int | float):
            day = dt.datetime.fromtimestamp(expires, dt.UTC).date()
            if day < run.today:
                yield Violation(f"the licence token has expired on {day}", path)


def _bootstrap(resource: Resource) -> Any:
    """Name of the Secret with a machine's OVF properties, or None; may be Unknown."""
    return raw(resource.properties, "spec.bootstrap.vAppConfig.rawProperties")


def _inline_token(resource: Resource) -> bool:
    listed = resource.items("spec.bootstrap.vAppConfig.properties")
    return any(known(each).get("key") == OVF_TOKEN_KEY for each in listed)


def _has_token(resource: Resource, run: Context) -> bool:
    """Whether a VM Service machine gets a licence token. Raises UndecidedError, also when nothing tells."""
    if _inline_token(resource):
        return True
    name = known(_bootstrap(resource))
    if name is None:
        return False
    for namespace in (str(resource.get("metadata.namespace", "")), None):
        made = run.find(run.seen.tokens, (namespace, str(name)))
        if made is not None:
            return made
    declared = run.settings.existing_bootstrap_secrets.get(str(name))
    if declared is None:
        raise run.missing(
            run.seen.tokens,
            f"content of Secret {name}",
            f"let the machine depend on Secret {name} (take the name from its output); a Secret that is not made here "
            "is declared under existingBootstrapSecrets with licenceToken true or false",
        )
    return declared.licence_token


@pack.rule(
    "vgpu-licence-token",
    VM + ROOT,
    severity=Severity.HIGH,
    reason="a guest without token runs its vGPU unlicensed: slowed down, then without CUDA",
    remedy="pulumi config set --secret paif:licenceToken; the component makes it OVF property vgpu-license",
    source=NVAIE_VGPU,
)
def vgpu_licence_token(resource: Resource, run: Context) -> Found:
    if resource.type in ROOT:
        if _mode(run) == "vgpu" and "licenceToken" not in run.secrets and "licenceToken" not in run.environment:
            yield Violation("the configuration uses vGPU and has no licence token")
        return
    found = gpu_class(raw(resource.properties, "spec.className"), run, run.seen.classes)
    if found is None or not found.profiles:
        return
    if not _has_token(resource, run):
        yield Violation("the machine has a vGPU and gets no licence token", "spec.bootstrap.vAppConfig")


@pack.rule(
    "licence-token-wasted",
    VM + VSPHERE_VM + RELEASE + ROOT,
    severity=Severity.LOW,
    levels=everywhere(Level.ADVISORY),
    reason="DirectPath I/O needs no NVIDIA licence for the GPU: a token there takes a seat from somebody who does",
    remedy="remove the token; NIM and AI Enterprise containers are covered by the entitlement, not by a token",
    source=f"{GUIDE} (part 1: DirectPath I/O without NVAIE)",
)
def licence_token_wasted(resource: Resource, run: Context) -> Found:
    if resource.type in ROOT:
        if _mode(run) == "directpath" and "licenceToken" in {*run.secrets, *run.environment}:
            yield Violation("paif:gpu.mode is directpath and there is a licence token", "paif:licenceToken")
    elif resource.type in VSPHERE_VM:
        if resource.items("pciDeviceIds") and OVF_TOKEN_KEY in resource.mapping("vapp.properties"):
            yield Violation("the machine has a whole GPU and a licence token", f"vapp.properties.{OVF_TOKEN_KEY}")
    elif resource.type in RELEASE:
        data_centre = is_gpu_operator(resource) and not has_vgpu_driver(resource)
        if data_centre and resource.get("values.driver.licensingConfig"):
            yield Violation("the data-centre driver gets a vGPU licence", "values.driver.licensingConfig")
    else:
        found = gpu_class(raw(resource.properties, "spec.className"), run, run.seen.classes)
        if found is not None and found.devices and _has_token(resource, run):
            yield Violation("the machine has a whole GPU and a licence token", "spec.bootstrap.vAppConfig")


@pack.rule(
    "gpu-operator-licence",
    RELEASE,
    severity=Severity.HIGH,
    reason="the operator licenses vGPU guests with the token of a ConfigMap; without it every node runs unlicensed",
    remedy="set driver.licensingConfig.configMapName, and nlsEnabled to true",
    source=_OPERATOR,
)
def gpu_operator_licence(resource: Resource, run: Context) -> Found:
    if not is_gpu_operator(resource) or not has_vgpu_driver(resource):
        return
    if not resource.get("values.driver.licensingConfig.configMapName"):
        yield Violation("the vGPU driver has no licence configuration", "values.driver.licensingConfig.configMapName")
    elif resource.get("values.driver.licensingConfig.nlsEnabled") is not True:
        yield Violation("the licence system of the token is switched off", "values.driver.licensingConfig.nlsEnabled")


@pack.rule(
    "vgpu-feature-type",
    CONFIG_MAP,
    severity=Severity.MEDIUM,
    reason="FeatureType decides which licence a guest takes: 1 by its vGPU, 2 RTX vWS, 4 compute; 0 takes none",
    remedy="leave gridd.conf empty, or set FeatureType=1",
    source=_OPERATOR,
)
def vgpu_feature_type(resource: Resource, run: Context) -> Found:
    text = known(resource.mapping("data").get("gridd.conf"))
    match = re.search(r"(?m)^\s*FeatureType\s*=\s*(\S+)", text) if isinstance(text, str) else None
    if match is None:
        return
    if match[1] not in {"1", "2", "4"}:
        yield Violation(f"FeatureType={match[1]} takes no licence", "data.gridd.conf")
    elif match[1] == "2" and not _entitlement("vws", run):
        yield Violation("FeatureType=2 takes an RTX vWS licence, which is not declared", "data.gridd.conf")


# Containers.


def _unlicensed(resource: Resource, run: Context, patterns: Iterable[str], what: str) -> Found:
    """What a resource runs of these, where nothing licenses it."""
    if _entitlement("nvaie", run):
        return
    problem = f"{what}, and no NVIDIA AI Enterprise entitlement is declared"

    def is_one(reference: str) -> bool:
        return any(fnmatchcase(each, pattern) for each in (reference, f"{reference}/") for pattern in patterns)

    if is_of(resource, SECRET + WORKSTATION):
        for each in boot_texts(resource):
            if isinstance(each, Undecided):
                yield each
            elif any(is_one(name) for name in mentioned(each[1])):
                yield Violation(f"the machine starts it: {problem}", each[0])
        return
    if is_of(resource, RELEASE):
        for path, address in charts(resource):
            parts = urlsplit(address)
            if is_one(f"{parts.hostname}{parts.path}".rstrip("/")):
                yield Violation(problem, path, address)
    for each in images(resource):
        if isinstance(each, Undecided):
            yield each
        elif is_one(each[1]):
            yield Violation(problem, *each)


@pack.rule(
    "nim-entitlement",
    WORKLOAD + RELEASE + ENDPOINT + NIM + SECRET + WORKSTATION,
    severity=Severity.CRITICAL,
    reason="NIM microservices need NVIDIA AI Enterprise on either GPU path, also with DirectPath I/O",
    remedy="declare the entitlement, or serve an open model with vLLM",
    source=f"{GPU_GUIDE} §11.5.1; https://docs.nvidia.com/nim-operator/latest/pipelines.html (its kinds)",
)
def nim_entitlement(resource: Resource, run: Context) -> Found:
    what = "this is a NIM microservice"
    if is_of(resource, NIM) and not _entitlement("nvaie", run):
        # Whatever image a mirror calls it: the operator serves nothing else.
        yield Violation(f"{what}, and no NVIDIA AI Enterprise entitlement is declared", "kind")
    else:
        yield from _unlicensed(resource, run, run.settings.nim_images, what)


@pack.rule(
    "nvaie-container-entitlement",
    WORKLOAD + RELEASE + SECRET + WORKSTATION,
    severity=Severity.CRITICAL,
    reason="containers of NVIDIA AI Enterprise may only be used with its licence, on either GPU path",
    remedy="declare the entitlement, or use the public container",
    source=f"{GPU_GUIDE} §11.5.1",
)
def nvaie_container_entitlement(resource: Resource, run: Context) -> Found:
    yield from _unlicensed(resource, run, run.settings.nvaie_images, "the container is part of NVIDIA AI Enterprise")


# Seats.


def _taken(listed: Iterable[Pool], run: Context) -> Iterator[tuple[Pool, list[Edition]] | Undecided]:
    """Those of the machines that take seats, and of which editions: a machine takes one of each that its vGPUs need."""
    classes: dict[str, GpuClass | Undecided | None] = {}
    for pool in listed:
        if isinstance(pool.vm_class, Unknown):
            yield Undecided(pool.vm_class.path)
            continue
        name = str(pool.vm_class)
        if name not in classes:
            classes[name] = class_or_undecided(pool.vm_class, run, run.seen.classes)
        found = classes[name]
        if isinstance(found, Undecided):
            yield found
        elif found is not None and found.profiles and pool.count:
            yield pool, sorted({edition_of(each) for each in found.profiles})


def _table(used: Mapping[str, int], seats: int) -> str:
    rows = [*used.items(), ("in all", sum(used.values())), ("entitled", seats)]
    width = max(len(who) for who, _ in rows)
    return "\n".join(f"  {who:<{width}}  {count:>5}" for who, count in rows)


def _too_many(listed: Iterable[Pool], run: Context) -> Iterator[tuple[Edition, str]]:
    """Each edition of which the machines take more seats than there are, with who takes how many of it."""
    used: dict[Edition, Counter[str]] = {}
    for each in _taken(listed, run):
        if not isinstance(each, Undecided):
            pool, editions = each
            for edition in editions:
                used.setdefault(edition, Counter())[pool.what] += pool.count
    seats = entitled(run.settings.entitlements, run.today)
    for edition, by in used.items():
        if by.total() > seats[edition]:
            yield edition, f"{by.total()} vGPU seats of {seats[edition]} ({edition}):\n{_table(by, seats[edition])}"


@pack.rule(
    "vgpu-seats",
    ROOT,
    severity=Severity.CRITICAL,
    reason="every vGPU machine takes a seat of the edition that its profile's series needs: workstations, nodes at the "
    "autoscaler's maximum, replicas of endpoints",
    remedy="ask for fewer machines or lower maxReplicas, or buy seats and declare them under licensing.entitlements",
    source=_VGPU_LICENSING,
)
def vgpu_seats(resource: Resource, run: Context) -> Found:
    if not run.settings.entitlements:
        return
    # A class that the configuration does not describe is told by its resource: vgpu-seats-in-use counts with it.
    for _, table in _too_many(configured_pools(run.environment), run):
        yield Violation(f"the configuration takes {table}")


@pack.rule(
    "vgpu-seats-in-use",
    MACHINES,
    severity=Severity.CRITICAL,
    reason="a program may ask for more machines than its configuration shows; each one takes a seat of its edition",
    remedy="ask for fewer machines, or buy seats and declare them under licensing.entitlements",
    source=_VGPU_LICENSING,
)
def vgpu_seats_in_use(resource: Resource, run: Context) -> Found:
    if not run.settings.entitlements:
        return
    mine: set[Edition] = set()
    for each in _taken(pools(resource), run):
        if isinstance(each, Undecided):
            yield each
        else:
            mine |= {*each[1]}
    if not mine:
        return
    for edition, table in _too_many(_registered_until(resource, run), run):
        if edition in mine:
            yield Violation(f"with this one there are {table}")


def _registered_until(resource: Resource, run: Context) -> Iterator[Pool]:
    """Machines of this resource and of those before it: who came later answers for the seats that are missing."""
    for urn, listed in run.seen.machines.items():
        yield from listed
        if urn == resource.urn:
            return


@pack.rule(
    "vm-class-known",
    MACHINES,
    severity=Severity.MEDIUM,
    levels=guarded("staging", "prod"),
    reason="whether a machine takes a seat depends on its class",
    remedy="declare the class under existingClasses with its profiles or devices; none of both means it has no GPU",
    source=_ISSUE,
)
def vm_class_known(resource: Resource, run: Context) -> Found:
    yield from (each for each in _taken(pools(resource), run) if isinstance(each, Undecided))


# Dates and add-on.


@pack.rule(
    "entitlement-expired",
    ROOT + VM_CLASS,
    severity=Severity.CRITICAL,
    reason="machines that start after the last day get no licence",
    remedy="renew the entitlement and declare its new date",
    source=_VGPU_LICENSING,
)
def entitlement_expired(resource: Resource, run: Context) -> Found:
    if resource.type not in ROOT and not _profiles(resource):
        return
    for each in run.settings.entitlements:
        if each.expires < run.today:
            kind = "evaluation" if each.evaluation else "entitlement"
            yield Violation(f"the {each.edition} {kind} with {each.seats} seats has expired on {each.expires}")


@pack.rule(
    "entitlement-expires-soon",
    ROOT,
    severity=Severity.MEDIUM,
    levels=everywhere(Level.ADVISORY),
    reason="renewals take weeks, and machines stop working on the day",
    remedy="renew it",
    source=_ISSUE,
)
def entitlement_expires_soon(resource: Resource, run: Context) -> Found:
    dates = [(f"{each.edition} entitlement", each.expires) for each in run.settings.entitlements]
    if run.settings.paif_add_on is not None:
        dates.append(("PAIF add-on", run.settings.paif_add_on.expires))
    for what, day in dates:
        if run.today <= day <= run.today + dt.timedelta(days=run.settings.warn_days):
            yield Violation(f"the {what} ends on {day}, in {(day - run.today).days} days")


@pack.rule(
    "evaluation-in-production",
    ROOT + VM_CLASS,
    severity=Severity.HIGH,
    reason="evaluation licences exclude production use",
    remedy="buy seats for this environment",
    source="NVIDIA AI Enterprise licence agreement, from memory (evaluation excludes production)",
)
def evaluation_in_production(resource: Resource, run: Context) -> Found:
    if resource.type not in ROOT and not _profiles(resource):
        return
    if run.kind in run.settings.evaluation_in:
        return
    for each in run.settings.entitlements:
        if each.evaluation:
            yield Violation(f"the {each.edition} entitlement is an evaluation, the environment is of kind {run.kind}")


@pack.rule(
    "paif-add-on",
    PAIS + ENDPOINT + VM,
    severity=Severity.HIGH,
    reason="Deep Learning VMs and Private AI Services are part of the PAIF add-on to VCF, which is licensed by core",
    remedy="declare the add-on under licensing.paifAddOn, with cores and last day",
    source=f"{GUIDE} (part 1)",
)
def paif_add_on(resource: Resource, run: Context) -> Found:
    if run.settings.paif_add_on is not None:
        return
    if resource.type.endswith(":VirtualMachine"):
        found = gpu_class(raw(resource.properties, "spec.className"), run, run.seen.classes)
        if found is not None and not found.has_gpu:
            return
    yield Violation("the PAIF add-on is not declared")


@pack.rule(
    "paif-add-on-cores",
    ROOT,
    severity=Severity.HIGH,
    reason="every core of every GPU host counts, 16 per socket at least",
    remedy="license the cores that are missing, or keep hosts out of the GPU cluster",
    source=_CORES,
)
def paif_add_on_cores(resource: Resource, run: Context) -> Found:
    settings = run.settings
    if settings.paif_add_on is None:
        return
    least = settings.minimum_cores_per_socket
    needed = sum(each.count * each.sockets * max(each.cores_per_socket, least) for each in settings.gpu_hosts)
    if needed > settings.paif_add_on.cores:
        yield Violation(f"the GPU hosts have {needed} cores to license, the add-on covers {settings.paif_add_on.cores}")


@pack.rule(
    "paif-add-on-expired",
    ROOT + PAIS,
    severity=Severity.HIGH,
    reason="without the subscription there is neither support nor the right to use it",
    remedy="renew the add-on and declare its new date",
    source=_CORES,
)
def paif_add_on_expired(resource: Resource, run: Context) -> Found:
    add_on = run.settings.paif_add_on
    if add_on is not None and add_on.expires < run.today:
        yield Violation(f"the PAIF add-on has expired on {add_on.expires}")


@pack.rule(
    "licence-server-version",
    ROOT,
    severity=Severity.MEDIUM,
    reason="guests of AI Enterprise 6 and newer (vGPU 18) get no licence from an older DLS",
    remedy="update the licence server to DLS 3.4 or newer",
    source=f"{GPU_GUIDE} §11.6",
)
def licence_server_version(resource: Resource, run: Context) -> Found:
    server = run.settings.licence_server
    if server is not None and server.nvaie_major >= 6 and not catalog.satisfies(server.version, ">=3.4"):
        yield Violation(f"DLS {server.version} serves no guests of AI Enterprise {server.nvaie_major}")


def observe(resource: Resource, run: Context) -> None:
    """Note classes, Secrets with a licence token, and machines; what is not known yet counts when it is."""
    if is_of(resource, VM_CLASS):
        observe_class(resource, run, run.seen.classes)
    elif is_of(resource, SECRET):
        _observe_secret(resource, run)
    else:
        run.seen.machines[resource.urn] = list(pools(resource))


def _observe_secret(resource: Resource, run: Context) -> None:
    name, namespace = (raw(resource.properties, f"metadata.{each}") for each in ("name", "namespace"))
    if isinstance(name, Unknown):
        run.note_unnamed(run.seen.tokens)
        return
    if isinstance(namespace, Unknown):
        run.note(run.seen.tokens, (None, str(name)), Undecided(f"namespace of Secret {name}"))
        return
    has: bool | Undecided
    try:
        has = OVF_TOKEN_KEY in {**resource.mapping("data"), **resource.mapping("stringData")}
    except UndecidedError:
        has = Undecided(f"content of Secret {name}")
    run.note(run.seen.tokens, (str(namespace or ""), str(name)), has)


OBSERVED = VM_CLASS + SECRET + MACHINES
