"""What makes an object, or a whole stack, a matter of Private AI.

A stack is one where it has configuration of this toolkit (`paif:`), or where something is in it that is made for
nothing else: Private AI Services and their endpoints, NIM and NeMo, the GPU Operator, VM classes and machines with
GPUs. Then all of it is judged, its web server as well. In any other stack an object is one by itself: it asks for a
GPU, or takes an image or a chart of NVIDIA's catalog.
"""

from __future__ import annotations

from typing import Any

from policies.shared.charts import charts_of
from policies.shared.containers import content_of, images
from policies.shared.model import Resource, Undecided, UndecidedError, Unknown, raw_value_at
from policies.shared.operators import gpu_operators
from policies.shared.selectors import is_type
from policies.shared.types import CHART, CHART_OBJECT, ENDPOINT, KUBERNETES, NVIDIA_OBJECT, PAIS, VM_CLASS, VSPHERE_VM

OF_NOTHING_ELSE = (*PAIS, *ENDPOINT, *NVIDIA_OBJECT, "vcf:index:*")
"""Types that are made for Private AI only."""
MAY_MAKE_A_STACK_ONE = (*OF_NOTHING_ELSE, *CHART, *CHART_OBJECT, *VM_CLASS, *VSPHERE_VM)
"""Types of which some resources make their stack a matter of Private AI."""
_NGC = ("nvcr.io/", "helm.ngc.nvidia.com/")


def makes_stack_one(resource: Resource) -> bool:
    """Whether all that is in a stack with this resource is a matter of Private AI."""
    if is_type(resource, OF_NOTHING_ELSE):
        return True
    if is_type(resource, VM_CLASS + VSPHERE_VM):
        keys = ("vgpuDevices", "vgpuProfiles", "directPathDevices", "pciDeviceIds", "spec.hardware.devices")
        found: Any = (raw_value_at(resource.properties, key) for key in keys)
        return any(isinstance(each, Unknown) or bool(each) for each in found)
    try:
        return bool(gpu_operators(resource))
    except UndecidedError:
        return False


def is_one(resource: Resource) -> bool:
    """Whether a resource is a matter of Private AI by itself, in whatever stack it is."""
    if is_type(resource, OF_NOTHING_ELSE) or makes_stack_one(resource):
        return True
    if not is_type(resource, KUBERNETES):
        return False
    named = [each[1] for each in images(resource) if not isinstance(each, Undecided)]
    addresses = [address for chart in charts_of(resource) for _, address in chart.addresses]
    named += [each.partition("://")[2] for each in addresses if isinstance(each, str)]
    return content_of(resource).wants_gpu or any(f"{each}/".find(host) >= 0 for each in named for host in _NGC)
