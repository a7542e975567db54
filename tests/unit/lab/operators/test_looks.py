"""One look at an object at a time, and none after its end."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from lab.operators.looks import Looks

OBJECT: dict[str, Any] = {"uid": "u", "resourceVersion": "1"}


def _count(looks: Looks, metadata: dict[str, Any], *, settled: bool) -> int:
    taken = []

    def look() -> bool:
        taken.append(1)
        return settled

    looks.take(metadata, look)
    return len(taken)


def test_settled_object_is_left_alone_until_it_changes() -> None:
    looks = Looks(3600)
    assert _count(looks, OBJECT, settled=True) == 1
    assert _count(looks, OBJECT, settled=True) == 0
    assert _count(looks, OBJECT | {"resourceVersion": "2"}, settled=True) == 1


def test_object_with_work_left_is_looked_at_again() -> None:
    looks = Looks(3600)
    assert [_count(looks, OBJECT, settled=False) for _ in range(3)] == [1, 1, 1]


def test_new_fault_brings_a_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = tmp_path / "faults.json"
    monkeypatch.setenv("PAIF_LAB_FAULTS", str(faults))
    looks = Looks(3600)
    _count(looks, OBJECT, settled=True)
    faults.write_text("{}")
    assert _count(looks, OBJECT, settled=True) == 1


def test_no_look_follows_the_removal() -> None:
    looks = Looks(0)
    with looks.last(OBJECT):
        pass
    assert _count(looks, OBJECT, settled=False) == 0


def test_object_that_is_being_deleted_is_not_looked_at() -> None:
    assert _count(Looks(0), OBJECT | {"deletionTimestamp": "now"}, settled=False) == 0


def test_removal_waits_for_the_look_under_way() -> None:
    looks, under_way, go_on = Looks(0), threading.Event(), threading.Event()
    order: list[str] = []

    def look() -> bool:
        under_way.set()
        go_on.wait(10)
        order.append("look")
        return True

    def remove() -> None:
        with looks.last(OBJECT):
            order.append("removal")

    threads = [threading.Thread(target=looks.take, args=(OBJECT, look)), threading.Thread(target=remove)]
    threads[0].start()
    assert under_way.wait(10)
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert order == ["look", "removal"]
