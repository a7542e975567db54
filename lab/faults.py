"""The faults that the lab can play on demand, with their parameters."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field
from math import isfinite


@dataclass(frozen=True)
class Parameter:
    """What may be given for a fault: a value that ``read`` takes, else ``default``; "" leaves it open."""

    expected: str
    default: str | int | float
    read: Callable[[str], str | int | float | None]


def _number(least: float, most: float) -> Callable[[str], float | None]:
    def read(text: str) -> float | None:
        value = float(text)
        return value if isfinite(value) and least <= value <= most else None

    return read


def _whole(least: int, most: int) -> Callable[[str], int | None]:
    def read(text: str) -> int | None:
        value = int(text)
        return value if least <= value <= most else None

    return read


def _text(text: str) -> str | None:
    return text or None


@dataclass(frozen=True)
class Fault:
    """What goes wrong while the fault is on, and by which parameters that changes."""

    what: str
    parameters: dict[str, Parameter] = field(default_factory=dict)

    def said(self, given: dict[str, str | int | float]) -> str:
        """What goes wrong with these parameters."""
        return self.what + "".join(f", {key} {value}" for key, value in given.items())


_OBJECT = {
    "namespace": Parameter("the namespace that it is narrowed to", "", _text),
    "name": Parameter("the name of the object that it is narrowed to", "", _text),
}
FAULTS: dict[str, Fault] = {
    "api-errors": Fault(
        "vCenter answers a share of the calls with an error",
        {
            "rate": Parameter("a share from 0 to 1", 0.3, _number(0, 1)),
            "status": Parameter("an HTTP status from 400 to 599", 503, _whole(400, 599)),
            "path": Parameter("a part of the paths that it is narrowed to", "", _text),
        },
    ),
    "api-delay": Fault(
        "every vCenter call takes longer", {"ms": Parameter("milliseconds, at most 600000", 500, _whole(0, 600_000))}
    ),
    "no-capacity": Fault(
        "no host has room for VMs of a class",
        {"class": Parameter("the full name of a VM class; without it every class", "", _text)},
    ),
    "image-pull": Fault("container images cannot be pulled in VKS clusters and by model endpoints", _OBJECT),
    "license-server-down": Fault("the NVIDIA license server does not answer"),
    "database-never-ready": Fault("a new PostgreSQL database never becomes ready", _OBJECT),
    "control-plane-crash": Fault(
        "the API server of a VKS cluster keeps dying",
        {"cluster": Parameter("the full name of a cluster; without it every cluster", "", _text)},
    ),
}


def check_name(name: str) -> None:
    """Raises ``ValueError`` with the nearest name when there is no such fault."""
    if name not in FAULTS:
        near = difflib.get_close_matches(name, FAULTS, 1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise ValueError(f"unknown fault {name!r}{hint}; expected one of {', '.join(FAULTS)}")


def check_fault(name: str, parameters: dict[str, str]) -> dict[str, str | int | float]:
    """The parameters of fault ``name``, with defaults filled in and numbers as numbers; what is left open is left out.

    Raises ``ValueError`` saying what is wrong, what was expected and what comes nearest.
    """
    check_name(name)
    known = FAULTS[name].parameters
    result = {key: each.default for key, each in known.items()}
    for key, text in parameters.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            expected = "; ".join(f"{each}: {parameter.expected}" for each, parameter in known.items()) or "none"
            raise ValueError(f"fault {name} has no parameter {key!r}{hint}; expected {expected}")
        try:
            value = known[key].read(text)
        except ValueError:
            value = None
        if value is None:
            raise ValueError(f"{name} {key}={text}: expected {known[key].expected}")
        result[key] = value
    return {key: value for key, value in result.items() if value != ""}
