"""Making a stack file for an environment of one's own."""

from __future__ import annotations

import re

from cli.configuration import stack_names
from cli.output import Failed
from lab.state import ROOT

_TEMPLATE = """\
# Environment {name} on a real VCF. `./paif check` tells what is still missing, with line and column; docs/real-vcf.md
# explains every step, `./paif schema stacks/schema.json` lets an editor complete the keys.
# Secrets are set by commands, never written here by hand:
#   pulumi config set --secret paif:vcenterPassword     (or the environment variable PAIF_VCENTER_PASSWORD)
#   pulumi config set --secret paif:kubeconfig < FILE   (or PAIF_KUBECONFIG; it may use an exec plugin)
#   pulumi config set --secret paif:licenceToken < FILE (vGPU mode only)
#   pulumi config set --secret paif:ngcApiKey           (vGPU mode only)
config:
  paif:target: vcf
  paif:kind: {kind}
  paif:organisation: {organisation}
  paif:owner: platform-team
  paif:costCentre: "0000"
  paif:gpu:
    mode: vgpu          # vgpu (needs NVIDIA AI Enterprise) or directpath
    model: A100
  paif:vcenter:
    server: vcenter.example.com
    username: svc-paif@vsphere.local
    computeCluster: gpu-cluster
    caBundle: ""        # PEM of your authority, when the system does not trust it
  paif:supervisor:
    name: supervisor
  paif:namespace:
    name: {organisation}-{name}-ns-ai
    accessList:
      - {{subject: data-scientists, domain: example.com, role: EDIT}}
    storage:
      - {{policy: pai-gold, limitGib: 4096}}
  paif:content:
    dlvmLibrary: dlvm-images
    dlvmImage: ""       # the item's name in your library
    kubernetesLibrary: kubernetes-releases
  paif:vmClasses:
    - {{name: vgpu-a100-40c, cpuCount: 16, memoryGib: 64, profile: grid_a100-40c}}
  paif:workstations:
    - {{name: first, owner: first.last, persona: data-scientist, class: vgpu-a100-40c}}
"""
_NAME = re.compile(r"[a-z](?:[-a-z0-9]{0,18}[a-z0-9])?")


def make(name: str, kind: str, organisation: str) -> str:
    """Write ``stacks/Pulumi.<name>.yaml`` and return its path from the root.

    Raises ``Failed`` when the name is no short DNS label or the file is there already.
    """
    if not _NAME.fullmatch(name):
        raise Failed(
            f"{name!r} is no name for an environment: expected a letter, then letters, digits, '-'; at most 20"
        )
    if name in stack_names():
        raise Failed(f"stacks/Pulumi.{name}.yaml is there already; edit it, or choose another name")
    path = ROOT / "stacks" / f"Pulumi.{name}.yaml"
    path.write_text(_TEMPLATE.format(name=name, kind=kind, organisation=organisation), encoding="utf-8")
    return str(path.relative_to(ROOT))
