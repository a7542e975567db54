"""A stack's outputs, each only when its phase is built.

environment       name, kind, target, organisation, owner, costCentre, gpuMode, namespace
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
    told: dict[str, Any] = {}
    if built.data is not None:
        told["database"] = _database(context, built.data)
    if built.ai_services is not None:
        told["appDeveloper"] = _app_developer(built.ai_services, built.endpoints)
    if built.endpoints is not None:
        told["mlopsEngineer"] = _models_and_gallery(context, built.endpoints)
    if built.workstations is not None:
        _add_workstations(told, context, built.workstations)
    if built.clusters is not None:
        told["clusters"] = _clusters(built.clusters)
    told["environment"] = {
        "name": env.name,
        "kind": env.kind,
        "target": env.target,
        "organisation": env.organisation,
        "owner": env.owner,
        "costCentre": env.cost_centre,
        "gpuMode": env.gpu.mode,
        "namespace": built.foundation.namespace,
    }
    told["versions"] = _versions(context, built)
    return told


def _database(context: Context, data: Data) -> dict[str, Any]:
    made = data.database
    return {
        "host": made.host,
        "port": made.port,
        "name": made.database_name,
        "username": made.username,
        "password": made.password,
        "passwordSecret": made.password_secret,
        "caBundle": context.connections.database_ca,
        "pgvector": made.extension_version,
    }


def _app_developer(made: AiServices, endpoints: ModelEndpoints | None) -> dict[str, Any]:
    models = endpoints.models if endpoints is not None else {}
    return {
        "baseUrl": made.services.url.apply(lambda url: url and f"{url}{_OPENAI_PATH}"),
        "caBundle": made.services.ca_bundle,
        "oidc": {"issuer": made.oidc.issuer, "clientId": made.oidc.client_id},
        "models": {name: model.routing_name for name, model in models.items()},
    }


def _models_and_gallery(context: Context, made: ModelEndpoints) -> dict[str, Any]:
    return {
        "models": {
            asked.name: {
                "digest": made.models[asked.name].digest,
                "routingName": made.models[asked.name].routing_name,
                "type": asked.type,
            }
            for asked in context.env.model_endpoints
        },
        "gallery": {
            "registry": made.gallery.host,
            "username": made.gallery.username,
            "password": made.password,
            "caBundle": made.gallery.ca,
        },
    }


def _add_workstations(told: dict[str, Any], context: Context, made: Workstations) -> None:
    """Tell each machine to those of its persona."""
    for asked in context.env.workstations:
        machine = made.machines[asked.name]
        theirs = told.setdefault(_PEOPLE[asked.persona], {})
        theirs.setdefault("workstations", {})[asked.name] = {
            "address": machine.address,
            "ssh": machine.ssh,
            "jupyter": machine.jupyter_url,
            "owner": asked.owner,
            "firstBoot": machine.first_boot,
            "password": machine.password,
        }
        theirs["login"] = {"user": context.env.baseline.dlvm_properties.login.user}


def _clusters(made: Clusters) -> dict[str, Any]:
    return {
        name: {
            "kubeconfig": cluster.kubeconfig,
            "name": cluster.name,
            **({"gpuOperator": made.operators[name].state} if name in made.operators else {}),
        }
        for name, cluster in made.clusters.items()
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
            asked.name: {
                "kubernetes": asked.release or facts["kubernetes-release"].version,
                **({"gpuOperator": operators[asked.name].version} if asked.name in operators else {}),
            }
            for asked in env.clusters
        }
    return versions
