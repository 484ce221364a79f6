"""Connections and their limits: how many, the size of a request, and the time to send it and to read the response.

aiohttp limits each line of a request and closes idle connections. It does not limit the sum of the lines, a request
that is sent byte by byte, or a response that is not read: `Connection` does (`late` is called every second). Only a
POST may have a body, which is short (`may_have_body`); no other is parsed, and none is decompressed: both would cost
more than sending it costs the client.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

import structlog
from aiohttp import EMPTY_PAYLOAD, web
from aiohttp.http import HttpProcessingError, RawRequestMessage

from watcher.web.limits import client_of, may_have_more
from watcher.web.responses import HEADERS, JSON, SLICE_BYTES, error_response

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter

log = structlog.get_logger()

HEAD_SECONDS = 10.0  # from the start of the connection, or the first byte of a request's head, to the head's end
IDLE_SECONDS = 30.0  # between two requests
UNREAD_SECONDS = 20.0  # without progress of a client that reads a response
LINGER_SECONDS = 2.0  # for reading and dropping a refused body, so that the client gets to read the response
MAX_HEAD_BYTES = 32 * 1024  # buffered, of requests that are incomplete or wait behind others on their connection
SURPLUS_HEAD_SECONDS, SURPLUS_HEAD_BYTES = 1.0, 8 * 1024  # the limits of a surplus connection's head

MAX_BODY_BYTES = 16 * 1024  # of a request that changes something

MAX_SEARCHED = 64
"""Connections that are searched for an idle one; the next search begins with others."""


def may_have_body(method: str, headers: Mapping[str, str]) -> bool:
    """Whether the body that a request announces may be read: of a POST, short, and as it is."""
    length = headers.get("Content-Length", "")
    short = len(length) < 10 and length.isascii() and length.isdecimal() and int(length) <= MAX_BODY_BYTES
    return method == "POST" and short and "Content-Encoding" not in headers and "Transfer-Encoding" not in headers


class Connection(web.RequestHandler):
    """A connection that knows since when it waits for its client.

    `opened` is called once `client` is known, `closed` when the connection is lost.
    """

    def __init__(
        self, server: web.Server, opened: Callable[[Connection], None], closed: Callable[[Connection], None]
    ) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=LINGER_SECONDS,
            access_log=None,  # type: ignore[arg-type]
            auto_decompress=False,
        )
        self.client = ""
        self.surplus = False
        self._opened = opened
        self._closed = closed
        self._began = loop.time()
        self._head_since: float | None = self._began
        self._head_bytes = 0
        self._head_limits = HEAD_SECONDS, MAX_HEAD_BYTES
        self._refused = False
        """Whether a request announced a body that it must not have: nothing after its head is parsed."""
        self._writer: AbstractStreamWriter | None = None
        self._written = self._taken = 0
        self._stuck_since: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)
        transport.set_write_buffer_limits(high=SLICE_BYTES)  # what is buffered waits for a slow reader
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self.client = client_of(peer[0] if peer else "")
        self._opened(self)

    def mark_surplus(self) -> None:
        """Note that the connection exceeds the limits: it gets one response and is closed, with any body unread."""
        self.surplus = True
        self._head_limits = SURPLUS_HEAD_SECONDS, SURPLUS_HEAD_BYTES
        self._lingering_time = 0.0

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._closed(self)

    def data_received(self, data: bytes) -> None:
        """Note when a request's head begins and when it is complete; drop its body.

        The data is parsed in slices, since each chunk of a body costs a call, and one read may have 40,000 chunks.
        """
        for start in range(0, max(1, len(data)), SLICE_BYTES):
            if not self._refused:
                self._parse(data[start : start + SLICE_BYTES])

    def _parse(self, data: bytes) -> None:
        before = self._request_count
        super().data_received(data)
        self._refused = any(
            payload is not EMPTY_PAYLOAD
            and not (isinstance(message, RawRequestMessage) and may_have_body(message.method, message.headers))
            for message, payload in self._messages
        )
        if self._request_count != before:
            self._head_since = None
        elif self._head_since is None and data and self.waits:
            self._head_since = self._loop.time()
        # While enough requests are queued, aiohttp buffers the rest of the data.
        held = self._request_count == before or self._buffer_paused
        self._head_bytes = self._head_bytes + len(data) if held else 0
        if self._head_bytes > self._head_limits[1]:
            self.abort()

    @property
    def waits(self) -> bool:
        """Whether no request is being handled."""
        return self._waiter is not None and not self._messages

    @property
    def idle(self) -> bool:
        """Whether it only waits for the client: for its first request, the rest of one, or the next one."""
        return self.waits and not self.busy

    @property
    def busy(self) -> bool:
        """Whether a request is being handled, or a response is being sent."""
        return self.transport is not None and (self._request_in_progress or self.transport.get_write_buffer_size() > 0)

    def writes(self, writer: AbstractStreamWriter) -> None:
        """Send the next response with this writer."""
        if self._writer is not None:
            self._written += self._writer.output_size
        self._writer = writer

    def late(self, now: float) -> bool:
        """Whether the client took too long; `now` in seconds of the loop's clock, in calls about a second apart."""
        limit = self._head_limits[0]
        if self.transport is None:
            return now - self._began > limit
        if self._head_since is not None and self.waits and now - self._head_since > limit:
            return True
        left = self.transport.get_write_buffer_size()
        taken = self._written + (self._writer.output_size if self._writer else 0) - left
        if left == 0 or taken > self._taken or self._stuck_since is None:
            self._stuck_since = now if left else None
        self._taken = taken
        return self._stuck_since is not None and now - self._stuck_since > UNREAD_SECONDS

    def abort(self) -> None:
        """Close the connection at once, with what is in its buffer."""
        transport = self.transport
        self.force_close()
        if transport is not None:
            transport.abort()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """The response to data that is not a valid request; nothing is logged."""
        del exc, message
        if request.writer.output_size > 0:
            raise ConnectionError("the response has begun")
        body = error_response(status, "not a valid HTTP/1.1 request; send GET or HEAD").body
        response = web.Response(status=status, body=body, headers={**HEADERS, "Content-Type": JSON})
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Log a bug of the server; a malformed body is the client's fault, and not logged."""
        error = kw.get("exc_info")
        if not isinstance(error, (web.RequestPayloadError, HttpProcessingError)):
            log.error("http.crashed", what=args[0] if args else "", exc_info=error)


class Connections:
    """Open connections in the order of their last requests, the oldest first. Each client may have a share of them."""

    def __init__(self) -> None:
        self._all: OrderedDict[Connection, None] = OrderedDict()
        self._of: defaultdict[str, OrderedDict[Connection, None]] = defaultdict(OrderedDict)

    def __iter__(self) -> Iterator[Connection]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def have_room(self, client: str, most: int) -> bool:
        """Whether `client` may have one more of at most `most` connections; closes an idle one if that makes room.

        An idle connection never keeps another one out: one of the client's own is closed or, if all places are in use,
        one of a client that has more connections.
        """
        own = len(self._of.get(client, ()))
        if may_have_more(own, len(self), most):
            return True
        if own and self._close_idle(self._of[client], 0):
            return True
        return len(self) >= most and self._close_idle(self._all, own)

    def make_room(self, client: str, most: int) -> None:
        """Make room as `have_room` does; if it cannot, close the client's oldest connection, else the oldest of all."""
        if not self.have_room(client, most):
            self.close(next(iter(self._of.get(client, self._all))))

    def _close_idle(self, among: Iterable[Connection], own: int) -> bool:
        for connection in [*islice(among, MAX_SEARCHED)]:
            if connection.idle and len(self._of[connection.client]) > own:
                self.close(connection)
                return True
            self.move_to_end(connection)
        return False

    def add(self, connection: Connection) -> None:
        self._all[connection] = self._of[connection.client][connection] = None

    def move_to_end(self, connection: Connection) -> None:
        """Move a connection that just had a request to the end of the order."""
        if connection in self._all:
            self._all.move_to_end(connection)
            self._of[connection.client].move_to_end(connection)

    def close(self, connection: Connection) -> None:
        """Close a connection at once."""
        connection.abort()
        self.discard(connection)

    def discard(self, connection: Connection) -> None:
        """Remove a closed connection; may be called more than once."""
        if connection in self._all:
            del self._all[connection], self._of[connection.client][connection]
            if not self._of[connection.client]:
                del self._of[connection.client]
