"""A stack's outputs, each only when its phase is built.

environment       name, kind, target, organization, owner, costCenter, gpuMode, namespace
versions          deployed: baseline, pais, dlvm, database, pgvector, clusters {name: kubernetes, gpuOperator}
dataScientist     workstations {name: address, ssh, jupyter, owner, firstBoot, password (secret)}, login {user}
                  (their models are appDeveloper's: a model that fails must not hold back a machine's address)
mlopsEngineer     workstations and login; gallery {registry, username, password (secret), caBundle};
                  models {name: digest, routingName, type}
appDeveloper      baseUrl (OpenAI-compatible), caBundle, models {name: routingName}, oidc {issuer, clientId}:
                  no machine, no password
database          host, port, name, username, password (secret), caBundle, pgvector, passwordSecret
clusters          {name: kubeconfig (secret), gpuOperator}
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stacks.phases.ai_services import AiServices
from stacks.phases.clusters import Clusters
from stacks.phases.context import Context
from stacks.phases.data import Data
from stacks.phases.endpoints import ModelEndpoints
from stacks.phases.foundation import Foundation
from stacks.phases.workstations import Workstations

_OPENAI_PATH = "/api/v1/compatibility/openai/v1"
_PEOPLE = {"data-scientist": "dataScientist", "mlops-engineer": "mlopsEngineer"}


@dataclass(frozen=True)
class Built:
    """What the phases of a run have declared; None for a phase that is not wanted, or has nothing to make."""

    foundation: Foundation
    data: Data | None
    ai_services: AiServices | None
    endpoints: ModelEndpoints | None
    workstations: Workstations | None
    clusters: Clusters | None


def outputs(context: Context, built: Built) -> dict[str, Any]:
    """All outputs of the stack, secrets as such."""
    env = context.env
    result: dict[str, Any] = {}
    if built.data is not None:
        result["database"] = _database(context, built.data)
    if built.ai_services is not None:
        result["appDeveloper"] = _app_developer(built.ai_services, built.endpoints)
    if built.endpoints is not None:
        result["mlopsEngineer"] = _models_and_gallery(context, built.endpoints)
    if built.workstations is not None:
        _add_workstations(result, context, built.workstations)
    if built.clusters is not None:
        result["clusters"] = _clusters(built.clusters)
    result["environment"] = {
        "name": env.name,
        "kind": env.kind,
        "target": env.target,
        "organization": env.organization,
        "owner": env.owner,
        "costCenter": env.cost_center,
        "gpuMode": env.gpu.mode,
        "namespace": built.foundation.namespace,
    }
    result["versions"] = _versions(context, built)
    return result


def _database(context: Context, data: Data) -> dict[str, Any]:
    database = data.database
    return {
        "host": database.host,
        "port": database.port,
        "name": database.database_name,
        "username": database.username,
        "password": database.password,
        "passwordSecret": database.password_secret,
        "caBundle": context.connections.database_ca,
        "pgvector": database.extension_version,
    }


def _app_developer(declared: AiServices, endpoints: ModelEndpoints | None) -> dict[str, Any]:
    models = endpoints.models if endpoints is not None else {}
    return {
        "baseUrl": declared.services.url.apply(lambda url: url and f"{url}{_OPENAI_PATH}"),
        "caBundle": declared.services.ca_bundle,
        "oidc": {"issuer": declared.oidc.issuer, "clientId": declared.oidc.client_id},
        "models": {name: model.routing_name for name, model in models.items()},
    }


def _models_and_gallery(context: Context, declared: ModelEndpoints) -> dict[str, Any]:
    return {
        "models": {
            endpoint.name: {
                "digest": declared.models[endpoint.name].digest,
                "routingName": declared.models[endpoint.name].routing_name,
                "type": endpoint.type,
            }
            for endpoint in context.env.model_endpoints
        },
        "gallery": {
            "registry": declared.gallery.host,
            "username": declared.gallery.username,
            "password": declared.password,
            "caBundle": declared.gallery.ca,
        },
    }


def _add_workstations(result: dict[str, Any], context: Context, declared: Workstations) -> None:
    """Tell each machine to those of its persona."""
    for workstation in context.env.workstations:
        machine = declared.machines[workstation.name]
        theirs = result.setdefault(_PEOPLE[workstation.persona], {})
        theirs.setdefault("workstations", {})[workstation.name] = {
            "address": machine.address,
            "ssh": machine.ssh,
            "jupyter": machine.jupyter_url,
            "owner": workstation.owner,
            "firstBoot": machine.first_boot,
            "password": machine.password,
        }
        theirs["login"] = {"user": context.env.baseline.dlvm_properties.login.user}


def _clusters(declared: Clusters) -> dict[str, Any]:
    return {
        name: {
            "kubeconfig": cluster.kubeconfig,
            "name": cluster.name,
            **({"gpuOperator": declared.operators[name].state} if name in declared.operators else {}),
        }
        for name, cluster in declared.clusters.items()
    }


def _versions(context: Context, built: Built) -> dict[str, Any]:
    env, facts = context.env, context.env.baseline.versions
    versions: dict[str, Any] = {"baseline": env.baseline.name}
    if built.data is not None:
        if built.data.version is not None:
            versions["database"] = built.data.version
        versions["pgvector"] = built.data.database.extension_version
    if built.ai_services is not None:
        versions["pais"] = facts["pais"].version
    if built.workstations is not None:
        versions["dlvm"] = env.content.dlvm_image
    if built.clusters is not None:
        operators = built.clusters.operators
        versions["clusters"] = {
            cluster.name: {
                "kubernetes": cluster.release or facts["kubernetes-release"].version,
                **({"gpuOperator": operators[cluster.name].version} if cluster.name in operators else {}),
            }
            for cluster in env.clusters
        }
    return versions
