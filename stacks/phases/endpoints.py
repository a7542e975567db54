"""Phase endpoints: models of the gallery, served by Private AI Services."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from pulumi_paif import vcf
from pulumi_paif.model_endpoint import ModelEndpoint
from pulumi_paif.pull_secrets import pull_secret_content
from stacks.connections import Gallery
from stacks.environment import storage_class
from stacks.environment.sections.model_endpoints import ModelEndpoint as Section
from stacks.phases.ai_services import AiServices
from stacks.phases.context import Context, Phase, demanded
from stacks.phases.foundation import Foundation


@dataclass(frozen=True)
class Access:
    """What an endpoint needs to pull its model: the gallery, its login as it was tried, and that as a pull secret."""

    gallery: Gallery
    password: pulumi.Output[str]
    login: vcf.GalleryLogin
    pull: kubernetes.core.v1.Secret


@dataclass(frozen=True)
class ModelEndpoints:
    """Endpoints by their names in the environment, and the gallery with a password that it has taken."""

    models: Mapping[str, ModelEndpoint]
    gallery: Gallery
    password: pulumi.Output[str]


def declare(context: Context, foundation: Foundation, services: AiServices) -> ModelEndpoints:
    """Declare the phase."""
    phase = context.phase("endpoints")
    access = _access(context, foundation, demanded(context.connections.gallery, "paif:gallery"), phase)
    models = {
        asked.name: _endpoint(context, foundation, services, access, asked, phase)
        for asked in context.env.model_endpoints
    }
    # A password that nobody can log in with is told to nobody.
    password = pulumi.Output.all(access.password, access.login.id).apply(lambda found: str(found[0]))
    return ModelEndpoints(models, access.gallery, password)


def _access(context: Context, foundation: Foundation, gallery: Gallery, phase: Phase) -> Access:
    password = pulumi.Output.secret(gallery.password.get_secret_value())
    login = vcf.GalleryLogin(
        "gallery-login",
        registry=gallery.host,
        username=gallery.username,
        password=password,
        ca_bundle=gallery.ca or None,
        opts=pulumi.ResourceOptions(parent=phase, provider=context.vcenter),
    )
    pull = kubernetes.core.v1.Secret(
        "gallery-pull",
        metadata={"name": "gallery-pull", "namespace": foundation.namespace, "labels": context.env.labels()},
        type="kubernetes.io/dockerconfigjson",
        string_data={".dockerconfigjson": pull_secret_content(gallery.host, gallery.username, password)},
        opts=pulumi.ResourceOptions(parent=phase, depends_on=[login]),
    )
    return Access(gallery, password, login, pull)


def _endpoint(
    context: Context, foundation: Foundation, services: AiServices, access: Access, asked: Section, phase: Phase
) -> ModelEndpoint:
    env, gallery = context.env, access.gallery
    name = env.full_name(asked)
    return ModelEndpoint(
        name,
        {
            "endpoint_name": name,
            "namespace": foundation.namespace,
            "type": asked.type,
            "engine": asked.engine,
            "routing_name": asked.routed,
            "registry": gallery.host,
            "repository": asked.model.repository,
            "reference": asked.model.reference,
            "registry_username": gallery.username,
            "registry_password": access.password,
            "registry_ca_bundle": gallery.ca,
            "pull_secret": access.pull.metadata["name"],
            "vm_class": foundation.classes[asked.vm_class],
            "storage_class": storage_class(env.storage_policy(asked.storage_policy)),
            "replicas": asked.replicas,
            "labels": env.labels(persona="app-developer"),
            "platform": env.platform,
            **context.wait("ModelEndpoint"),  # type: ignore[typeddict-item]
        },
        pulumi.ResourceOptions(parent=phase, depends_on=[services.services.ready_services, access.login]),
    )
