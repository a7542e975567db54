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
class Known:
    """What is known beside the outputs: what the stack file asks for (None: it is wrong), and what the state holds.

    `made` are resources by the last part of their type, and by their name.
    """

    asked: Environment | None
    made: frozenset[tuple[str, str]]

    def has(self, kind: str, name: str = "") -> bool:
        """Whether there is a resource of a kind of output, of any name that ends so."""
        return any(tail == _RESOURCES[kind] and logical.endswith(name) for tail, logical in self.made)


def known(stack: Stack) -> Known:
    """What the stack file and the state say of a stack."""
    resources = (stack_state.export(stack).get("deployment") or {}).get("resources") or []
    made = frozenset((each["type"].rsplit(":", 1)[-1], each["urn"].rsplit("::", 1)[-1]) for each in resources)
    return Known(stack_files.environment(stack.name), made)


def personas(env: str, outputs: dict[str, Any], beside: Known) -> str:
    """The outputs of an environment by persona, without certificates; secrets are told by the command that shows them.

    What was asked for and never made, and what was made and is gone, is told as such. Raises ``Failed`` when there is
    nothing at all.
    """
    if not outputs and not beside.made:
        raise Failed(f"{env} has no outputs: it is not up; `./paif up {env}` provisions it")
    sheet = _Sheet(env, outputs, beside)
    lines = [sheet.title()]
    for title, rows in (
        ("data scientists", sheet.people("dataScientist")),
        ("MLOps engineers", sheet.people("mlopsEngineer")),
        ("application developers", sheet.developers()),
        ("platform engineers", sheet.platform()),
    ):
        found = list(rows)
        if found:
            width = max(len(name) for name, _ in found)
            lines += ["", title, *(f"  {name:<{width}}  {value}" for name, value in found)]
    example = sheet.example()
    one = f"one value: `./paif outputs {env} {example}`; " if example else ""
    lines += ["", f"{one}everything: `./paif outputs {env} --json`"]
    return "\n".join(lines)


_Row = tuple[str, str]


@dataclass(frozen=True)
class _Sheet:
    env: str
    outputs: dict[str, Any]
    beside: Known

    def title(self) -> str:
        told, asked = self.outputs.get("environment") or {}, self.beside.asked
        kind = told.get("kind") or (asked.kind if asked else "")
        mode = told.get("gpuMode") or (asked.gpu.mode if asked else "")
        namespace = f"namespace {told['namespace']}" if told.get("namespace") else "its namespace is not made yet"
        return f"{self.env}: {', '.join(filter(None, (kind and f'kind {kind}', mode, namespace)))}"

    def people(self, persona: str) -> Iterator[_Row]:
        """Machines of a persona, and what else its people need."""
        told = self.outputs.get(persona) or {}
        asked = [each for each in self._asked("workstations") if each.persona == _PERSONAS[persona]]
        machines = told.get("workstations") or {}
        for name in self._names([each.name for each in asked], machines):
            machine = machines.get(name) or {}
            lacks = self._lacks("workstation", name, machine.get("ssh"))
            yield name, lacks or f"{machine['ssh']}, Jupyter {machine['jupyter']}{self._unasked(name, asked)}"
            if machine.get("password") and not lacks:
                yield "  password", self._secret(f"{persona}.workstations.{name}.password")
        if persona == "dataScientist" and (machines or asked):
            yield from self._interface()
        gallery = told.get("gallery") or {}
        if gallery.get("registry"):
            yield "gallery", f"{gallery.get('registry')} as {gallery.get('username')}"
            if gallery.get("password"):
                yield "  password", self._secret(f"{persona}.gallery.password")
            if gallery.get("caBundle"):
                yield "  authority", f"`./paif outputs {self.env} {persona}.gallery.caBundle`"
        if persona != "mlopsEngineer":
            return
        models, wanted = told.get("models") or {}, self._asked("model_endpoints")
        for name in self._names([each.name for each in wanted], models):
            model = models.get(name) or {}
            lacks = self._lacks("endpoint", name, model.get("routingName") and model.get("digest"))
            found = lacks or f"{model['routingName']}, {model['digest'][:19]}{self._unasked(name, wanted)}"
            yield f"model {name}", found

    def developers(self) -> Iterator[_Row]:
        """The interface to the models, and what signs people in to it."""
        yield from self._interface()

    def platform(self) -> Iterator[_Row]:
        """Database, clusters, versions."""
        database = self.outputs.get("database") or {}
        if database or self._asked("database"):
            lacks = self._lacks("database", "", database.get("host") and database.get("pgvector"))
            address = "{username}@{host}:{port}/{name}, pgvector {pgvector}"
            yield "database", lacks or address.format(**database)
            if database.get("password") and not lacks:
                yield "  password", self._secret("database.password")
            if database.get("caBundle") and not lacks:
                yield "  authority", f"`./paif outputs {self.env} database.caBundle`"
        clusters, asked = self.outputs.get("clusters") or {}, self._asked("clusters")
        for name in self._names([each.name for each in asked], clusters):
            cluster = clusters.get(name) or {}
            lacks = self._lacks("cluster", name, cluster.get("kubeconfig"))
            operator = f", GPU Operator {cluster['gpuOperator']}" if cluster.get("gpuOperator") else ""
            yield f"cluster {name}", lacks or f"{cluster['name']}{operator}{self._unasked(name, asked)}"
            if not lacks:
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
        told = self.outputs.get("appDeveloper") or {}
        if not told and not self._asked("ai_services"):
            return
        lacks = self._lacks("services", "", told.get("baseUrl"))
        yield "OpenAI API", lacks or told["baseUrl"]
        models, asked = told.get("models") or {}, self._asked("model_endpoints")
        for name in self._names([each.name for each in asked], models):
            gone = self._lacks("endpoint", name, models.get(name))
            yield f"  model {name}", gone or f"{models[name]}{self._unasked(name, asked)}"
        signs_in = told.get("oidc") or {}
        if signs_in.get("issuer"):
            yield "  sign-in", f"{signs_in['issuer']}, client {signs_in.get('clientId')}"
        if told.get("caBundle") and not lacks:
            yield "  authority", f"`./paif outputs {self.env} appDeveloper.caBundle`"

    def _asked(self, key: str) -> Any:
        """What the stack file asks for, nothing when it cannot be read."""
        return (getattr(self.beside.asked, key) if self.beside.asked else None) or []

    @staticmethod
    def _names(asked: Iterable[str], told: Iterable[str]) -> list[str]:
        return list(dict.fromkeys((*asked, *told)))

    def _unasked(self, name: str, asked: Iterable[Any]) -> str:
        """What is told of something that the stack file does not ask for any more."""
        if self.beside.asked is None or name in {each.name for each in asked}:
            return ""
        return " (no longer in the stack file: the next `up` removes it)"

    def _lacks(self, kind: str, name: str, value: Any) -> str:
        """Why there is nothing to tell: never made, gone, or not told of; "" when there is.

        `name` is "" for what there is once.
        """
        there = self.beside.has(kind, self._full(kind, name))
        if value and there:
            return ""
        if value:
            return f"removed since the last `up`; `./paif up {self.env}` makes it again"
        if there:
            return f"there, but a run that failed did not tell of it; `./paif up {self.env}` does when it is through"
        return f"not made yet: `./paif up {self.env}` makes it, or says why it cannot"

    def _full(self, kind: str, name: str) -> str:
        if not name:
            return ""
        told, asked = self.outputs.get("environment") or {}, self.beside.asked
        organisation = told.get("organisation") or (asked.organisation if asked else "")
        return f"{organisation}-{self.env}-{catalog.naming().kinds[kind].code}-{name}"

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
