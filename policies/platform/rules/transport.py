"""Encrypted transport."""

from __future__ import annotations

import os
import re
from pathlib import Path

from paif_catalog.redaction import leaves
from policies.platform.configuration import Context, PlatformObservations, PlatformSettings
from policies.shared.model import Findings, Resource, Rules, Severity, Undecided, Violation, require_known
from policies.shared.types import PAIS, PROVIDER, RELEASE

RULES: Rules[PlatformSettings, PlatformObservations] = Rules()


@RULES.rule(
    "tls-verification",
    (*PROVIDER, *RELEASE),
    severity=Severity.CRITICAL,
    reason="without verification anybody in between reads the password and answers in the server's place",
    remedy="verify, and hand over the authority's certificate as caBundle or in the kubeconfig",
    source="https://www.rfc-editor.org/rfc/rfc9110#section-4.3.4",
)
def tls_verification(resource: Resource, run: Context) -> Findings:
    for path, value in leaves(resource.properties):
        key = path.rsplit(".", 1)[-1].lower().replace("_", "").replace("-", "")
        if key in {"allowunverifiedssl", "insecure", "insecureskiptlsverify", "skiptlsverify", "insecureskipverify"}:
            if str(require_known(value)).lower() == "true":
                yield Violation("verification of certificates is off", path, value)
        elif key == "kubeconfig":
            yield from _kubeconfig(str(require_known(value)), path)
    switched_on = os.environ.get(_VARIABLE, "").lower() in {"1", "t", "true"}
    if switched_on and resource.type == "pulumi:providers:vsphere" and resource.get("allowUnverifiedSsl") is None:
        # The plugin reads it where the argument is left out; whether its environment is this one, nothing tells.
        yield Undecided(f"allowUnverifiedSsl, which {_VARIABLE} switches on here")


_VARIABLE = "VSPHERE_ALLOW_UNVERIFIED_SSL"
_MAX_BYTES = 1024 * 1024


def _kubeconfig(text: str, path: str) -> Findings:
    """What a kubeconfig says, given as it is or as the path of a file; one that is not here is undecided."""
    if text and "\n" not in text and not text.lstrip().startswith("{") and "apiVersion" not in text:
        try:
            with Path(text).expanduser().open(encoding="utf-8") as file:
                text = file.read(_MAX_BYTES)
        except (OSError, ValueError, RuntimeError):
            yield Undecided(path)
            return
    if re.search(r"insecure-skip-tls-verify[\"']?\s*:\s*[\"']?true", text):
        yield Violation("the kubeconfig switches verification of certificates off", path)


@RULES.rule(
    "tls-issuer",
    PAIS,
    severity=Severity.HIGH,
    reason="tokens of an issuer without TLS can be forged",
    remedy="use the issuer's https:// address",
    source="https://openid.net/specs/openid-connect-discovery-1_0.html",
)
def tls_issuer(resource: Resource, run: Context) -> Findings:
    issuer = resource.get("spec.auth.oidc.issuerUrl")
    if isinstance(issuer, str) and not issuer.startswith("https://"):
        yield Violation("the issuer has no TLS", "spec.auth.oidc.issuerUrl", issuer)
