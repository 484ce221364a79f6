"""A receiver of POSTs on a real socket, as patient, as hostile and as broken as a test wants it."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping
    from ssl import SSLContext


@dataclass(frozen=True, slots=True)
class Received:
    """One request, as it came."""

    method: str
    path: str
    """The request's target, byte for byte: its path and query, or a whole URL where the receiver is a proxy."""
    headers: Mapping[str, str]
    body: bytes
    at: float
    """`time.monotonic()` when all of it was there."""
    peer: tuple[str, int]
    """Whose connection it came by."""

    @property
    def id(self) -> str:
        """The delivery's id."""
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        """The CloudEvent of structured mode."""
        event: dict[str, Any] = json.loads(self.body)
        return event


class Cut(StrEnum):
    """When the connection ends without an answer."""

    BEFORE = "before it is recorded"
    AFTER = "after it was recorded"


@dataclass(frozen=True, slots=True)
class Reply:
    """How one request is answered."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0.0
    """Seconds between recording and answering."""
    cut: Cut | None = None
    hang: bool = False
    """Recorded, and never answered."""
    raw: Callable[[], Iterable[bytes]] | None = None
    """The answer byte by byte instead, for as long as the other side takes it; then the connection is closed."""
    pace: float = 0.0
    """Seconds between the pieces of `raw`."""


OK = Reply()


def json_reply(status: int, /, **body: Any) -> Reply:
    return Reply(status, {"Content-Type": "application/json; charset=utf-8"}, json.dumps(body).encode())


class Receiver:
    """Answers by `script`, one reply for each request; when that is over, as `answer` says.

    `received` has what was recorded, in order; `refused` counts what was cut before.
    """

    def __init__(self, *script: Reply, answer: Callable[[Received], Reply] = lambda _: OK) -> None:
        """It listens only after `start`."""
        self.script = deque(script)
        self.answer = answer
        self.received: list[Received] = []
        self.refused = 0
        self.broken_off = 0
        """How often the other side went away before it had its answer."""
        self._changed = asyncio.Condition()
        self._ending = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._scheme = "http"
        self.port = 0

    async def start(self, tls: SSLContext | None = None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen on loopback; `port` 0 takes a free one, and a later start the same again."""
        app = web.Application(client_max_size=16 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._receive)
        self._ending.clear()
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port or self.port, ssl_context=tls)
        await site.start()
        self._scheme = "https" if tls else "http"
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close every connection, whatever is under way."""
        self._ending.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def url(self, path: str = "/hook", host: str = "127.0.0.1") -> str:
        """Where it listens."""
        return f"{self._scheme}://{host}:{self.port}{path}"

    async def until(self, count: int) -> list[Received]:
        """Wait for so many recorded requests."""
        await self.until_true(lambda: len(self.received) >= count)
        return self.received

    async def until_true(self, condition: Callable[[], bool]) -> None:
        """Wait for something that requests change."""
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(condition)

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        peer = request.transport.get_extra_info("peername") if request.transport else ("", 0)
        received = Received(request.method, request.raw_path, request.headers, body, time.monotonic(), peer[:2])
        reply = self.script.popleft() if self.script else self.answer(received)
        if reply.cut is Cut.BEFORE:
            self.refused += 1
        else:
            self.received.append(received)
        await self._tell()
        try:
            return await self._reply(request, reply)
        except (asyncio.CancelledError, ConnectionError):
            self.broken_off += 1
            await self._tell()
            raise

    async def _reply(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        if reply.cut:
            return self._cut(request)
        if reply.hang:
            await self._ending.wait()
            return self._cut(request)
        if reply.delay:
            await asyncio.sleep(reply.delay)
        if reply.raw:
            return await self._dictate(request, reply.raw(), reply.pace)
        return web.Response(status=reply.status, headers=reply.headers, body=reply.body)

    async def _dictate(self, request: web.Request, pieces: Iterable[bytes], pace: float) -> web.StreamResponse:
        assert request.transport is not None
        for piece in pieces:
            if request.transport.is_closing():
                raise ConnectionResetError
            request.transport.write(piece)
            await request.protocol._drain_helper()
            await asyncio.sleep(pace)
        request.transport.close()
        return _nothing_more()

    def _cut(self, request: web.Request) -> web.StreamResponse:
        if request.transport is not None:
            request.transport.abort()
        return _nothing_more()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


@asynccontextmanager
async def receiving(
    *script: Reply, answer: Callable[[Received], Reply] = lambda _: OK, tls: SSLContext | None = None
) -> AsyncIterator[Receiver]:
    """A receiver at work, until the block ends."""
    receiver = Receiver(*script, answer=answer)
    await receiver.start(tls)
    try:
        yield receiver
    finally:
        await receiver.stop()


def _nothing_more() -> web.Response:
    """For aiohttp, which finds the connection closed."""
    return web.Response()
