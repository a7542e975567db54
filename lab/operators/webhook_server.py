"""Where the webhooks of all operators are served."""

from __future__ import annotations

from typing import Any

import kopf

from lab.operators.connections import control
from lab.pki import lab_authority


@kopf.on.startup()
def serve_webhooks(settings: kopf.OperatorSettings, **_: Any) -> None:
    """Serve the webhooks that the API server asks about objects, on a port that stays."""
    pair = lab_authority(control().directory).issue("operators-webhook")
    settings.admission.managed = "admission.lab.paif.dev"
    settings.admission.server = kopf.WebhookServer(
        addr="127.0.0.1",
        host="127.0.0.1",
        port=control().port("operators-webhook"),
        certfile=str(pair.cert),
        pkeyfile=str(pair.key),
        cafile=str(lab_authority(control().directory).cert),
    )
