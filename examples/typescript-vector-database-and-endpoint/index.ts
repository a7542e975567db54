// Not run: see README.md.
import * as paif from "@pulumi/paif";
import * as pulumi from "@pulumi/pulumi";

const config = new pulumi.Config();

const namespace = new paif.AiNamespace("example-vectors", {
    supervisor: config.require("supervisor"),
    accessList: [{ subject: "mlops-engineers", domain: config.require("domain"), role: paif.NamespaceRole.EDIT }],
    storage: [{ policy: config.require("storagePolicy") }],
    vmClasses: ["best-effort-large", "best-effort-xlarge"],
});
const database = new paif.VectorDatabase("example-vectors-db", {
    namespace: namespace.name,
    create: {
        infrastructurePolicy: config.require("infrastructurePolicy"),
        storagePolicy: config.require("storagePolicy"),
    },
    caBundle: config.get("databaseCa"),
});
const gallery = new paif.ModelGalleryAccess("gallery", {
    namespace: namespace.name,
    registry: config.require("gallery"),
    username: config.require("galleryUsername"),
    password: config.requireSecret("galleryPassword"),
    caBundle: config.get("galleryCa"),
});
const services = new paif.PrivateAiServices("example-vectors-pais", {
    namespace: namespace.name,
    storageClass: namespace.storageClasses[0],
    controlPlaneClass: "best-effort-large",
    gpuMode: paif.GpuMode.NONE,
    oidc: { issuerUrl: config.require("oidcIssuer"), clientId: config.require("oidcClientId") },
    database: database.connection,
    authorizedGroups: ["mlops-engineers"],
});
const endpoint = new paif.ModelEndpoint("example-vectors-bge", {
    namespace: namespace.name,
    type: paif.EndpointType.EMBEDDINGS,
    gallery: gallery.connection,
    repository: config.require("repository"),
    reference: config.require("tag"),
    vmClass: "best-effort-xlarge",
    storageClass: namespace.storageClasses[0],
}, { dependsOn: [services] });

export const url = services.url;
export const model = endpoint.routingName;
