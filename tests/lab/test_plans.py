"""Promotion as the workflows do it, with staging: what was recorded is applied, and nothing else."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.lab.conftest import Paif

_KEY = "planted-ngc-key-of-a-test"


class Change:
    """A checkout in which staging can be changed and promoted."""

    def __init__(self, paif: Paif, folder: Path) -> None:
        self.paif, self._folder = paif.elsewhere(folder / "checkout"), folder
        self.stack_file = self.paif.root / "stacks" / "Pulumi.staging.yaml"

    def plan(self) -> dict[str, Any]:
        """Record a plan; what the recording says of it."""
        answer = self.paif(
            *("pr-comment", "record", "staging", "--output", f"{self._folder}/plan"),
            *("--save-plan", f"{self._folder}/plan.json", "--json"),
        )
        said: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
        return said

    def up(self, *, check: bool = True) -> str:
        """Apply the plan; what was printed."""
        answer = self.paif("up", "staging", "--yes", "--", "--plan", f"{self._folder}/plan.json", check=check)
        assert answer.returncode == (0 if check else 1)
        return answer.stdout + answer.stderr

    def done(self) -> dict[str, int]:
        """What the last run did, by kind of change."""
        history = self.paif.pulumi("stack", "history", "--stack", "staging", "--json", "--page-size", "1")
        found: dict[str, int] = json.loads(history.stdout)[0]["resourceChanges"]
        return {kind: count for kind, count in found.items() if kind not in {"same", "read"}}


@pytest.fixture(scope="module")
def staging(paif: Paif, tmp_path_factory: pytest.TempPathFactory) -> Change:
    """staging, made from a plan of the environment that did not exist."""
    paif.without("staging")
    change = Change(paif, tmp_path_factory.mktemp("promotion"))
    planned = change.plan()
    assert planned["changes"] > 20
    change.up()
    assert set(change.done()) == {"create"}
    return change


def test_a_plan_with_nothing_to_do_does_nothing(staging: Change) -> None:
    assert staging.plan()["changes"] == 0
    staging.up()
    assert staging.done() == {}


def test_a_planned_update_is_what_happens(staging: Change) -> None:
    before = staging.stack_file.read_text()
    pool = "{name: gpu, class: vgpu-a100-40c, replicas: 2}"
    assert pool in before
    staging.stack_file.write_text(before.replace(pool, pool.replace("2}", "3}")))
    # The cluster, the wait for its third node and the wait for that node's GPU.
    assert staging.plan()["changes"] == 3
    staging.up()
    assert staging.done() == {"update": 3}


def test_what_is_no_longer_as_planned_is_refused_without_showing_a_value(staging: Change) -> None:
    staging.plan()
    # The engine shows this one bare.
    staging.paif.pulumi("config", "set", "--secret", "paif:ngcApiKey", "--stack", "staging", _KEY)
    said = staging.up(check=False)
    assert re.search(r"core/v1:Secret.* violates plan: properties changed: \W*data \(values are not shown", said)
    forms = [base64.b64encode(b"x" * shift + _KEY.encode()).decode()[4:-4] for shift in range(3)]
    assert [form for form in (_KEY, *forms) if form in said] == []
    # The preview that `up` begins with saw it.
    assert "Updating" not in said
