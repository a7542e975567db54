"""The program: an environment's resources, phase by phase, ordered by what really depends on what.

Outputs of a stack, each only when its phase is built:

    environment       name, kind, target, organisation, owner, costCentre, gpuMode, namespace
    versions          deployed: baseline, pais, dlvm, database, pgvector, clusters {name: kubernetes, gpuOperator}
    dataScientist     workstations {name: address, ssh, jupyter, owner, firstBoot, password (secret)}, login {user}
                      (their models are appDeveloper's: a model that fails must not hold back a machine's address)
    mlopsEngineer     workstations and login; gallery {registry, username, password (secret), caBundle};
                      models {name: digest, routingName, type}
    appDeveloper      baseUrl (OpenAI-compatible), caBundle, models {name: routingName}, oidc {issuer, clientId}:
                      no machine, no password
    database          host, port, name, username, password (secret), caBundle, pgvector, passwordSecret
    clusters          {name: kubeconfig (secret), gpuOperator}

Its process's variables: PAIF_UNTIL, the last phase to build, from `./paif` only; PAIF_GPU_INVENTORY, a file for the GPU
hosts it found; PAIF_PROBLEMS, a file for what the infrastructure cannot hold; PAIF_OUTPUTS, names of outputs
that the stack has already; PAIF_DEBUG, which lets the SDK's debug messages through.
"""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pulumi
import pulumi_kubernetes as kubernetes

import catalog
from components import vcf
from components._component import SharedReadiness, pull_secret_content
from components.ai_namespace import AccessArgs, AiNamespace, AiNamespaceArgs, StorageArgs, image_name
from components.content_library import ContentLibrary, ContentLibraryArgs
from components.cpu_vm_class import CpuVmClass, CpuVmClassArgs
from components.deep_learning_vm import DeepLearningVm, DeepLearningVmArgs
from components.gpu_cluster import GpuCluster, GpuClusterArgs, NodePoolArgs
from components.gpu_operator import GpuOperator, GpuOperatorArgs
from components.gpu_vm_class import GpuVmClass, GpuVmClassArgs
from components.model_endpoint import ModelEndpoint
from components.private_ai_services import PrivateAiServices, PrivateAiServicesArgs
from components.vector_database import VectorDatabase, VectorDatabaseArgs
from components.vsphere_tags import VsphereTags
from stacks import charts, kept, sdk
from stacks.endpoints import Endpoints
from stacks.environment import Access, Cluster, Database, Environment, VmClass, Workstation, storage_class
from stacks.environment import ContentLibrary as Library
from stacks.machines import StaleMachines
from stacks.preflight import look_ahead
from stacks.problems import nearest, write_problems

PHASES: dict[str, tuple[str, ...]] = {
    "foundation": (),
    "data": ("foundation",),
    "ai-services": ("data",),
    "endpoints": ("ai-services",),
    "workstations": ("foundation",),
    "clusters": ("foundation",),
}
"""Phases, each with those it needs. Environment variable PAIF_UNTIL names the last one that is wanted."""

_WAITED_FOR_ALONE = 8
"""So many machines have a readiness each, by which one that fails holds back no other's address. More share one.

The engine of the smallest runner, with two processors, runs so many operations at a time, and each wait is one of them.
"""
_MIB_PER_GIB = 1024
_OPENAI_PATH = "/api/v1/compatibility/openai/v1"


def wanted_phases(until: str) -> set[str]:
    """The phases that a run up to `until` builds: that one and all it needs; "" means all. Raises pulumi.RunError."""
    if not until:
        return set(PHASES)
    if until not in PHASES:
        near = nearest(until, PHASES)
        hint = f" (did you mean {near!r}?)" if near else ""
        raise pulumi.RunError(f"PAIF_UNTIL is {until!r}: expected one of {', '.join(PHASES)}{hint}")
    found = {until}
    for needed in PHASES[until]:
        found |= wanted_phases(needed)
    return found


class Phase(pulumi.ComponentResource):
    """Groups the resources of one phase in the state and on the screen; it orders nothing."""

    def __init__(self, name: str, providers: list[pulumi.ProviderResource]) -> None:
        """Register the phase as paif:phase:<name>."""
        super().__init__(f"paif:phase:{name}", name, {}, pulumi.ResourceOptions(providers=providers))
        self.register_outputs({})


@dataclass
class Program:
    """One run: what the phases hand to each other, and the stack's outputs."""

    env: Environment
    ends: Endpoints
    providers: list[pulumi.ProviderResource] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, Any] = field(default_factory=dict)
    namespace: pulumi.Input[str] = ""
    classes: dict[str, pulumi.Input[str]] = field(default_factory=dict)
    device_ids: list[str] = field(default_factory=list)
    libraries: dict[str, ContentLibrary] = field(default_factory=dict)
    image: pulumi.Input[str] = ""
    image_items: dict[str, str] = field(default_factory=dict)
    machine_contents: vcf.NamespaceContents | None = None
    tags: VsphereTags | None = None
    database: VectorDatabase | None = None
    services: PrivateAiServices | None = None

    def build(self, until: str = "") -> dict[str, Any]:
        """Declare all wanted resources; returns the stack's outputs. Raises pulumi.RunError for what cannot work."""
        env, phases = self.env, wanted_phases(until)
        self._connect()
        # The first look-up waits until its plugin is there; the largest import of every program fits into that.
        ahead = threading.Thread(target=importlib.import_module, args=("pulumi_kubernetes.core.v1",), daemon=True)
        ahead.start()
        self._look_ahead(phases)
        ahead.join()
        self.versions |= {"baseline": catalog.versions().baseline}
        self._foundation()
        if "data" in phases and env.database is not None:
            self._data()
        if "ai-services" in phases and env.ai_services is not None:
            self._ai_services()
        if "endpoints" in phases and env.model_endpoints:
            self._endpoints()
        if "workstations" in phases and env.workstations:
            self._workstations()
        if "clusters" in phases and env.clusters:
            self._clusters()
        self.outputs["environment"] = {
            "name": env.name,
            "kind": env.kind,
            "target": env.target,
            "organisation": env.organisation,
            "owner": env.owner,
            "costCentre": env.cost_centre,
            "gpuMode": env.gpu.mode,
            "namespace": self.namespace,
        }
        self.outputs["versions"] = self.versions
        return self.outputs

    def _connect(self) -> None:
        ends = self.ends
        self.vcenter = vcf.Provider(
            "vcenter",
            server=ends.vcenter.server,
            username=ends.vcenter.username,
            password=pulumi.Output.secret(ends.vcenter.password.get_secret_value()),
            ca_bundle=ends.vcenter.ca or None,
            kubeconfig=pulumi.Output.secret(ends.supervisor.kubeconfig.get_secret_value()),
        )
        supervisor = kubernetes.Provider(
            "supervisor",
            kubeconfig=pulumi.Output.secret(ends.supervisor.kubeconfig.get_secret_value()),
            # Otherwise a new address or CA of the same Supervisor replaces everything on it.
            cluster_identifier=ends.supervisor.name,
            # Otherwise a Secret with new content is deleted and made again, and missing in between.
            enable_secret_mutable=True,
            # Whatever a shell has exported: what does not answer is not gone, and stays in the state.
            delete_unreachable=False,
        )
        self.providers = [self.vcenter, supervisor]

    def _phase(self, name: str) -> Phase:
        return Phase(name, self.providers)

    def _look_ahead(self, phases: set[str]) -> None:
        """What must be there first: what is named, hosts with room. Raises pulumi.RunError with all that is not.

        Found at preview, each at its place: the platform would tell of the first one only, and in the middle of a run.
        """
        ahead = look_ahead(self.env, self.ends, phases, pulumi.InvokeOptions(provider=self.vcenter))
        self.device_ids, self.image_items = ahead.device_ids, ahead.image_items
        if ahead.problems:
            if file := os.environ.get("PAIF_PROBLEMS"):
                write_problems(Path(file), ahead.problems)
            lines = "\n".join(f"  {problem.message}" for _, problem in ahead.problems)
            told = f"The infrastructure cannot hold stack {self.env.name}; nothing was created:\n{lines}"
            raise pulumi.RunError(told)
        ahead.warn()

    def _kept(self, parent: pulumi.Resource) -> pulumi.ResourceOptions:
        """Options of what holds data or serves people: protected and retained where the environment says so."""
        return pulumi.ResourceOptions(
            parent=parent,
            protect=self.env.protection.protect,
            retain_on_delete=self.env.protection.retain,
        )

    def _foundation(self) -> None:
        env, phase = self.env, self._phase("foundation")
        for vm_class in env.vm_classes:
            if vm_class.existing:
                self.classes[vm_class.name] = vm_class.name
                continue
            self.classes[vm_class.name] = self._vm_class(vm_class, pulumi.ResourceOptions(parent=phase))
        for library in env.content_libraries:
            self.libraries[library.name] = self._content_library(library, phase)
        self._tags(phase)
        storage: list[StorageArgs] = []
        for entry in env.namespace.storage:
            limit: StorageArgs = {"policy": entry.policy}
            if entry.limit_gib is not None:
                limit["limit_mib"] = entry.limit_gib * _MIB_PER_GIB
            storage.append(limit)
        for name in env.used_vm_classes():
            self.classes.setdefault(name, name)
        args: AiNamespaceArgs = {
            "namespace": env.namespace.name,
            "supervisor": env.supervisor.name,
            "description": self._described(),
            "access_list": [_access(entry) for entry in env.namespace.access_list],
            "storage": storage,
            "vm_classes": list(self.classes.values()),
            "content_libraries": [
                self.libraries[name].library_id if name in self.libraries else name
                for name in dict.fromkeys((env.content.dlvm_library, env.content.kubernetes_library))
            ],
            "adopt": env.namespace.adopt,
        }
        if env.namespace.exclusive:
            args["exclusive"] = True
        self.namespace = AiNamespace(env.namespace.name, args, self._kept(phase)).namespace

    def _content_library(self, asked: Library, phase: Phase) -> ContentLibrary:
        env = self.env
        args: ContentLibraryArgs = {
            "library_name": asked.name,
            "datacenter": asked.datacenter,
            "datastore": asked.datastore,
        }
        if asked.subscription is not None:
            args["subscription_url"] = asked.subscription.url
            if "{token}" in asked.subscription.url and env.library_token is not None:
                address = asked.subscription.url.replace("{token}", env.library_token.get_secret_value())
                args["subscription_url"] = pulumi.Output.secret(address)
            args["on_demand"], args["automatic_sync"] = asked.subscription.on_demand, asked.subscription.automatic_sync
            if asked.subscription.username is not None and env.library_password is not None:
                args["username"] = asked.subscription.username
                args["password"] = pulumi.Output.secret(env.library_password.get_secret_value())
        options = pulumi.ResourceOptions.merge(self._kept(phase), self._vsphere_options(phase))
        return ContentLibrary(asked.name, args, options)

    def _tags(self, phase: Phase) -> None:
        """Tags of vCenter, where this environment makes some or a machine carries them."""
        env, asked = self.env, self.env.vsphere_tags
        carried = any(workstation.route == "vsphere" for workstation in env.workstations)
        if asked is None or not (carried or asked.create_categories or asked.create):
            return
        tags = env.tags()
        self.tags = VsphereTags(
            f"{env.organisation}-{env.name}-tags",
            {
                "categories": {key: asked.category(key) for key in tags},
                "create_categories": asked.create_categories,
                "create": {key: tags[key] for key in asked.create},
            },
            pulumi.ResourceOptions.merge(self._kept(phase), self._vsphere_options(phase)),
        )

    def _vm_class(self, asked: VmClass, options: pulumi.ResourceOptions) -> pulumi.Output[str]:
        env = self.env
        args: CpuVmClassArgs = {
            "class_name": env.vm_class_name(asked.name),
            "cpu_count": asked.cpu_count,
            "memory_mib": asked.memory_gib * _MIB_PER_GIB,
            "description": self._described(),
        }
        name = env.vm_class_name(asked.name)
        if not asked.has_gpu:
            return CpuVmClass(name, args, options).class_name
        gpu: GpuVmClassArgs = {**args}  # type: ignore[typeddict-item]
        if asked.profile is not None:
            gpu["vgpu_profiles"] = [asked.profile]
        else:
            gpu["gpu_model"], gpu["gpu_count"] = env.gpu.model, asked.gpus
            # No host need have the GPUs of a class that nothing uses.
            gpu["device_id"] = asked.device_id or [*self.device_ids, *catalog.gpus().gpus[env.gpu.model].device_ids][0]
            if asked.label is not None:
                gpu["device_label"] = asked.label
        return GpuVmClass(name, gpu, options).class_name

    def _described(self) -> str:
        """Text beside what carries no labels."""
        env = self.env
        return f"{env.organisation} {env.name}, owner {env.owner}, cost centre {env.cost_centre}"

    def _wait(self, key: str, argument: str = "wait_for") -> dict[str, list[str]]:
        """The argument by which a component waits for other conditions than the catalogue's, if there are any."""
        return {argument: self.env.conditions[key]} if key in self.env.conditions else {}

    def _data(self) -> None:
        env, asked, phase = self.env, self.env.database, self._phase("data")
        assert asked is not None  # noqa: S101 (the caller's condition)
        args: VectorDatabaseArgs = {
            "cluster_name": asked.existing or env.named("database", asked.name),
            "namespace": self.namespace,
            "labels": env.labels(),
        }
        if self.ends.database_ca:
            args["ca_bundle"] = self.ends.database_ca
        password = pulumi.Output.secret(env.database_password.get_secret_value()) if env.database_password else None
        if asked.existing is not None:
            args["existing"] = True
        elif asked.external is not None:
            assert password is not None  # noqa: S101 (the configuration demands it)
            args["external"] = {
                "host": asked.external.host,
                "port": asked.external.port,
                "database": asked.external.database,
                "username": asked.external.username,
                "password": password,
            }
        else:
            contents = self._contents("database", phase, [asked.vm_class], [asked.storage_policy])
            args |= self._created_database(asked)
            args["namespace"] = contents.namespace
            if password is not None:
                args["admin_password"] = password
        options = self._kept(phase) if asked.created else pulumi.ResourceOptions(parent=phase)
        self.database = made = VectorDatabase(str(args["cluster_name"]), args, options)
        self.outputs["database"] = {
            "host": made.host,
            "port": made.port,
            "name": made.database_name,
            "username": made.username,
            "password": made.password,
            "passwordSecret": made.password_secret,
            "caBundle": self.ends.database_ca,
            "pgvector": made.extension_version,
        }
        if asked.external is None:
            self.versions["database"] = made.version
        self.versions["pgvector"] = made.extension_version

    def _created_database(self, asked: Database) -> VectorDatabaseArgs:
        env = self.env
        args: dict[str, Any] = {
            "infrastructure_policy": asked.infrastructure_policy,
            "storage_policy": env.storage_policy(asked.storage_policy),
            "vm_class": self.classes[asked.vm_class],
            "storage_gib": asked.storage_gib,
            "database_name": asked.database_name,
            "admin_username": asked.admin_username,
            "high_availability": asked.high_availability,
            "maintenance_day": asked.maintenance.start_day,
            "maintenance_time": asked.maintenance.start_time,
            "maintenance_duration": asked.maintenance.duration,
            **self._wait("databases.dataservices.vmware.com/v1alpha1/PostgresCluster"),
        }
        if asked.version is not None:
            args["version"] = asked.version
        if asked.backup is not None:
            args["backup_location"] = asked.backup.location
            args["backup_retention_days"] = asked.backup.retention_days
        return cast(VectorDatabaseArgs, args)

    def _ai_services(self) -> None:
        env, ends, asked, database = self.env, self.ends, self.env.ai_services, self.database
        assert asked is not None  # noqa: S101 (the caller's condition)
        assert database is not None  # noqa: S101 (the configuration demands it, and the phase comes after)
        assert ends.oidc is not None  # noqa: S101 (the configuration demands it)
        phase = self._phase("ai-services")
        gpu_mode = env.gpu.mode if self._serves_on_gpus() else "none"
        bundles = {
            "oidc": ends.oidc.ca,
            "database": ends.database_ca,
            "gallery": ends.gallery.ca if ends.gallery else "",
        }
        contents = self._contents(
            "services",
            phase,
            [asked.control_plane_class, *(each.vm_class for each in env.model_endpoints)],
            [asked.storage_policy, *(each.storage_policy for each in env.model_endpoints)],
        )
        args: PrivateAiServicesArgs = {
            "namespace": contents.namespace,
            "namespace_name": env.namespace.name,
            "storage_class": storage_class(env.storage_policy(asked.storage_policy)),
            "control_plane_class": self.classes[asked.control_plane_class],
            "gpu_mode": gpu_mode,
            "oidc_issuer_url": ends.oidc.issuer,
            "oidc_client_id": ends.oidc.client_id,
            "authorized_groups": list(asked.authorized_groups),
            "database_host": pulumi.Output.all(database.host, database.port).apply(_host_and_port),
            "database_name": database.database_name,
            "database_username": database.username,
            "database_password_secret": database.password_secret,
            "trust_bundles": {name: pem for name, pem in bundles.items() if pem},
            "labels": env.labels(),
            **self._licence(gpu_mode),  # type: ignore[typeddict-item]
            **self._wait("pais.vmware.com/v1alpha1/PAISConfiguration"),
        }
        # After the extension: PAIS keeps vectors in the database from its first moment.
        options = pulumi.ResourceOptions(parent=phase, depends_on=[database.extension])
        self.services = PrivateAiServices(env.named("namespace", "pais"), args, options)
        self.outputs["appDeveloper"] = {
            "baseUrl": self.services.url.apply(lambda url: url and f"{url}{_OPENAI_PATH}"),
            "caBundle": self.services.ca_bundle,
            "oidc": {"issuer": ends.oidc.issuer, "clientId": ends.oidc.client_id},
            "models": {},
        }
        self.versions["pais"] = catalog.versions()["pais"].version

    def _serves_on_gpus(self) -> bool:
        return any(self.env.vm_class(endpoint.vm_class).has_gpu for endpoint in self.env.model_endpoints)

    def _licence(self, gpu_mode: str) -> dict[str, pulumi.Output[str]]:
        """Licence token and NGC key as secret arguments, in vGPU mode only."""
        env = self.env
        given = {"licence_token": env.licence_token, "ngc_api_key": env.ngc_api_key} if gpu_mode == "vgpu" else {}
        return {
            key: pulumi.Output.secret(value.get_secret_value()) for key, value in given.items() if value is not None
        }

    def _endpoints(self) -> None:
        env, gallery, services, phase = self.env, self.ends.gallery, self.services, self._phase("endpoints")
        assert gallery is not None  # noqa: S101 (the configuration demands it)
        assert services is not None  # noqa: S101 (the configuration demands it)
        password = pulumi.Output.secret(gallery.password.get_secret_value())
        login = vcf.GalleryLogin(
            "gallery-login",
            registry=gallery.host,
            username=gallery.username,
            password=password,
            ca_bundle=gallery.ca or None,
            opts=pulumi.ResourceOptions(parent=phase, provider=self.vcenter),
        )
        pull = kubernetes.core.v1.Secret(
            "gallery-pull",
            metadata={"name": "gallery-pull", "namespace": self.namespace, "labels": env.labels()},
            type="kubernetes.io/dockerconfigjson",
            string_data={".dockerconfigjson": pull_secret_content(gallery.host, gallery.username, password)},
            opts=pulumi.ResourceOptions(parent=phase, depends_on=[login]),
        )
        models = {}
        for asked in env.model_endpoints:
            name = env.named("endpoint", asked.name)
            models[asked.name] = made = ModelEndpoint(
                name,
                {
                    "endpoint_name": name,
                    "namespace": self.namespace,
                    "type": asked.type,
                    "engine": asked.engine,
                    "routing_name": asked.routed,
                    "registry": gallery.host,
                    "repository": asked.model.repository,
                    "reference": asked.model.reference,
                    "registry_username": gallery.username,
                    "registry_password": password,
                    "registry_ca_bundle": gallery.ca,
                    "pull_secret": pull.metadata["name"],
                    "vm_class": self.classes[asked.vm_class],
                    "storage_class": storage_class(env.storage_policy(asked.storage_policy)),
                    "replicas": asked.replicas,
                    "labels": env.labels(persona="app-developer"),
                    **self._wait("pais.vmware.com/v1alpha1/ModelEndpoint"),  # type: ignore[typeddict-item]
                },
                pulumi.ResourceOptions(parent=phase, depends_on=[services.ready_services, login]),
            )
            self.outputs["appDeveloper"]["models"][asked.name] = made.routing_name
        self.outputs.setdefault("mlopsEngineer", {})["models"] = {
            asked.name: {
                "digest": models[asked.name].digest,
                "routingName": models[asked.name].routing_name,
                "type": asked.type,
            }
            for asked in env.model_endpoints
        }
        self.outputs["mlopsEngineer"]["gallery"] = {
            "registry": gallery.host,
            "username": gallery.username,
            # A password that nobody can log in with is told to nobody.
            "password": pulumi.Output.all(password, login.id).apply(lambda found: str(found[0])),
            "caBundle": gallery.ca,
        }

    def _contents(
        self,
        name: str,
        phase: Phase,
        classes: Iterable[str],
        policies: Iterable[str | None],
        images: Sequence[vcf.AwaitedImage] = (),
    ) -> vcf.NamespaceContents:
        """Wait until the namespace has what objects of this phase name: the platform refuses what comes earlier.

        Once for a whole phase, and for each by itself: an image that does not come holds back no database. `classes`
        and `policies` are as the environment calls them; no policy means the namespace's first.
        """
        return vcf.NamespaceContents(
            self.env.named("namespace", name),
            namespace=self.namespace,
            vm_classes=[self.classes[each] for each in sorted(set(classes))],
            storage_classes=sorted({storage_class(self.env.storage_policy(each)) for each in policies}),
            images=images or None,
            opts=pulumi.ResourceOptions(parent=phase),
        )

    def _workstations(self) -> None:
        phase = self._phase("workstations")
        self.image = self.env.content.dlvm_image
        item: pulumi.Input[str] | None = self.image_items.get(self.image)
        if library := self.libraries.get(self.env.content.dlvm_library):
            made_of = library.item(self.image)
            self.image, item = made_of.apply(lambda found: found.name), made_of.apply(lambda found: found.id)
        if served := [each for each in self.env.workstations if each.vsphere is None]:
            self.machine_contents = self._contents(
                "workstations",
                phase,
                [each.vm_class for each in served],
                [each.storage_policy for each in served],
                [vcf.AwaitedImage(name=self.image, item_id=item)],
            )
        people = {"data-scientist": "dataScientist", "mlops-engineer": "mlopsEngineer"}
        rotation = StaleMachines()
        together = SharedReadiness() if len(served) > _WAITED_FOR_ALONE else None
        for asked in self.env.workstations:
            made = self._workstation(asked, phase, together)
            told = self.outputs.setdefault(people[asked.persona], {})
            told.setdefault("workstations", {})[asked.name] = {
                "address": made.address,
                "ssh": made.ssh,
                "jupyter": made.jupyter_url,
                "owner": asked.owner,
                "firstBoot": made.first_boot,
                "password": made.password,
            }
            told["login"] = {"user": catalog.dlvm_properties().login.user}
            rotation.remember(asked, made)
        if together:
            together.wait(f"{self.env.named('workstation', 'all')}-ready", pulumi.ResourceOptions(parent=phase))
        rotation.tell()
        self.versions["dlvm"] = self.env.content.dlvm_image

    def _password(self) -> pulumi.Output[str]:
        secret = self.env.workstation_password
        return pulumi.Output.secret(secret.get_secret_value() if secret else "")

    def _workstation(self, asked: Workstation, phase: Phase, together: SharedReadiness | None) -> DeepLearningVm:
        env = self.env
        name = env.named("workstation", asked.name)
        api_version = f"vmoperator.vmware.com/{catalog.versions()['vm-operator'].version}"
        args: DeepLearningVmArgs = {
            "vm_name": name,
            "persona": asked.persona,
            "image": self.image,
            "password": self._password(),
            **self._licence(env.gpu.mode),  # type: ignore[typeddict-item]
            **self._wait(f"{api_version}/VirtualMachine"),
            **self._wait(f"{api_version}/VirtualMachineService", "access_wait_for"),
        }
        if asked.public_key:
            args["public_key"] = asked.public_key
        if asked.renewal:
            args["renewal"] = asked.renewal
        if asked.proxy is not None:
            args["no_proxy"] = list(asked.proxy.no_proxy)
            if asked.proxy.http:
                args["http_proxy"] = asked.proxy.http
            if asked.proxy.https:
                args["https_proxy"] = asked.proxy.https
        if asked.vsphere is not None:
            size, place = env.vm_class(asked.vm_class), asked.vsphere
            library = self.libraries.get(env.content.dlvm_library)
            args["vsphere"] = {
                "datacenter": place.datacenter,
                "host": place.host,
                "datastore": place.datastore,
                "network": place.network,
                "ovf_network": place.ovf_network,
                "pci_device": place.pci_device,
                "content_library": library.library_name if library else env.content.dlvm_library,
                "cpu_count": size.cpu_count,
                "memory_mib": size.memory_gib * _MIB_PER_GIB,
                "disk_gib": place.disk_gib,
                "guest_id": place.guest_id,
                "gpu_model": env.gpu.model,
            }
            if self.tags is not None:
                args["tags"] = [*self.tags.of(env.facts(persona=asked.persona))]
            return DeepLearningVm(name, args, self._vsphere_options(phase))
        assert self.machine_contents is not None  # noqa: S101 (the phase waits for what its machines need)
        args["namespace"] = self.machine_contents.namespace
        args["image_id"] = image_name(self.machine_contents, self.image)
        args["vm_class"] = self.classes[asked.vm_class]
        args["storage_class"] = storage_class(env.storage_policy(asked.storage_policy))
        args["labels"] = env.labels(persona=asked.persona)
        if together:
            args["readiness"] = together
        return DeepLearningVm(name, args, pulumi.ResourceOptions(parent=phase))

    def _vsphere_options(self, phase: Phase) -> pulumi.ResourceOptions:
        """Options with the vsphere provider, which is loaded only where something of it is made."""
        if not hasattr(self, "_vsphere"):
            if self.ends.vcenter.ca and not os.environ.get("SSL_CERT_FILE"):
                raise pulumi.RunError(
                    "The vsphere plugin makes workstations on route vsphere, content libraries and tags, and takes no "
                    "CA bundle. Put the PEM of vCenter's authority into a file and export SSL_CERT_FILE with its path."
                )
            import pulumi_vsphere  # noqa: PLC0415 (a third of a second that other environments need not pay)

            self._vsphere = pulumi_vsphere.Provider(
                "vsphere",
                vsphere_server=self.ends.vcenter.server,
                user=self.ends.vcenter.username,
                password=pulumi.Output.secret(self.ends.vcenter.password.get_secret_value()),
            )
        return pulumi.ResourceOptions(parent=phase, providers=[self._vsphere])

    def _clusters(self) -> None:
        phase = self._phase("clusters")
        told = self.outputs.setdefault("clusters", {})
        versions = self.versions.setdefault("clusters", {})
        every = self.env.clusters
        contents = self._contents(
            "clusters",
            phase,
            [name for each in every for name in (each.control_plane.vm_class, *(pool.vm_class for pool in each.pools))],
            [each.storage_policy for each in every],
        )
        for asked in every:
            made = self._cluster(asked, phase, contents.namespace)
            told[asked.name] = {"kubeconfig": made.kubeconfig, "name": made.cluster_name}
            versions[asked.name] = {"kubernetes": asked.release or catalog.versions()["kubernetes-release"].version}
            if asked.gpu_operator.enabled:
                operator = self._gpu_operator(asked, made)
                told[asked.name]["gpuOperator"] = operator.state
                versions[asked.name]["gpuOperator"] = operator.version

    def _cluster(self, asked: Cluster, phase: Phase, namespace: pulumi.Output[str]) -> GpuCluster:
        env, name = self.env, self.env.named("cluster", asked.name)
        pools: list[NodePoolArgs] = []
        for pool in asked.pools:
            vm_class = env.vm_class(pool.vm_class)
            args: NodePoolArgs = {
                "name": pool.name,
                "vm_class": self.classes[pool.vm_class],
                "gpu": vm_class.has_gpu,
                "capacity": {
                    "cpu_count": vm_class.cpu_count,
                    "memory_gib": vm_class.memory_gib,
                    "gpus": vm_class.gpu_count,
                },
            }
            if vm_class.has_gpu:
                args["container_storage_gib"] = pool.container_storage_gib
            if pool.min_replicas is not None and pool.max_replicas is not None:
                args["min_replicas"], args["max_replicas"] = pool.min_replicas, pool.max_replicas
            else:
                args["replicas"] = pool.replicas or 0
            pools.append(args)
        version = catalog.versions()["cluster-api"].version
        cluster: GpuClusterArgs = {
            "cluster_name": name,
            "namespace": namespace,
            "namespace_name": env.namespace.name,
            "storage_class": storage_class(env.storage_policy(asked.storage_policy)),
            "control_plane_class": self.classes[asked.control_plane.vm_class],
            "control_plane_replicas": asked.control_plane.replicas,
            "pools": pools,
            "pod_network": asked.pod_network,
            "service_network": asked.service_network,
            "labels": env.labels(),
            **self._wait(f"cluster.x-k8s.io/{version}/Cluster"),  # type: ignore[typeddict-item]
        }
        if asked.release is not None:
            cluster["release"] = asked.release
        if asked.os_version is not None:
            cluster["os_version"] = asked.os_version
        if asked.cluster_class is not None:
            cluster["cluster_class"] = asked.cluster_class
        if self.ends.gallery and self.ends.gallery.ca:
            cluster["trusted_ca"] = self.ends.gallery.ca
        return GpuCluster(name, cluster, self._kept(phase))

    def _gpu_operator(self, asked: Cluster, cluster: GpuCluster) -> GpuOperator:
        env, name, helm = self.env, self.env.named("cluster", asked.name), self.ends.helm
        oci, password = helm.repository.startswith("oci://"), helm.password.get_secret_value()
        settings = None
        if oci and helm.username:
            file = charts.login_file(env.name, helm.repository, helm.username, password)
            settings = kubernetes.HelmReleaseSettingsArgs(registry_config_path=file)
        guest = kubernetes.Provider(
            f"{name}-guest",
            kubeconfig=cluster.kubeconfig,
            cluster_identifier=name,
            enable_secret_mutable=True,
            delete_unreachable=False,
            helm_release_settings=settings,
            opts=pulumi.ResourceOptions(parent=cluster),
        )
        args: GpuOperatorArgs = {
            "kubeconfig": cluster.kubeconfig,
            "pools": [
                {
                    "name": pool.name,
                    "gpus": env.vm_class(pool.vm_class).gpu_count,
                    "min_replicas": pool.min_replicas if pool.min_replicas is not None else pool.replicas or 0,
                    "max_replicas": pool.max_replicas if pool.max_replicas is not None else pool.replicas or 0,
                }
                for pool in asked.pools
                if env.vm_class(pool.vm_class).has_gpu
            ],
            "gpu_mode": env.gpu.mode,
            "labels": env.labels(),
            **self._licence(env.gpu.mode),  # type: ignore[typeddict-item]
            **self._wait("nvidia.com/v1/ClusterPolicy"),
        }
        if helm.repository:
            args["repository"] = helm.repository
        if helm.username and not oci:
            args["repository_username"], args["repository_password"] = helm.username, pulumi.Output.secret(password)
        if helm.ca:
            args["repository_ca_file"] = charts.authority_file(env.name, helm.ca)
        if asked.gpu_operator.version is not None:
            args["version"] = asked.gpu_operator.version
        if asked.gpu_operator.driver_version is not None:
            args["driver_version"] = asked.gpu_operator.driver_version
        # It goes as a whole: from a cluster that is gone, or stays, nothing needs to be taken one by one.
        options = pulumi.ResourceOptions(parent=cluster, providers=[guest], deleted_with=cluster.cluster)
        return GpuOperator(f"{name}-gpu-operator", args, options)


def _access(entry: Access) -> AccessArgs:
    args: AccessArgs = {
        "subject_type": entry.subject_type,
        "subject": entry.subject,
        "domain": entry.domain,
        "role": entry.role,
    }
    if entry.identity_provider is not None:
        args["identity_provider"] = entry.identity_provider
    return args


def _host_and_port(address: list[Any]) -> str:
    host, port = address
    return str(host) if port == 5432 else f"{host}:{port}"


def run(read: Callable[[str], Environment], find: Callable[[Environment], Endpoints]) -> None:
    """Read the configuration, build, export."""
    sdk.end_with_what_failed(os.environ.get("PAIF_OUTPUTS", "").split())
    sdk.send_no_debug_messages()
    sdk.tell_own_frames_only()
    with sdk.whole():
        env = read(pulumi.get_stack())
        left_alone = kept.leave_alone(env.kept)
        outputs = Program(env, find(env)).build(_limit())
        left_alone.tell_unknown()
        for name, value in outputs.items():
            pulumi.export(name, sdk.what_was_made(value))


def _limit() -> str:
    """The last phase to build. Raises pulumi.RunError where nobody has looked at what lies beyond it."""
    until = os.environ.get("PAIF_UNTIL", "")
    if until and not os.environ.get("PAIF_PROBLEMS"):
        raise pulumi.RunError(
            f"PAIF_UNTIL is {until!r}: plain pulumi would delete what the stack has beyond that phase. Unset it, or "
            "run `./paif up ENV --until PHASE`, which refuses where something is there"
        )
    return until
