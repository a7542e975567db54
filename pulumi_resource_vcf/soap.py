"""Sessions of vCenter's SOAP API, for what the REST API does not show. Blocking: use them in a thread."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .errors import VcfError
from .http import tls_context
from .vcenter import Account

_HTTPS = 443
# Asked for outright: negotiation falls back to an age without vGPU capabilities when the server is newer than pyvmomi.
# Every vCenter from 8.0 on answers in it.
_DIALECT = "vim.version.v8_0_0_1"


@contextmanager
def signed_in(account: Account, what: str) -> Iterator[Any]:
    """The service's content, in a session that ends with the block. `what` is asked for; it is named in errors.

    Raises VcfError for whatever goes wrong, in the block too.
    """
    # pyvmomi is only needed here: its import costs time and memory in every plugin start otherwise.
    from pyVim import connect  # noqa: PLC0415
    from pyVmomi import vim, vmodl  # noqa: PLC0415

    host, _, port = (
        account.server.rpartition(":") if account.server.rpartition(":")[2].isdigit() else (account.server, "", "")
    )
    name = f"vCenter {account.server}"
    try:
        log_in: Any = connect.Connect
        service = log_in(
            host=host,
            port=int(port or _HTTPS),
            user=account.username,
            pwd=account.password,
            sslContext=tls_context(account.ca_bundle),
            httpConnectionTimeout=30,
            version=_DIALECT,
        )
    except vim.fault.InvalidLogin:
        raise VcfError(f"{name} refused the login of {account.username}. Check `username` and `password`.") from None
    except (vmodl.MethodFault, OSError, http.client.HTTPException) as error:
        raise VcfError(f"{name} cannot be asked for {what}: {_words(error)}") from None
    try:
        yield service.RetrieveContent()
    except (vmodl.MethodFault, OSError, http.client.HTTPException) as error:
        raise VcfError(f"{name} did not answer when asked for {what}: {_words(error)}") from None
    finally:
        log_out: Any = connect.Disconnect
        log_out(service)


def _words(error: BaseException) -> str:
    return str(getattr(error, "msg", None) or error or type(error).__name__)
