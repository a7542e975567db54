"""Phase endpoints: models of the gallery, served by Private AI Services."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from pulumi_paif.enums import EndpointType, InferenceEngine
from pulumi_paif.model_endpoint import ModelEndpoint
from pulumi_paif.model_gallery_access import ModelGalleryAccess
from stacks.connections import Gallery
from stacks.environment import storage_class
from stacks.environment.sections.model_endpoints import ModelEndpoint as Section
from stacks.phases.ai_services import AiServices
from stacks.phases.context import Context, Phase, demanded
from stacks.phases.foundation import Foundation


@dataclass(frozen=True)
class ModelEndpoints:
    """Endpoints by their names in the environment, and the gallery with a password that it has taken."""

    models: Mapping[str, ModelEndpoint]
    gallery: Gallery
    password: pulumi.Output[str]


def declare(context: Context, foundation: Foundation, services: AiServices) -> ModelEndpoints:
    """Declare the phase."""
    phase, gallery = context.phase("endpoints"), demanded(context.connections.gallery, "paif:gallery")
    access = ModelGalleryAccess(
        "gallery",
        {
            "namespace": foundation.namespace,
            "registry": gallery.host,
            "username": gallery.username,
            "password": pulumi.Output.secret(gallery.password.get_secret_value()),
            "ca_bundle": gallery.ca or None,
            "labels": context.env.labels(),
        },
        pulumi.ResourceOptions(parent=phase),
    )
    models = {
        asked.name: _endpoint(context, foundation, services, access, asked, phase)
        for asked in context.env.model_endpoints
    }
    return ModelEndpoints(models, gallery, access.password)


def _endpoint(
    context: Context,
    foundation: Foundation,
    services: AiServices,
    access: ModelGalleryAccess,
    asked: Section,
    phase: Phase,
) -> ModelEndpoint:
    env = context.env
    return ModelEndpoint(
        env.full_name(asked),
        {
            "namespace": foundation.namespace,
            "type": EndpointType(asked.type),
            "engine": InferenceEngine(asked.engine),
            "routing_name": asked.routed,
            "gallery": access.connection,
            "repository": asked.model.repository,
            "reference": asked.model.reference,
            "vm_class": foundation.classes[asked.vm_class],
            "storage_class": storage_class(env.storage_policy(asked.storage_policy)),
            "replicas": asked.replicas,
            "labels": env.labels(persona="app-developer"),
            "platform": env.platform,
            **context.wait("ModelEndpoint"),  # type: ignore[typeddict-item]
        },
        pulumi.ResourceOptions(parent=phase, depends_on=[services.services.ready_services, access.login]),
    )
