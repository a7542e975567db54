"""From a plain configuration to an environment, with every problem at its path."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from copy import deepcopy
from typing import Any

from pydantic import ValidationError

import paif_catalog as catalog
from stacks.environment.defaults import with_defaults
from stacks.environment.expectations import expectation, nearest_key
from stacks.environment.findings import Findings
from stacks.environment.model import SECRETS, Environment
from stacks.environment.rules import contradictions
from stacks.environment.types import SHORT_NAME
from stacks.problems import NAMESPACE, LocatedProblem, Path, Problem, display_value


def validate(
    raw: dict[str, Any], name: str, encrypted: Collection[str], hidden: Collection[Path] = ()
) -> tuple[Environment | None, list[tuple[Path, Problem]]]:
    """Check a configuration: the environment (None when anything is wrong) and every problem with its path.

    `raw` maps keys without their namespace to plain values; `name` is the stack's; `encrypted` names the top-level keys
    that are encrypted, or hold something that is, where they come from; `hidden` are the places of values that nobody
    knows here: they count as right. Nothing is looked up outside: what exists is checked when the program runs.
    """
    findings = Findings(raw, frozenset(hidden), frozenset({*encrypted, *SECRETS}))
    if SHORT_NAME.fullmatch(name) is None:
        findings.add(
            (), "a stack named as a short DNS label, since its name becomes part of every name", display_value(name)
        )
    for secret in SECRETS:
        if secret in raw and secret not in encrypted:
            findings.add(
                (secret,), f"an encrypted value: pulumi config set --secret {NAMESPACE}:{secret}", "in plain text"
            )
        elif isinstance(raw.get(secret), str) and not raw[secret].strip():
            findings.add((secret,), "a value: it is empty")
    data = deepcopy(raw)
    for path in sorted(hidden, key=_order, reverse=True):
        _stand_in_for(data, path, findings)
    environment = _typed(data, findings)
    if environment is not None:
        environment._name = name
        for path, problem in _contradictions(environment, findings):
            findings.put(findings.original(path), problem)
    if findings.problems:
        return None, findings.problems
    return environment, []


def _contradictions(env: Environment, findings: Findings) -> list[LocatedProblem]:
    """What contradicts itself; of a platform that nobody knows, what does so on all that there are."""
    if not findings.lacks("platform"):
        return list(contradictions(env, findings))
    first, *others = (
        list(contradictions(env.model_copy(update={"platform": name}), findings)) for name in catalog.all_baselines()
    )
    return [each for each in first if all(each in found for found in others)]


# Stand-ins for required keys that are missing or wrong, so that the rest of the configuration is still checked.
_STAND_INS: dict[str, Any] = {
    "target": "lab",
    "kind": "dev",
    "organization": "org",
    "owner": "owner",
    "costCenter": "cost",
    "gpu": {"mode": "vgpu", "model": "A100"},
    "vcenter": {"computeCluster": "cluster"},
    "supervisor": {"name": "supervisor"},
    "namespace": {"name": "namespace", "storage": [{"policy": "policy"}]},
    "content": {"dlvmLibrary": "library", "dlvmImage": "image", "kubernetesLibrary": "library"},
}


def _typed(data: dict[str, Any], findings: Findings) -> Environment | None:
    """Turn plain data into the model, leaving out what is wrong until the rest fits."""
    while True:
        try:
            return Environment.model_validate(with_defaults(data))
        except ValidationError as invalid:
            errors = invalid.errors(include_url=False, include_context=True)
            # The same mistake once: what a misspelled key was meant to say is neither missing nor left to its default.
            meant = {path for error in errors for path in _meant(error, data)}
            wrong: set[Path] = set(meant)
            for error in errors:
                path: Path = tuple(error["loc"])
                if path in meant:
                    continue
                # A default may be wrong as well, where it depends on what there is.
                where, missing = findings.original(path), _at(data, path) is _NOTHING
                # A list whose entries were all wrong is not too short as well.
                emptied = error["type"] == "too_short" and where in findings.positions
                if not (missing and findings.lacks(*where)) and not emptied:
                    expected, near = expectation(error, path)
                    findings.add(where, expected, "" if missing else display_value(_at(data, path)), near)
                # A key with a stand-in can be missing by itself; without one, what it belongs to cannot be judged.
                wrong.add(path if not missing or len(path) == 1 or _stand_in(where) is not None else path[:-1])
            # From the end, so that earlier positions still hold; a part goes with the whole it belongs to.
            outer = [path for path in wrong if not any(path[:length] in wrong for length in range(1, len(path)))]
            for path in sorted(outer, key=_order, reverse=True):
                _stand_in_for(data, path, findings)


def _meant(error: Any, data: dict[str, Any]) -> Iterator[Path]:
    """The key that one which does not exist was meant to be, unless that is there too."""
    if error["type"] == "extra_forbidden":
        *outer, key = error["loc"]
        near = nearest_key((*outer, key))
        if near and _at(data, (*outer, near)) is _NOTHING:
            yield (*outer, near)


def _stand_in_for(data: dict[str, Any], path: Path, findings: Findings) -> None:
    """Leave out what is at `path`, and put the stand-in there if it is required."""
    if _at(data, path) is not _NOTHING:
        findings.leave_out(data, path)
    else:
        findings.gone.add(findings.original(path))
    stand_in = _stand_in(path)
    if stand_in is not None:
        _at(data, path[:-1])[path[-1]] = deepcopy(stand_in)


def _stand_in(path: Path) -> Any:
    """The stand-in for a required key, or None."""
    found = _at(_STAND_INS, path)
    if path == ("platform",):
        return next(iter(catalog.all_baselines()))
    # A list that lacks an entry is not missing itself.
    return None if found is _NOTHING or isinstance(path[-1], int) else found


def _order(path: Path) -> tuple[tuple[str, int], ...]:
    return tuple(("", part) if isinstance(part, int) else (part, 0) for part in path)


_NOTHING = object()


def _at(data: Any, path: Path) -> Any:
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return _NOTHING
    return data
