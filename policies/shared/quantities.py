"""Quantities as Kubernetes writes them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d{1,3})|([KMGTPE]i|[numkMGTPE]))?")
_FACTORS = {
    **{f"{letter}i": Decimal(1024) ** (power + 1) for power, letter in enumerate("KMGTPE")},
    **{letter: Decimal(1000) ** (power + 1) for power, letter in enumerate("kMGTPE")},
    **{letter: Decimal(1000) ** -(power + 1) for power, letter in enumerate("mun")},
}

_LARGEST = Decimal(2**63 - 1)


def quantity(value: Any) -> float | None:
    """A quantity such as 200Gi, 1Ti, 5e9 or 1048576 as a plain number, of a size in bytes; None when it is none.

    One beyond what Kubernetes can hold is cut to that, as Kubernetes does.
    Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
    """
    match = _QUANTITY.fullmatch(str(value))
    if match is None:
        return None
    number, exponent, suffix = match.groups()
    exact = Decimal(number + (exponent or "")) * _FACTORS.get(suffix or "", Decimal(1))
    return float(max(-_LARGEST, min(exact, _LARGEST)))
