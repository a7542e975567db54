"""What each persona gets from an environment: a sheet for people, and single values for scripts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import paif_catalog as catalog
from cli.configuration import stack_files
from cli.engine import stack_state
from cli.engine.stack import Stack
from cli.output.console import BAD_INPUT, Failed, stop
from paif_catalog.nearest_names import nearest
from paif_catalog.redaction import HIDDEN
from stacks.environment import Environment

_PERSONAS = {"dataScientist": "data-scientist", "mlopsEngineer": "mlops-engineer"}
_RESOURCES = {
    "workstation": "VirtualMachine",
    "endpoint": "ModelEndpoint",
    "cluster": "Cluster",
    "database": "PostgresExtension",
    "services": "PAISConfiguration",
}
"""The resource without which what an output tells is not there, by the last part of its type."""


@dataclass(frozen=True)
class StackView:
    """What is known beside the outputs: what the stack file asks for (None: it is wrong), and what the state holds.

    `existing` are resources by the last part of their type, and by their name.
    """

    desired: Environment | None
    existing: frozenset[tuple[str, str]]

    def has(self, kind: str, name: str = "") -> bool:
        """Whether there is a resource of a kind of output, of any name that ends so."""
        return any(tail == _RESOURCES[kind] and logical.endswith(name) for tail, logical in self.existing)


def stack_view(stack: Stack) -> StackView:
    """What the stack file and the state say of a stack."""
    resources = (stack_state.export(stack).get("deployment") or {}).get("resources") or []
    existing = frozenset((each["type"].rsplit(":", 1)[-1], each["urn"].rsplit("::", 1)[-1]) for each in resources)
    return StackView(stack_files.environment(stack.name), existing)


def personas(env: str, outputs: dict[str, Any], view: StackView) -> str:
    """The outputs of an environment by persona, without certificates; secrets are told by the command that shows them.

    What was asked for and never made, and what was made and is gone, is told as such. Raises ``Failed`` when there is
    nothing at all.
    """
    if not outputs and not view.existing:
        raise Failed(f"{env} has no outputs: it is not up; `./paif up {env}` provisions it")
    sheet = _Sheet(env, outputs, view)
    lines = [sheet.title()]
    for title, rows in (
        ("data scientists", sheet.people("dataScientist")),
        ("MLOps engineers", sheet.people("mlopsEngineer")),
        ("application developers", sheet.developers()),
        ("platform engineers", sheet.platform()),
    ):
        entries = list(rows)
        if entries:
            width = max(len(name) for name, _ in entries)
            lines += ["", title, *(f"  {name:<{width}}  {value}" for name, value in entries)]
    example = sheet.example()
    one = f"one value: `./paif outputs {env} {example}`; " if example else ""
    lines += ["", f"{one}everything: `./paif outputs {env} --json`"]
    return "\n".join(lines)


_Row = tuple[str, str]


@dataclass(frozen=True)
class _Sheet:
    env: str
    outputs: dict[str, Any]
    view: StackView

    def title(self) -> str:
        section, desired = self.outputs.get("environment") or {}, self.view.desired
        kind = section.get("kind") or (desired.kind if desired else "")
        mode = section.get("gpuMode") or (desired.gpu.mode if desired else "")
        namespace = f"namespace {section['namespace']}" if section.get("namespace") else "its namespace is not made yet"
        return f"{self.env}: {', '.join(filter(None, (kind and f'kind {kind}', mode, namespace)))}"

    def people(self, persona: str) -> Iterator[_Row]:
        """Machines of a persona, and what else its people need."""
        section = self.outputs.get(persona) or {}
        desired = [each for each in self._desired("workstations") if each.persona == _PERSONAS[persona]]
        machines = section.get("workstations") or {}
        for name in self._names([each.name for each in desired], machines):
            machine = machines.get(name) or {}
            missing = self._missing_reason("workstation", name, machine.get("ssh"))
            yield name, missing or f"{machine['ssh']}, Jupyter {machine['jupyter']}{self._removal_note(name, desired)}"
            if machine.get("password") and not missing:
                yield "  password", self._secret(f"{persona}.workstations.{name}.password")
        if persona == "dataScientist" and (machines or desired):
            yield from self._interface()
        gallery = section.get("gallery") or {}
        if gallery.get("registry"):
            yield "gallery", f"{gallery.get('registry')} as {gallery.get('username')}"
            if gallery.get("password"):
                yield "  password", self._secret(f"{persona}.gallery.password")
            if gallery.get("caBundle"):
                yield "  authority", f"`./paif outputs {self.env} {persona}.gallery.caBundle`"
        if persona != "mlopsEngineer":
            return
        models, endpoints = section.get("models") or {}, self._desired("model_endpoints")
        for name in self._names([each.name for each in endpoints], models):
            model = models.get(name) or {}
            missing = self._missing_reason("endpoint", name, model.get("routingName") and model.get("digest"))
            summary = missing or f"{model['routingName']}, {model['digest'][:19]}{self._removal_note(name, endpoints)}"
            yield f"model {name}", summary

    def developers(self) -> Iterator[_Row]:
        """The interface to the models, and what signs people in to it."""
        yield from self._interface()

    def platform(self) -> Iterator[_Row]:
        """Database, clusters, versions."""
        database = self.outputs.get("database") or {}
        if database or self._desired("database"):
            missing = self._missing_reason("database", "", database.get("host") and database.get("pgvector"))
            address = "{username}@{host}:{port}/{name}, pgvector {pgvector}"
            yield "database", missing or address.format(**database)
            if database.get("password") and not missing:
                yield "  password", self._secret("database.password")
            if database.get("caBundle") and not missing:
                yield "  authority", f"`./paif outputs {self.env} database.caBundle`"
        clusters, desired = self.outputs.get("clusters") or {}, self._desired("clusters")
        for name in self._names([each.name for each in desired], clusters):
            cluster = clusters.get(name) or {}
            missing = self._missing_reason("cluster", name, cluster.get("kubeconfig"))
            operator = f", GPU Operator {cluster['gpuOperator']}" if cluster.get("gpuOperator") else ""
            yield f"cluster {name}", missing or f"{cluster['name']}{operator}{self._removal_note(name, desired)}"
            if not missing:
                yield "  kubeconfig", self._secret(f"clusters.{name}.kubeconfig")
        versions = {key: value for key, value in (self.outputs.get("versions") or {}).items() if isinstance(value, str)}
        if versions:
            yield "versions", ", ".join(f"{key} {value}" for key, value in versions.items())

    def example(self) -> str:
        """Path of a value that is there, "" when none is."""
        clusters = (f"clusters.{name}.name" for name in self.outputs.get("clusters") or {})
        for path in ("database.host", "appDeveloper.baseUrl", *clusters, "environment.namespace"):
            found: Any = self.outputs
            for part in path.split("."):
                found = found.get(part) if isinstance(found, dict) else None
            if found:
                return path
        return ""

    def _interface(self) -> Iterator[_Row]:
        section = self.outputs.get("appDeveloper") or {}
        if not section and not self._desired("ai_services"):
            return
        missing = self._missing_reason("services", "", section.get("baseUrl"))
        yield "OpenAI API", missing or section["baseUrl"]
        models, desired = section.get("models") or {}, self._desired("model_endpoints")
        for name in self._names([each.name for each in desired], models):
            missing = self._missing_reason("endpoint", name, models.get(name))
            yield f"  model {name}", missing or f"{models[name]}{self._removal_note(name, desired)}"
        oidc = section.get("oidc") or {}
        if oidc.get("issuer"):
            yield "  sign-in", f"{oidc['issuer']}, client {oidc.get('clientId')}"
        if section.get("caBundle") and not missing:
            yield "  authority", f"`./paif outputs {self.env} appDeveloper.caBundle`"

    def _desired(self, key: str) -> Any:
        """What the stack file asks for, nothing when it cannot be read."""
        return (getattr(self.view.desired, key) if self.view.desired else None) or []

    @staticmethod
    def _names(desired: Iterable[str], existing: Iterable[str]) -> list[str]:
        return list(dict.fromkeys((*desired, *existing)))

    def _removal_note(self, name: str, desired: Iterable[Any]) -> str:
        """What is told of something that the stack file does not ask for any more."""
        if self.view.desired is None or name in {each.name for each in desired}:
            return ""
        return " (no longer in the stack file: the next `up` removes it)"

    def _missing_reason(self, kind: str, name: str, value: Any) -> str:
        """Why there is nothing to tell: never made, gone, or not told of; "" when there is.

        `name` is "" for what there is once.
        """
        exists = self.view.has(kind, self._full_name(kind, name))
        if value and exists:
            return ""
        if value:
            return f"removed since the last `up`; `./paif up {self.env}` makes it again"
        if exists:
            return f"there, but a run that failed did not tell of it; `./paif up {self.env}` does when it is through"
        return f"not made yet: `./paif up {self.env}` makes it, or says why it cannot"

    def _full_name(self, kind: str, name: str) -> str:
        if not name:
            return ""
        section, desired = self.outputs.get("environment") or {}, self.view.desired
        organization = section.get("organization") or (desired.organization if desired else "")
        return f"{organization}-{self.env}-{catalog.naming().kinds[kind].code}-{name}"

    def _secret(self, path: str) -> str:
        return f"`./paif outputs {self.env} {path} --show-secrets`"


def value_at(outputs: dict[str, Any], path: str) -> str:
    """One output by its dotted path: text as it is, anything else as JSON.

    Raises ``typer.Exit`` after saying what is wrong when there is nothing at the path, nothing yet, or a secret that is
    not shown.
    """
    found: Any = outputs
    for number, part in enumerate(path.split(".")):
        if not isinstance(found, dict) or part not in found:
            names = list(found) if isinstance(found, dict) else []
            where = ".".join(path.split(".")[:number]) or "the outputs"
            near = nearest(part, names)
            hint = f" (did you mean {near!r}?)" if near else ""
            raise stop(f"{path}: expected one of {', '.join(names) or 'nothing'} below {where}{hint}", BAD_INPUT)
        found = found[part]
    if found is None:
        raise stop(f"{path} is not made yet: `./paif up` makes it, or says why it cannot")
    if found == HIDDEN:
        raise stop(f"{path} is secret: add --show-secrets to print it", BAD_INPUT)
    return found if isinstance(found, str) else json.dumps(found, indent=2)
