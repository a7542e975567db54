"""What every phase is given: the environment, what it talks to, and the options that its resources share."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import pulumi
import pulumi_kubernetes as kubernetes

from pulumi_paif import vcf
from stacks.connections import Connections
from stacks.environment import Environment

_Value = TypeVar("_Value")


class Phase(pulumi.ComponentResource):
    """Groups the resources of one phase in the state and on the screen; it orders nothing."""

    def __init__(self, name: str, providers: list[pulumi.ProviderResource]) -> None:
        """Register the phase as paif:phase:<name>."""
        super().__init__(f"paif:phase:{name}", name, {}, pulumi.ResourceOptions(providers=providers))
        self.register_outputs({})


@dataclass(frozen=True)
class Context:
    """An environment, where it goes, and the providers of vCenter and Supervisor there."""

    env: Environment
    connections: Connections
    vcenter: vcf.Provider
    supervisor: kubernetes.Provider

    def phase(self, name: str) -> Phase:
        """What the resources of a phase are children of, from which they have their providers."""
        return Phase(name, [self.vcenter, self.supervisor])

    def kept(self, parent: pulumi.Resource) -> pulumi.ResourceOptions:
        """Options of what holds data or serves people: protected and retained where the environment says so."""
        return pulumi.ResourceOptions(
            parent=parent,
            protect=self.env.protection.protect,
            retain_on_delete=self.env.protection.retain,
        )

    def vsphere(self, parent: pulumi.Resource) -> pulumi.ResourceOptions:
        """Options with the vsphere provider, which is loaded only where something of it is made.

        Raises pulumi.RunError where it could not check vCenter's certificate.
        """
        return pulumi.ResourceOptions(parent=parent, providers=[self._vsphere])

    @cached_property
    def _vsphere(self) -> pulumi.ProviderResource:
        if self.connections.vcenter.ca and not os.environ.get("SSL_CERT_FILE"):
            raise pulumi.RunError(
                "The vsphere plugin makes workstations on route vsphere, content libraries and tags, and takes no "
                "CA bundle. Put the PEM of vCenter's authority into a file and export SSL_CERT_FILE with its path."
            )
        import pulumi_vsphere  # noqa: PLC0415 (a third of a second that other environments need not pay)

        return pulumi_vsphere.Provider(
            "vsphere",
            vsphere_server=self.connections.vcenter.server,
            user=self.connections.vcenter.username,
            password=pulumi.Output.secret(self.connections.vcenter.password.get_secret_value()),
        )

    def wait(self, kind: str, argument: str = "wait_for") -> dict[str, list[str]]:
        """The argument by which a component waits for other conditions than the catalogue's, if there are any."""
        key = self.env.baseline.condition_key(kind)
        return {argument: self.env.conditions[key]} if key in self.env.conditions else {}

    def licence(self, gpu_mode: str) -> dict[str, pulumi.Output[str]]:
        """Licence token and NGC key as secret arguments, in vGPU mode only."""
        env = self.env
        given = {"licence_token": env.licence_token, "ngc_api_key": env.ngc_api_key} if gpu_mode == "vgpu" else {}
        return {
            key: pulumi.Output.secret(value.get_secret_value()) for key, value in given.items() if value is not None
        }

    def described(self) -> str:
        """Text beside what carries no labels."""
        env = self.env
        return f"{env.organisation} {env.name}, owner {env.owner}, cost centre {env.cost_centre}"


def connect(env: Environment, connections: Connections) -> Context:
    """Declare the providers of vCenter and Supervisor."""
    vcenter = vcf.Provider(
        "vcenter",
        server=connections.vcenter.server,
        username=connections.vcenter.username,
        password=pulumi.Output.secret(connections.vcenter.password.get_secret_value()),
        ca_bundle=connections.vcenter.ca or None,
        kubeconfig=pulumi.Output.secret(connections.supervisor.kubeconfig.get_secret_value()),
    )
    kubeconfig = pulumi.Output.secret(connections.supervisor.kubeconfig.get_secret_value())
    supervisor = kubernetes_provider("supervisor", kubeconfig, connections.supervisor.name)
    return Context(env, connections, vcenter, supervisor)


def kubernetes_provider(
    name: str,
    kubeconfig: pulumi.Output[str],
    cluster: str,
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


def demanded(value: _Value | None, key: str) -> _Value:
    """A value that the configuration's rules demand, so that it is there.

    Raises pulumi.RunError where it is not: what is left out without an error is deleted.
    """
    if value is None:
        raise pulumi.RunError(f"{key} is missing, though something that this stack has cannot be without it")
    return value
