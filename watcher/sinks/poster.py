"""Sends one bounded request to an untrusted receiver, and returns what the response means for a delivery.

The receiver's name may be pointed anywhere at any time, so the address is checked where the socket is made: after the
name is resolved, and also for an address in the URL. A proxy resolves names itself: then only the URL's own host is
checked. Redirects are not followed.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from multidict import CIMultiDict

from watcher import __version__
from watcher.config.secrets import secret_parts
from watcher.core.deliveries import Verdict
from watcher.core.sink_settings import Reach
from watcher.errors import SinkError
from watcher.observability.tracing import propagated, span
from watcher.sinks.http import Response, first_line, requested_wait, verdict
from watcher.sinks.http_proxy import proxy_for
from watcher.sinks.post_failures import RefusedAddressError, UnansweredError, explain
from watcher.util.http_responses import bounded_responses
from watcher.util.interfaces import own_addresses
from watcher.util.ip_addresses import address_refusal, host_refusal
from watcher.util.redaction import HIDDEN, hider
from watcher.util.verbatim_urls import verbatim

if TYPE_CHECKING:
    from aiohttp import AddrInfoType, ClientResponse
    from yarl import URL


MAX_RESPONSE_BYTES = 65_536
"""Bytes of a response's body that are read; after that the connection is closed."""

MAX_HEADER_BYTES = 8_192
"""Bytes of a response's status line, and of each header."""


class Poster:
    """Posts to one URL, or to paths below it, several posts at the same time if asked to; connections are kept open.

    Half of `options.timeout` may be spent on connecting. `secrets`: values that are sent to the receiver and hidden
    where it repeats them; with `secret_url` also the parts of the URL. Nothing is opened before the first post.
    """

    def __init__(self, url: str, options: Reach, secrets: Collection[str] = (), *, secret_url: bool = True) -> None:
        self._base = url
        self._url = verbatim(url)
        # All but the host of a webhook's URL is often its only secret, and a part of it is enough.
        parts = [self._url.raw_path_qs, *secret_parts(url, value=4, segment=8)] if secret_url else []
        self._hide = hider(secrets, parts)
        shown = str(self._url.origin().with_path(f"/{HIDDEN}", encoded=True))
        server, port = self._url.raw_host or "", self._url.port or 0
        self._span = partial(span, "POST", client=True, method="POST", server=server, port=port, url=shown)
        self._options = options
        self._timeout = options.timeout
        self._proxy: URL | None = None
        self._opening = asyncio.Lock()
        self._session: ClientSession | None = None
        self._closed = False

    async def request(self, method: str, url: URL, body: bytes | None, headers: Mapping[str, str]) -> Response:
        """Make one request to a URL of the receiver's origin, without redirects or retries.

        Raises:
            SinkError: the receiver cannot be reached: its address is refused, its certificate is not trusted, …
            UnansweredError: it was reached, but did not respond, or cut the connection.
        """
        session = await self._open()
        response: Response | None = None
        try:
            async with (
                asyncio.timeout(self._timeout),
                session.request(method, url, data=body, headers=headers, allow_redirects=False) as answer,
            ):
                wait = requested_wait(answer.headers, datetime.now(UTC))
                response = Response(answer.status, self._hide(answer.reason or ""), retry_after=wait)
                if text := await _beginning(answer):
                    response = replace(response, text=self._hide(first_line(text)), body=text)
        # The messages of aiohttp's own errors have the whole URL in them, so they are not used.
        except (ClientError, OSError, TimeoutError, ValueError) as error:
            if response is None:
                kind, text = explain(error, self._options, self._hide, proxied=self._proxy is not None)
                raise kind(f"{self._where}: {text}") from None
        return response  # also if its body was cut short: the status is what counts

    async def deliver(
        self,
        body: bytes,
        *headers: Mapping[str, str],
        path: str = "",
        judge: Callable[[Response], tuple[Verdict, str]] = verdict,
    ) -> tuple[Verdict, str]:
        """Make one POST and return what it means for the delivery, as `judge` says; see `verdict`, also for errors.

        Without a response it is LATER rather than a failure of the sink, since the event may be the cause. Each
        header replaces earlier ones of the same name, whatever their letter case. `path` is appended to the URL.
        """
        try:
            with self._span() as traced:
                sent: CIMultiDict[str] = CIMultiDict()
                for each in (*headers, propagated()):
                    sent.update(each)
                url = verbatim(self._base + path) if path else self._url
                response = await self.request("POST", url, body, sent)
                traced.status(response.status)
            return judge(response)
        except UnansweredError as error:
            return Verdict.LATER, str(error)

    async def close(self) -> None:
        """Close the connections; a post under way ends soon with SinkError."""
        self._closed = True
        async with self._opening:
            if self._session is not None:
                await self._session.close()

    async def _open(self) -> ClientSession:
        if self._url.scheme != "https" and not self._options.allow_http:
            raise SinkError(f"{self._where}: not an https URL; set `allow_http: true` to allow it")
        if self._session is not None and not self._closed:
            return self._session
        async with self._opening:
            if self._closed:
                raise SinkError(f"{self._where}: the sink is closed")
            if self._session is None:
                self._session = await self._new_session()
        return self._session

    async def _new_session(self) -> ClientSession:
        self._proxy = proxy_for(str(self._url), self._options.proxy)
        # The proxy resolves the receiver's name, so only a host that needs no resolving can be refused here.
        if (
            self._proxy
            and not self._options.allow_private
            and (why := host_refusal(self._url.raw_host or "", own_addresses()))
        ):
            raise SinkError(f"{self._where}: this host {why}; set `allow_private: true` to allow it")
        try:
            # Reading a few hundred certificate authorities takes a moment.
            trust = await asyncio.to_thread(ssl.create_default_context, cafile=self._options.ca_file)
        except OSError as error:  # also ssl.SSLError
            raise SinkError(f"ca_file {self._options.ca_file}: {error.strerror or error}") from error
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
            auto_decompress=False,  # a small response stays small
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            max_headers=100,
        )

    def _socket(self, resolved: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = resolved
        if not self._options.allow_private and (reason := address_refusal(str(address[0]), own_addresses())):
            raise RefusedAddressError(errno.EACCES, f"{address[0]} {reason}; set `allow_private: true` to allow it")
        return socket.socket(family, kind, protocol)

    @property
    def _where(self) -> str:
        """The receiver and the proxy, without the parts of their URLs that may be secret."""
        receiver = self._url.host_port_subcomponent or "the URL"
        return f"{receiver}, through the proxy {self._proxy.host_port_subcomponent}" if self._proxy else receiver


async def _beginning(answer: ClientResponse) -> str:
    text = bytearray()
    async for chunk in answer.content.iter_any():
        text += chunk
        if len(text) >= MAX_RESPONSE_BYTES:
            answer.close()
            break
    return text[:MAX_RESPONSE_BYTES].decode(errors="replace")
