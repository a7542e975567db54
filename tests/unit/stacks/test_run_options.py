"""What the command line tells a run arrives there, and what a run was not told changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pulumi
import pytest

from stacks import program, sdk
from stacks.run_options import RunOptions
from tests.unit.pulumi_paif.harness import Declared, declare
from tests.unit.stacks.samples import environment
from tests.unit.stacks.site import ANSWERS
from tests.unit.stacks.test_program import CONNECTIONS

_ALL = RunOptions(
    until="data", problems_file=Path("p"), inventory_file=Path("i"), existing_outputs=("a", "b"), debug=True
)


@pytest.mark.parametrize("options", [RunOptions(), _ALL])
def test_what_is_told_is_what_arrives(options: RunOptions) -> None:
    assert RunOptions.from_variables(options.variables()) == options


def test_what_is_not_said_leaves_the_variables_of_a_shell_alone() -> None:
    assert RunOptions().variables() == {}
    shell = {"PAIF_UNTIL": "data", "PAIF_DEBUG": "1"}
    assert RunOptions.from_variables(shell | RunOptions(until="").variables()) == RunOptions(debug=True)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the program as its process does, with these options in the variables; without what changes the SDK."""

    @contextmanager
    def whole() -> Iterator[None]:
        yield

    did: list[Any] = []
    for name in _ALL.variables():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sdk, "recording_failures", whole)
    monkeypatch.setattr(sdk, "keep_own_frames", lambda: None)
    monkeypatch.setattr(sdk, "fail_at_end", did.append)
    monkeypatch.setattr(sdk, "disable_debug_messages", lambda: did.append("no debug"))
    monkeypatch.setattr(pulumi, "export", lambda *_: None)
    monkeypatch.setattr(pulumi.log, "warn", did.append)

    def start(options: RunOptions) -> tuple[Declared, list[Any]]:
        did.clear()
        for name, value in options.variables().items():
            monkeypatch.setenv(name, value)
        env = environment({"ignoreChanges": {"VirtualMachine/gone": ["spec.powerState"]}})

        def build() -> dict[str, Any]:
            program.run(lambda _: env, lambda _: CONNECTIONS)
            return {}

        return declare(build, ANSWERS), list(did)

    return start


def _phases(declared: Declared) -> set[str]:
    return {each.name for each in declared.registrations if each.type.startswith("paif:phase:")}


def test_a_run_that_stops_after_a_phase_says_nothing_of_what_is_made_later(run: Any, tmp_path: Path) -> None:
    declared, did = run(RunOptions(until="data", problems_file=tmp_path / "problems.json", existing_outputs=("a", "b")))
    assert _phases(declared) == {"foundation", "data"}
    assert did == [("a", "b"), "no debug"]


def test_a_run_that_is_told_nothing_builds_all_and_warns_of_what_keeps_nothing(run: Any) -> None:
    declared, did = run(RunOptions())
    assert _phases(declared) >= {"endpoints", "clusters", "workstations"}
    assert did[:2] == [(), "no debug"]
    [warned] = did[2:]
    assert "VirtualMachine/gone" in warned


def test_debug_messages_are_sent_when_they_are_asked_for(run: Any) -> None:
    assert "no debug" not in run(RunOptions(debug=True))[1]


def test_a_run_does_not_stop_after_a_phase_when_nobody_has_looked_at_what_lies_beyond(run: Any) -> None:
    with pytest.raises(pulumi.RunError, match="plain pulumi would delete what the stack has beyond"):
        run(RunOptions(until="foundation"))
