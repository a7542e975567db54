"""Cases of the shop's rules, through the protocol of the engine; `policy_pack` comes with paif-policies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from policies.testing import Process, RequestedResource

_EXECUTABLE = Path(__file__).resolve().parent / "pulumi-analyzer-shop"


def _disk(storage_class: Any) -> RequestedResource:
    properties = {"metadata": {"labels": {"app": "notebook"}}, "spec": {"storageClassName": storage_class}}
    return RequestedResource("kubernetes:core/v1:PersistentVolumeClaim", "alice", properties)


@pytest.mark.parametrize(
    ("storage_class", "kind", "said"),
    [
        ("notebooks", "prod", []),
        ("default", "prod", ["mandatory"]),
        ("default", "dev", ["advisory"]),
        ({"$unknown": True}, "prod", ["advisory"]),
    ],
)
def test_a_notebooks_disk(policy_pack: Callable[..., Process], storage_class: Any, kind: str, said: list[str]) -> None:
    pack = policy_pack(_EXECUTABLE)
    pack.start(pack="shop", settings={"kind": kind})
    assert [each.level for each in pack.analyze(_disk(storage_class))] == said
