"""vCenter as somebody uses it by hand: namespaces and VM classes that no program knows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.lab.conftest import Paif, wait_until
from tests.lab.connections import vcenter_session

_INSTANCES = "/api/vcenter/namespaces/instances"
_CLASSES = "/api/vcenter/namespace-management/virtual-machine-classes"
CLIENT_CLASS = {
    "id": "hand-made-gpu",
    "cpu_count": 8,
    "memory_MB": 65536,
    "description": "made in vSphere Client ",
    "config_spec": {
        "_typeName": "VirtualMachineConfigSpec",
        "memoryReservationLockedToMax": True,
        "deviceChange": [
            {"operation": "add", "device": {"backing": {"vgpu": "grid_a100-40c"}, "_typeName": "VirtualPCIPassthrough"}}
        ],
    },
}
OVERLAP = {"subject_type": "GROUP", "subject": "data-scientists", "domain": "lab.test", "role": "VIEW"}
_FOREIGN_ACCESS = {
    "subject_type": "USER",
    "subject": "ada",
    "domain": "acme.example",
    "role": "OWNER",
    "identity_provider": "00000000-0000-4000-8000-000000000001",
}


class Site:
    """The lab's vCenter as somebody uses it by hand."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._client.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def policy(self, name: str) -> str:
        return next(
            str(each["policy"]) for each in self._call("GET", "/api/vcenter/storage/policies") if each["name"] == name
        )

    def library(self, name: str) -> str:
        [found] = self._call("POST", "/api/content/library?action=find", {"name": name})
        return str(found)

    def classes(self) -> set[str]:
        return {each["id"] for each in self._call("GET", _CLASSES)}

    def vm_class(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self._call("GET", f"{_CLASSES}/{name}")
        return {key: value for key, value in found.items() if key != "namespaces"}

    def namespace(self, name: str) -> dict[str, Any]:
        """All of it but the lab's own count of changes."""
        found: dict[str, Any] = self._call("GET", f"{_INSTANCES}/v2/{name}")
        return {key: value for key, value in found.items() if key != "revision"}

    def make_class(self, body: dict[str, Any]) -> None:
        if body["id"] not in self.classes():
            self._call("POST", _CLASSES, body)

    def make(self, name: str) -> dict[str, Any]:
        """A namespace with an entry of everything; `data-scientists` and pai-gold are also wanted by the stacks."""
        self.make_class(CLIENT_CLASS)
        supervisors = self._call("GET", "/api/vcenter/namespace-management/supervisors/summaries")
        body = {
            "namespace": name,
            "supervisor": supervisors["items"][0]["supervisor"],
            "description": " team A's own, by hand ",
            "access_list": [_FOREIGN_ACCESS, OVERLAP],
            "storage_specs": [
                {"policy": self.policy("pai-silver"), "limit": 2048},
                {"policy": self.policy("pai-gold")},
            ],
            "vm_service_spec": {"vm_classes": ["best-effort-small", CLIENT_CLASS["id"]]},
            "content_libraries": [{"content_library": self.library("dlvm-images"), "writable": True}],
        }
        self._call("POST", f"{_INSTANCES}/v2", body)
        self.running(name)
        return self.namespace(name)

    def running(self, name: str) -> None:
        wait_until(lambda: self.namespace(name)["config_status"] == "RUNNING", f"namespace {name} is RUNNING")

    def remove(self, name: str) -> None:
        self.running(name)
        self._call("DELETE", f"{_INSTANCES}/{name}")


@contextmanager
def by_hand(paif: Paif) -> Iterator[Site]:
    """Somebody at the lab's vCenter."""
    with vcenter_session(paif) as client:
        yield Site(client)
