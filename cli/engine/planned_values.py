"""Keeps secrets out of what the engine prints of a plan; what secrets look like is paif_catalog/redaction.py."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_VIOLATED = re.compile(r"(?P<what>violates plan: properties changed: )(?P<changes>.*)", re.DOTALL)
_CHANGED = re.compile(r"(?:^|, )([-+~=]{2}[A-Za-z]\w*)(?=[\[,]|$)")
_DIAGNOSTIC = re.compile(r" {4}(?:error|warning|info|debug): ")
_PLAN_HINT = re.compile(r"Update plan written to '|Run `pulumi up --plan='")
"""What the engine says of a plan in a file: here that file is of the command's own, and gone when it has ended."""


def mask_planned_values(lines: Iterable[str]) -> Iterator[str]:
    """What `pulumi up --plan` prints, with the names instead of the values of what is not as planned.

    The engine shows those values in the clear, secrets among them (pulumi 3.259 PlanDiff.MakeError).
    """
    hiding = False
    for line in lines:
        if _PLAN_HINT.match(line):
            continue
        if hiding and not _DIAGNOSTIC.match(line) and line.startswith("    "):
            # A value of several lines: the engine indents every line of a message by four.
            continue
        violation = _VIOLATED.search(line)
        hiding = violation is not None or (hiding and not line.strip())
        if violation:
            names = ", ".join(_CHANGED.findall(violation["changes"])) or "unnamed"
            head = f"{line[: violation.start()]}{violation['what']}"
            yield f"{head}{names} (values are not shown, secrets may be among them)\n"
        else:
            yield line
