"""The vCenter simulation's own API for the operators."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Any, Literal, cast

import httpx

from lab.operators.kubernetes_api import POOL, WAIT_FOR_API, ApiError, refusal
from lab.operators.resources import Object


class VCenter:
    """The vCenter simulation's own API for the operators, ``/lab/v1``; for any thread."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    @classmethod
    def connect(cls) -> VCenter:
        """By ``$PAIF_LAB_VCENTER``, the token in ``$PAIF_LAB_TOKEN_FILE`` and the authority in ``$PAIF_LAB_CA``."""
        return cls(
            httpx.Client(
                base_url=os.environ["PAIF_LAB_VCENTER"],
                headers={"X-Lab-Token": Path(os.environ["PAIF_LAB_TOKEN_FILE"]).read_text(encoding="utf-8").strip()},
                verify=ssl.create_default_context(cafile=os.environ["PAIF_LAB_CA"]),
                timeout=WAIT_FOR_API,
                limits=POOL,
                trust_env=False,
            )
        )

    def _call(self, method: str, path: str, body: Any = None, wait: float = 0) -> Any:
        timeout = httpx.Timeout(30 + wait, connect=5)
        answer = self._client.request(method, f"/lab/v1{path}", json=body, timeout=timeout)
        if not answer.is_success:
            raise refusal(answer)
        return answer.json() if answer.content else None

    def wcp(self, since: int, wait: float) -> Object:
        """What vCenter wants of the Supervisor: answers at once when newer than ``since``, else after ``wait`` s."""
        return cast(Object, self._call("GET", f"/wcp?since={since}&wait={wait:g}", wait=wait))

    def report(self, namespace: str, state: Object) -> None:
        """Tell vCenter ``{"config_status": …}`` or ``{"gone": true}`` of a namespace."""
        self._call("POST", f"/wcp/namespaces/{namespace}", state)

    def create_vm(
        self,
        *,
        name: str,
        namespace: str,
        vm_class: str,
        owner: str,
        role: Literal["dlvm", "vks-node", "pais-worker"],
        image: str | None = None,
    ) -> Object:
        """Place a VM: ``moid``, ``instance_uuid``, ``bios_uuid``, ``host``, ``ip``, ``devices``.

        ``owner`` is an opaque unique id: asking again with it gives the same VM. Raises ``ApiError`` with status 409
        and the per-host reasons when no host can take it.
        """
        body = {"name": name, "namespace": namespace, "class": vm_class, "owner": owner, "role": role}
        return cast(Object, self._call("POST", "/vms", body | ({"image": image} if image else {})))

    def delete_vm(self, owner: str) -> None:
        """Release the VM of ``owner``; nothing happens when there is none."""
        try:
            self._call("DELETE", f"/vms/{owner}")
        except ApiError as error:
            if error.status != httpx.codes.NOT_FOUND:
                raise

    def vms(self) -> list[Object]:
        """Every VM that an operator asked for."""
        answer = self._call("GET", "/vms")
        return cast(list[Object], answer["vms"] if isinstance(answer, dict) else answer)

    def capacity(self) -> Object:
        """Per host: memory that is free, and per GPU who uses it."""
        return cast(Object, self._call("GET", "/capacity"))
