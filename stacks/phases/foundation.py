"""Phase foundation: VM classes, content libraries, tags, and the Supervisor namespace that may use them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pulumi

import paif_catalog as catalog
from pulumi_paif import vcf
from pulumi_paif.ai_namespace import AccessArgs, AiNamespace, AiNamespaceArgs, StorageArgs
from pulumi_paif.content_library import ContentLibrary, ContentLibraryArgs, SubscriptionArgs
from pulumi_paif.cpu_vm_class import CpuVmClass, CpuVmClassArgs
from pulumi_paif.gpu_vm_class import GpuVmClass, GpuVmClassArgs
from pulumi_paif.vsphere_tags import VsphereTags
from stacks.environment import storage_class
from stacks.environment.sections.content import ContentLibrary as Library
from stacks.environment.sections.namespace import Access
from stacks.environment.sections.vm_classes import VmClass
from stacks.phases.context import Context, Phase


@dataclass(frozen=True)
class Foundation:
    """What everything else stands on: the namespace's name, and by their names in the environment what it may use.

    `classes` are the names of VM classes in vCenter, `libraries` those that are made here; `tags` is None where no
    machine carries any.
    """

    namespace: pulumi.Output[str]
    classes: Mapping[str, pulumi.Input[str]]
    libraries: Mapping[str, ContentLibrary]
    tags: VsphereTags | None

    def contents(
        self,
        context: Context,
        name: str,
        phase: Phase,
        classes: Iterable[str],
        policies: Iterable[str | None],
        images: Sequence[vcf.AwaitedImage] = (),
    ) -> vcf.NamespaceContents:
        """Wait until the namespace has what objects of a phase name: the platform refuses what comes earlier.

        Once for a whole phase, and for each by itself: an image that does not come holds back no database. `classes`
        and `policies` are as the environment calls them; no policy means the namespace's first.
        """
        env = context.env
        return vcf.NamespaceContents(
            env.named("namespace", name),
            namespace=self.namespace,
            vm_classes=[self.classes[each] for each in sorted(set(classes))],
            storage_classes=sorted({storage_class(env.storage_policy(each)) for each in policies}),
            images=images or None,
            opts=pulumi.ResourceOptions(parent=phase),
        )


def declare(context: Context, device_ids: Sequence[str]) -> Foundation:
    """Declare the phase. `device_ids` are the PCI device ids of the environment's GPU model that the hosts have."""
    env, phase = context.env, context.phase("foundation")
    classes: dict[str, pulumi.Input[str]] = {}
    for vm_class in env.vm_classes:
        if vm_class.existing:
            classes[vm_class.name] = vm_class.name
            continue
        classes[vm_class.name] = _vm_class(context, vm_class, device_ids, pulumi.ResourceOptions(parent=phase))
    libraries = {library.name: _content_library(context, library, phase) for library in env.content_libraries}
    tags = _tags(context, phase)
    for name in env.used_vm_classes():
        classes.setdefault(name, name)
    return Foundation(_namespace(context, classes, libraries, phase), classes, libraries, tags)


def _namespace(
    context: Context, classes: Mapping[str, pulumi.Input[str]], libraries: Mapping[str, ContentLibrary], phase: Phase
) -> pulumi.Output[str]:
    env = context.env
    storage: list[StorageArgs] = [
        {"policy": entry.policy, "limit_mib": entry.limit_mib} for entry in env.namespace.storage
    ]
    args: AiNamespaceArgs = {
        "name": env.namespace.name,
        "supervisor": env.supervisor.name,
        "description": context.described(),
        "access_list": [_access(entry) for entry in env.namespace.access_list],
        "storage": storage,
        "vm_classes": list(classes.values()),
        "content_libraries": [
            libraries[name].library_id if name in libraries else name
            for name in dict.fromkeys((env.content.dlvm_library, env.content.kubernetes_library))
        ],
        "adopt": env.namespace.adopt,
        # Each phase waits for what it needs, and for nothing else.
        "await_contents": False,
        "exclusive": True if env.namespace.exclusive else None,
    }
    return AiNamespace(env.namespace.name, args, context.kept(phase)).name


def _access(entry: Access) -> AccessArgs:
    return {
        "subject_type": vcf.SubjectType(entry.subject_type),
        "subject": entry.subject,
        "domain": entry.domain,
        "role": vcf.NamespaceRole(entry.role),
        "identity_provider": entry.identity_provider,
    }


def _content_library(context: Context, asked: Library, phase: Phase) -> ContentLibrary:
    env = context.env
    args: ContentLibraryArgs = {
        "datacenter": asked.datacenter,
        "datastore": asked.datastore,
    }
    if asked.subscription is not None:
        url: pulumi.Input[str] = asked.subscription.url
        if "{token}" in asked.subscription.url and env.library_token is not None:
            url = pulumi.Output.secret(asked.subscription.url.replace("{token}", env.library_token.get_secret_value()))
        subscription: SubscriptionArgs = {
            "url": url,
            "on_demand": asked.subscription.on_demand,
            "automatic_sync": asked.subscription.automatic_sync,
        }
        if asked.subscription.username is not None and env.library_password is not None:
            subscription["username"] = asked.subscription.username
            subscription["password"] = pulumi.Output.secret(env.library_password.get_secret_value())
        args["subscription"] = subscription
    options = pulumi.ResourceOptions.merge(context.kept(phase), context.vsphere(phase))
    return ContentLibrary(asked.name, args, options)


def _tags(context: Context, phase: Phase) -> VsphereTags | None:
    """Tags of vCenter, where this environment makes some or a machine carries them."""
    env, asked = context.env, context.env.vsphere_tags
    carried = any(workstation.route == "vsphere" for workstation in env.workstations)
    if asked is None or not (carried or asked.create_categories or asked.create):
        return None
    tags = env.tags()
    return VsphereTags(
        f"{env.organization}-{env.name}-tags",
        {
            "categories": {key: asked.category(key) for key in tags},
            "create_categories": asked.create_categories,
            "create": {key: tags[key] for key in asked.create},
        },
        pulumi.ResourceOptions.merge(context.kept(phase), context.vsphere(phase)),
    )


def _vm_class(
    context: Context, asked: VmClass, device_ids: Sequence[str], options: pulumi.ResourceOptions
) -> pulumi.Output[str]:
    env, name = context.env, context.env.vm_class_name(asked.name)
    args: CpuVmClassArgs = {
        "cpu_count": asked.cpu_count,
        "memory_mib": asked.memory_mib,
        "description": context.described(),
    }
    if not asked.has_gpu:
        return CpuVmClass(name, args, options).name
    gpu: GpuVmClassArgs = {**args}  # type: ignore[typeddict-item]
    if asked.profile is not None:
        gpu["vgpu"] = {"profiles": [asked.profile]}
    else:
        gpu["directpath"] = {
            "gpu_model": env.gpu.model,
            "gpu_count": asked.gpus,
            # No host need have the GPUs of a class that nothing uses.
            "device_id": asked.device_id or [*device_ids, *catalog.gpus().gpus[env.gpu.model].device_ids][0],
            "device_label": asked.label,
        }
    return GpuVmClass(name, gpu, options).name
