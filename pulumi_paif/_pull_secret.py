"""Secrets by which a cluster pulls images and models."""

from __future__ import annotations

import pulumi


def pull_secret_content(
    registry: pulumi.Input[str], username: pulumi.Input[str], password: pulumi.Input[str]
) -> pulumi.Output[str]:
    """Text of a kubernetes.io/dockerconfigjson Secret for one registry."""
    return pulumi.Output.secret(
        pulumi.Output.json_dumps({"auths": {registry: {"username": username, "password": password}}})
    )
