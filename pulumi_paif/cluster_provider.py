"""Providers of what is in a Kubernetes cluster."""

import pulumi
import pulumi_kubernetes as kubernetes


def cluster_provider(
    name: str,
    kubeconfig: pulumi.Input[str],
    cluster: pulumi.Input[str],
    helm: kubernetes.HelmReleaseSettingsArgs | None = None,
    opts: pulumi.ResourceOptions | None = None,
) -> kubernetes.Provider:
    """Declare a provider of what is in a cluster, which is known by the name `cluster` whatever its address is."""
    return kubernetes.Provider(
        name,
        kubeconfig=kubeconfig,
        # Otherwise a new address or CA of the same cluster replaces everything on it.
        cluster_identifier=cluster,
        # Otherwise a Secret with new content is deleted and made again, and missing in between.
        enable_secret_mutable=True,
        # Whatever a shell has exported: what does not answer is not gone, and stays in the state.
        delete_unreachable=False,
        helm_release_settings=helm,
        opts=opts,
    )
