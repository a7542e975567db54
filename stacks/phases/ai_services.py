"""Phase ai-services: Private AI Services in the namespace, on the vector database."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from pulumi_paif.enums import GpuMode
from pulumi_paif.private_ai_services import PrivateAiServices, PrivateAiServicesArgs
from stacks.connections import Oidc
from stacks.environment import Environment, storage_class
from stacks.environment.sections.ai_services import AiServices as Section
from stacks.phases.context import Context, demanded
from stacks.phases.data import Data
from stacks.phases.foundation import Foundation


@dataclass(frozen=True)
class AiServices:
    """Private AI Services, and the identity provider that signs people in."""

    services: PrivateAiServices
    oidc: Oidc


def declare(context: Context, foundation: Foundation, data: Data, asked: Section) -> AiServices:
    """Declare the phase."""
    env, connections, database = context.env, context.connections, data.database
    oidc, phase = demanded(connections.oidc, "paif:aiServices.oidc"), context.phase("ai-services")
    gpu_mode = GpuMode(env.gpu.mode) if _serves_on_gpus(env) else GpuMode.NONE
    bundles = {
        "oidc": oidc.ca,
        "database": connections.database_ca,
        "gallery": connections.gallery.ca if connections.gallery else "",
    }
    contents = foundation.contents(
        context,
        "services",
        phase,
        [asked.control_plane_class, *(each.vm_class for each in env.model_endpoints)],
        [asked.storage_policy, *(each.storage_policy for each in env.model_endpoints)],
    )
    args: PrivateAiServicesArgs = {
        "namespace": contents.namespace,
        "storage_class": storage_class(env.storage_policy(asked.storage_policy)),
        "control_plane_class": foundation.classes[asked.control_plane_class],
        "gpu_mode": gpu_mode,
        "oidc": {"issuer_url": oidc.issuer, "client_id": oidc.client_id},
        "authorized_groups": list(asked.authorized_groups),
        "database": database.connection,
        "ca_bundles": {name: pem for name, pem in bundles.items() if pem},
        "labels": env.labels(),
        "platform": env.platform,
        **context.license(gpu_mode),  # type: ignore[typeddict-item]
        **context.wait("PAISConfiguration"),
    }
    options = pulumi.ResourceOptions(parent=phase)
    return AiServices(PrivateAiServices(env.named("namespace", "pais"), args, options), oidc)


def _serves_on_gpus(env: Environment) -> bool:
    return any(env.vm_class(endpoint.vm_class).has_gpu for endpoint in env.model_endpoints)
