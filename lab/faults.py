"""The faults that the lab can play on demand, with their parameters."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Fault:
    """What goes wrong while the fault is on; ``parameters`` maps each name to its default."""

    what: str
    parameters: dict[str, object] = field(default_factory=dict)


FAULTS: dict[str, Fault] = {
    "api-errors": Fault("vCenter answers a share of the calls with an error", {"rate": 0.3, "status": 503, "path": ""}),
    "api-delay": Fault("every vCenter call takes longer", {"ms": 500}),
    "no-capacity": Fault("no host has room for VMs of a class", {"class": ""}),
    "image-pull": Fault("container images cannot be pulled in VKS clusters"),
    "licence-server-down": Fault("the NVIDIA licence server does not answer"),
    "database-never-ready": Fault("a new PostgreSQL database never becomes ready"),
    "control-plane-crash": Fault("the API server of a VKS cluster keeps dying", {"cluster": ""}),
}


def check_fault(name: str, parameters: dict[str, object]) -> dict[str, object]:
    """The parameters of fault ``name``, with defaults filled in and numbers as numbers.

    Raises ``ValueError`` saying what is wrong, what was expected and what comes nearest.
    """
    if name not in FAULTS:
        near = difflib.get_close_matches(name, FAULTS, 1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise ValueError(f"unknown fault {name!r}{hint}; expected one of {', '.join(FAULTS)}")
    known = FAULTS[name].parameters
    result = dict(known)
    for key, value in parameters.items():
        if key not in known:
            expected = ", ".join(known) or "none"
            raise ValueError(f"fault {name} has no parameter {key!r}; expected: {expected}")
        try:
            result[key] = type(known[key])(value)  # type: ignore[call-arg]  # str, int or float by the table above
        except ValueError:
            raise ValueError(f"{name}.{key}: {value!r} is not of type {type(known[key]).__name__}") from None
    return result
