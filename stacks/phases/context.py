"""What every phase is given: the environment, what it talks to, and the options that its resources share."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import pulumi
import pulumi_kubernetes as kubernetes

from pulumi_paif import vcf
from pulumi_paif.cluster_provider import cluster_provider
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
        """The argument by which a component waits for other conditions than the catalog's, if there are any."""
        key = self.env.baseline.condition_key(kind)
        return {argument: self.env.conditions[key]} if key in self.env.conditions else {}

    def license(self, gpu_mode: str) -> dict[str, pulumi.Output[str]]:
        """License token and NGC key as secret arguments, in vGPU mode only."""
        env = self.env
        given = {"license_token": env.license_token, "ngc_api_key": env.ngc_api_key} if gpu_mode == "vgpu" else {}
        return {
            key: pulumi.Output.secret(value.get_secret_value()) for key, value in given.items() if value is not None
        }

    def described(self) -> str:
        """Text beside what carries no labels."""
        env = self.env
        return f"{env.organization} {env.name}, owner {env.owner}, cost center {env.cost_center}"


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
    supervisor = cluster_provider("supervisor", kubeconfig, connections.supervisor.name)
    return Context(env, connections, vcenter, supervisor)


def demanded(value: _Value | None, key: str) -> _Value:
    """A value that the configuration's rules demand, so that it is there.

    Raises pulumi.RunError where it is not: what is left out without an error is deleted.
    """
    if value is None:
        raise pulumi.RunError(f"{key} is missing, though something that this stack has cannot be without it")
    return value
