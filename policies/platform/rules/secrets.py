"""Secrets in plain text, and where everybody reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from paif_catalog.redaction import has_secret_shape, has_token_shape, is_credential_name, is_secret_path, leaves
from policies.platform.configuration import Context, PlatformObservations, PlatformSettings
from policies.platform.sources import VM_OPERATOR
from policies.shared.boot_texts import boot_texts
from policies.shared.charts import charts_of
from policies.shared.deep_learning_vms import inline_properties
from policies.shared.model import (
    Findings,
    Resource,
    Rules,
    Severity,
    Undecided,
    Unknown,
    Violation,
)
from policies.shared.selectors import is_type
from policies.shared.types import (
    CHART,
    CHART_OBJECT,
    CONFIG_MAP,
    KUBERNETES,
    PROVIDER,
    SECRET,
    VM_SERVICE,
    VSPHERE_VM,
)

RULES: Rules[PlatformSettings, PlatformObservations] = Rules()

_PULUMI_SECRETS = "https://www.pulumi.com/docs/iac/concepts/secrets/"


@RULES.rule(
    "no-plain-secrets",
    (*KUBERNETES, *PROVIDER, "vsphere:index/*", "vcf:index:*", "vcfa:*"),
    severity=Severity.CRITICAL,
    reason="what is not marked secret lies in plain text in state, plans, logs and pull requests",
    remedy="pass it as pulumi.Output.secret, or keep it in configuration with --secret",
    source=_PULUMI_SECRETS,
)
def no_plain_secrets(resource: Resource, run: Context) -> Findings:
    opaque = resource.type in SECRET or resource.type.startswith("pulumi:providers:")
    for path, value in _secret_inputs(resource):
        if isinstance(value, Unknown):
            # What is not known yet carries its mark already, unless it is a plain output.
            if not resource.is_secret(path):
                yield Undecided(path)
        elif isinstance(value, str) and value and not resource.is_secret(path) and not _is_path(value, opaque):
            # Its path alone: of an environment variable nothing in the path says that the value is a secret.
            yield Violation("a secret is in plain text: [secret]", path)
    yield from _plain_texts(resource)


def _secret_inputs(resource: Resource) -> Iterator[tuple[str, Any]]:
    """Path and value of what is a secret by its name."""
    if is_type(resource, KUBERNETES) and not is_type(resource, SECRET + CONFIG_MAP):
        yield from _credentials(resource.properties, "", chart=is_type(resource, CHART))
        for each in charts_of(resource) if is_type(resource, CHART_OBJECT) else ():
            # What stands there as text, or under a name, is put in its place.
            yield from _credentials(each.values, each.values_path, chart=True)
        return
    for path, value in leaves(resource.properties):
        whole = isinstance(value, Unknown) and is_secret_path(resource.type, f"{path}.*")
        if (whole or is_secret_path(resource.type, path)) and not path.startswith("metadata."):
            yield path, value


_REFERENCE = re.compile(r"\$[({].*[)}]|(?i:true|false|null|none)|\d{0,3}", re.DOTALL)
_INLINE_PASSWORD = re.compile(
    r"(?im)^[ \t-]*(?:export\s+)?[\"']?"
    r"(?:plain_text_passwd|hashed_passwd|passwd|password|[A-Z_]*(?:API_KEY|PASSWORD|PASSWD)|passwd-hash)"
    r"[\"']?\s*[:=]\s*[\"']?(?!\s|[\"'$*!]|(?:true|false|null|none)\b)\S"
)
"""What a text that starts a machine names a password or key."""
_USER_PASSWORD = re.compile(r"(?m)^[ \t-]*[\"']?[\w-]+:(?!\s|//|R$|RANDOM$|\$)\S+$")
"""A line of cloud-init's chpasswd: who, and as what."""


def _has_password(text: str) -> bool:
    if has_token_shape(text) or _INLINE_PASSWORD.search(text):
        return True
    given = text.partition("chpasswd:")[2]
    return _USER_PASSWORD.search(given[:10_000]) is not None


def _plain_texts(resource: Resource) -> Iterator[Violation | Undecided]:
    """Secrets inside of texts: by their letters in any property, by their names in what starts a machine."""
    if is_type(resource, SECRET):
        return
    told: set[str] = set()
    if is_type(resource, VM_SERVICE + VSPHERE_VM + CONFIG_MAP):
        for each in boot_texts(resource):
            if isinstance(each, Undecided):
                if not resource.is_secret(each.path):
                    yield each
            elif not resource.is_secret(each[0]) and _has_password(each[1]):
                told.add(each[0])
                yield Violation("a secret stands in the text: [secret]", each[0])
    if is_type(resource, PROVIDER + CONFIG_MAP):
        # What a ConfigMap holds besides has a rule of its own.
        return
    for path, value in leaves(resource.properties):
        if not isinstance(value, str) or path in told or not has_token_shape(value):
            continue
        if not resource.is_secret(path) and not is_secret_path(resource.type, path):
            yield Violation("a secret stands in the text: [secret]", path)


def _credentials(data: Any, path: str, *, chart: bool) -> Iterator[tuple[str, Any]]:
    """Passwords and keys by the name of a setting, or of the environment variable that it is the value of.

    `chart`: all of the values of a chart may hold one while they are not known yet, as a container's variables may.
    Beside the name of a Secret stand keys in it.
    """
    if isinstance(data, list):
        for index, each in enumerate(data):
            yield from _credentials(each, f"{path}.{index}", chart=chart)
    if not isinstance(data, dict):
        return
    for key, value in data.items():
        inner = f"{path}.{key}" if path else str(key)
        name = data.get("name") if key == "value" and isinstance(data.get("name"), str) else key
        if isinstance(value, dict | list):
            if not re.search(r"(?i)refs?$", str(key)):
                yield from _credentials(value, inner, chart=chart)
        elif isinstance(value, Unknown):
            if key == "env" or (chart and key == "values") or is_credential_name(str(name)):
                yield inner, value
        elif is_credential_name(str(name)) and "secretName" not in data and _REFERENCE.fullmatch(str(value)) is None:
            yield inner, value


def _is_path(value: str, opaque: bool) -> bool:
    """A kubeconfig may be given as the path of a file, which is no secret."""
    return opaque and "\n" not in value and len(value) < 200 and value.endswith(("kubeconfig", "config", ".yaml"))


@RULES.rule(
    "no-secrets-in-config-maps",
    CONFIG_MAP,
    severity=Severity.HIGH,
    reason="everybody who may list a namespace reads its ConfigMaps",
    remedy="use a Secret; the GPU Operator's license token is the one exception, since 24.9 reads no Secret",
    source="https://kubernetes.io/docs/concepts/configuration/configmap/",
)
def no_secrets_in_config_maps(resource: Resource, run: Context) -> Findings:
    for key, value in resource.mapping("data").items():
        if isinstance(value, Unknown):
            yield Undecided(value.path)
        elif key != "client_configuration_token.tok" and isinstance(value, str) and has_secret_shape(value):
            yield Violation("the value looks like a key, a token or a password", f"data.{key}", value)


@RULES.rule(
    "no-inline-secrets",
    VM_SERVICE,
    severity=Severity.CRITICAL,
    reason="OVF properties that stand in the machine itself are readable by everybody who may look at it",
    remedy="put them into a Secret, and name it as rawProperties or with from",
    source=VM_OPERATOR,
)
def no_inline_secrets(resource: Resource, run: Context) -> Findings:
    secret = {key for key, each in run.platform.dlvm_properties.properties.items() if each.secret}
    for path, key, value in inline_properties(resource):
        if key in secret and value is not None:
            yield Violation(f"{key} is given in plain text", path)
