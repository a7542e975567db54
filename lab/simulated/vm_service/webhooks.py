"""What VM Operator's webhooks refuse and what they fill in: rules by themselves as a policy, look-ups as webhooks.

Rules, messages and defaults are those of VM Operator v1.9 (vmware-tanzu/vm-operator, webhooks/) with VPC networks, for
a user without its special rights, whom the lab takes everybody for. Where VM Operator tells everything that is wrong
with an object, a policy tells the first thing. Both fail closed, as the original does.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import kopf

from lab.operators.connections import supervisor
from lab.operators.kubernetes_api import ApiError
from lab.operators.pace import backoff
from lab.operators.resources import VIRTUAL_MACHINE
from lab.simulated.vm_service.admission_policies import put_policies
from lab.simulated.vm_service.lookups import DeniedError, filled_in, objections


@kopf.on.startup()
def install_admission_policies(**_: Any) -> None:
    """Put the rules into the API server; tried until the server answers."""
    for attempt in range(10):
        try:
            put_policies(supervisor())
        except ApiError:
            if attempt == 9:
                raise
            time.sleep(backoff(attempt, first=0.5, longest=5))
        else:
            return


# In threads of their own: those of the handlers may all be busy with a hundred machines.
@kopf.on.mutate(*VIRTUAL_MACHINE.selector, id="vm-default", operations=["CREATE"], persistent=True)  # type: ignore[arg-type]
async def default(body: kopf.Body, namespace: str, patch: kopf.Patch, **_: Any) -> None:
    """Fill in what VM Operator fills in."""
    try:
        patch.update(await asyncio.to_thread(filled_in, supervisor(), dict(body), namespace))
    except DeniedError as error:
        raise kopf.AdmissionError(str(error), code=403) from None


@kopf.on.validate(*VIRTUAL_MACHINE.selector, id="vm-validate", operations=["CREATE"], persistent=True)  # type: ignore[arg-type]
async def validate(body: kopf.Body, namespace: str, **_: Any) -> None:
    """Refuse what names something that is not there."""
    found = await asyncio.to_thread(objections, supervisor(), dict(body), namespace)
    if found:
        raise kopf.AdmissionError(", ".join(found), code=422)
