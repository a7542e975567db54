"""Keeps secrets out of messages about a resource: by the engine's marks, and by the catalog of names and shapes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from paif_catalog import redaction
from policies.shared.model import Resource, Unknown

_MAX_LENGTH = 80


class Redactor(redaction.Redactor):
    """Turns values and texts about one resource into what may be printed."""

    def __init__(self, resource: Resource, others: Iterable[str] = ()) -> None:
        """`others` are secret values known from elsewhere, such as the stack's configuration."""
        self._resource = resource
        own = [value for path, value in redaction.leaves(resource.properties) if self._hidden(path)]
        marked = (pair for each in resource.unreadable for pair in redaction.leaves(each.value, each.path))
        own = [*own, *(value for path, value in marked if self._hidden(path))]
        super().__init__([*others, *(value for value in own if isinstance(value, str))])

    def _hidden(self, path: str) -> bool:
        return self._resource.is_secret(path) or redaction.is_secret_path(self._resource.type, path)

    def value(self, path: str, value: Any) -> str:
        """A property's value as a message may show it."""
        if isinstance(value, Unknown):
            return "[unknown]"
        if self._hidden(path):
            return redaction.HIDDEN
        # Before it is quoted, which changes a secret's letters, and before it is cut, which may leave half of one.
        text = repr(self.data(value, self._resource.type, path))
        return text if len(text) <= _MAX_LENGTH else f"{text[: _MAX_LENGTH - 1]}…"
