"""Server-Sent Events: each recorded event to everyone who listens, from any number on, and lost to nobody.

A stream holds no events. It remembers the last number that it sent, and looks for what follows: among the last ones,
which all share, or, when it lags behind them, in the store, a page at a time.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from watcher.errors import StoreError
from watcher.observer import Observer
from watcher.protocols import EventQuery
from watcher.web.answer import HEADERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.events import Event
    from watcher.inside import Inside
    from watcher.protocols import Entry

log = structlog.get_logger()

MOST = 100
"""Streams at once."""

STILL_HERE = 15.0
"""Seconds of silence after which a comment keeps the connection alive through proxies."""

SHARED = 1000
FED, PAGE = 500, 20
"""Events that all streams share; that are read at once for them; and that one stream has in hand."""

PAGERS = 4
"""Streams that read from the store at once."""

RETRY = 3000
"""Milliseconds after which a browser comes back."""

Piece = tuple[int, bytes]


class Hub(Observer):
    """All streams; with no stream open it reads nothing."""

    def __init__(self, inside: Inside) -> None:
        """`inside` is whose events are sent."""
        self.streams = 0
        self._inside = inside
        self._recent: list[Piece] = []
        self._before = 0
        """Every event after this number, up to `_last`, is among the recent ones."""
        self._last = 0
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
            sent = await self._begin(after)
            response = web.StreamResponse(
                headers={**HEADERS, "Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}
            )
            await response.prepare(request)
            if request.method != "HEAD":
                await self._send(request, response, sent, epoch)
            return response
        finally:
            self.streams -= 1
            if not self.streams:
                self._stop_feeding()

    async def _begin(self, after: int | None) -> int:
        """Let there be a feed; the number after which a stream goes on."""
        async with self._opening:
            if self._feeding is None or self._feeding.done():
                self._last = self._before = await self._newest()
                self._recent = []
                self._feeding = asyncio.create_task(self._feed(), name="events for the pages")
        if after is None:
            return self._last
        # A number from the future is one of a store that is lost; what follows now counts from anew.
        return after if after <= self._last else min(after, await self._newest())

    async def _send(self, request: web.BaseRequest, response: web.StreamResponse, sent: int, epoch: int) -> None:
        reloads = self._reloads

        async def write(text: bytes) -> None:
            await response.write(text)
            await request.writer.drain()

        await write(f"retry: {RETRY}\n: watcher\n\n".encode())
        while not self._closing and epoch == self._epoch:
            pulse = self._pulse  # before looking, so that no news is missed
            if reloads != self._reloads:
                reloads = self._reloads
                await write(b"event: config\ndata: {}\n\n")
            pieces, sent = await self._following(sent)
            if pieces:
                await write(b"".join(pieces))
                continue
            if sent >= self._last:
                try:
                    async with asyncio.timeout(STILL_HERE):
                        await pulse.wait()
                except TimeoutError:
                    await write(b": still here\n\n")

    async def _following(self, sent: int) -> tuple[list[bytes], int]:
        """Some of what comes after the event with this number, and the number of the last of them."""
        if sent >= self._last:
            return [], sent
        if sent >= self._before:
            start = bisect_right(self._recent, sent, key=lambda piece: piece[0])
            pieces = self._recent[start : start + PAGE]
        else:
            before = self._before
            async with self._pagers:
                pieces = await self._page(sent)
            if not pieces:  # they were too old, and are kept no longer
                return [], max(sent, before)
        return [text for _, text in pieces], pieces[-1][0] if pieces else self._last

    async def _page(self, after: int) -> list[Piece]:
        try:
            found = await self._inside.reader.events(EventQuery(after=after, limit=PAGE, newest=False))
        except StoreError as error:
            # The stream ends; the browser comes back and says where it was.
            log.warning("http.stream_failed", error=str(error))
            raise ConnectionError(str(error)) from error
        return [_piece(number, event) for number, event in found]

    async def _newest(self) -> int:
        newest = await self._inside.reader.events(EventQuery(limit=1))
        return newest[-1][0] if newest else 0

    async def _feed(self) -> None:
        """Take up what is recorded, for all."""
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                while found := await self._inside.reader.events(EventQuery(after=self._last, limit=FED, newest=False)):
                    self._recent += [_piece(number, event) for number, event in found]
                    if len(self._recent) > SHARED:
                        self._before = self._recent[-SHARED - 1][0]
                        del self._recent[:-SHARED]
                    self._last = found[-1][0]
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
        self._recent = []


def _piece(number: int, event: Event) -> Piece:
    return number, f"id: {number}\ndata: {event.body}\n\n".encode()
