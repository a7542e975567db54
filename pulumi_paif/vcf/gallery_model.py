"""Resource vcf:index:GalleryModel.

Written by `python -m pulumi_resource_vcf.python_sdk`, from the schema of the provider: change it there.
"""

from __future__ import annotations

import pulumi
from pulumi import Input

from pulumi_paif.vcf.wire import VcfResource, output


class GalleryModel(VcfResource):
    """A model that must be in the gallery: resolves its digest, fails while it is missing. With customTimeouts.create
    it waits that long for the model to be pushed.

    Import id: REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@sha256:…, with VCF_GALLERY_USERNAME, VCF_GALLERY_PASSWORD
    and VCF_GALLERY_CA (a CA file) in the environment where the gallery needs them.
    """

    def __init__(
        self,
        resource_name: str,
        *,
        registry: Input[str],
        repository: Input[str],
        reference: Input[str],
        username: Input[str] | None = None,
        password: Input[str] | None = None,
        ca_bundle: Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Arguments:

        - `registry`: Host or host:port of the registry.
        - `repository`: project/…/model.
        - `reference`: Tag or digest.
        - `username`: User or robot account.
        - `password`: Its password or token.
        - `ca_bundle`: CA certificates as PEM text; the machine's CAs without it.
        """
        super().__init__(resource_name, locals(), opts, secrets=("password",), outputs=("digest", "ociRef"))

    @property
    def registry(self) -> pulumi.Output[str]:
        """Host or host:port of the registry."""
        return output(self, "registry")

    @property
    def repository(self) -> pulumi.Output[str]:
        """project/…/model."""
        return output(self, "repository")

    @property
    def reference(self) -> pulumi.Output[str]:
        """Tag or digest."""
        return output(self, "reference")

    @property
    def username(self) -> pulumi.Output[str]:
        """User or robot account."""
        return output(self, "username")

    @property
    def password(self) -> pulumi.Output[str]:
        """Its password or token."""
        return output(self, "password")

    @property
    def ca_bundle(self) -> pulumi.Output[str]:
        """CA certificates as PEM text; the machine's CAs without it."""
        return output(self, "caBundle")

    @property
    def digest(self) -> pulumi.Output[str]:
        """Digest of the manifest."""
        return output(self, "digest")

    @property
    def oci_ref(self) -> pulumi.Output[str]:
        """REGISTRY/REPOSITORY@DIGEST, which never changes its content."""
        return output(self, "ociRef")
