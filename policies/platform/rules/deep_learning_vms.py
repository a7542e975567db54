"""How a Deep Learning VM is bootstrapped."""

from __future__ import annotations

from policies.platform.configuration import Context, PlatformObservations, PlatformSettings
from policies.platform.sources import VM_OPERATOR
from policies.shared.deep_learning_vms import inline_properties, is_deep_learning_vm
from policies.shared.machines import machine_spec
from policies.shared.model import Findings, Resource, Rules, Severity, Violation, mandatory_in
from policies.shared.sources import OWN, VSPHERE_PROVIDER
from policies.shared.types import VM_SERVICE, VSPHERE_VM

RULES: Rules[PlatformSettings, PlatformObservations] = Rules()


@RULES.rule(
    "bootstrap-exclusive",
    VM_SERVICE,
    severity=Severity.HIGH,
    reason="the VM Service refuses cloud-init beside OVF properties, and the image reads the latter",
    remedy="use vAppConfig alone; its property user-data carries cloud-init",
    source=VM_OPERATOR,
)
def bootstrap_exclusive(resource: Resource, run: Context) -> Findings:
    path = f"{machine_spec(resource)}.bootstrap"
    if resource.get(f"{path}.cloudInit") and resource.get(f"{path}.vAppConfig"):
        yield Violation("cloudInit and vAppConfig are both given", path)


@RULES.rule(
    "ovf-property-known",
    VM_SERVICE + VSPHERE_VM,
    severity=Severity.MEDIUM,
    levels=mandatory_in("staging", "prod"),
    reason="a property that the image does not have is refused or ignored, after minutes",
    remedy="use the keys of dlvm_properties.yaml, or add the image's own to it",
    source=f"{OWN}: dlvm_properties.yaml of the platform's version (paif_catalog/baselines), extended by the site",
)
def ovf_property_known(resource: Resource, run: Context) -> Findings:
    # Images of other machines have properties of their own.
    if not is_deep_learning_vm(resource, run):
        return
    for path, key, _ in inline_properties(resource):
        if key not in run.platform.dlvm_properties.properties:
            yield Violation("the image has no such property", path.removesuffix("value.value") + "key", key)


@RULES.rule(
    "clone-customization",
    VSPHERE_VM,
    severity=Severity.HIGH,
    reason="guest customization and OVF properties both set host name and network, and the provider refuses both",
    remedy="use vapp.properties alone",
    source=f"{VSPHERE_PROVIDER}/virtual_machine.md (vapp)",
)
def clone_customization(resource: Resource, run: Context) -> Findings:
    if resource.get("vapp") and resource.get("clone.customize"):
        yield Violation("vapp and clone.customize are both given", "clone.customize")
