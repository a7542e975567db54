"""Deep Learning VM: a GPU workstation for one person."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes

import paif_catalog as catalog
from pulumi_paif._arguments import Labels, SecretInput, SecretOutput, given_or, present, with_labels
from pulumi_paif._component import LABEL, Check, Component, KubernetesObject, told
from pulumi_paif.enums import Persona
from pulumi_paif.shared_readiness import SharedReadiness

_SELECTOR = "paif.dev/workstation"
_IMAGE = "paif.dev/image"
_IMAGE_ID = "paif.dev/image-id"
_READ_ONCE = {
    "password": "first password",
    "public-keys": "public key",
    "vgpu-license": "license token",
    "nvidia-portal-api-key": "NGC key",
    "user-data": "proxy",
}
"""What people call the OVF properties, which a machine reads at its first boot only."""


class VmServiceArgs(TypedDict):
    """A machine that the VM Service makes, with the GPUs of its VM class."""

    namespace: pulumi.Input[str]
    """Supervisor namespace."""
    vm_class: pulumi.Input[str]
    """VM class bound to the namespace."""
    storage_class: pulumi.Input[str]
    """Kubernetes storage class."""
    image_id: NotRequired[pulumi.Input[str] | None]
    """How the VM Service names the image: its id vmi-…, where the name does not tell it from others; the name without
    it."""
    labels: NotRequired[Labels | None]
    """Labels of all objects."""
    renewal: NotRequired[str | None]
    """Any label, e.g. autumn: another one makes the machine anew, with what is given now; its disks are lost."""
    wait_for: NotRequired[list[str] | None]
    """Wait conditions of the machine instead of the catalog's."""
    access_wait_for: NotRequired[list[str] | None]
    """Wait conditions of the machine's access from outside instead of the catalog's."""


class VspherePlacementArgs(TypedDict):
    """A machine that is cloned in vSphere, with one GPU of its own: a fixed device pins it to its host."""

    datacenter: pulumi.Input[str]
    """Name of the datacenter."""
    host: pulumi.Input[str]
    """Name of the host with the device."""
    datastore: pulumi.Input[str]
    """Name of the datastore."""
    network: pulumi.Input[str]
    """Name of the port group."""
    ovf_network: pulumi.Input[str]
    """Name of the network in the image's descriptor."""
    pci_device: pulumi.Input[str]
    """Address of the GPU on the host, e.g. 0000:3b:00.0: look-ups by model give the first device only."""
    content_library: pulumi.Input[str]
    """Name of the content library with the image."""
    cpu_count: pulumi.Input[int]
    """vCPUs."""
    memory_mib: pulumi.Input[int]
    """Memory in MiB; all of it is reserved and locked."""
    disk_gib: pulumi.Input[int]
    """Size of the disk: that of the image's."""
    guest_id: pulumi.Input[str]
    """Guest operating system as vSphere names it; that of the image."""
    gpu_model: str
    """GPU model of the catalog, for the MMIO window."""
    tags: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]] | None]
    """Ids of the tags of the machine."""


class ProxyArgs(TypedDict):
    """The proxy that a machine uses."""

    http: NotRequired[pulumi.Input[str] | None]
    """Proxy for http."""
    https: NotRequired[pulumi.Input[str] | None]
    """Proxy for https; needs no_proxy, or the guest driver's download fails."""
    no_proxy: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]] | None]
    """Names and networks that are reached without the proxy."""


class DeepLearningVmArgs(TypedDict):
    """Arguments of DeepLearningVm: exactly one of `vm_service` and `vsphere`."""

    name: NotRequired[pulumi.Input[str] | None]
    """Name of the machine and its host name: a DNS label; the component's by default."""
    persona: pulumi.Input[Persona]
    """Who works with it."""
    image: pulumi.Input[str]
    """Name of the image in the content library."""
    password: SecretInput
    """First password of the login; changed at first use."""
    vm_service: NotRequired[VmServiceArgs | None]
    """The VM Service makes the machine."""
    vsphere: NotRequired[VspherePlacementArgs | None]
    """The machine is cloned in vSphere."""
    public_key: NotRequired[pulumi.Input[str] | None]
    """SSH public key of the owner."""
    license_token: NotRequired[SecretInput | None]
    """NVIDIA client configuration token (vGPU)."""
    ngc_api_key: NotRequired[SecretInput | None]
    """NGC key with which the guest driver is downloaded (vGPU)."""
    proxy: NotRequired[ProxyArgs | None]
    """The proxy that it uses."""
    properties: NotRequired[dict[str, pulumi.Input[str]] | None]
    """Further OVF properties of the catalog, already encoded."""
    platform: NotRequired[str | None]
    """Version of the platform, such as vcf-9.0.1; by default the only one that is known."""


class DeepLearningVm(Component):
    """A Deep Learning VM, made by the VM Service, or cloned in vSphere with one fixed GPU.

    The VM Service does vGPU and dynamic DirectPath I/O, through the VM class. License token, NGC key and password reach
    the machine as OVF properties out of a Secret, and are secret in the state. A machine reads them at its first boot
    only, and its image cannot change: what is given later leaves it as it is, and is listed in `stale` until the
    machine is made anew.
    """

    per_platform = True

    address: pulumi.Output[str | None]
    """IP address of the machine; None while it has none, as one that is switched off."""
    ssh: pulumi.Output[str | None]
    """Command that logs in, None while there is no address for it."""
    jupyter_url: pulumi.Output[str | None]
    """Address of JupyterLab, None while there is none."""
    first_boot: pulumi.Output[str | None]
    """True or False as the guest reports its first boot, None or Unknown where it does not (VM Service)."""
    password: SecretOutput
    """Password with which the machine was made, secret."""
    stale: pulumi.Output[list[str]]
    """What is given now and the machine was made with otherwise, in words."""

    def __init__(
        self,
        name: str,
        args: DeepLearningVmArgs,
        opts: pulumi.ResourceOptions | None = None,
        readiness: SharedReadiness | None = None,
    ) -> None:
        """Create the machine and wait for its address. Raises ComponentInputError.

        With `readiness` it shares a wait with other machines instead of having one of its own (VM Service).
        """
        super().__init__(name, args, opts)
        args = present(args)
        self._physical = given_or(args.get("name"), name)
        self.properties = self._ovf_properties(args)
        self.first_boot = pulumi.Output.from_input(None)
        vm_service, place = args.get("vm_service"), args.get("vsphere")
        if place is not None:
            self.address = reached = self._clone(name, args, place)
        elif vm_service is not None:
            self.address, reached = self._vm_service(name, args, vm_service, readiness)
        self.password = pulumi.Output.secret(self.made_with.apply(lambda found: found.get("password", "")))
        self.stale = pulumi.Output.unsecret(
            pulumi.Output.all(self.made_with, pulumi.Output.all(**self.properties), self.image, args["image"]).apply(
                lambda found: _stale(*found)
            )
        )
        login = self.platform.dlvm_properties.login
        self.ssh = reached.apply(lambda ip: ip and f"ssh {login.user}@{ip}")
        self.jupyter_url = reached.apply(lambda ip: ip and f"https://{ip}:{login.jupyter_port}")
        # Nothing in it: the engine writes its whole state for the outputs of each, late, which with 100 machines takes
        # a tenth of the run. The machine and its service have them in the state.
        self.register_outputs({})

    def validate(self, check: Check) -> None:
        """Right persona, all of one route, known properties, a proxy with its exceptions."""
        check.label("name", of_service="vsphere" not in check.args)
        check.one_of("persona", Persona)
        way = check.exactly_one("vm_service", "vsphere")
        renewal = check.args["vm_service"].get("renewal", "0") if way == "vm_service" else "0"
        if LABEL.fullmatch(renewal) is None:
            check.add("vm_service.renewal", f"{renewal!r}: expected a DNS label, e.g. autumn")
        if way == "vsphere" and "license_token" in check.args:
            reason = "expected none: a machine that is cloned in vSphere has a whole GPU and needs no license"
            check.add("license_token", reason)
        proxy = check.args.get("proxy", {})
        if "https" in proxy and "no_proxy" not in proxy:
            check.add("proxy.no_proxy", "expected exceptions: behind an https proxy the guest driver's download fails")
        known = self.platform.dlvm_properties.properties
        for key in check.plain("properties") or {}:
            if key not in known:
                check.add(f'properties["{key}"]', f"expected one of {', '.join(sorted(known))}")

    def _ovf_properties(self, args: DeepLearningVmArgs) -> dict[str, pulumi.Input[str]]:
        given = {
            "hostname": self._physical,
            "password": args["password"],
            "public-keys": args.get("public_key"),
            "vgpu-license": args.get("license_token"),
            "nvidia-portal-api-key": args.get("ngc_api_key"),
        }
        properties = {key: value for key, value in given.items() if value is not None}
        proxy = args.get("proxy") or {}
        if "http" in proxy or "https" in proxy:
            properties["user-data"] = pulumi.Output.from_input(proxy).apply(
                lambda found: base64.b64encode(_cloud_config(found).encode()).decode()
            )
        return {**properties, **(args.get("properties") or {})}

    def _vm_service(
        self, name: str, args: DeepLearningVmArgs, asked: VmServiceArgs, readiness: SharedReadiness | None
    ) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
        namespace, physical = asked["namespace"], self._physical
        labels = with_labels(given_or(asked.get("labels"), {}), {_SELECTOR: physical})
        image_name = given_or(asked.get("image_id"), args["image"])
        renewal = asked.get("renewal") or ""
        suffix = f"-{renewal}" if renewal else ""
        bootstrap = pulumi.Output.concat(physical, "-ovf", suffix)
        content = {key: pulumi.Output.from_input(text).apply(_literally) for key, text in self.properties.items()}
        self.bootstrap = kubernetes.core.v1.Secret(
            # Another resource for another machine: its changes are ignored, which a mere replacement would do as well.
            f"{name}-bootstrap{suffix}",
            metadata={
                "name": bootstrap,
                "namespace": namespace,
                "labels": labels,
                "annotations": {_IMAGE: args["image"], _IMAGE_ID: image_name},
            },
            # Not stringData: what is kept of it is read back, and the cluster gives out data.
            data=pulumi.Output.secret(content),
            # It stays what the machine was made with.
            opts=self.replaceable(ignore_changes=["data", "metadata.annotations"]),
        )
        self.made_with = self.bootstrap.data.apply(_decoded)
        # Nothing where a version made the machine that did not write it down; at preview nothing of a new machine.
        noted = self.bootstrap.metadata.apply(lambda metadata: metadata.annotations or {})
        self.image = noted.apply(lambda found: found.get(_IMAGE) or args["image"])
        # What was noted stays, also where the same name means another image or several by now.
        image_id = noted.apply(lambda found: found.get(_IMAGE_ID) or found.get(_IMAGE) or image_name)
        self.machine = KubernetesObject(
            name,
            self.platform,
            "VirtualMachine",
            metadata={"name": physical, "namespace": namespace, "labels": labels},
            spec={
                "className": asked["vm_class"],
                "imageName": image_id,
                "storageClass": asked["storage_class"],
                "powerState": "PoweredOn",
                "powerOffMode": "TrySoft",
                "network": {"interfaces": [{"name": "eth0"}]},
                "bootstrap": {"vAppConfig": {"rawProperties": bootstrap}},
            },
            # Two machines cannot have one name, nor one GPU.
            opts=self.child(self.bootstrap, replacement_trigger=renewal, delete_before_replace=True),
        )
        login = self.platform.dlvm_properties.login
        ports = {"ssh": login.ssh_port, "jupyter": login.jupyter_port}
        self.service = KubernetesObject(
            f"{name}-access",
            self.platform,
            "VirtualMachineService",
            metadata={"name": physical, "namespace": namespace, "labels": labels},
            spec={
                "type": "LoadBalancer",
                "selector": {_SELECTOR: physical},
                "ports": [
                    {"name": port_name, "protocol": "TCP", "port": port, "targetPort": port}
                    for port_name, port in ports.items()
                ],
            },
            opts=self.child(self.machine),
        )
        awaited = (
            self.machine.awaited(asked.get("wait_for")),
            self.service.awaited(asked.get("access_wait_for")),
        )
        made = [self.machine, self.service]
        if readiness:
            values = readiness.add(physical, *awaited, depends_on=made)
        else:
            values = self.ready(f"{name}-ready", *awaited, depends_on=made).values
        self.first_boot = told(values, "firstBoot")
        return told(values, "address"), told(values, "access")

    def _clone(self, name: str, args: DeepLearningVmArgs, place: VspherePlacementArgs) -> pulumi.Output[str]:
        # Here, because an environment without such machines neither loads nor needs the vsphere plugin.
        import pulumi_vsphere as vsphere  # noqa: PLC0415

        below = pulumi.InvokeOutputOptions(parent=self)
        datacenter = vsphere.get_datacenter_output(name=place["datacenter"], opts=below).id
        host = vsphere.get_host_output(name=place["host"], datacenter_id=datacenter, opts=below)
        library = vsphere.get_content_library_output(name=place["content_library"], opts=below).id
        item = vsphere.get_content_library_item_output(library_id=library, name=args["image"], type="ovf", opts=below)
        gpu = catalog.gpus().gpus[place["gpu_model"]]
        machine = vsphere.VirtualMachine(
            name,
            name=self._physical,
            resource_pool_id=host.resource_pool_id,
            host_system_id=host.id,
            datastore_id=vsphere.get_datastore_output(name=place["datastore"], datacenter_id=datacenter, opts=below).id,
            num_cpus=place["cpu_count"],
            memory=place["memory_mib"],
            # Equal to the memory and locked: otherwise the provider resets the reservation after the clone, and no
            # machine with a PCI device powers on without.
            memory_reservation=place["memory_mib"],
            memory_reservation_locked_to_max=True,
            # Whose it is: the plugin adopts nothing, so a creation that was cut off leaves a machine which no state
            # knows, and which is found by this. The deployment itself sets it.
            annotation=self.mark(),
            # The provider's default, bios, limits BAR1 to 256 MB.
            firmware="efi",
            guest_id=place["guest_id"],
            pci_device_ids=[place["pci_device"]],
            extra_config={
                "pciPassthru.use64bitMMIO": "TRUE",
                "pciPassthru.64bitMMIOSizeGB": str(catalog.mmio_window_gib([gpu])),
            },
            network_interfaces=[_interface(vsphere, place, datacenter, below)],
            disks=[{"label": "disk0", "size": place["disk_gib"], "thin_provisioned": True}],
            clone={"template_uuid": item.id},
            vapp={"properties": pulumi.Output.secret(self.properties)},
            tags=place.get("tags"),
            wait_for_guest_net_timeout=10,
            # Guest and vCenter change them, and edits after the first boot do nothing.
            opts=self.child(ignore_changes=["vapp"], additional_secret_outputs=["vapp"]),
        )
        self.clone = machine
        self.image = pulumi.Output.from_input(args["image"])
        # vCenter tells the image's other properties as well, with defaults of their own.
        ours = self.properties.keys()
        self.made_with = machine.vapp.apply(
            lambda vapp: {key: value for key, value in ((vapp and vapp.properties) or {}).items() if key in ours}
        )
        return machine.default_ip_address


def _interface(
    vsphere: Any, place: VspherePlacementArgs, datacenter: pulumi.Output[str], below: pulumi.InvokeOutputOptions
) -> Any:
    network = vsphere.get_network_output(name=place["network"], datacenter_id=datacenter, opts=below)
    return vsphere.VirtualMachineNetworkInterfaceArgs(network_id=network.id, ovf_mapping=place["ovf_network"])


def _literally(text: str) -> str:
    """A value as base64 so that VM Operator hands it to the guest as it is.

    It takes every value for a Go template, takes backslashes off braces afterwards, and logs what is no template in
    plain text, secret or not. With all braces behind backslashes nothing is a template. (vendor: VM Operator
    1.9 and its main branch of August 2026, pkg/providers/vsphere/vmlifecycle/bootstrap_templatedata.go)
    """
    return base64.b64encode(text.replace("{", "\\{").replace("}", "\\}").encode()).decode()


def _decoded(data: Mapping[str, str]) -> dict[str, str]:
    """The values of a Secret as the guest has got them."""
    plain = {key: base64.b64decode(value).decode() for key, value in data.items()}
    return {key: text.replace("\\{", "{").replace("\\}", "}") for key, text in plain.items()}


def _stale(made_with: dict[str, str], given: dict[str, str], image: str, given_image: str) -> list[str]:
    differ = {key for key in made_with.keys() | given.keys() if made_with.get(key, "") != given.get(key, "")}
    found = [words for key, words in _READ_ONCE.items() if key in differ] + sorted(differ - _READ_ONCE.keys())
    return found if image == given_image else [*found, "image"]


def _cloud_config(proxy: Mapping[str, Any]) -> str:
    """cloud-init document that sets proxies for all programs."""
    proxies = {f"{key}_proxy": proxy[key] for key in ("http", "https") if key in proxy}
    proxies["no_proxy"] = ",".join(proxy.get("no_proxy", ()))
    lines = [f"    {key.upper()}={value}\n    {key}={value}" for key, value in proxies.items() if value]
    text = "\n".join(lines)
    return f"#cloud-config\nwrite_files:\n- path: /etc/environment\n  append: true\n  content: |\n{text}\n"
