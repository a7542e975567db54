"""Phase ai-services: Private AI Services in the namespace, on the vector database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi

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
    gpu_mode = env.gpu.mode if _serves_on_gpus(env) else "none"
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
        "namespace_name": env.namespace.name,
        "storage_class": storage_class(env.storage_policy(asked.storage_policy)),
        "control_plane_class": foundation.classes[asked.control_plane_class],
        "gpu_mode": gpu_mode,
        "oidc_issuer_url": oidc.issuer,
        "oidc_client_id": oidc.client_id,
        "authorized_groups": list(asked.authorized_groups),
        "database_host": pulumi.Output.all(database.host, database.port).apply(_host_and_port),
        "database_name": database.database_name,
        "database_username": database.username,
        "database_password_secret": database.password_secret,
        "trust_bundles": {name: pem for name, pem in bundles.items() if pem},
        "labels": env.labels(),
        "platform": env.platform,
        **context.licence(gpu_mode),  # type: ignore[typeddict-item]
        **context.wait("PAISConfiguration"),
    }
    # After the extension: PAIS keeps vectors in the database from its first moment.
    options = pulumi.ResourceOptions(parent=phase, depends_on=[database.extension])
    return AiServices(PrivateAiServices(env.named("namespace", "pais"), args, options), oidc)


def _serves_on_gpus(env: Environment) -> bool:
    return any(env.vm_class(endpoint.vm_class).has_gpu for endpoint in env.model_endpoints)


def _host_and_port(address: list[Any]) -> str:
    host, port = address
    return str(host) if port == 5432 else f"{host}:{port}"
