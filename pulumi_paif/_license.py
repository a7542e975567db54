"""The license of vGPUs, as NVIDIA's driver reads it."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as kubernetes

from pulumi_paif._arguments import Labels
from pulumi_paif._component import Component, hashed_name


def license_config_map(
    component: Component,
    name: str,
    *,
    prefix: str,
    namespace: pulumi.Input[str],
    labels: Labels | None,
    token: pulumi.Input[str],
) -> kubernetes.core.v1.ConfigMap:
    """A ConfigMap with a client configuration token, below the component `name`.

    Its own name is `prefix` and a hash of the token: who reads it notices a new one by the name only.
    """
    return kubernetes.core.v1.ConfigMap(
        f"{name}-license",
        metadata={"name": hashed_name(prefix, token), "namespace": namespace, "labels": labels},
        data=pulumi.Output.secret({"gridd.conf": "FeatureType=1", "client_configuration_token.tok": token}),
        opts=component.replaceable(additional_secret_outputs=["data"], aliases=[pulumi.Alias(name=f"{name}-licence")]),
    )
