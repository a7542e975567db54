"""Generated resources for the packs: right ones changed at random, and random ones, each made again by its number.

By hand: `.venv/bin/python -m tests.policy.fuzz 100000 [FIRST]` prints how many objects were judged and what went wrong;
a failure is shrunk to the least properties that still fail.
"""

from __future__ import annotations

import copy
import json
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from ruamel.yaml import YAML

from policies.licensing.pack import PACK as LICENSING
from policies.naming.pack import PACK as NAMING
from policies.platform.pack import PACK as PLATFORM
from policies.shared import forms
from policies.shared.protocol import messages
from policies.shared.server import Service
from tests.policy import resources as samples
from tests.policy.harness import Process, RequestedResource

RUN = 25
"""Objects of one run: what a pack remembers of earlier ones is part of what is tried."""


def _of_programs() -> Iterator[RequestedResource]:
    """Resources of the table of programs, as strangers write them."""
    for file in sorted((Path(__file__).parent / "programs").glob("*.yaml")):
        for program in YAML(typ="safe").load(file.read_text(encoding="utf-8")).get("programs", ()):
            for each in program["resources"]:
                yield RequestedResource(each["type"], each.get("name", "it"), each.get("properties", {}))


_SAMPLES = [each for _, each in sorted(vars(samples).items()) if isinstance(each, RequestedResource)]
_SAMPLES += _of_programs()
_FOREIGN = (
    "aws:ec2/instance:Instance",
    "random:index/randomPassword:RandomPassword",
    "kubernetes:example.com/v1:Widget",
    "kubernetes:yaml:ConfigFile",
    "kubernetes:helm.sh/v4:Chart",
    "kubernetes:nvidia.com/v1:ClusterPolicy",
    "kubernetes:nvidia.com/v1alpha1:NVIDIADriver",
    "kubernetes:argoproj.io/v1alpha1:Application",
    "kubernetes:serving.kserve.io/v1beta1:InferenceService",
    "vcfa:index/supervisorNamespace:SupervisorNamespace",
    "vsphere:index/license:License",
    "pulumi:providers:kubernetes",
)
_VERSIONS = ("v1", "v1alpha1", "v1alpha2", "v1alpha3", "v1alpha5", "v1beta1", "v1beta2")
_TEXTS = (
    "",
    " ",
    "null",
    "true",
    "0",
    "-1",
    "3",
    "1e400",
    "NaN",
    "12Gi",
    "grid_a100-40c",
    "nvidia_rtx_pro_6000_blackwell_dc-96q",
    "10de",
    "acme-dev-class-vgpu-a100-40c",
    "10.0.0.0/8",
    "fe80::/200",
    "https://user:pw@host.example.test:99999/x",
    "nvcr.io/nim/meta/llama@sha256:00",
    "#cloud-config\nruncmd: [[pais, models, push]]",
    "H4sIAAAAAAAA",
    "v1.32.0+vmware.6-fips",
    "ä\u0000\U0001f600\n\r\t",
    "a" * 300,
    "-" * 70,
    "{{ .Values.x }}",
    "[unclosed",
    "*",
    "..",
    "nvapi-0123456789abcdef",
    "9" * 5000,
    f"grid_a100-{'9' * 5000}c",
    "1e99999999999999999999",
    "v1." + "9" * 5000,
)
_KEYS = (
    *("name", "namespace", "labels", "annotations", "metadata", "spec", "data", "stringData", "values", "replicas"),
    *(
        "template",
        "containers",
        "env",
        "value",
        "image",
        "registry",
        "repository",
        "kubeconfig",
        "password",
        "a.b/c",
        "",
    ),
    *("extraConfig", "pciPassthru0.vgpu", "guestinfo.userdata", "vapp", "properties", "pciDeviceIds", "tags", "vgpus"),
    *("bootstrap", "cloudInit", "cloudConfig", "runcmd", "write_files", "vAppConfig", "rawProperties", "className"),
    *("topology", "workers", "machineDeployments", "variables", "overrides", "chart", "version", "repositoryOpts"),
)


def generated(number: int) -> RequestedResource:
    """The object of this number."""
    rng = random.Random(number)  # noqa: S311 - made again by its number
    if rng.random() < 0.75:
        sample = rng.choice(_SAMPLES)
        properties = copy.deepcopy(dict(sample.properties))
        for _ in range(rng.choice((0, 1, 1, 1, 2, 3, 6))):
            _change(rng, properties)
        kind = _other_type(rng, sample.type) if rng.random() < 0.25 else sample.type
    else:
        kind = rng.choice((*_FOREIGN, *(each.type for each in _SAMPLES)))
        form = forms.form_of(kind)
        made = _of_form(rng, form, 0) if form is not None and rng.random() < 0.7 else None
        properties = made if isinstance(made, dict) and not made.keys() & {"$unknown", "$secret"} else _mapping(rng, 0)
    provider = rng.choice(("", "urn:pulumi:dev::paif::pulumi:providers:kubernetes::supervisor"))
    return RequestedResource(kind, f"n{number}", properties, protect=rng.random() < 0.5, provider=provider)


def _other_type(rng: random.Random, kind: str) -> str:
    if not kind.startswith("kubernetes:"):
        return rng.choice((*_FOREIGN, *(each.type for each in _SAMPLES)))
    group, _, rest = kind.removeprefix("kubernetes:").partition("/")
    name = rest.rpartition(":")[2]
    return rng.choice(
        (
            f"{kind}Patch",
            f"kubernetes:{group}/{rng.choice(_VERSIONS)}:{name}",
            f"kubernetes:{group}/{rng.choice(_VERSIONS)}:{name}Patch",
            "kubernetes:vmoperator.vmware.com/v1alpha5:VirtualMachineReplicaSet",
            "kubernetes:vmoperator.vmware.com/v1alpha2:VirtualMachineClass",
        )
    )


def _places(data: Any) -> Iterator[tuple[Any, Any]]:
    """Every container with every key in it."""
    for key, value in list(data.items() if isinstance(data, dict) else enumerate(data)):
        yield data, key
        if isinstance(value, dict | list):
            yield from _places(value)


def _change(rng: random.Random, properties: dict[str, Any]) -> None:
    places = list(_places(properties))
    if not places:
        properties[rng.choice(_KEYS)] = _value(rng, 0)
        return
    owner, key = rng.choice(places)
    what = rng.random()
    if what < 0.12:
        del owner[key]
    elif what < 0.22:
        owner[key] = None
    elif what < 0.34:
        owner[key] = {"$unknown": True}
    elif what < 0.42:
        owner[key] = {"$secret": owner[key]}
    elif what < 0.50:
        owner[key] = [owner[key]]
    elif what < 0.58:
        owner[key] = {rng.choice(_KEYS): owner[key]}
    elif what < 0.68 and isinstance(owner[key], str | int | float):
        owner[key] = str(owner[key]) if isinstance(owner[key], int | float) else rng.choice((3, -1, 0.5, True))
    elif what < 0.78 and isinstance(owner[key], dict):
        owner[key][rng.choice(_KEYS)] = _value(rng, 0)
    else:
        owner[key] = _value(rng, 0)


def _of_form(rng: random.Random, form: Any, depth: int) -> Any:
    """A value of a form, or one of another here and there."""
    if rng.random() < 0.12:
        return _value(rng, depth)
    if isinstance(form, dict):
        made: dict[str, Any] = {}
        for key, each in form.items():
            if rng.random() < 0.7:
                made[rng.choice(_KEYS) if key == forms.EVERY else key] = _of_form(rng, each, depth + 1)
        return made if depth or made else {"name": "x"}
    if isinstance(form, list):
        return [_of_form(rng, form[0], depth + 1) for _ in range(rng.choice((0, 1, 1, 2, 3)))]
    return {
        forms.TEXT: lambda: rng.choice(_TEXTS),
        forms.NUMBER: lambda: rng.choice((-1, 0, 1, 3, 4318, 2.5, 1e300)),
        forms.FLAG: lambda: rng.choice((True, False)),
        forms.ANY: lambda: _value(rng, depth),
    }[form]()


def _mapping(rng: random.Random, depth: int) -> dict[str, Any]:
    return {rng.choice(_KEYS): _value(rng, depth + 1) for _ in range(rng.choice((0, 1, 2, 3, 5)))}


def _value(rng: random.Random, depth: int) -> Any:
    makers: tuple[Callable[[], Any], ...] = (
        lambda: rng.choice(_TEXTS),
        lambda: rng.choice(_TEXTS),
        lambda: rng.choice((0, 1, -1, 3, 1.5, 1e18, 2**31)),
        lambda: rng.choice((True, False)),
        lambda: None,
        lambda: {"$unknown": True},
        lambda: {"$secret": rng.choice(_TEXTS)},
    )
    if depth < 6 and rng.random() < 0.4:
        return _mapping(rng, depth) if rng.random() < 0.5 else [_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    if rng.random() < 0.01:
        return _deep(rng)
    return rng.choice(makers)()


def _deep(rng: random.Random) -> Any:
    """About as deep as a message of the engine's may be."""
    value: Any = rng.choice(_TEXTS)
    for _ in range(12):
        value = [value] if rng.random() < 0.5 else {rng.choice(_KEYS): value}
    return value


class Judge:
    """The three packs in this process, judging run by run."""

    def __init__(self) -> None:
        self.service = Service("paif", "", (PLATFORM, NAMING, LICENSING))

    def begin(self, number: int) -> None:
        """Start the run of an object: its settings and whether it is a preview are its number's."""
        rng = random.Random(-1 - number // RUN)  # noqa: S311
        config = {**samples.CONFIG, "kind": rng.choice(("dev", "qa", "staging", "prod"))}
        texts = {f"paif:{key}": each if isinstance(each, str) else json.dumps(each) for key, each in config.items()}
        self.service.configure_stack(
            messages.AnalyzerStackConfigureRequest(
                stack="dev", project="paif", dry_run=rng.random() < 0.6, config=texts, config_secret_keys=[]
            )
        )
        info = self.service.info(None)
        configure = messages.ConfigureAnalyzerRequest()
        for policy in info.policies:
            configure.policyConfig[policy.name].enforcementLevel = policy.enforcementLevel
        if rng.random() < 0.7:
            for pack, settings in samples.SETTINGS.items():
                configure.policyConfig[f"{pack}-configuration"].properties.update(settings)
        self.service.configure(configure)

    def errors(self, resource: RequestedResource) -> list[str]:
        """What goes wrong in judging a resource; violations do not."""
        try:
            request = Process.request(resource, "dev")
        except DecodeError:
            # Deeper than a message of the engine's may be: no pack gets to see it.
            return []
        try:
            remediated = self.service.remediate(request)
            answer = self.service.analyze(request)
        except Exception as error:
            return [f"{type(error).__name__}: {error}"]
        said = [each.message for each in answer.diagnostics] + [each.diagnostic for each in remediated.remediations]
        failed = ("the check itself failed", "could not be looked at", "could not be put right")
        return [each.splitlines()[0] for each in said if any(what in each for what in failed)]

    def end(self) -> list[str]:
        """What goes wrong when no resource comes any more."""
        try:
            answer = self.service.analyze_stack(None)
        except Exception as error:
            return [f"{type(error).__name__}: {error}"]
        return [each.message for each in answer.diagnostics if "the check itself failed" in each.message]


def failures(first: int, count: int) -> Iterator[tuple[int, list[str]]]:
    """Numbers of the objects that make a pack fail, with how."""
    judge = Judge()
    for number in range(first, first + count):
        if number == first or number % RUN == 0:
            judge.begin(number)
        found = judge.errors(generated(number))
        if number % RUN == RUN - 1 or number == first + count - 1:
            found += judge.end()
        if found:
            yield number, found


def fails_alone(number: int, resource: RequestedResource) -> list[str]:
    """What goes wrong with a resource as the only one of its run."""
    judge = Judge()
    judge.begin(number)
    return judge.errors(resource) + judge.end()


def shrunk(number: int) -> RequestedResource:
    """The object with the least properties that still fail by themselves; as it is when they do not."""
    resource = generated(number)
    smaller = True
    while smaller and fails_alone(number, resource):
        smaller = False
        for candidate in _without_one(resource.properties):
            if fails_alone(number, replace(resource, properties=candidate)):
                resource, smaller = replace(resource, properties=candidate), True
                break
    return resource


def _without_one(properties: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for index in range(sum(1 for _ in _places(properties))):
        candidate = copy.deepcopy(dict(properties))
        owner, key = list(_places(candidate))[index]
        del owner[key]
        yield candidate


def main(count: int, first: int = 0) -> int:
    """Judge so many objects and print what went wrong. Returns the exit status."""
    failed = 0
    for number, found in failures(first, count):
        failed += 1
        if failed <= 10:
            least = shrunk(number)
            sys.stdout.write(f"object {number}: {found}\n  {least.type} {json.dumps(least.properties, default=str)}\n")
    sys.stdout.write(f"{count} objects from {first} on, {failed} of them failed a check or crashed it\n")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:])))
