"""Encrypted transport."""

from __future__ import annotations

import re

from paif_catalog.redaction import leaves
from policies.platform.configuration import Context, PlatformObservations, PlatformSettings
from policies.shared.model import Findings, Resource, Rules, Severity, Violation, require_known
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
        elif key == "kubeconfig" and re.search(r"insecure-skip-tls-verify\"?:\s*true", str(require_known(value))):
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
