"""One bounded POST to a receiver that is not to be trusted, and what its answer means for a delivery.

The receiver's name may be pointed anywhere at any time, so the address is checked where the socket is made: after the
name was resolved, and also for an address written in the URL. A proxy resolves names itself: then only the URL's own
host is checked. A redirect is an answer like any other, and is not followed.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
import ssl
import string
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientHttpProxyError,
    ClientProxyConnectionError,
    ClientResponseError,
    ClientSession,
    ClientSSLError,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    TCPConnector,
)
from multidict import CIMultiDict
from yarl import URL

from watcher import __version__
from watcher.aws.named_files import system_ca_fault
from watcher.config.urls import secret_parts
from watcher.core.ports import Verdict
from watcher.errors import SinkError
from watcher.observability.tracing import propagated, span
from watcher.sinks.http_proxy import proxy_for
from watcher.sinks.http_response import Response, first_line, retry_after, verdict
from watcher.util.http_responses import bounded_responses
from watcher.util.interfaces import own_addresses
from watcher.util.ip_addresses import host_refusal, refusal
from watcher.util.redaction import HIDDEN, hider

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from aiohttp import AddrInfoType, ClientResponse
    from pydantic import SecretStr


ANSWER_LIMIT = 65_536
"""Bytes of an answer that are read; the connection is closed at more."""

HEADER_LIMIT = 8_192
"""Bytes of an answer's status line, and of each header; of these, at most `HEADERS`."""

HEADERS = 100

VALUE, SEGMENT = 4, 8
"""Letters from which on a value in a URL's query, or a segment of its path, is not shown where it is repeated."""


class Unanswered(SinkError):
    """The receiver was reached and gave no whole answer: it may have what was sent, and that may be the cause."""


class Poster:
    """Posts to one URL. Many posts may be under way at the same time; connections are kept between them."""

    def __init__(
        self,
        url: str,
        *,
        timeout: float,
        ca_file: str | None = None,
        allow_http: bool = False,
        allow_private: bool = False,
        proxy: SecretStr | Literal[False] | None = None,
        secrets: Collection[str] = (),
    ) -> None:
        """Nothing is opened before the first post.

        `timeout`: seconds for one post, in all; half of them may go into connecting. `ca_file`: the only authority that
        is believed, instead of the system's. `allow_private`: also post to addresses that `addresses.refusal` refuses.
        `proxy`: see `proxy_for`. `secrets`: values that the receiver gets, hidden where it repeats them.
        """
        self._url = verbatim(url)
        # Of a webhook's URL, all but the host is often its only secret; and a part of it is enough.
        parts = secret_parts(url, value=VALUE, segment=SEGMENT)
        self._hide = hider(secrets, [self._url.raw_path_qs, *parts])
        # For traces: all parts of the URL after the host may be secret.
        shown = str(self._url.origin().with_path(f"/{HIDDEN}", encoded=True))
        self._told: dict[str, str | int] = {
            "server": self._url.raw_host or "",
            "port": self._url.port or 0,
            "url": shown,
        }
        self._timeout = timeout
        self._ca_file = ca_file
        self._allow_http = allow_http
        self._allow_private = allow_private
        self._wanted_proxy = proxy
        self._proxy: URL | None = None
        self._opening = asyncio.Lock()
        self._session: ClientSession | None = None
        self._closed = False

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Response:
        """One try, and nothing else: no redirect, no retry.

        Raises:
            SinkError: there is no way to the receiver: its address is refused, its certificate not trusted, …
            Unanswered: there is, but it did not answer, or cut the connection.
        """
        session = await self._open()
        response: Response | None = None
        try:
            async with (
                asyncio.timeout(self._timeout),
                session.post(self._url, data=body, headers=headers, allow_redirects=False) as answer,
            ):
                wait = retry_after(answer.headers.get("Retry-After"), datetime.now(UTC))
                response = Response(answer.status, self._hide(answer.reason or ""), retry_after=wait)
                response = replace(response, text=self._hide(first_line(await _beginning(answer))))
        # The messages of aiohttp's own errors have the whole URL in them, so they are not passed on.
        except (ClientError, OSError, TimeoutError, ValueError) as error:
            if response is None:
                raise self._explain(error) from None
        return response  # also when its body was cut short: the status says what counts

    async def deliver(self, body: bytes, headers: Mapping[str, str]) -> tuple[Verdict, str]:
        """One try, and what it means for the one delivery that was sent: see `verdict`, which raises as this does.

        Without an answer it is LATER, since the event may be the cause, and its target's alone.
        """
        try:
            with span("POST", client=True, method="POST", **self._told) as traced:
                sent = CIMultiDict(headers)
                sent.update(propagated())
                response = await self.post(body, sent)
                traced.status(response.status)
            return verdict(response)
        except Unanswered as error:
            return Verdict.LATER, str(error)

    async def close(self) -> None:
        """Let go of the connections; a post under way ends soon with SinkError."""
        self._closed = True
        async with self._opening:
            if self._session is not None:
                await self._session.close()

    async def _open(self) -> ClientSession:
        if self._url.scheme != "https" and not self._allow_http:
            raise SinkError(f"{self._where}: not an https URL; `allow_http: true` lets it through")
        async with self._opening:
            if self._closed:
                raise SinkError(f"{self._where}: the sink is closed")
            if self._session is None:
                self._session = await self._made()
        return self._session

    async def _made(self) -> ClientSession:
        self._proxy = proxy_for(str(self._url), self._wanted_proxy)
        # The proxy resolves the receiver's name, so only a host that needs no resolving can be refused here.
        if self._proxy and not self._allow_private and (why := host_refusal(self._url.raw_host or "", own_addresses())):
            raise SinkError(f"{self._where}: this host {why}; `allow_private: true` lets it through")
        try:
            # Reading a few hundred authorities takes a moment.
            trust = await asyncio.to_thread(ssl.create_default_context, cafile=self._ca_file)
        except OSError as error:  # also ssl.SSLError
            raise SinkError(f"ca_file {self._ca_file}: {error.strerror or error}") from error
        return ClientSession(
            # The relay bounds how many posts are under way.
            connector=bounded_responses(
                TCPConnector(ssl=trust, limit=0, socket_factory=None if self._proxy else self._socket)
            ),
            proxy=self._proxy,
            timeout=ClientTimeout(total=None, connect=self._timeout / 2, ceil_threshold=self._timeout),
            headers={"User-Agent": f"watcher/{__version__}", "Accept-Encoding": "identity"},
            cookie_jar=DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,  # a small answer stays a small answer
            max_line_size=HEADER_LIMIT,
            max_field_size=HEADER_LIMIT,
            max_headers=HEADERS,
        )

    def _socket(self, resolved: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = resolved
        if not self._allow_private and (reason := refusal(str(address[0]), own_addresses())):
            raise _RefusedError(errno.EACCES, f"{address[0]} {reason}; `allow_private: true` lets it through")
        return socket.socket(family, kind, protocol)

    @property
    def _where(self) -> str:
        """The receiver and the proxy, without the parts of their URLs that may be secret."""
        receiver = self._url.host_port_subcomponent or "the URL"
        return f"{receiver}, through the proxy {self._proxy.host_port_subcomponent}" if self._proxy else receiver

    def _explain(self, error: Exception) -> SinkError:
        kind: type[SinkError] = SinkError
        whose = "the proxy's" if self._proxy else "its"
        match error:
            case ConnectionTimeoutError():
                text = f"no connection within {self._timeout / 2:g} s"
            case TimeoutError():
                kind, text = Unanswered, f"no answer within {self._timeout:g} s"
            case ClientConnectorDNSError():
                text = f"{whose} name cannot be resolved"
            case ClientConnectorCertificateError():
                reason = getattr(error.certificate_error, "verify_message", "it does not say why")
                fault = system_ca_fault(os.environ) if self._ca_file is None else None
                text = "; ".join(filter(None, [f"its certificate is not trusted: {reason}", fault]))
            case ClientSSLError():
                text = f"no TLS connection: {_reason(error.os_error)}"
            case ClientConnectorError():
                to = " to the proxy" if isinstance(error, ClientProxyConnectionError) else ""
                text = f"no connection{to}: {_reason(error.os_error)}"
            case ClientHttpProxyError():
                text = f"the proxy answered {Response(error.status, self._hide(error.message))}"
            case ClientResponseError():
                kind, text = Unanswered, "its answer is not HTTP, or its headers are too many or too long"
            case ValueError():
                text = "the URL, or a header, cannot be sent"
            case _:
                kind, text = Unanswered, "it cut the connection before it answered"
        return kind(f"{self._where}: {text}")


class _RefusedError(OSError):
    """An address that nothing is to be posted to; an OSError, so that the name's next address is tried."""

    def __str__(self) -> str:
        return self.strerror or ""


def verbatim(url: str) -> URL:
    """The URL whose path and query are sent byte for byte as written: receivers check signatures over them. Pure.

    Only what cannot stand in a URL, letters beyond ASCII, is encoded. The host is normalized.
    """
    host = URL(url)
    written = re.sub(r"^[^:]+://[^/?#]*/?|#.*", "", url)
    # The query is passed as a part of the path, so that yarl keeps an empty one, too.
    path = "/" + quote(written, safe=string.punctuation)
    return URL.build(scheme=host.scheme, authority=host.raw_authority, path=path, encoded=True)


async def _beginning(answer: ClientResponse) -> str:
    text = bytearray()
    async for chunk in answer.content.iter_any():
        text += chunk
        if len(text) >= ANSWER_LIMIT:
            answer.close()
            break
    return text[:ANSWER_LIMIT].decode(errors="replace")


def _reason(error: OSError) -> str:
    """In few words; where each of several addresses failed in its own way, all of them."""
    if isinstance(error, ssl.SSLError) or error.errno in (None, errno.EACCES):
        return (error.strerror or str(error)).removeprefix("Multiple exceptions: ") or "it was cut"
    return os.strerror(error.errno)
