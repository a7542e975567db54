"""The reference docs/policies.md, made of the rules and settings themselves: `python -m policies.reference`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from paif_catalog.predicates import RULE_LEVELS
from policies.licensing.pack import PACK as LICENSING
from policies.naming.pack import PACK as NAMING
from policies.platform.pack import PACK as PLATFORM
from policies.shared.configuration import Settings
from policies.shared.model import STACK, Rule
from policies.shared.pack import Pack

FILE = Path(__file__).resolve().parents[1] / "docs" / "policies.md"
PACKS: tuple[Pack[Any, Any], ...] = (NAMING, LICENSING, PLATFORM)

_INTRODUCTION = """\
# Policy packs

<!-- Made by `python -m policies.reference` from the rules themselves: change those, not this file. -->

{count} rules in three packs say what the engine must refuse, whoever wrote the program: `naming`, `licensing` and
`platform`. `./paif preview` and `./paif up` always run them. By hand:

```sh
eval "$(./paif env)"
pulumi preview -s dev --policy-pack "$PWD/policies/all/pulumi-analyzer-paif"        # all three in one process
pulumi preview -s dev --policy-pack "$PWD/policies/naming/pulumi-analyzer-paif-naming"
pulumi policy analyze -s dev --policy-pack "$PWD/policies/all/pulumi-analyzer-paif" # what is already there
```

The path must be absolute. Newer language hosts also take the folder (`--policy-pack "$PWD/policies/naming"`).
[policy-packs-elsewhere.md](policy-packs-elsewhere.md) tells how another project uses them, or has rules of its own.

## What is told

- A preview tells a cause at the first resource that has it, and counts the others in one line at its end: an unknown
  class of forty machines is one finding. During `up` what is refused is told at each resource, before it is created.
- What only `up` can decide is a count in that line; `./paif policy check ENV --undecided` lists it. The variable
  `PAIF_POLICY_REPORT=each` makes the packs tell everything at its resource.
- `./paif policy check ENV --json` is for CI: exit status 1 when `up` would refuse. `--sarif FILE`, `--junit FILE` and
  `--code-quality FILE` (GitLab) have each finding at the line of the stack file or the settings that mends it, and
  rules that found nothing. Builds of pull requests keep all three ([pull-requests.md](pull-requests.md)).
- `--topic gpu-operator` keeps the rules of a topic (or of a pack, or one rule); `./paif policy rules` lists them by
  topic. Each policy has its topic as a tag.
- `./paif policy audit` judges what is already there: every rule on every resource in the states. `--output FOLDER`
  leaves evidence, JSON and a table: rule, resource, verdict, commit, digests of settings and stack file. It runs
  nightly with the comparison for drift.

## How a rule decides

- It looks at each resource before it is created. What it refuses is not created, also with `--skip-preview`. Rules on
  the configuration (licenses, names, networks) look at the stack itself, which comes first: then nothing is created.
- **Undecided**: a value that is not known at preview is listed as `undecided` under the rule's name, and the rule is
  enforced during `up`, before the resource is created.
- **Order**: a rule may need what another resource has, as the GPU of a machine's class or the token in its Secret. Once
  that one comes, a preview judges the first again, under the name of the one that came. What never comes refuses the
  preview. During `up` nothing can wait: a machine before its class or Secret is refused. Take the name from the other
  one's output, as the components do, or declare under `existingClasses` and `existingBootstrapSecrets` what is made
  elsewhere (decisions/0006-order-of-registration.md).
- **Form**: a value of another form than the platform takes there (a list for a mapping, text for a number) is told
  once, by `unreadable-value`, with path, value and expectation. Of vSphere's plugin and this toolkit's, numbers,
  booleans and text that the plugin turns into one another are in form; null is nothing everywhere. A `…Patch` is judged
  as the object that it changes, in what it names.
- **Machines**: a class is a class whether this toolkit, vSphere's plugin or the VM Operator makes it, a vGPU is one
  also in `extraConfig` or `configSpec`. A Deep Learning VM is what says so: by its image, by an OVF property that only
  this image has, or by a persona (a label; of a vSphere clone `persona: …` in the notes, a key of the extra
  configuration that ends with `persona`, or the value of a custom attribute. A tag is an id that tells no name).
- **What a machine starts** is read from OVF properties, cloud-init and command lists, out of base64 and gzip.
- **Files and variables**: a kubeconfig given as a path is read where it lies on this machine, else undecided, as is a
  vSphere provider without `allowUnverifiedSsl` where VSPHERE_ALLOW_UNVERIFIED_SSL switches verification off.
- A rule that crashes fails its check under its name. Its message says where it crashed, and shows no value.
- Secrets are shown as `[secret]`: by the engine's marks, by property names, and by the shape of a value.
- Every rule has the address of its source, or says that it is a convention of this toolkit. A rule whose fact is "from
  memory" refuses nothing.
- Levels: `advisory` is shown, `mandatory` stops the run, `remediate` puts it right (labels only) or stops the run,
  `disabled` does not run.

## What is judged

- **What an object is**, not how it was declared. The GPU Operator is the same one as a release, a rendered chart, an
  archive, a part of another chart, a chart of Argo CD or Flux, and as the objects `ClusterPolicy` and `NVIDIADriver`.
  Images, secrets in variables and requests for GPUs are found wherever they stand in an object of a cluster, also in
  kinds of KServe, Knative, Ray, Kubeflow and NVIDIA's operators, in patches and in lists.
- **Files**: value files and charts in folders are read where the packs run, with the content that the engine has seen.
  What cannot be read is undecided, and refused at the end of a preview when a rule needs it: give it as values or text.
- **What is a matter of Private AI.** Rules on where images, charts and libraries come from hold for a whole stack when
  it has configuration of this toolkit (`paif:`), or something in it that is made for nothing else: Private AI Services,
  endpoints, NIM, NeMo, the GPU Operator, classes and machines with GPUs. In any other stack they hold for what asks for
  a GPU, or takes an image or a chart of NVIDIA's catalog. A shop's web server is its own business.
- **Not judged**: objects of the platform's API groups (`vmware.com`, `nvidia.com`, `cluster.x-k8s.io` …) of a kind that
  no rule knows, and charts whose values cannot be read, are counted in one line at the end of a preview.
- Clusters of other providers of the Cluster API are not judged by what holds for VKS.

## Settings

They are found by project and stack: `paif-policies/<project>/<stack>.yaml` in the folder of the program or one above,
up to the top of its repository, else `policies/config/<project>/<stack>.yaml` beside the packs. Two are refused.
A stack without a file is checked with the defaults, as the kind that its configuration says, else as prod.
`--policy-pack-config FILE` (JSON) overrides the file key by key:

```json
{{"licensing-configuration": {{"warnDays": 90}}, "dlvm-persona": "advisory"}}
```

What all packs know stands once at the top, above a section for each pack:

```yaml
kind: dev                         # of the environment; another one than its stack file says is refused
platformVersion: vcf-9.0.1        # likewise: of the platform; for `pulumi policy analyze`, where several are known
target: vcf                       # likewise: the lab, for which licenses may be made up, or a real site
kinds:                            # guards of kinds of environment that differ (docs/reference/configuration.md)
  prod: {{endpointReplicas: 5}}
  preprod: {{levels: staging}}      # a kind of your own: levels of rules, and all other guards, are staging's
labels: {{persona: example.com/role}} # your own label keys: organization, environment, owner, costCenter, persona
existingClasses:                  # VM classes that are not made here; neither profiles nor devices: no GPU
  gpu-large: {{profiles: [grid_a100-40c]}}
naming:
  enforcement: {{vgpu-class-name: advisory}}
  exemptions:
    - rule: name-pattern
      resource: "urn:pulumi:dev::paif::*::old-machine"
      reason: "renamed with the next rebuild"
      owner: platform team
      expires: 2027-03-31
```

Labels of the components here follow paif_catalog/naming.yaml: who makes things by stack files changes the keys there.

Names of a site's own, of machines of one kind and of several, in an environment that its names call `prd`:

```yaml
naming:
  environmentCodes: {{prd: prod}}
  patterns:
    workstation: '(?P<environment>prd|dev)-(?P<site>[a-z]{{5}})-gpu-(?P<name>\\d{{3}})'
    cluster: ["{{organization}}-{{environment}}-{{name}}", 'k8s-(?P<environment>prd)-(?P<name>[a-z]+)']
```

What is wrong in a file is told with line, expectation and nearest name, by `./paif check` and by the packs. What
differs from the defaults (levels, guards) and every exemption is listed in every run. An exemption names a type or a
resource, and ends within three years. An expired one fails the run, and so does the violation that it covered; one that
nothing needs is reported. What to declare for `pulumi policy analyze` to judge alike belongs into this file, since the
engine hands a stack's configuration over in `preview` and `up` only (decisions/0005-policy-data.md).
"""


def render() -> str:
    """The whole reference."""
    parts = [_INTRODUCTION.format(count=sum(len(pack.rules) for pack in PACKS))]
    for pack in PACKS:
        parts.append(f"\n## Pack `{pack.name}`\n\n{pack.description}: {len(pack.rules)} rules.\n")
        parts.append("\n### Settings of `" + pack.name + "`\n\n" + _settings(pack.settings))
        parts.append(f"\n### Rules of `{pack.name}`\n")
        parts += [_rule(rule) for rule in pack.rules]
    return "".join(parts)


def _settings(model: type[Settings]) -> str:
    rows = ["| setting | default | |\n|---|---|---|\n"]
    own = set(model.model_fields) - set(Settings.model_fields)
    schema = model.model_json_schema(by_alias=True)["properties"]
    for name, field in model.model_fields.items():
        if name in own:
            alias = str(field.alias)
            default = None if name in model.organization_files else schema[alias].get("default")
            shown = "" if default in (None, "", [], {}) else f"`{default}`"
            rows.append(f"| `{alias}` | {shown} | {field.description} |\n")
    return "".join(rows)


def _rule(rule: Rule[Any, Any]) -> str:
    levels = {kind: rule.levels[kind].value for kind in RULE_LEVELS}
    same = len(set(levels.values())) == 1
    shown = levels["prod"] if same else ", ".join(f"{kind} {level}" for kind, level in levels.items())
    short = (kind.rsplit(":", 1)[1].replace("*", "any") for kind in rule.types)
    kinds = sorted({"the stack" if kind == STACK.rsplit(":", 1)[1] else kind for kind in short})
    remedied = " It is put right where labels can be." if rule.remediate else ""
    return (
        f"\n#### {rule.name}\n\n"
        f"Why: {rule.reason}.{remedied}\n\n"
        f"- looks at: {', '.join(kinds)}\n"
        f"- severity {rule.severity.value}; {shown}\n"
        f"- remedy: {rule.remedy}\n"
        f"- source: {rule.source}\n"
    )


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
