"""The license server."""

from __future__ import annotations

import paif_catalog as catalog
from policies.licensing.configuration import Context, LicensingObservations, LicensingSettings
from policies.shared.model import Findings, Resource, Rules, Severity, Violation
from policies.shared.sources import GPU_GUIDE
from policies.shared.types import ROOT

RULES: Rules[LicensingSettings, LicensingObservations] = Rules()


@RULES.rule(
    "license-server-version",
    ROOT,
    severity=Severity.MEDIUM,
    reason="guests of AI Enterprise 6 and newer (vGPU 18) get no license from an older DLS",
    remedy="update the license server to DLS 3.4 or newer",
    source=f"{GPU_GUIDE} (11.6)",
)
def license_server_version(resource: Resource, run: Context) -> Findings:
    server = run.settings.license_server
    if server is not None and server.nvaie_major >= 6 and not catalog.satisfies(server.version, ">=3.4"):
        yield Violation(f"DLS {server.version} serves no guests of AI Enterprise {server.nvaie_major}")
