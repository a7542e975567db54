"""The add-on VMware Private AI Foundation."""

from __future__ import annotations

from policies.licensing.configuration import Context, LicensingObservations, LicensingSettings, licenses_of
from policies.licensing.declarations import undeclared
from policies.shared.deep_learning_vms import is_deep_learning_vm
from policies.shared.machines import machine_gpu
from policies.shared.model import Findings, Resource, Rules, Severity, Violation
from policies.shared.selectors import is_type
from policies.shared.sources import GUIDE
from policies.shared.types import ENDPOINT, PAIS, ROOT, VM_SERVICE, VSPHERE_VM

RULES: Rules[LicensingSettings, LicensingObservations] = Rules()

_CORES = "https://knowledge.broadcom.com/external/article/313548 (physical cores of each CPU, 16 at least)"


@RULES.rule(
    "paif-add-on",
    PAIS + ENDPOINT + VM_SERVICE + VSPHERE_VM,
    severity=Severity.HIGH,
    reason="Deep Learning VMs and Private AI Services are part of the PAIF add-on to VCF, which is licensed by core",
    remedy="declare the add-on under paifAddOn in policies/config/licenses.yaml, with cores and last day",
    source=f"{GUIDE} (part 1)",
)
def paif_add_on(resource: Resource, run: Context) -> Findings:
    if licenses_of(run).paif_add_on.owned:
        return
    if is_type(resource, VM_SERVICE + VSPHERE_VM):
        if not is_deep_learning_vm(resource, run):
            return
        found = machine_gpu(resource, run, run.observations.classes)
        if found is not None and not found.has_gpu:
            return
    yield Violation(f"the PAIF add-on is not declared{undeclared(run)}")


def _cores(run: Context) -> int:
    """Cores that are licensed today."""
    return sum(each.cores for each in licenses_of(run).paif_add_on.owned if each.holds(run.today))


@RULES.rule(
    "paif-add-on-cores",
    ROOT,
    severity=Severity.HIGH,
    reason="every core of every GPU host counts, 16 per CPU at least",
    remedy="license the cores that are missing, or keep hosts out of the GPU cluster",
    source=_CORES,
)
def paif_add_on_cores(resource: Resource, run: Context) -> Findings:
    required, cores = licenses_of(run).paif_add_on.required, _cores(run)
    if 0 < cores < required:
        yield Violation(f"the GPU hosts have {required} cores to license, the add-on covers {cores}")


@RULES.rule(
    "paif-add-on-expired",
    ROOT + PAIS,
    severity=Severity.HIGH,
    reason="without the subscription there is neither support nor the right to use it",
    remedy="renew the add-on and declare the renewal beside it in policies/config/licenses.yaml",
    source=_CORES,
)
def paif_add_on_expired(resource: Resource, run: Context) -> Findings:
    ended = [each.ends for each in licenses_of(run).paif_add_on.owned if each.ended(run.today) and each.ends]
    if ended and not _cores(run):
        yield Violation(f"the PAIF add-on has expired on {max(ended)}")
