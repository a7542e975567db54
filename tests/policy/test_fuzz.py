"""Whatever a program asks for, every rule says something of it, or nothing: none crashes, and none loops."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import pytest

from policies.shared.properties import Conformer
from tests.policy.fuzz import RUN, Judge, failures, generated

_ALWAYS = 5000
"""The same ones in every run of the tests; others, as many as one likes, by `python -m tests.policy.fuzz`."""


def test_no_generated_object_makes_a_check_fail() -> None:
    assert list(failures(0, _ALWAYS)) == []


def test_the_generator_finds_what_reads_values_without_their_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Conformer, "conform", lambda _, properties: properties)
    assert next(failures(0, _ALWAYS), None) is not None


def _calls(judge: Judge, number: int) -> int:
    """Calls of functions that judging an object takes."""
    count = 0

    def counted(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal count
        count += event == "call"

    resource = generated(number)
    sys.setprofile(counted)
    try:
        judge.errors(resource)
    finally:
        sys.setprofile(None)
    return count


def _size(data: Any) -> int:
    """Letters of an object, each value besides as ten."""
    if isinstance(data, dict):
        return 10 + sum(len(str(key)) + _size(each) for key, each in data.items())
    return 10 + (sum(map(_size, data)) if isinstance(data, list) else len(str(data)))


def test_work_grows_with_the_size_of_an_object_only() -> None:
    judge = Judge()
    for number in range(20 * RUN):
        if number % RUN == 0:
            judge.begin(number)
        assert _calls(judge, number) < _LEAST + _EACH * _size(generated(number).properties), number


_LEAST, _EACH = 40_000, 60
"""Calls for an object without properties in a run of RUN objects, each of which may be judged again; for a letter."""
