"""Responds to a connection that exceeds the limits: with 503, or with the daemon's health, and closes it.

An orchestrator must not restart a daemon that only has many readers, so `/livez` and `/readyz` are answered here, too.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from watcher.web import auth
from watcher.web.responses import failed, on_the_wire
from watcher.web.routes import OPEN, Route

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from watcher.web.health import Health
    from watcher.web.responses import Response

ASKED_WITHIN = 1.0
"""Seconds in which the request must arrive."""

MAX_HEAD_BYTES = 8192

_REQUEST = re.compile(rb"(GET|HEAD) ([^ ?]+)(?:\?[^ ]*)? HTTP/1\.[01]\r\n")
_HOST = re.compile(rb"(?i)\r\nhost:[ \t]*([^\r\n]*)")


class TurnedAway(asyncio.Protocol):
    """One connection too many."""

    def __init__(self, health: Health, names: Collection[str], gone: Callable[[TurnedAway], None]) -> None:
        """`names`: see `access.addressed_here`; `gone` is called when the connection is lost."""
        self._health = health
        self._names = names
        self._gone = gone
        self._head = b""
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._answering: asyncio.Task[None] | None = None

    @property
    def has_asked(self) -> bool:
        """Whether its request has arrived and is being answered."""
        return self._answering is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait briefly for the request: closing before it is read would reset the connection, and lose the response."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  only sockets are listened to
        self._transport = transport
        self._timer = asyncio.get_running_loop().call_later(ASKED_WITHIN, self._late)

    def data_received(self, data: bytes) -> None:
        """Answer the first request once its head is complete."""
        if self._answering is None:
            self._head += data
            if b"\r\n\r\n" in self._head or len(self._head) > MAX_HEAD_BYTES:
                self._answering = asyncio.create_task(self._answer(self._head))

    async def _answer(self, head: bytes) -> None:
        request = _REQUEST.match(head)
        answer = await self._made(head, request[2].decode("ascii", "replace") if request else "")
        if self._transport is not None:
            self._transport.write(on_the_wire(answer, head_only=request is not None and request[1] == b"HEAD"))
            self._transport.close()

    async def _made(self, head: bytes, path: str) -> Response:
        host = _HOST.search(head)
        if path not in OPEN:
            return failed(503, "too many connections; try again in a moment", [("Retry-After", "1")])
        if host and not auth.addressed_here(host[1].decode("latin-1").strip(), self._local, self._names):
            return auth.NOT_HERE
        return self._health.live() if path == Route.LIVEZ else await self._health.ready()

    @property
    def _local(self) -> str:
        address = self._transport and self._transport.get_extra_info("sockname")
        return str(address[0]) if address else ""

    def _late(self) -> None:
        if self._answering is None:
            self.abort()

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, _exc: BaseException | None) -> None:
        """Stop answering, and report the loss to the listener."""
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        if self._answering is not None:
            self._answering.cancel()
        self._gone(self)
