"""Making a stack file for an environment of one's own, and the settings that the policy packs need for it."""

from __future__ import annotations

from pathlib import Path

import paif_catalog as catalog
from cli.configuration.stack_files import Problems
from cli.output.console import Failed
from cli.policy.settings import licenses_file, licenses_template, settings_file, template
from lab.state import ROOT
from stacks.environment import SHORT_NAME
from stacks.problems import Problem
from stacks.stackfile import read

TEMPLATE = """\
# Environment {name} on a real VCF. `./paif check {name}` tells what is still missing, with line and column;
# docs/real-vcf.md explains every step, `./paif schema stacks/schema.json` lets an editor complete the keys.
# Secrets are set by commands, never written here by hand:
#   pulumi config set -s {name} --secret paif:vcenterPassword     (or the environment variable PAIF_VCENTER_PASSWORD)
#   pulumi config set -s {name} --secret paif:kubeconfig < FILE   (or PAIF_KUBECONFIG; it may use an exec plugin)
#   pulumi config set -s {name} --secret paif:workstationPassword
#   pulumi config set -s {name} --secret paif:licenseToken < FILE (vGPU mode only)
#   pulumi config set -s {name} --secret paif:ngcApiKey           (vGPU mode only)
config:
  paif:target: vcf
  paif:kind: {kind}
  paif:platform: {platform}
  paif:organization: {organization}
  paif:owner: platform-team
  paif:costCenter: "0000"
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
    name: {organization}-{name}-ns-ai
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
""".replace("{platform}", next(iter(catalog.all_baselines())))


def create(name: str, kind: str, organization: str) -> list[str]:
    """Write ``stacks/Pulumi.<name>.yaml`` and ``policies/config/paif/<name>.yaml``; returns their paths from the root.

    So is the file of what the organization owns, where there is none.

    Of an environment that has a stack file only the settings are written, for the kind and organization it names.
    Raises ``Failed`` when both files are there already, ``Problems`` when a name is no short DNS label or the stack
    file that is there is wrong.
    """
    expected = "a letter, then letters, digits or '-', at most 20"
    problems = [
        Problem(what, expected, repr(value))
        for what, value in (("environment", name), ("--organization", organization))
        if not SHORT_NAME.fullmatch(value)
    ]
    if problems:
        raise Problems(problems)
    stack, policies = ROOT / "stacks" / f"Pulumi.{name}.yaml", settings_file(name)
    if stack.is_file() and policies.is_file():
        raise Failed(
            f"{_relative_path(stack)} and {_relative_path(policies)} are there already; edit them, or choose another "
            "name"
        )
    written = {}
    if stack.is_file():
        existing = read(stack)
        if existing.environment is None:
            raise Problems(existing.problems)
        kind, organization = existing.environment.kind, existing.environment.organization
    else:
        written[stack] = TEMPLATE.format(name=name, kind=kind, organization=organization)
    if not policies.is_file():
        written[policies] = template(name, kind, organization)
    if not licenses_file().is_file():
        written[licenses_file()] = licenses_template()
    for path, text in written.items():
        path.write_text(text, encoding="utf-8")
    return [_relative_path(path) for path in written]


def _relative_path(path: Path) -> str:
    return str(path.relative_to(ROOT))
