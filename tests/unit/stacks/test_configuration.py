from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.runtime import config as runtime_config

from stacks import configuration
from stacks.environment import SECRETS
from tests.unit.stacks.samples import COMPLETE, changed


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    runtime_config.set_all_config({}, [])


def _given(data: dict[str, Any], secrets: tuple[str, ...] = SECRETS) -> None:
    """Hand a configuration over as the engine does: mappings and lists as JSON, the rest as text."""
    values = {f"paif:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in data.items()}
    runtime_config.set_all_config({**values, "kubernetes:context": "x"}, [f"paif:{key}" for key in secrets])


def test_the_running_stack_is_read_from_pulumi() -> None:
    _given(COMPLETE)
    env = configuration.read("dev")
    assert env.name == "dev"
    assert env.license_token is not None
    assert env.license_token.get_secret_value() == "license-in-plain-text"
    assert [pool.replicas for pool in env.clusters[0].pools] == [1, 2]


def test_all_problems_end_the_program_in_one_readable_error() -> None:
    _given(changed({"gpuu": {}, "modelEndpoints.0.name": "Llama"}))
    with pytest.raises(pulumi.RunError) as raised:
        configuration.read("dev")
    lines = str(raised.value).splitlines()
    assert lines[0] == "The configuration of stack dev has 2 problems:"
    assert [line.split(" is ")[0] for line in lines[1:]] == ["  paif:modelEndpoints[0].name", "  paif:gpuu"]


def test_a_secret_that_is_not_encrypted_is_refused_without_being_shown() -> None:
    _given(COMPLETE, secrets=("ngcApiKey", "workstationPassword"))
    with pytest.raises(pulumi.RunError) as raised:
        configuration.read("dev")
    assert "paif:licenseToken is [secret]: expected an encrypted value" in str(raised.value)
    assert "in-plain-text" not in str(raised.value)


def test_a_token_that_looks_like_json_stays_text() -> None:
    _given(changed({"licenseToken": '{"a": 1}'}))
    env = configuration.read("dev")
    assert env.license_token is not None
    assert env.license_token.get_secret_value() == '{"a": 1}'


def test_reading_a_stack_file_loads_no_pulumi_sdk() -> None:
    root = Path(__file__).resolve().parents[3]
    program = "import sys, stacks.stackfile; sys.exit(any(m.split('.')[0].startswith('pulumi') for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], cwd=root, check=False).returncode == 0
