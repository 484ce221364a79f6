"""One connection and its limits: the size of a request, and the time to send it and to read the response.

aiohttp limits each line of a request and closes idle connections. It does not limit the sum of the lines, a request
that is sent byte by byte, or a response that is not read: this class does (`late` is called every second). Requests
must not have a body, so none is parsed or decompressed: both would cost more than sending it costs the client.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import structlog
from aiohttp import EMPTY_PAYLOAD, web
from aiohttp.http import HttpProcessingError

from watcher.web.responses import HEADERS, JSON, SLICE, failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.abc import AbstractStreamWriter

log = structlog.get_logger()

HEAD_WITHIN = 10.0
IDLE_FOR = 30.0
TAKEN_WITHIN = 20.0
"""Seconds: for a whole request's head from its first byte, or the connection's begin; between two requests; without
any progress of a reader."""

LINGER = 2.0
"""Seconds for which a refused body is read and dropped, so that the client gets to read the response."""

MAX_HEAD_BYTES = 32 * 1024
"""Bytes that are buffered of requests that are incomplete, or wait behind others on their connection."""


class Connection(web.RequestHandler):
    """A connection that knows since when it waits for the client."""

    def __init__(self, server: web.Server, client: str, gone: Callable[[Connection], None]) -> None:
        """`client`: see `limits.client_of`; `gone` is called when the connection is lost."""
        loop = asyncio.get_running_loop()
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=IDLE_FOR,
            lingering_time=LINGER,
            access_log=None,  # type: ignore[arg-type]
            auto_decompress=False,
        )
        self.client = client
        self._gone = gone
        self._began = loop.time()
        self._head_since: float | None = self._began
        self._head_bytes = 0
        self._refused = False
        """Whether a request announced a body: nothing after its head is parsed."""
        self._writer: AbstractStreamWriter | None = None
        self._written = self._taken = 0
        self._stuck_since: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep little in the transport's buffer: what waits in it, waits for a slow reader."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  only sockets are listened to
        transport.set_write_buffer_limits(high=SLICE)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Let the server know."""
        super().connection_lost(exc)
        self._gone(self)

    def data_received(self, data: bytes) -> None:
        """Note when a request's head begins and when it is complete; drop its body.

        The data is parsed in slices, since each chunk of a body costs a call, and one read may have 40,000 chunks.
        """
        for start in range(0, max(1, len(data)), SLICE):
            if not self._refused:
                self._parse(data[start : start + SLICE])

    def _parse(self, data: bytes) -> None:
        before = self._request_count
        super().data_received(data)
        self._refused = any(payload is not EMPTY_PAYLOAD for _, payload in self._messages)
        if self._request_count != before:
            self._head_since = None
        elif self._head_since is None and data and self.waits:
            self._head_since = self._loop.time()
        # While enough requests are queued, aiohttp buffers the rest of the data.
        held = self._request_count == before or self._buffer_paused
        self._head_bytes = self._head_bytes + len(data) if held else 0
        if self._head_bytes > MAX_HEAD_BYTES:
            self.abort()

    @property
    def waits(self) -> bool:
        """Whether nothing is being answered."""
        return self._waiter is not None and not self._messages

    @property
    def idle(self) -> bool:
        """Whether it only waits for the client: for its first request, the rest of one, or the next one."""
        return self.waits and not self.busy

    @property
    def busy(self) -> bool:
        """Whether something is being answered, or on its way."""
        return self.transport is not None and (self._request_in_progress or self.transport.get_write_buffer_size() > 0)

    def writes(self, writer: AbstractStreamWriter) -> None:
        """The next answer goes through this writer."""
        if self._writer is not None:
            self._written += self._writer.output_size
        self._writer = writer

    def late(self, now: float) -> bool:
        """Whether the client took too long (loop's time); asked about each second."""
        if self.transport is None:
            return now - self._began > HEAD_WITHIN
        if self._head_since is not None and self.waits and now - self._head_since > HEAD_WITHIN:
            return True
        left = self.transport.get_write_buffer_size()
        taken = self._written + (self._writer.output_size if self._writer else 0) - left
        if left == 0 or taken > self._taken or self._stuck_since is None:
            self._stuck_since = now if left else None
        self._taken = taken
        return self._stuck_since is not None and now - self._stuck_since > TAKEN_WITHIN

    def abort(self) -> None:
        """End it at once, with what is in its buffer."""
        transport = self.transport
        self.force_close()
        if transport is not None:
            transport.abort()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """What cannot be read as a request is answered in our own words, and is nothing for the log."""
        del exc, message
        if request.writer.output_size > 0:
            raise ConnectionError("the answer was under way")
        answer = failed(status, "this is no request that can be read here; send GET or HEAD by HTTP/1.1")
        response = web.Response(status=status, body=answer.body, headers={**HEADERS, "Content-Type": JSON})
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Log a bug of the server; a malformed body is the client's fault, and not logged."""
        error = kw.get("exc_info")
        if not isinstance(error, (web.RequestPayloadError, HttpProcessingError)):
            log.error("http.crashed", what=args[0] if args else "", exc_info=error)
