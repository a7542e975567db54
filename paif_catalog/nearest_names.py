"""The name that was meant, of those that there are."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: object, valid: Iterable[str]) -> str:
    """The valid name most like `name`, or "" when none is alike."""
    names = {candidate.lower(): candidate for candidate in valid}
    wanted = str(name).lower()
    close = difflib.get_close_matches(wanted, names, n=1, cutoff=0.6)
    # `production` is less like `prod` by letters than by how people shorten.
    close = close or [each for each in names if len(each) > 2 and wanted.startswith(each)]
    return names[close[0]] if close else ""
