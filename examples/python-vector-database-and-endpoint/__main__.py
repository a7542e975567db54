"""A namespace with a vector database, Private AI Services on it, and an embeddings model that they serve."""

import pulumi

import pulumi_paif as paif

config = pulumi.Config()
gallery_ca, oidc_ca, database_ca = (config.get(name) for name in ("galleryCa", "oidcCa", "databaseCa"))

namespace = paif.AiNamespace(
    "example-vectors",
    {
        "supervisor": config.require("supervisor"),
        "access_list": [
            {
                "subject": "mlops-engineers",
                "domain": config.require("domain"),
                "role": paif.vcf.NamespaceRole.EDIT,
            }
        ],
        "storage": [{"policy": config.require("storagePolicy")}],
        "vm_classes": ["best-effort-large", "best-effort-xlarge"],
    },
)
database = paif.VectorDatabase(
    "example-vectors-db",
    {
        "namespace": namespace.name,
        "create": {
            "infrastructure_policy": config.require("infrastructurePolicy"),
            "storage_policy": config.require("storagePolicy"),
            "storage_gib": config.require_int("storageGib"),
        },
        "ca_bundle": database_ca,
    },
)
gallery = paif.ModelGalleryAccess(
    "gallery",
    {
        "namespace": namespace.name,
        "registry": config.require("gallery"),
        "username": config.require("galleryUsername"),
        "password": config.require_secret("galleryPassword"),
        "ca_bundle": gallery_ca,
    },
)
services = paif.PrivateAiServices(
    "example-vectors-pais",
    {
        "namespace": namespace.name,
        "storage_class": namespace.storage_classes[0],
        "control_plane_class": "best-effort-large",
        "gpu_mode": paif.GpuMode.NONE,
        "oidc": {"issuer_url": config.require("oidcIssuer"), "client_id": config.require("oidcClientId")},
        "database": database.connection,
        "authorized_groups": ["mlops-engineers"],
        "ca_bundles": {
            name: pem for name, pem in {"gallery": gallery_ca, "oidc": oidc_ca, "database": database_ca}.items() if pem
        },
    },
)
endpoint = paif.ModelEndpoint(
    "example-vectors-bge",
    {
        "namespace": namespace.name,
        "type": paif.EndpointType.EMBEDDINGS,
        "gallery": gallery.connection,
        "repository": config.require("repository"),
        "reference": config.require("tag"),
        "vm_class": "best-effort-xlarge",
        "storage_class": namespace.storage_classes[0],
    },
    pulumi.ResourceOptions(depends_on=[services]),
)

pulumi.export("url", services.url)
pulumi.export("model", endpoint.routing_name)
pulumi.export("database", database.connection)
