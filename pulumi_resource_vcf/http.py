"""HTTPS with what a long run against a busy server needs: verified TLS, retries, one deadline, readable failures."""

from __future__ import annotations

import email.utils
import socket
import ssl
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from .clock import Clock
from .errors import VcfError

if TYPE_CHECKING:
    import httpx

# The server did not take the request on, or a proxy lost it: asking again is right. Creates are written so that a
# repeat recognizes the first try's object.
_RETRIED: Final = frozenset({429, 502, 503, 504})
_DEADLINE: Final = 120.0
_CONNECT_DEADLINE: Final = 15.0


def pem_bundle(text: str) -> str:
    """The CA bundle, checked; raises ValueError when it is not one or more PEM certificates."""
    try:
        ssl.create_default_context(cadata=text)
    except (ssl.SSLError, ValueError):
        text = ""
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise ValueError("expected one or more certificates as PEM text (-----BEGIN CERTIFICATE----- …), not a path")
    return text


class _Context(ssl.SSLContext):
    """Asks for the certificate of another name than that of the address, where one is set."""

    name = ""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        return super().wrap_bio(incoming, outgoing, server_side, self.name or server_hostname, session)

    def wrap_socket(
        self,
        sock: socket.socket,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLSocket:
        name = self.name or server_hostname
        return super().wrap_socket(sock, server_side, do_handshake_on_connect, suppress_ragged_eofs, name, session)


def tls_context(ca_bundle: str | None, server_name: str = "") -> ssl.SSLContext:
    """Verifying context: trusts only the bundle when there is one, else the machine's CAs.

    The same for every Python: an authority of the bundle need not be a root, and need not mark its basic constraints as
    critical. Python's own default demands the first before 3.13, and the second from then on. `server_name` is the name
    that the server's certificate must have, where it is not that of the address.
    """
    context = _Context(ssl.PROTOCOL_TLS_CLIENT)
    context.name = server_name
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_TRUSTED_FIRST
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if ca_bundle:
        context.load_verify_locations(cadata=ca_bundle)
    else:
        context.load_default_certs()
    return context


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that `Retry-After` asks for (number or HTTP date), 0 without it."""
    value = headers.get("retry-after", "").strip()
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return 0.0


class Http:
    """One server. `name` is how messages call it, for example `vCenter vc01.example.test`.

    `patience`: seconds after which nothing is tried again, 0 for the deadlines of `send`.
    """

    def __init__(self, name: str, base_url: str, ca_bundle: str | None, clock: Clock, patience: float = 0.0) -> None:
        import httpx  # noqa: PLC0415 - a third of a second that a plugin start need not pay

        self.name = name
        self.clock = clock
        self._patience = patience or _DEADLINE
        self._httpx = httpx
        self._client = httpx.AsyncClient(
            base_url=base_url,
            verify=tls_context(ca_bundle),
            timeout=httpx.Timeout(60, connect=10, pool=None),
            limits=httpx.Limits(max_connections=8),
            follow_redirects=False,
            # A proxy of the environment is for the world outside; this machine's own servers are not behind it.
            mounts=dict.fromkeys(
                ("https://127.0.0.1", "https://localhost", "http://127.0.0.1", "http://localhost"), None
            ),
            headers={"user-agent": "pulumi-vcf"},
        )

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def send(self, method: str, url: str, **arguments: Any) -> httpx.Response:
        """The response, whatever its status, after retries.

        429, 502, 503, 504 and broken connections are retried with jittered back-off for two minutes, honoring
        Retry-After; a refused connection for 15 seconds. Raises VcfError when that is over, or at once for names and
        certificates that are wrong.
        """
        httpx, clock, start = self._httpx, self.clock, self.clock.now()
        for pause in clock.backoff():
            wait, deadline, problem = pause, _DEADLINE, ""
            try:
                response = await self._client.request(method, url, **arguments)
                if response.status_code not in _RETRIED:
                    return response
                wait = max(pause, retry_after(response.headers))
                problem = f"answers {response.status_code} {response.reason_phrase} to {method} {url}"
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                self._raise_if_hopeless(error)
                deadline, problem = _CONNECT_DEADLINE, f"cannot be reached ({_cause(error)})"
            except httpx.TransportError as error:
                problem = f"broke off {method} {url} ({_cause(error)})"
            spent = clock.now() - start
            if spent + wait > min(deadline, self._patience):
                asked = f" and asks to wait {wait:.0f} s more" if wait > pause else ""
                raise VcfError(f"{self.name} {problem}{asked}; gave up after {spent:.0f} s.")
            await clock.sleep(wait)
        raise AssertionError

    def _raise_if_hopeless(self, error: Exception) -> None:
        cause = _cause(error)
        if "CERTIFICATE_VERIFY_FAILED" in cause or "certificate verify failed" in cause:
            raise VcfError(
                f"{self.name} presents a certificate that is not trusted ({cause}). Give the CA that signed it as "
                "PEM text "
                "in `caBundle`, and use the name that is in the certificate."
            ) from None
        if "Name or service not known" in cause or "nodename nor servname" in cause or "No address" in cause:
            raise VcfError(
                f"{self.name} is not a name that resolves here ({cause}). Check the spelling and DNS."
            ) from None


def _cause(error: BaseException) -> str:
    """The innermost reason, which names the errno or the TLS verdict."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return str(error) or type(error).__name__
