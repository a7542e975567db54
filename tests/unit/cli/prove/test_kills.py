"""What the proof by kills counts as not held: it must be able to fail."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from cli.prove import kills
from cli.prove.sandbox import Objects, Sandbox


class _Scene(Sandbox):
    """An environment that is whole unless a test says otherwise."""

    def __init__(self, **found: Any) -> None:
        self.found: dict[str, Any] = {
            "objects": {"secrets ns/a": "1", "clusters ns/gpu": "2"},
            "machines": ["ns/alice", "ns/bob"],
            "releases": ["superseded", "deployed"],
            "pending": 0,
            "up": 0,
            "settled": 0,
            **found,
        }

    def paif(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(arguments, self.found["up"], "error: no")

    def pulumi(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(arguments, self.found["settled"], "error: something to do")

    def objects(self) -> Objects:
        return dict(self.found["objects"])

    def machines(self) -> list[str]:
        return list(self.found["machines"])

    def releases(self) -> list[str]:
        return list(self.found["releases"])

    def pending(self) -> int:
        return int(self.found["pending"])

    def resources(self) -> dict[str, dict[str, Any]]:
        return {}


_HELD = (0, 0, 0)


@pytest.mark.parametrize(
    ("found", "counted", "wrong"),
    [
        ({}, _HELD, ""),
        ({"up": 1}, _HELD, "the next run failed: error: no"),
        ({"settled": 255}, _HELD, "the run after that had something to do"),
        ({"pending": 2}, (2, 0, 0), "2 operations are pending"),
        (
            {"objects": {"secrets ns/a": "1", "clusters ns/gpu": "2", "secrets ns/a-2": "3"}},
            (0, 1, 0),
            "beside what should be: secrets ns/a-2",
        ),
        ({"machines": ["ns/alice", "ns/alice", "ns/bob"]}, (0, 2, 0), "ns/alice, 3 machines instead of 2"),
        ({"releases": ["deployed", "deployed"]}, (0, 1, 0), "2 deployed revisions"),
        ({"releases": ["pending-upgrade"]}, (0, 1, 0), "0 deployed revisions"),
        ({"objects": {"secrets ns/a": "9", "clusters ns/gpu": "2"}}, (0, 0, 1), "made anew on the way: secrets ns/a"),
        ({"objects": {"clusters ns/gpu": "2"}}, (0, 0, 1), "not there: secrets ns/a"),
    ],
)
def test_a_kill_is_held_only_when_everything_is_whole_and_the_same(
    found: dict[str, Any], counted: tuple[int, int, int], wrong: str
) -> None:
    scene = _Scene()
    cases = kills.Kills(scene, seed=1)
    cases.prepare()
    before = scene.objects()
    scene.found.update(found)
    kill = cases._evaluate("clusters", "helm", "", before)
    assert (kill.pending, kill.duplicates, kill.deletions) == counted
    assert kill.passed is (not wrong)
    assert wrong in "; ".join(kill.violations)


def test_every_phase_is_tried_with_everything_that_can_be_killed_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def try_one(_: kills.Kills, phase: str, victim: str) -> kills.Kill:
        return kills.Kill(phase, victim, "", 0, 0, 0, ())

    monkeypatch.setattr(kills.Kills, "run_case", try_one)
    found = kills.prove(_Scene(), kills.PHASES, kills.VICTIMS, kills=5, seed=1, on_result=lambda _: None)
    assert [each.phase for each in found[: len(kills.PHASES)]] == list(kills.PHASES)
    for phase in kills.PHASES:
        tried = {each.victim for each in found if each.phase == phase}
        assert tried == {each for each in kills.VICTIMS if each != "helm" or phase == "clusters"}


def test_what_a_run_carries_is_changed_each_time(tmp_path: Path) -> None:
    scene = _Scene()
    scene._file, scene._changes = tmp_path / "Pulumi.dev.yaml", 0
    scene._text = "  paif:costCenter: cc-4711\n  paif:clusters:\n    - name: gpu\n      pools: []\n"
    first = scene.change(release=False)
    assert f"costCenter: {first}" in scene._file.read_text()
    assert "gpuOperator" not in scene._file.read_text()
    second = scene.change(release=True)
    assert first != second
    assert "gpuOperator: {driverVersion: 550.90.02}" in scene._file.read_text()
