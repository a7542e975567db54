"""Versions as numbers, and ranges of them."""

from __future__ import annotations

import re


def satisfies(version: str, constraint: str) -> bool:
    """Whether a version meets a constraint of comma-separated comparisons, e.g. `>=1.32,<1.33`. No constraint: always.

    Only the leading numbers count (v1.32.0+vmware.6-fips is 1.32.0). Raises ValueError for a constraint it cannot read.
    """
    have = numbers(version)
    for part in filter(None, (piece.strip() for piece in constraint.split(","))):
        match = re.fullmatch(r"(>=|<=|==|>|<)\s*v?(\d+(?:\.\d+)*)", part)
        if match is None:
            raise ValueError(f"version constraint {part!r}: expected a comparison such as >=1.32")
        want = numbers(match[2])
        width = max(len(have), len(want))
        left, right = have + (0,) * (width - len(have)), want + (0,) * (width - len(want))
        holds = {">=": left >= right, "<=": left <= right, "==": left == right, ">": left > right, "<": left < right}
        if not holds[match[1]]:
            return False
    return True


def least(constraint: str) -> str:
    """The least version that a constraint of `satisfies` admits, e.g. 1.32 of `>=1.32,<1.33`. Raises ValueError."""
    match = re.search(r">=\s*v?(\d+(?:\.\d+)*)", constraint)
    if match is None:
        raise ValueError(f"version constraint {constraint!r}: expected one with a lower bound, such as >=0.8")
    return match[1]


def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version, e.g. (1, 32, 0) of v1.32.0+vmware.6-fips; none of what begins with none."""
    # No version has longer ones, and none is worth reading.
    match = re.match(r"v?(\d{1,18}(?:\.\d{1,18})*)", version)
    return tuple(int(part) for part in match[1].split(".")) if match else ()
