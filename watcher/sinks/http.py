"""One bounded POST to a receiver that is not to be trusted, and what its answer means for a delivery.

The receiver's name may be pointed anywhere at any time, so the address is checked where the socket is made: after the
name was resolved, and for addresses written as such too. A redirect is an answer like any other, and is not followed.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientResponseError,
    ClientSession,
    ClientSSLError,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    TCPConnector,
)
from yarl import URL

from watcher import __version__
from watcher.addresses import refusal
from watcher.config.urls import secret_parts
from watcher.errors import SinkError, SinkGone
from watcher.patience import LONGEST_HEEDED
from watcher.protocols import Verdict
from watcher.redact import HIDDEN, excerpt, printable
from watcher.tracing import span

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from aiohttp import AddrInfoType, ClientResponse

    from watcher.config.sinks.http import HttpSink

ANSWER_LIMIT = 65_536
"""Bytes of an answer that are read; the connection is closed at more."""

HEADER_LIMIT = 8_192
"""Bytes of an answer's status line, and of each header; of these, at most `HEADERS`."""

HEADERS = 100

GRACE = 1.0
"""Seconds that a send has beyond its post's own time-out, to say that it was over."""

TEXT_LIMIT = 200
"""Bytes of an answer that are kept for people."""

VALUE, SEGMENT = 4, 8
"""Letters from which on a value in a URL's query, or a segment of its path, is not shown where it is repeated."""


@dataclass(frozen=True, slots=True)
class Response:
    """What a receiver answered."""

    status: int
    reason: str = ""
    text: str = ""
    """The first 64 KiB of the answer's body."""
    retry_after: float | None = None
    """Seconds that it asked to be left alone."""

    def __str__(self) -> str:
        """For people: the status line and the first line of the body, without secrets."""
        status = f"{self.status} {self.reason}".rstrip()
        first = next((line.strip() for line in self.text.splitlines() if line.strip()), "")
        return printable(excerpt(f"{status}: {first}" if first else status, TEXT_LIMIT))


FINAL = frozenset({400, 413, 414, 415, 422})
"""Statuses of RFC 9110 that judge the body itself: the same body gets the same answer, whatever an operator mends."""


class Unanswered(SinkError):  # noqa: N818  named for what it says
    """The receiver was reached and gave no whole answer: it may have what was sent, and that may be the cause."""


def verdict(response: Response) -> tuple[Verdict, str]:
    """What an answer means for the one delivery that was sent, and its text for people. Pure.

    Raises:
        SinkError: 429 or 503 with `Retry-After`: it wants to be left alone for so long, whatever the event.
        SinkGone: 410: it wants nothing more.
    """
    text = str(response)
    match response.status:
        case status if 200 <= status < 300:
            return Verdict.TAKEN, text
        case 410:
            raise SinkGone(f"it answered {text}")
        case 429 | 503:
            if response.retry_after is not None:
                raise SinkError(f"it answered {text}", retry_after=response.retry_after)
            return Verdict.LATER, text
        case status if 300 <= status < 400:
            return Verdict.LATER, f"{replace(response, text='')}: redirects are not followed"
    return Verdict.NEVER if response.status in FINAL else Verdict.LATER, text


def retry_after(value: str | None, now: datetime) -> float | None:
    """The seconds that a `Retry-After` header asks for (RFC 9110, 10.2.3), an hour at most; None: it is none. Pure."""
    if value is None:
        return None
    with suppress(ValueError, OverflowError):
        seconds = int(value) if value.isascii() and value.isdigit() else _until(value, now)
        return min(max(0.0, float(seconds)), LONGEST_HEEDED)
    return None


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
        secrets: Collection[str] = (),
    ) -> None:
        """Nothing is opened before the first post.

        `timeout`: seconds for one post, in all; half of them may go into connecting. `ca_file`: the only authority that
        is believed, instead of the system's. `allow_private`: also post to addresses that `addresses.refusal` refuses.
        `secrets`: what the receiver is told, and nobody else may read where it repeats it.
        """
        self._url = URL(url)
        # Of a webhook's URL, all but the host is often its only secret; and a part of it is enough.
        hidden = {self._url.raw_path_qs, self._url.path_qs, *secrets}
        hidden.update(secret_parts(str(self._url), value=VALUE, segment=SEGMENT))
        self._hidden = sorted((text for text in hidden if len(text) > 1), key=len, reverse=True)
        self._timeout = timeout
        self._ca_file = ca_file
        self._allow_http = allow_http
        self._allow_private = allow_private
        self._opening = asyncio.Lock()
        self._session: ClientSession | None = None
        self._closed = False

    @classmethod
    def of(cls, url: str, options: HttpSink, secrets: Collection[str] = ()) -> Poster:
        """What posts to `url` as a sink's `options` say."""
        return cls(
            url,
            timeout=options.timeout,
            ca_file=options.ca_file,
            allow_http=options.allow_http,
            allow_private=options.allow_private,
            secrets=secrets,
        )

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
                response = replace(response, text=self._hide(await _beginning(answer)))
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
            with span("POST", client=True, server=self._where) as traced:
                response = await self.post(body, headers)
                traced.outcome(str(response.status))
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
        try:
            # Reading a few hundred authorities takes a moment.
            trust = await asyncio.to_thread(ssl.create_default_context, cafile=self._ca_file)
        except OSError as error:  # also ssl.SSLError
            raise SinkError(f"ca_file {self._ca_file}: {error.strerror or error}") from error
        return ClientSession(
            # The relay bounds how many posts are under way.
            connector=TCPConnector(ssl=trust, limit=0, socket_factory=self._socket),
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
        if not self._allow_private and (reason := refusal(str(address[0]))):
            raise _RefusedError(errno.EACCES, f"{address[0]} {reason}; `allow_private: true` lets it through")
        return socket.socket(family, kind, protocol)

    @property
    def _where(self) -> str:
        """The receiver, as far as it may be shown."""
        return self._url.host_port_subcomponent or "the URL"

    def _hide(self, text: str) -> str:
        """The receiver's words without what it was told in confidence."""
        for secret in self._hidden:
            text = text.replace(secret, HIDDEN)
        return text

    def _explain(self, error: Exception) -> SinkError:
        match error:
            case ConnectionTimeoutError():
                return SinkError(f"{self._where}: no connection within {self._timeout / 2:g} s")
            case TimeoutError():
                return Unanswered(f"{self._where}: no answer within {self._timeout:g} s")
            case ClientConnectorDNSError():
                return SinkError(f"{self._where}: its name cannot be resolved")
            case ClientConnectorCertificateError():
                reason = getattr(error.certificate_error, "verify_message", "it does not say why")
                return SinkError(f"{self._where}: its certificate is not trusted: {reason}")
            case ClientSSLError():
                return SinkError(f"{self._where}: no TLS connection: {_reason(error.os_error)}")
            case ClientConnectorError():
                return SinkError(f"{self._where}: no connection: {_reason(error.os_error)}")
            case ClientResponseError():
                return Unanswered(f"{self._where}: its answer is not HTTP, or its headers are too many or too long")
            case ValueError():
                return SinkError(f"{self._where}: the URL, or a header, cannot be sent")
        return Unanswered(f"{self._where}: it cut the connection before it answered")


class _RefusedError(OSError):
    """An address that nothing is to be posted to; an OSError, so that the name's next address is tried."""

    def __str__(self) -> str:
        return self.strerror or ""


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
        return (error.strerror or str(error)).removeprefix("Multiple exceptions: ")
    return os.strerror(error.errno)


def _until(date: str, now: datetime) -> float:
    moment = parsedate_to_datetime(date)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now.timestamp()
