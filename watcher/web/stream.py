"""Server-Sent Events: each recorded event to every client, from any number on, without gaps.

A stream holds no events. It remembers what it sent, and looks for newer events: among the recent ones, which all
streams share in the order in which they were found, or, if it lags behind, in the store, page by page.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from aiohttp import web

from watcher.core.events import Event, fitting
from watcher.core.ports import Entry
from watcher.core.queries import EventQuery
from watcher.errors import StoreError
from watcher.observability.daemon_view import DaemonView
from watcher.observability.observer import Observer
from watcher.stores.event_cursor import EventCursor, Found, cursor_at_end
from watcher.web.responses import HEADERS

log = structlog.get_logger()

MAX_STREAMS = 200  # at a time; one client may have half of them
KEEP_ALIVE_SECONDS = 15.0  # of silence, after which a comment keeps the connection alive through proxies
RECENT_EVENTS, RECENT_CHARACTERS = 1000, 16 * 1024 * 1024  # the events that all streams share
FEED_EVENTS, FEED_CHARACTERS = 500, 4 * 1024 * 1024  # read at once for all streams; a single event may be longer
PAGE_EVENTS, PAGE_CHARACTERS = 20, 256 * 1024  # the events that one stream holds
MAX_READERS = 4  # streams that read from the store at a time
PEER_SECONDS = 5.0  # between two reads of what other watchers on the table recorded


@dataclass(slots=True)
class _Position:
    """What a stream has sent, and how many events of the feed it has processed; None: it reads from the store."""

    cursor: EventCursor
    fed: int | None = None


class Hub(Observer):
    """All streams; while none is open, nothing is read."""

    def __init__(self, daemon: DaemonView) -> None:
        self.streams = 0
        self._daemon = daemon
        self._recent: list[Found] = []
        self._fed = 0
        """How many events the feed has ever read; the recent ones are the last of them."""
        self._cursor = EventCursor(0, 0)
        self._messages: dict[tuple[int, str], bytes] = {}
        """The messages of the recent events, encoded once for all streams."""
        self._changed = asyncio.Event()
        self._news = asyncio.Event()
        self._reloads = 0
        self._epoch = 0
        self._closing = False
        self._feeding: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()
        self._readers = asyncio.Semaphore(MAX_READERS)

    def recorded(self, entries: Sequence[Entry]) -> None:
        if self.streams and any(entry.events for entry in entries):
            self._news.set()

    def reloaded(self) -> None:
        """Let the pages load the configuration again: it was replaced, or a wrong one was rejected."""
        self._reloads += 1
        self._wake()

    def cut(self) -> None:
        """End the open streams, since the address or the token has changed. Clients with the token reconnect."""
        self._epoch += 1
        self._wake()

    def close(self) -> None:
        """End every stream."""
        self._closing = True
        self._wake()
        self._stop_feeding()

    async def serve(self, request: web.BaseRequest, after: int | None) -> web.StreamResponse:
        """Send the events after the number `after` (None: only new ones) until the client disconnects, or `close`.

        Raises:
            StoreError: before anything is sent.
        """
        self.streams += 1
        epoch = self._epoch  # before the first await: the stream may be cut while it opens
        try:
            position = await self._begin(after)
            response = web.StreamResponse(
                headers={**HEADERS, "Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}
            )
            await response.prepare(request)
            if request.method != "HEAD":
                await self._send(request, response, position, epoch)
            return response
        finally:
            self.streams -= 1
            if not self.streams:
                self._stop_feeding()

    async def _begin(self, after: int | None) -> _Position:
        """Start the feed, if there is none; returns where the stream begins."""
        async with self._opening:
            if self._feeding is None or self._feeding.done():
                self._cursor = await cursor_at_end(self._daemon.reader, EventQuery(size=FEED_CHARACTERS), FEED_EVENTS)
                self._recent = []
                self._fed += 1  # a stream of the former feed may have missed events
                self._feeding = asyncio.create_task(self._feed(), name="events for streams")
        if after is None:
            return _Position(self._cursor.copy(), self._fed)
        if after > self._cursor.last:
            # The number is of a store that was lost; the numbers of this one began again.
            newest = await self._daemon.reader.events(EventQuery(limit=1))
            after = min(after, newest[-1][0] if newest else 0)
        return _Position(EventCursor(after, self._daemon.reader.late))

    async def _send(
        self, request: web.BaseRequest, response: web.StreamResponse, position: _Position, epoch: int
    ) -> None:
        reloads = self._reloads

        async def write(message: bytes) -> None:
            await response.write(message)
            await request.writer.drain()

        # `retry`: the milliseconds after which a browser reconnects. An id without data dispatches no event, but an
        # `EventSource` resumes from it (HTML standard, 9.2.6). The client may have no id yet, or one of a lost store.
        await write(f"retry: 3000\nid: {position.cursor.last}\n: watcher\n\n".encode())
        while not self._closing and epoch == self._epoch:
            changed = self._changed  # before reading, so that no event is missed
            if reloads != self._reloads:
                reloads = self._reloads
                await write(b"event: config\ndata: {}\n\n")
            if found := await self._next(position):
                await write(
                    b"".join(
                        self._messages.get((number, event.id)) or _message(number, event) for number, event in found
                    )
                )
            elif position.fed == self._fed:
                try:
                    async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                        await changed.wait()
                except TimeoutError:
                    await write(b": still here\n\n")

    async def _next(self, position: _Position) -> list[Found]:
        """Some events that the stream has not sent; an empty list may also mean that it must ask again."""
        if position.fed is not None:
            start = position.fed - (self._fed - len(self._recent))
            if start >= 0:
                found = fitting(self._recent[start : start + PAGE_EVENTS], PAGE_CHARACTERS)
                position.fed += len(found)
                return position.cursor.advance(found)
            position.fed = None
        fed = self._fed  # before reading: what the feed reads meanwhile is processed later
        query = position.cursor.unseen(EventQuery(size=PAGE_CHARACTERS), PAGE_EVENTS)
        async with self._readers:
            try:
                found = await self._daemon.reader.events(query)
            except StoreError as error:
                # The stream ends; the browser reconnects with the number of its last event.
                log.warning("http.stream_failed", error=str(error))
                raise ConnectionError(str(error)) from error
        if not found:
            position.fed = fed
        return position.cursor.advance(found)

    async def _feed(self) -> None:
        """Read new events for all streams."""
        reader, query = self._daemon.reader, EventQuery(size=FEED_CHARACTERS)
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PEER_SECONDS if reader.late else None):
                    await self._news.wait()
            self._news.clear()
            try:
                while found := self._cursor.advance(await reader.events(self._cursor.unseen(query, FEED_EVENTS))):
                    recent = [*self._recent, *found][: -RECENT_EVENTS - 1 : -1]
                    self._recent = fitting(recent, RECENT_CHARACTERS)[::-1]
                    self._messages |= {(number, event.id): _message(number, event) for number, event in found}
                    if len(self._messages) > 2 * len(self._recent):
                        keys = {(number, event.id) for number, event in self._recent}
                        self._messages = {key: message for key, message in self._messages.items() if key in keys}
                    self._fed += len(found)
                    self._wake()
            except StoreError as error:
                log.warning("http.stream_failed", error=str(error))
                self._news.set()
                await asyncio.sleep(1.0)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _stop_feeding(self) -> None:
        if self._feeding is not None:
            self._feeding.cancel()
            self._feeding = None
        self._recent, self._messages = [], {}


def _message(number: int, event: Event) -> bytes:
    return f"id: {number}\ndata: {event.body}\n\n".encode()
