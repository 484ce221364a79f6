"""Server-Sent Events: each recorded event to everyone who listens, from any number on, and lost to nobody.

A stream holds no events. It remembers what it sent, and looks for what follows: among the last ones, which all share in
the order in which they were found, or, when it lags behind them, in the store, a page at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from watcher.core.events import fitting
from watcher.core.ports import EventQuery
from watcher.errors import StoreError
from watcher.observability.observer import Observer
from watcher.stores.event_cursor import EventCursor, cursor_at_end
from watcher.web.responses import HEADERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.core.events import Event
    from watcher.core.ports import Entry
    from watcher.observability.daemon_view import DaemonView

log = structlog.get_logger()

MOST = 200
"""Streams at once; one client may have half of them."""

STILL_HERE = 15.0
"""Seconds of silence after which a comment keeps the connection alive through proxies."""

SHARED = 1000
FED, PAGE = 500, 20
"""Events that all streams share; that are read at once for them; and that one stream has in hand."""

SHARED_TEXT, FED_TEXT, PAGE_TEXT = 16 * 1024 * 1024, 4 * 1024 * 1024, 256 * 1024
"""Characters of the events of each; a single event may have more."""

PAGERS = 4
"""Streams that read from the store at once."""

RETRY = 3000
"""Milliseconds after which a browser comes back."""

ELSEWHERE = 5.0
"""Seconds between looks at what other watchers recorded, where there may be some."""

Found = tuple[int, "Event"]
"""An event with its number."""


@dataclass(slots=True)
class _Place:
    """How far a stream has come."""

    told: EventCursor
    position: int | None = None
    """In the feed: how many of all that it ever took up were looked at; None: it reads from the store."""


class Hub(Observer):
    """All streams; with no stream open it reads nothing."""

    def __init__(self, inside: DaemonView) -> None:
        """`inside` is whose events are sent."""
        self.streams = 0
        self._inside = inside
        self._recent: list[Found] = []
        self._taken = 0
        """How many events the feed ever took up; the recent ones are the last of them."""
        self._told = EventCursor(0, 0)
        self._texts: dict[tuple[int, str], bytes] = {}
        """What is sent of the recent ones, made once for all."""
        self._pulse = asyncio.Event()
        self._news = asyncio.Event()
        self._reloads = 0
        self._epoch = 0
        self._closing = False
        self._feeding: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()
        self._pagers = asyncio.Semaphore(PAGERS)

    def recorded(self, entries: Sequence[Entry]) -> None:
        """See `Observer`."""
        if self.streams and any(entry.events for entry in entries):
            self._news.set()

    def reloaded(self) -> None:
        """Another configuration is in force, or was refused: let the pages look."""
        self._reloads += 1
        self._wake()

    def cut(self) -> None:
        """End the streams that are open: who may listen is another question now. They come back if they may."""
        self._epoch += 1
        self._wake()

    def close(self) -> None:
        """End every stream; none is opened any more."""
        self._closing = True
        self._wake()
        self._stop_feeding()

    async def serve(self, request: web.BaseRequest, after: int | None) -> web.StreamResponse:
        """Send events to one client until it goes, or `close`.

        Args:
            request: who asks.
            after: the number of the last event that it had; None: it wants only those to come.

        Raises:
            StoreError: before anything is sent.
        """
        self.streams += 1
        epoch = self._epoch  # before anything is waited for: it may be cut while it opens
        try:
            place = await self._begin(after)
            response = web.StreamResponse(
                headers={**HEADERS, "Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}
            )
            await response.prepare(request)
            if request.method != "HEAD":
                await self._send(request, response, place, epoch)
            return response
        finally:
            self.streams -= 1
            if not self.streams:
                self._stop_feeding()

    async def _begin(self, after: int | None) -> _Place:
        """Let there be a feed; the place from which a stream goes on."""
        async with self._opening:
            if self._feeding is None or self._feeding.done():
                self._told = await cursor_at_end(self._inside.reader, EventQuery(size=FED_TEXT), FED)
                self._recent = []
                self._taken += 1  # a stream of the former feed may have missed something
                self._feeding = asyncio.create_task(self._feed(), name="events for the pages")
        if after is None:
            return _Place(self._told.copy(), self._taken)
        if after > self._told.last:
            # A number from the future is one of a store that is lost; what follows now counts from anew.
            after = min(after, await self._newest())
        return _Place(EventCursor(after, self._inside.reader.late))

    async def _send(self, request: web.BaseRequest, response: web.StreamResponse, place: _Place, epoch: int) -> None:
        reloads = self._reloads

        async def write(text: bytes) -> None:
            await response.write(text)
            await request.writer.drain()

        # An id without data dispatches no event, but an `EventSource` resumes from it (HTML standard, 9.2.6). The
        # client may have no id yet, or one of a store that is lost.
        await write(f"retry: {RETRY}\nid: {place.told.last}\n: watcher\n\n".encode())
        while not self._closing and epoch == self._epoch:
            pulse = self._pulse  # before looking, so that no news is missed
            if reloads != self._reloads:
                reloads = self._reloads
                await write(b"event: config\ndata: {}\n\n")
            if found := await self._following(place):
                await write(
                    b"".join(self._texts.get((number, event.id)) or _text(number, event) for number, event in found)
                )
                continue
            if place.position == self._taken:
                try:
                    async with asyncio.timeout(STILL_HERE):
                        await pulse.wait()
                except TimeoutError:
                    await write(b": still here\n\n")

    async def _following(self, place: _Place) -> list[Found]:
        """Some of what a stream has not sent; nothing may also mean that it is to ask again."""
        if place.position is not None:
            start = place.position - (self._taken - len(self._recent))
            if start >= 0:
                found = fitting(self._recent[start : start + PAGE], PAGE_TEXT)
                place.position += len(found)
                return place.told.advance(found)
            place.position = None
        taken = self._taken  # before reading: what is taken up meanwhile is looked at
        async with self._pagers:
            found = await self._page(place.told)
        if not found:
            place.position = taken
        return place.told.advance(found)

    async def _page(self, told: EventCursor) -> list[Found]:
        try:
            return await self._inside.reader.events(told.unseen(EventQuery(size=PAGE_TEXT), PAGE))
        except StoreError as error:
            # The stream ends; the browser comes back and says where it was.
            log.warning("http.stream_failed", error=str(error))
            raise ConnectionError(str(error)) from error

    async def _newest(self) -> int:
        newest = await self._inside.reader.events(EventQuery(limit=1))
        return newest[-1][0] if newest else 0

    async def _feed(self) -> None:
        """Take up what is recorded, for all."""
        reader = self._inside.reader
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ELSEWHERE if reader.late else None):
                    await self._news.wait()
            self._news.clear()
            try:
                while found := self._told.advance(
                    await reader.events(self._told.unseen(EventQuery(size=FED_TEXT), FED))
                ):
                    self._recent = fitting([*self._recent, *found][: -SHARED - 1 : -1], SHARED_TEXT)[::-1]
                    self._texts |= {(number, event.id): _text(number, event) for number, event in found}
                    if len(self._texts) > 2 * len(self._recent):
                        recent = {(number, event.id) for number, event in self._recent}
                        self._texts = {key: text for key, text in self._texts.items() if key in recent}
                    self._taken += len(found)
                    self._wake()
            except StoreError as error:
                log.warning("http.stream_failed", error=str(error))
                self._news.set()
                await asyncio.sleep(1.0)

    def _wake(self) -> None:
        self._pulse.set()
        self._pulse = asyncio.Event()

    def _stop_feeding(self) -> None:
        if self._feeding is not None:
            self._feeding.cancel()
            self._feeding = None
        self._recent, self._texts = [], {}


def _text(number: int, event: Event) -> bytes:
    return f"id: {number}\ndata: {event.body}\n\n".encode()
