"""``./paif prove faults``: every resource fails in every way, one at a time, and nothing is lost.

A case is one failure on an environment that is running, or half made. Four things must hold:

- the run with the failure ends with a status that is not 0, names it, and deletes and makes anew nothing;
- the next run, without the failure, ends well;
- the run after that has nothing to change, or the one after it;
- the failure did happen: a case whose call never came proves nothing and counts as not held.

Runs go through plain `pulumi up --continue-on-error` without a preview, which no plan guards: that nothing is deleted
must follow from the program alone. Only ``--through paif`` takes the same command as a user.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from cli.output.console import Failed
from cli.prove.fault_proxy import FAULT_KINDS, FAULT_MESSAGE
from cli.prove.scratch import REFUSED, Case, Run, Scratch, kind_of, recreated

FAILURE_KINDS = (*FAULT_KINDS, REFUSED)
_MAX_SETTLING_RUNS = 3
OPERATIONS = ("create", "update", "read", "look-up")
_COST_CENTER = re.compile(r"(paif:costCenter: )(\S+)")


@dataclass(frozen=True)
class Verdict:
    """What came of one case; `violations` tell what did not hold, and are empty when all did."""

    environment: str
    operation: str
    case: Case
    violations: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.violations


class Matrix:
    """The cases of one environment, tried one after another on a lab of their own."""

    def __init__(self, scratch: Scratch, env: str, *, through_paif: bool = False) -> None:
        self._scratch, self._env, self._through_paif = scratch, env, through_paif
        self._revision = 0
        self._known: dict[str, list[tuple[str, str]]] = {}

    def prepare(self) -> None:
        """Bring the environment up. Raises ``Failed``."""
        self._scratch.paif("up", self._env, check=True)

    def cases(self, operations: Iterable[str], ways: Iterable[str]) -> Iterator[tuple[str, Case]]:
        """Every case of the running environment, by operation; what there is to fail is found by runs that succeed."""
        ways = list(ways)
        for operation in operations:
            if operation not in self._known:
                self._known[operation] = self._targets(operation)
            for method, what in self._known[operation]:
                for how in ways:
                    # What is only read or looked up becomes ready elsewhere, and is no resource that a pack refuses.
                    if operation in {"create", "update"} or how in {"error", "cut"}:
                        yield operation, Case(method, what, how)

    def _targets(self, operation: str) -> list[tuple[str, str]]:
        if operation == "create":
            return [("Create", urn) for urn, each in self._scratch.resources(self._env).items() if _is_managed(each)]
        if operation == "update":
            self._change_labels()
            return [("Update", what) for what in dict.fromkeys(self._up(check=True).subjects("Update"))]
        if operation == "read":
            run = self._scratch.pulumi(self._env, "refresh", check=True)
            return [("Read", what) for what in dict.fromkeys(run.subjects("Read"))]
        return [("Invoke", what) for what in dict.fromkeys(self._up(check=True).subjects("Invoke"))]

    def _change_labels(self) -> None:
        """Change what nearly every resource carries."""
        file = self._scratch.stack_file(self._env)
        self._revision += 1
        text = _COST_CENTER.sub(rf"\g<1>cc-{5000 + self._revision}", file.read_text(encoding="utf-8"))
        file.write_text(text, encoding="utf-8")

    def _up(self, case: Case | None = None, *, check: bool = False) -> Run:
        if self._through_paif and (case is None or case.how != REFUSED):
            return self._scratch.paif("up", self._env, case=case, check=check)
        return self._scratch.pulumi(self._env, "up", "--continue-on-error", case=case, check=check)

    def run_first(self, operation: str, kind: str, how: str) -> Verdict:
        """Try the first case about this kind of resource, or this function. Raises ``Failed``."""
        for _, case in self.cases([operation], [how]):
            if case.name.partition(" ")[0] == kind:
                return self.run_case(operation, case)
        raise Failed(f"nothing of {self._env} is a {operation} of {kind}")

    def run_case(self, operation: str, case: Case) -> Verdict:
        """Try one case, and leave the environment whole. Raises ``Failed`` when it cannot be brought into its state."""
        if operation == "create":
            self._destroy_target(case.what)
        elif operation == "update":
            self._change_labels()
        before = self._scratch.resources(self._env)
        failed_run = (
            self._scratch.pulumi(self._env, "refresh", case=case)
            if operation == "read" and not before[case.what].get("external")
            else self._up(case)
        )
        violations = list(self._lost_resources(before, failed_run, case))
        if case.how != REFUSED and not failed_run.failed_calls:
            violations.append("the call that should fail never came")
        if failed_run.status == 0:
            violations.append("it ended with 0")
        if not self._is_reported(failed_run, case):
            violations.append("the reason is not told")
        next_run = self._up()
        if next_run.status:
            violations.append(f"the next run failed: {next_run.failure_summary}")
        violations += [f"the next run: {each}" for each in self._lost_resources(before, next_run, case)]
        # Again where it has something to do: pulumi-kubernetes may keep labels of before an update in the state, since
        # the API server's cache that it waits on can be behind (4.25; that an update was done is not waited for).
        for _ in range(_MAX_SETTLING_RUNS):
            settled = self._scratch.pulumi(self._env, "up", "--expect-no-changes")
            if not settled.status:
                break
        else:
            violations.append(f"the run after that had something to do: {settled.failure_summary}")
        return Verdict(self._env, operation, case, tuple(violations))

    def _destroy_target(self, urn: str) -> None:
        """Remove a resource and what needs it, as somebody who means it does: a half-made environment is left."""
        self._scratch.paif("unprotect", self._env, "--yes", check=True)
        self._scratch.pulumi(self._env, "destroy", "--target", urn, "--target-dependents", check=True)

    def _lost_resources(self, before: dict[str, dict[str, Any]], run: Run, case: Case) -> Iterator[str]:
        deleted = run.subjects("Delete")
        if deleted:
            yield f"{len(deleted)} deleted: {', '.join(sorted({each.rsplit('::', 1)[-1] for each in deleted}))}"
        lost = [urn for urn in recreated(before, self._scratch.resources(self._env)) if urn != case.what]
        if lost:
            yield f"{len(lost)} gone from the state or made anew: {', '.join(kind_of(each) for each in lost[:5])}"

    @staticmethod
    def _is_reported(run: Run, case: Case) -> bool:
        if case.how == "cut":
            return (
                "error reading from server" in run.output or "Unavailable" in run.output or "connection" in run.output
            )
        return ("refused, as a test asked" if case.how == REFUSED else FAULT_MESSAGE) in run.output


def _is_managed(resource: dict[str, Any]) -> bool:
    """Whether a provider makes it: no component, provider or stack, and nothing that is only read."""
    return bool(resource.get("custom")) and not resource.get("external") and ":providers:" not in resource["type"]


def prove(
    scratch: Scratch,
    environments: Iterable[str],
    *,
    operations: Iterable[str],
    ways: Iterable[str],
    share: float,
    seed: int,
    through_paif: bool,
    on_result: Callable[[Verdict], None],
) -> list[Verdict]:
    """All cases, or a random ``share`` of them drawn with ``seed``; ``on_result`` gets each. Raises ``Failed``."""
    rng, results = random.Random(seed), []  # noqa: S311 - which cases are tried is no secret
    operations, ways = list(operations), list(ways)
    for env in environments:
        matrix = Matrix(scratch, env, through_paif=through_paif)
        matrix.prepare()
        for operation in operations:
            for each, case in list(matrix.cases([operation], ways)):
                if rng.random() >= share:
                    continue
                try:
                    verdict = matrix.run_case(each, case)
                except Failed as error:
                    verdict = Verdict(env, each, case, (str(error),))
                results.append(verdict)
                on_result(verdict)
    return results
