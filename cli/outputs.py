"""What each persona gets from an environment: a sheet for people, and single values for scripts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from cli.output import BAD_INPUT, Failed, stop
from stacks.problems import nearest

_NOT_MADE = "not made: the last run failed before it was"
HIDDEN = "[secret]"
"""What stands for a secret in the engine's answer unless secrets were asked for."""


def personas(env: str, outputs: dict[str, Any]) -> str:
    """The outputs of an environment by persona, without certificates; secrets are told by the command that shows them.

    Raises ``Failed`` when there are none.
    """
    if not outputs:
        raise Failed(f"{env} has no outputs: it is not up; `./paif up {env}` provisions it")
    told = outputs.get("environment", {})
    lines = [f"{env}: kind {told.get('kind')}, {told.get('gpuMode')}, namespace {told.get('namespace')}"]
    for title, rows in (
        ("data scientists", _people(env, "dataScientist", outputs)),
        ("MLOps engineers", _people(env, "mlopsEngineer", outputs)),
        ("application developers", _developers(env, outputs)),
        ("platform engineers", _platform(env, outputs)),
    ):
        found = list(rows)
        if found:
            width = max(len(name) for name, _ in found)
            lines += ["", title, *(f"  {name:<{width}}  {value}" for name, value in found)]
    lines += ["", f"one value: `./paif outputs {env} database.host`; everything: `./paif outputs {env} --json`"]
    return "\n".join(lines)


def _people(env: str, persona: str, outputs: dict[str, Any]) -> Iterator[tuple[str, str]]:
    told = outputs.get(persona, {})
    for name, machine in told.get("workstations", {}).items():
        yield name, f"{machine['ssh']}, Jupyter {machine['jupyter']}" if machine.get("ssh") else _NOT_MADE
        if machine.get("password"):
            yield "  password", f"`./paif outputs {env} {persona}.workstations.{name}.password --show-secrets`"
    if "gallery" in told:
        yield "gallery", f"{told['gallery']['registry']} as {told['gallery']['username']}"
    for name, model in told.get("models", {}).items():
        made = model.get("routingName") and model.get("digest")
        yield f"model {name}", f"{model['routingName']}, {model['digest'][:19]}" if made else _NOT_MADE


def _developers(env: str, outputs: dict[str, Any]) -> Iterator[tuple[str, str]]:
    told = outputs.get("appDeveloper", {})
    if not told:
        return
    yield "OpenAI API", told.get("baseUrl") or _NOT_MADE
    for name, routing in told.get("models", {}).items():
        yield f"model {name}", routing or _NOT_MADE
    yield "authority", f"`./paif outputs {env} appDeveloper.caBundle`"


def _platform(env: str, outputs: dict[str, Any]) -> Iterator[tuple[str, str]]:
    database = outputs.get("database")
    if database and not (database.get("host") and database.get("pgvector")):
        yield "database", _NOT_MADE
    elif database:
        address = f"{database['username']}@{database['host']}:{database['port']}/{database['name']}"
        yield "database", f"{address}, pgvector {database['pgvector']}"
        yield "", f"password: `./paif outputs {env} database.password --show-secrets`"
    for name, cluster in outputs.get("clusters", {}).items():
        operator = cluster.get("gpuOperator")
        if not cluster.get("kubeconfig"):
            yield f"cluster {name}", _NOT_MADE
            continue
        yield f"cluster {name}", f"{cluster['name']}{f', GPU Operator {operator}' if operator else ''}"
        yield "", f"kubeconfig: `./paif outputs {env} clusters.{name}.kubeconfig --show-secrets`"
    versions = {key: value for key, value in outputs.get("versions", {}).items() if isinstance(value, str)}
    yield "versions", ", ".join(f"{key} {value}" for key, value in versions.items())


def value_at(outputs: dict[str, Any], path: str) -> str:
    """One output by its dotted path: text as it is, anything else as JSON.

    Raises ``typer.Exit`` after saying what is wrong when there is nothing at the path, or a secret that is not shown.
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
    if found == HIDDEN:
        raise stop(f"{path} is secret: add --show-secrets to print it", BAD_INPUT)
    return found if isinstance(found, str) else json.dumps(found, indent=2)
