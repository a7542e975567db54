"""Phase workstations: Deep Learning VMs, by the VM Service or on a host of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from pulumi_paif import vcf
from pulumi_paif.ai_namespace import image_name
from pulumi_paif.deep_learning_vm import DeepLearningVm, DeepLearningVmArgs, VmServiceArgs, VspherePlacementArgs
from pulumi_paif.enums import Persona
from pulumi_paif.shared_readiness import SharedReadiness
from stacks.environment import storage_class
from stacks.environment.sections.workstations import VspherePlacement, Workstation
from stacks.machines import StaleMachines
from stacks.phases.context import Context, Phase, demanded
from stacks.phases.foundation import Foundation

_WAITED_FOR_ALONE = 8
"""So many machines have a readiness each, by which one that fails holds back no other's address. More share one.

The engine of the smallest runner, with two processors, runs so many operations at a time, and each wait is one of them.
"""


@dataclass(frozen=True)
class Workstations:
    """Machines by their names in the environment."""

    machines: Mapping[str, DeepLearningVm]


@dataclass(frozen=True)
class _Shared:
    """What the machines have in common: their image, and for those of the VM Service what the namespace has of it."""

    image: pulumi.Input[str]
    contents: vcf.NamespaceContents | None
    readiness: SharedReadiness | None


def declare(context: Context, foundation: Foundation, image_items: Mapping[str, str]) -> Workstations:
    """Declare the phase. `image_items` are ids of the image library's items by their names, as far as it is there."""
    env, phase = context.env, context.phase("workstations")
    shared = _shared(context, foundation, image_items, phase)
    rotation = StaleMachines()
    machines: dict[str, DeepLearningVm] = {}
    for asked in env.workstations:
        machines[asked.name] = made = _workstation(context, foundation, shared, asked, phase)
        rotation.add(asked, made)
    if shared.readiness:
        shared.readiness.wait(f"{env.named('workstation', 'all')}-ready", pulumi.ResourceOptions(parent=phase))
    rotation.warn()
    return Workstations(machines)


def _shared(context: Context, foundation: Foundation, image_items: Mapping[str, str], phase: Phase) -> _Shared:
    env = context.env
    image: pulumi.Input[str] = env.content.dlvm_image
    item: pulumi.Input[str] | None = image_items.get(env.content.dlvm_image)
    if library := foundation.libraries.get(env.content.dlvm_library):
        made_of = library.item(image)
        image, item = made_of.apply(lambda found: found.name), made_of.apply(lambda found: found.id)
    served = [each for each in env.workstations if each.vsphere is None]
    if not served:
        return _Shared(image, None, None)
    contents = foundation.contents(
        context,
        "workstations",
        phase,
        [each.vm_class for each in served],
        [each.storage_policy for each in served],
        [vcf.AwaitedImage(name=image, item_id=item)],
    )
    return _Shared(image, contents, SharedReadiness(env.platform) if len(served) > _WAITED_FOR_ALONE else None)


def _workstation(
    context: Context, foundation: Foundation, shared: _Shared, asked: Workstation, phase: Phase
) -> DeepLearningVm:
    name = context.env.full_name(asked)
    args = _args(context, shared, asked)
    if asked.vsphere is not None:
        args["vsphere"] = _on_vsphere(context, foundation, asked, asked.vsphere)
        return DeepLearningVm(name, args, context.vsphere(phase))
    args["vm_service"] = _on_the_vm_service(context, foundation, shared, asked)
    return DeepLearningVm(name, args, pulumi.ResourceOptions(parent=phase), shared.readiness)


def _args(context: Context, shared: _Shared, asked: Workstation) -> DeepLearningVmArgs:
    """Arguments on any route."""
    env = context.env
    password = env.workstation_password
    args: DeepLearningVmArgs = {
        "persona": Persona(asked.persona),
        "image": shared.image,
        "platform": env.platform,
        "password": pulumi.Output.secret(password.get_secret_value() if password else ""),
        **context.license(env.gpu.mode),  # type: ignore[typeddict-item]
        "public_key": asked.public_key or None,
    }
    if asked.proxy is not None:
        args["proxy"] = {
            "http": asked.proxy.http or None,
            "https": asked.proxy.https or None,
            "no_proxy": list(asked.proxy.no_proxy),
        }
    return args


def _on_vsphere(
    context: Context, foundation: Foundation, asked: Workstation, place: VspherePlacement
) -> VspherePlacementArgs:
    env = context.env
    size, library = env.vm_class(asked.vm_class), foundation.libraries.get(env.content.dlvm_library)
    return {
        "datacenter": place.datacenter,
        "host": place.host,
        "datastore": place.datastore,
        "network": place.network,
        "ovf_network": place.ovf_network,
        "pci_device": place.pci_device,
        "content_library": library.name if library else env.content.dlvm_library,
        "cpu_count": size.cpu_count,
        "memory_mib": size.memory_mib,
        "disk_gib": place.disk_gib,
        "guest_id": place.guest_id,
        "gpu_model": env.gpu.model,
        "tags": [*foundation.tags.of(env.facts(persona=asked.persona))] if foundation.tags is not None else None,
    }


def _on_the_vm_service(context: Context, foundation: Foundation, shared: _Shared, asked: Workstation) -> VmServiceArgs:
    env, contents = context.env, demanded(shared.contents, "paif:namespace")
    return {
        "namespace": contents.namespace,
        "image_id": image_name(contents, shared.image),
        "vm_class": foundation.classes[asked.vm_class],
        "storage_class": storage_class(env.storage_policy(asked.storage_policy)),
        "labels": env.labels(persona=asked.persona),
        "renewal": asked.renewal or None,
        **context.wait("VirtualMachine"),  # type: ignore[typeddict-item]
        **context.wait("VirtualMachineService", "access_wait_for"),
    }
