"""License tokens."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
import re
from collections.abc import Iterator
from typing import Any

from policies.licensing.configuration import Context, LicensingObservations, LicensingSettings
from policies.licensing.declarations import gpu_mode, is_declared
from policies.licensing.sources import VGPU_LICENSING
from policies.shared.boot_texts import boot_texts
from policies.shared.deep_learning_vms import inline_properties
from policies.shared.machines import machine_gpu, machine_spec
from policies.shared.model import (
    Findings,
    Level,
    Resource,
    Rules,
    Severity,
    Undecided,
    UndecidedError,
    Violation,
    everywhere,
    raw_value_at,
    require_known,
)
from policies.shared.operators import gpu_operators
from policies.shared.selectors import is_type, mapping_entries
from policies.shared.sources import GPU_GUIDE, NVAIE_VGPU, OWN
from policies.shared.types import CONFIG_MAP, GPU_OPERATOR, ROOT, SECRET, VM_SERVICE, VSPHERE_VM

RULES: Rules[LicensingSettings, LicensingObservations] = Rules()

_OPERATOR = "https://docs.nvidia.com/datacenter/cloud-native/gpu-operator/24.9/install-gpu-operator-vgpu.html"

TOKEN_KEY = "client_configuration_token.tok"  # noqa: S105 - a key, not a token
OVF_TOKEN_KEY = "vgpu-license"  # noqa: S105


def _tokens(resource: Resource, run: Context) -> Iterator[tuple[str, str] | Undecided]:
    """Path and text of every license token in a resource or in the stack's configuration.

    Where a resource has the configuration's own, that was judged with the stack, before anything else: one wrong token
    is one finding.
    """
    if resource.type in ROOT:
        if "licenseToken" in run.secrets:
            yield "paif:licenseToken", run.secrets["licenseToken"]
        return
    in_secret = resource.type in SECRET
    keys = {"stringData": (OVF_TOKEN_KEY,), "data": (OVF_TOKEN_KEY,)} if in_secret else {"data": (TOKEN_KEY,)}
    for each in mapping_entries(resource, keys):
        if isinstance(each, Undecided):
            yield each
            continue
        path, text = each[0], _decoded(each[1]) if in_secret and each[0].startswith("data.") else each[1]
        if text != run.secrets.get("licenseToken"):
            yield path, text


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return text


@RULES.rule(
    "license-token-form",
    CONFIG_MAP + SECRET + ROOT,
    severity=Severity.HIGH,
    reason="a guest that cannot read its token runs unlicensed, and says so only in a log",
    remedy="paste the whole token file as it was downloaded: one line, no quotes; convert Windows line ends",
    source=f"{GPU_GUIDE} (11.6: no CRLF in the token); that it is a JWT: "
    "https://git.collinwebdesigns.de/oscar.krause/fastapi-dls (signs one in a license server's place)",
)
def license_token_form(resource: Resource, run: Context) -> Findings:
    strict = run.settings.license_token_form == "jwt"  # noqa: S105 - a form, not a token
    for each in _tokens(resource, run):
        if isinstance(each, Undecided):
            yield each
            continue
        path, token = each
        if "\r" in token:
            yield Violation("the license token has Windows line ends", path)
        elif not token.strip():
            yield Violation("the license token is empty", path)
        elif re.fullmatch(r"[A-Za-z0-9._~+/=-]+\n?", token) is None:
            yield Violation("the license token is not one line of token characters", path)
        elif _claims(token) is None and (strict or token.count(".") == 2):
            yield Violation("the license token is not three readable parts: it is cut, changed or no token", path)


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


@RULES.rule(
    "license-token-expired",
    CONFIG_MAP + SECRET + ROOT,
    severity=Severity.HIGH,
    reason="guests get no license with an expired token",
    remedy="generate a new client configuration token on the NVIDIA licensing portal or DLS",
    source=VGPU_LICENSING,
)
def license_token_expired(resource: Resource, run: Context) -> Findings:
    for each in _tokens(resource, run):
        if isinstance(each, Undecided):
            yield each
            continue
        path, token = each
        expires = (_claims(token) or {}).get("exp")
        if isinstance(expires, int | float):
            day = dt.datetime.fromtimestamp(expires, dt.UTC).date()
            if day < run.today:
                yield Violation(f"the license token has expired on {day}", path)


_TOKEN_FILE = re.compile(r"ClientConfigToken|client_configuration_token|vgpu-license")
"""What a text names that puts a license token where the guest driver looks for it."""


def brings_token(text: str) -> bool:
    """Whether a machine that is started with this text gets a license token by it."""
    return _TOKEN_FILE.search(text) is not None


def _bootstrap_secrets(resource: Resource) -> list[Any]:
    """Names of the Secrets that a VM Service machine is started with; each may be Unknown."""
    spec = machine_spec(resource)
    paths = ("bootstrap.vAppConfig.rawProperties", "bootstrap.cloudInit.rawCloudConfig.name", "vmMetadata.secretName")
    names = [raw_value_at(resource.properties, f"{spec}.{path}") for path in paths]
    return [each for each in names if each is not None]


def _inline_token(resource: Resource) -> bool:
    if any(key == OVF_TOKEN_KEY for _, key, _ in inline_properties(resource)):
        return True
    undecided: Undecided | None = None
    for each in boot_texts(resource):
        if isinstance(each, Undecided):
            undecided = each
        elif brings_token(each[1]):
            return True
    if undecided is not None:
        raise UndecidedError(undecided.path)
    return False


def _has_token(resource: Resource, run: Context) -> bool:
    """Whether a machine gets a license token. Raises UndecidedError, also when nothing tells."""
    if _inline_token(resource):
        return True
    return any(_secret_has_token(str(require_known(name)), resource, run) for name in _bootstrap_secrets(resource))


def _secret_has_token(name: str, resource: Resource, run: Context) -> bool:
    for namespace in (str(resource.get("metadata.namespace", "")), None):
        recorded = run.lookup(run.observations.tokens, (namespace, name))
        if recorded is not None:
            return recorded
    declared = run.settings.existing_bootstrap_secrets.get(name)
    if declared is None:
        raise run.missing_entry(
            run.observations.tokens,
            f"content of Secret {name}",
            f"let the machine depend on Secret {name} (take the name from its output); a Secret that is not made here "
            "is declared under existingBootstrapSecrets with licenseToken true or false",
        )
    return declared.license_token


@RULES.rule(
    "vgpu-license-token",
    VM_SERVICE + VSPHERE_VM + ROOT,
    severity=Severity.HIGH,
    reason="a guest without token runs its vGPU unlicensed: slowed down, then without CUDA",
    remedy="hand the token over: as OVF property vgpu-license, or by cloud-init as a file in ClientConfigToken",
    source=NVAIE_VGPU,
)
def vgpu_license_token(resource: Resource, run: Context) -> Findings:
    if resource.type in ROOT:
        if gpu_mode(run) == "vgpu" and "licenseToken" not in run.secrets and "licenseToken" not in run.environment:
            yield Violation("the configuration uses vGPU and has no license token")
        return
    found = machine_gpu(resource, run, run.observations.classes)
    if found is None or not found.profiles:
        return
    if not _has_token(resource, run):
        yield Violation("the machine has a vGPU and gets no license token", _bootstrap_path(resource))


def _bootstrap_path(resource: Resource) -> str:
    return "vapp.properties" if is_type(resource, VSPHERE_VM) else f"{machine_spec(resource)}.bootstrap.vAppConfig"


@RULES.rule(
    "license-token-without-vgpu",
    VM_SERVICE + VSPHERE_VM + GPU_OPERATOR + ROOT,
    severity=Severity.LOW,
    levels=everywhere(Level.ADVISORY),
    reason="the data-center driver of a whole GPU asks no license server; whether the token is meant for something "
    "else only its owner knows",
    remedy="is the token needed? NIM and AI Enterprise containers are covered by what is owned, not by a token",
    source=f"{OWN}: nothing says that a token on DirectPath I/O does harm, and a token where none is used is one more "
    "to keep",
)
def license_token_without_vgpu(resource: Resource, run: Context) -> Findings:
    if resource.type in ROOT:
        if gpu_mode(run) == "directpath" and "licenseToken" in {*run.secrets, *run.environment}:
            yield Violation("paif:gpu.mode is directpath and there is a license token", "paif:licenseToken")
    elif is_type(resource, GPU_OPERATOR):
        for operator in gpu_operators(resource):
            if operator.driver_kind() == "data-center" and operator.license_key()[1]:
                path = operator.driver_setting("licensingConfig")
                yield Violation("the data-center driver gets a vGPU license", path)
    else:
        found = machine_gpu(resource, run, run.observations.classes)
        if found is not None and found.devices and not found.profiles and _has_token(resource, run):
            yield Violation("the machine has a whole GPU and a license token", _bootstrap_path(resource))


@RULES.rule(
    "gpu-operator-license",
    GPU_OPERATOR,
    severity=Severity.HIGH,
    reason="the operator licenses vGPU guests with the token of a ConfigMap; without it every node runs unlicensed",
    remedy="set driver.licensingConfig.configMapName, and nlsEnabled to true",
    source=_OPERATOR,
)
def gpu_operator_license(resource: Resource, run: Context) -> Findings:
    for operator in gpu_operators(resource):
        if operator.driver_kind() != "vgpu":
            continue
        key, name = operator.license_key()
        switch = "licensingConfig.nlsEnabled"
        # Only in an object that no chart has made it is off by default (ClusterPolicy's IsNLSEnabled).
        if not name:
            yield Violation("the vGPU driver has no license configuration", operator.driver_setting(key))
        elif operator.driver(switch, operator.form != "policy") is not True:
            yield Violation("the license system of the token is switched off", operator.driver_setting(switch))


@RULES.rule(
    "vgpu-feature-type",
    CONFIG_MAP,
    severity=Severity.MEDIUM,
    reason="FeatureType decides which license a guest takes: 1 by its vGPU, 2 RTX vWS, 4 compute; 0 takes none",
    remedy="leave gridd.conf empty, or set FeatureType=1",
    source=_OPERATOR,
)
def vgpu_feature_type(resource: Resource, run: Context) -> Findings:
    text = require_known(resource.mapping("data").get("gridd.conf"))
    match = re.search(r"(?m)^\s*FeatureType\s*=\s*(\S+)", text) if isinstance(text, str) else None
    if match is None:
        return
    if match[1] not in {"1", "2", "4"}:
        yield Violation(f"FeatureType={match[1]} takes no license", "data.gridd.conf")
    elif match[1] == "2" and not is_declared("vws", run):
        yield Violation("FeatureType=2 takes an RTX vWS license, which is not declared", "data.gridd.conf")
