"""Deep Learning VM: a GPU workstation for one person."""

import base64
from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as kubernetes

import paif_catalog as catalog
from pulumi_paif._component import LABEL, Check, Component, KubernetesObject, told
from pulumi_paif.shared_readiness import SharedReadiness

_SELECTOR = "paif.dev/workstation"
_IMAGE = "paif.dev/image"
_IMAGE_ID = "paif.dev/image-id"
_READ_ONCE = {
    "password": "first password",
    "public-keys": "public key",
    "vgpu-license": "licence token",
    "nvidia-portal-api-key": "NGC key",
    "user-data": "proxy",
}
"""What people call the OVF properties, which a machine reads at its first boot only."""


class VspherePlacementArgs(TypedDict):
    """Where a machine on route vsphere runs. A fixed device pins it to its host."""

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
    """GPU model of the catalogue, for the MMIO window."""


class DeepLearningVmArgs(TypedDict):
    """Arguments of DeepLearningVm."""

    vm_name: pulumi.Input[str]
    """Name of the machine and its host name: a DNS label."""
    persona: str
    """data-scientist or mlops-engineer: nobody else needs one."""
    image: pulumi.Input[str]
    """Name of the image in the content library."""
    password: pulumi.Input[str]
    """First password of the login; changed at first use."""
    image_id: NotRequired[pulumi.Input[str]]
    """How the VM Service names the image: its id vmi-…, where the name does not tell it from others; the name without
    it (route VM Service)."""
    namespace: NotRequired[pulumi.Input[str]]
    """Supervisor namespace (route VM Service)."""
    vm_class: NotRequired[pulumi.Input[str]]
    """VM class bound to the namespace (route VM Service)."""
    storage_class: NotRequired[pulumi.Input[str]]
    """Kubernetes storage class (route VM Service)."""
    labels: NotRequired[dict[str, str]]
    """Labels of all objects (route VM Service)."""
    vsphere: NotRequired[VspherePlacementArgs]
    """Placement (route vSphere); without it the VM Service makes the machine."""
    tags: NotRequired[list[pulumi.Input[str]]]
    """Ids of the tags of the machine (route vSphere)."""
    public_key: NotRequired[pulumi.Input[str]]
    """SSH public key of the owner."""
    licence_token: NotRequired[pulumi.Input[str]]
    """NVIDIA client configuration token (vGPU)."""
    ngc_api_key: NotRequired[pulumi.Input[str]]
    """NGC key with which the guest driver is downloaded (vGPU)."""
    http_proxy: NotRequired[pulumi.Input[str]]
    """Proxy for http."""
    https_proxy: NotRequired[pulumi.Input[str]]
    """Proxy for https; needs no_proxy, or the guest driver's download fails."""
    no_proxy: NotRequired[list[str]]
    """Names and networks that are reached without the proxy."""
    properties: NotRequired[dict[str, pulumi.Input[str]]]
    """Further OVF properties of the catalogue, already encoded."""
    renewal: NotRequired[str]
    """Any label, e.g. autumn: another one makes the machine anew, with what is given now; what is on its disks is lost
    (route VM Service)."""
    wait_for: NotRequired[list[str]]
    """Wait conditions of the machine instead of the catalogue's (route VM Service)."""
    access_wait_for: NotRequired[list[str]]
    """Wait conditions of the machine's access from outside instead of the catalogue's (route VM Service)."""
    platform: NotRequired[str]
    """Version of the platform, such as vcf-9.0.1; the only one that is known by default."""


class DeepLearningVm(Component):
    """A Deep Learning VM, made by the VM Service, or cloned in vSphere with one fixed GPU.

    The VM Service does vGPU and dynamic DirectPath I/O, through the VM class. Licence token, NGC key and password reach
    the machine as OVF properties out of a Secret, and are secret in the state. A machine reads them at its first boot
    only, and its image cannot change: what is given later leaves it as it is, and is listed in `stale` until the
    machine is made anew.
    """

    address: pulumi.Output[str | None]
    """IP address of the machine; None while it has none, as one that is switched off."""
    ssh: pulumi.Output[str | None]
    """Command that logs in, None while there is no address for it."""
    jupyter_url: pulumi.Output[str | None]
    """Address of JupyterLab, None while there is none."""
    first_boot: pulumi.Output[str | None]
    """True or False as the guest reports its first boot, None or Unknown where it does not (route VM Service)."""
    password: pulumi.Output[str]
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

        With `readiness` it shares a wait with other machines instead of having one of its own (route VM Service).
        """
        super().__init__(name, args, opts)
        self.properties = self._ovf_properties(args)
        self.first_boot = pulumi.Output.from_input(None)
        if "vsphere" in args:
            self.address = reached = self._clone(name, args, args["vsphere"])
        else:
            self.address, reached = self._vm_service(name, args, readiness)
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
        check.label("vm_name", of_service="vsphere" not in check.args)
        if check.plain("persona") not in {"data-scientist", "mlops-engineer"}:
            check.add("persona", f"{check.plain('persona')!r}: expected data-scientist or mlops-engineer")
        if "vsphere" not in check.args:
            for needed in ("namespace", "vm_class", "storage_class"):
                if needed not in check.args:
                    check.add(needed, "expected a value, since the VM Service makes the machine")
            if "tags" in check.args:
                check.add("tags", "expected none: a machine of the VM Service carries labels")
            if LABEL.fullmatch(check.plain("renewal") or "0") is None:
                check.add("renewal", f"{check.plain('renewal')!r}: expected a DNS label, e.g. autumn")
        else:
            if "licence_token" in check.args:
                reason = "expected none: a machine on route vSphere has a whole GPU and needs no licence"
                check.add("licence_token", reason)
            if check.plain("renewal"):
                check.add("renewal", "expected none on route vSphere: remove the machine, and add it in another run")
        if "https_proxy" in check.args and "no_proxy" not in check.args:
            check.add(
                "no_proxy", "expected exceptions: behind an https proxy the guest driver's download fails without"
            )
        known = self.platform.dlvm_properties.properties
        for key in check.plain("properties") or {}:
            if key not in known:
                check.add(f'properties["{key}"]', f"expected one of {', '.join(sorted(known))}")

    @staticmethod
    def _ovf_properties(args: DeepLearningVmArgs) -> dict[str, pulumi.Input[str]]:
        properties: dict[str, pulumi.Input[str]] = {"hostname": args["vm_name"], "password": args["password"]}
        if "public_key" in args:
            properties["public-keys"] = args["public_key"]
        if "licence_token" in args:
            properties["vgpu-license"] = args["licence_token"]
        if "ngc_api_key" in args:
            properties["nvidia-portal-api-key"] = args["ngc_api_key"]
        proxies = {key: args[key] for key in ("http_proxy", "https_proxy") if key in args}
        if proxies:
            exceptions = ",".join(args.get("no_proxy", []))
            properties["user-data"] = pulumi.Output.all(**proxies).apply(
                lambda found: base64.b64encode(_cloud_config({**found, "no_proxy": exceptions}).encode()).decode()
            )
        return {**properties, **args.get("properties", {})}

    def _vm_service(
        self, name: str, args: DeepLearningVmArgs, readiness: SharedReadiness | None
    ) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
        namespace, labels = args["namespace"], {**args.get("labels", {}), _SELECTOR: args["vm_name"]}
        renewal = args.get("renewal", "")
        suffix = f"-{renewal}" if renewal else ""
        bootstrap = pulumi.Output.concat(args["vm_name"], "-ovf", suffix)
        content = {key: pulumi.Output.from_input(text).apply(_literally) for key, text in self.properties.items()}
        self.bootstrap = kubernetes.core.v1.Secret(
            # Another resource for another machine: its changes are ignored, which a mere replacement would do as well.
            f"{name}-bootstrap{suffix}",
            metadata={
                "name": bootstrap,
                "namespace": namespace,
                "labels": labels,
                "annotations": {_IMAGE: args["image"], _IMAGE_ID: args.get("image_id", args["image"])},
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
        image_id = noted.apply(
            lambda found: found.get(_IMAGE_ID) or found.get(_IMAGE) or args.get("image_id", args["image"])
        )
        self.machine = KubernetesObject(
            name,
            self.platform,
            "VirtualMachine",
            metadata={"name": args["vm_name"], "namespace": namespace, "labels": labels},
            spec={
                "className": args["vm_class"],
                "imageName": image_id,
                "storageClass": args["storage_class"],
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
            metadata={"name": args["vm_name"], "namespace": namespace, "labels": labels},
            spec={
                "type": "LoadBalancer",
                "selector": {_SELECTOR: args["vm_name"]},
                "ports": [
                    {"name": port_name, "protocol": "TCP", "port": port, "targetPort": port}
                    for port_name, port in ports.items()
                ],
            },
            opts=self.child(self.machine),
        )
        awaited = (
            self.machine.awaited(args.get("wait_for")),
            self.service.awaited(args.get("access_wait_for")),
        )
        made = [self.machine, self.service]
        if readiness:
            values = readiness.add(args["vm_name"], *awaited, depends_on=made)
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
            name=args["vm_name"],
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
            tags=args.get("tags"),
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


def _cloud_config(proxies: dict[str, str]) -> str:
    """cloud-init document that sets proxies for all programs."""
    lines = [f"    {key.upper()}={value}\n    {key}={value}" for key, value in proxies.items() if value]
    text = "\n".join(lines)
    return f"#cloud-config\nwrite_files:\n- path: /etc/environment\n  append: true\n  content: |\n{text}\n"
