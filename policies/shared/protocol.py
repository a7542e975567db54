"""The engine's analyzer protocol, without importing the Pulumi SDK.

The message classes lie inside the package `pulumi`, whose import takes longer than everything else that a pack does
before it is ready. They are imported from their folder as a package of their own.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from policies.shared.model import Level, Severity

_ALIAS = "policies.shared._messages"


def _load() -> tuple[ModuleType, ModuleType]:
    found = importlib.util.find_spec("pulumi")
    if found is None or not found.submodule_search_locations:
        raise ImportError(
            "the package pulumi is not installed in this Python: install the requirements of the pack there"
        )
    package = ModuleType(_ALIAS)
    package.__path__ = [str(Path(found.submodule_search_locations[0]) / "runtime" / "proto")]
    sys.modules[_ALIAS] = package
    return importlib.import_module(f"{_ALIAS}.analyzer_pb2"), importlib.import_module(f"{_ALIAS}.plugin_pb2")


if TYPE_CHECKING:
    from pulumi.runtime.proto import analyzer_pb2 as messages
    from pulumi.runtime.proto import plugin_pb2 as plugin
else:
    messages, plugin = _load()

__all__ = ["LEVELS", "LEVEL_OF", "SEVERITIES", "messages", "plugin"]

LEVELS = {
    Level.ADVISORY: messages.ADVISORY,
    Level.MANDATORY: messages.MANDATORY,
    Level.REMEDIATE: messages.REMEDIATE,
    Level.DISABLED: messages.DISABLED,
}
LEVEL_OF = {number: level for level, number in LEVELS.items()}
SEVERITIES = {
    Severity.LOW: messages.POLICY_SEVERITY_LOW,
    Severity.MEDIUM: messages.POLICY_SEVERITY_MEDIUM,
    Severity.HIGH: messages.POLICY_SEVERITY_HIGH,
    Severity.CRITICAL: messages.POLICY_SEVERITY_CRITICAL,
}
