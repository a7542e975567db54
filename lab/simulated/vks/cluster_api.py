"""Cluster API's own admission (lab/clusterapi) as a part of the lab, and its registration with the API server."""

from __future__ import annotations

import base64
from typing import Any

from lab.kubernetes import api_client, kubeconfig_path
from lab.operators.resources import CLUSTER
from lab.pki import lab_authority
from lab.state import bin_directory
from lab.supervision.daemon import Daemon
from lab.supervision.part import Part, PartFailedError, Ready

NAME = "clusterapi"
_KINDS = {"cluster": "clusters", "clusterclass": "clusterclasses"}
_PATH = "/apis/admissionregistration.k8s.io/v1"


def part(daemon: Daemon, supervisor: str) -> Part:
    """The process that answers the API server of ``supervisor``."""
    pair = lab_authority(daemon.directory).issue(f"{NAME}-webhook")
    address = f"127.0.0.1:{daemon.port(NAME)}"
    return Part(
        name=NAME,
        argv=[
            str(bin_directory() / "paif-lab-clusterapi"),
            f"--kubeconfig={kubeconfig_path(daemon.directory, supervisor)}",
            f"--listen={address}",
            f"--cert={pair.cert}",
            f"--key={pair.key}",
        ],
        env={"GOGC": "50"},
        ready=Ready(url=f"https://{address}/ready", ca=lab_authority(daemon.directory).cert),
    )


def configurations(address: str, authority: str) -> list[dict[str, Any]]:
    """The registrations as the project has them, failing closed; ``authority`` is PEM text.

    Their names sort after that of VKS's own hooks: mutating ones are asked in this order.
    """
    group, version, _ = CLUSTER.selector
    bundle = base64.b64encode(authority.encode()).decode("ascii")

    def hook(kind: str, verb: str, operations: list[str]) -> dict[str, Any]:
        return {
            "name": f"{'default' if verb == 'mutate' else 'validation'}.{kind}.{group}",
            "clientConfig": {
                "url": f"https://{address}/{verb}-{group.replace('.', '-')}-{version}-{kind}",
                "caBundle": bundle,
            },
            "rules": [
                {
                    "apiGroups": [group],
                    "apiVersions": [version],
                    "operations": operations,
                    "resources": [_KINDS[kind]],
                }
            ],
            "admissionReviewVersions": ["v1"],
            "failurePolicy": "Fail",
            "matchPolicy": "Equivalent",
            "sideEffects": "None",
        }

    written = ["CREATE", "UPDATE"]
    hooks = {
        "Mutating": [hook(kind, "mutate", written) for kind in _KINDS],
        "Validating": [hook(kind, "validate", [*written, "DELETE"]) for kind in _KINDS],
    }
    return [
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": f"{kind}WebhookConfiguration",
            "metadata": {"name": f"capi-{kind.lower()}-webhook-configuration"},
            "webhooks": each,
        }
        for kind, each in hooks.items()
    ]


def register(daemon: Daemon, supervisor: str) -> None:
    """Have the API server of ``supervisor`` ask. Raises ``PartFailedError`` with its words when it refuses."""
    address = f"127.0.0.1:{daemon.port(NAME)}"
    with api_client(daemon, supervisor) as client:
        for body in configurations(address, lab_authority(daemon.directory).pem):
            answer = client.patch(
                f"{_PATH}/{body['kind'].lower()}s/{body['metadata']['name']}",
                json=body,
                params={"fieldManager": "lab.paif.dev", "force": "true"},
                headers={"Content-Type": "application/apply-patch+yaml"},
            )
            if answer.is_error:
                raise PartFailedError(f"{body['metadata']['name']}: the API server refused it: {answer.text[:500]}")
