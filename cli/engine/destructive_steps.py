"""What a run would delete or replace of what holds data or serves people, read from the engine's plan before it runs.

The plan that the preview writes has, for each resource, the steps that a run with that plan may take; the engine
refuses every other one before it takes it (pulumi 3.259 resource/deploy/step_generator.go). So what is found here is
all that the run can delete. docs/decisions/0011 tells why it is asked for by name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from cli.engine.urns import type_and_name
from cli.output.console import Failed
from cli.preview.model import DATA_TYPES, UNKNOWN

SERVING_TYPES = (
    "*:PAISConfiguration",
    "*:ModelEndpoint",
    "*:VirtualMachineService",
    "kubernetes:helm.sh/*:Release",
)
"""Resource types whose end takes a service from people who use it, beside those that hold data."""

_STACK = "::pulumi:pulumi:Stack::"
DELETE_OPERATIONS = {"delete", "delete-replaced"}
"""Steps of a plan by which an object goes."""

_REPLACE_OPERATIONS = {"replace", "create-replacement", "import-replacement"}


@dataclass(frozen=True)
class DestructiveStep:
    """One resource that goes. `name` is its logical name, `ancestors` those of the components around it.

    `protected` tells that the engine refuses it, `retained` that the object stays: only the state forgets it, or it was
    there before.
    """

    action: Literal["delete", "replace"]
    type: str
    name: str
    ancestors: tuple[str, ...]
    protected: bool
    retained: bool

    @property
    def kind(self) -> str:
        return self.type.rsplit(":", 1)[-1]

    def matches(self, names: Collection[str]) -> bool:
        """Whether one of these names means it: its own, or that of a component it belongs to."""
        return self.name in names or any(each in names for each in self.ancestors)

    def __str__(self) -> str:
        stays = "; it stays: it is retained, or was there before" if self.retained else ""
        refused = "; it is protected: the engine will refuse" if self.protected else ""
        return f"{self.action:7} {self.kind} {self.name}{stays}{refused}"


def _resource_plans(file: Path) -> dict[str, dict[str, Any]]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        # The engine reads both forms, with and without a version around them, and writes the second.
        plan = document.get("plan", document)
        plans = (plan["manifest"] and plan.get("resourcePlans")) or {}
        return {str(urn): dict(plan) for urn, plan in plans.items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        raise Failed(f"{file} is no plan of the engine; `./paif preview ENV -- --save-plan FILE` writes one") from None


def relax_outputs(file: Path, relaxed: Path) -> None:
    """Write the plan to ``relaxed`` so that it binds what is done to resources, and not what the stack tells of them.

    A run in which something failed tells less than was planned, and the engine would then keep none of it. Raises
    ``Failed`` when the file is no plan.
    """
    _resource_plans(file)
    whole = json.loads(file.read_text(encoding="utf-8"))
    for urn, plan in whole.get("plan", whole).get("resourcePlans", {}).items():
        if _STACK in urn and plan.get("goal"):
            deletes = (plan["goal"].get("outputDiff") or {}).get("deletes") or []
            plan["goal"]["outputDiff"] = {"adds": dict.fromkeys(plan.get("state") or {}, UNKNOWN), "deletes": deletes}
    relaxed.touch(0o600)
    relaxed.write_text(json.dumps(whole), encoding="utf-8")


def existing_outputs(file: Path) -> list[str]:
    """Names of the outputs that the stack of a saved plan has already. Raises ``Failed`` when the file is no plan."""
    stacks = (plan for urn, plan in _resource_plans(file).items() if _STACK in urn)
    return [
        name
        for plan in stacks
        for name in plan.get("state") or {}
        if name not in (((plan.get("goal") or {}).get("outputDiff") or {}).get("adds") or {})
    ]


def plan_steps(file: Path) -> dict[str, set[str]]:
    """The steps that a saved plan allows each resource, by URN. Raises ``Failed`` when the file is no plan."""
    return {urn: set(plan.get("steps") or []) for urn, plan in _resource_plans(file).items()}


def in_plan(file: Path, export_state: Callable[[], dict[str, Any]]) -> list[DestructiveStep]:
    """Everything in a saved plan that deletes or replaces what holds data or serves people, in the plan's order.

    `export_state` gives the stack's state as the engine exports it; it is called only where there is such a step.
    Raises ``Failed`` when the file is no plan.
    """
    destructive = {
        urn: taken
        for urn, taken in plan_steps(file).items()
        if taken & (DELETE_OPERATIONS | _REPLACE_OPERATIONS) and _is_critical_type(type_and_name(urn)[0])
    }
    if not destructive:
        return []
    resources = {each["urn"]: each for each in (export_state().get("deployment") or {}).get("resources") or []}
    return [_destructive_step(urn, taken, resources) for urn, taken in destructive.items()]


def _destructive_step(urn: str, steps: set[str], resources: dict[str, dict[str, Any]]) -> DestructiveStep:
    state, (kind, name) = resources.get(urn, {}), type_and_name(urn)
    ancestors, parent = [], state.get("parent")
    while parent and parent in resources:
        if not resources[parent]["type"].startswith(("pulumi:", "paif:phase:")):
            ancestors.append(parent.rsplit("::", 1)[-1])
        parent = resources[parent].get("parent")
    return DestructiveStep(
        action="replace" if steps & _REPLACE_OPERATIONS else "delete",
        type=kind,
        name=name,
        ancestors=tuple(ancestors),
        protected=bool(state.get("protect")),
        retained=bool(state.get("retainOnDelete")) or _is_adopted(state),
    )


def _is_adopted(state: dict[str, Any]) -> bool:
    """Whether it was there before: then its end only takes away what was added to it (decision 12)."""
    return str(state.get("type", "")).startswith("vcf:") and " adopted" in str(
        (state.get("outputs") or {}).get("owner")
    )


def _is_critical_type(kind: str) -> bool:
    # A component of this project bears the name of the object that it makes, and is none.
    return not kind.startswith("paif:") and any(fnmatchcase(kind, pattern) for pattern in (*DATA_TYPES, *SERVING_TYPES))


def unapproved(steps: Iterable[DestructiveStep], approved: Collection[str]) -> list[DestructiveStep]:
    """Those that nobody has allowed by name. What is retained stays, so that nobody need allow it."""
    return [each for each in steps if not each.retained and not each.matches(approved)]


def format_steps(steps: Iterable[DestructiveStep]) -> str:
    """One line for each."""
    return "\n".join(f"  {each}" for each in steps)


def approval_options(steps: Iterable[DestructiveStep]) -> str:
    """The options that allow them, as one types them."""
    return " ".join(f"--allow-delete {name}" for name in dict.fromkeys(each.name for each in steps))
