"""One address that is listened to, and what its connections may not do: come in masses, stay without a purpose."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
from collections import OrderedDict
from itertools import islice
from typing import TYPE_CHECKING

from aiohttp import web

from watcher.errors import ServiceUnreachable
from watcher.web.connection import Connection, TurnedAway

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http_parser import RawRequestMessage
    from aiohttp.streams import StreamReader

    from watcher.web.site import Site

MOST = 2000
KEPT_FREE = 256
"""Connections, and the file descriptors that the rest of the daemon needs beside them."""

LOOKED_AT = 64
"""Connections that are looked at for an idle one when there are too many; the next time it is the turn of others."""

TURNED_AWAY_AT_ONCE = 64
"""Connections that are told that there are too many; still more are cut without a word."""

ACCEPTED_AT_ONCE, QUEUED = 32, 1024
"""Connections accepted before others on the loop get their turn; that the system holds meanwhile."""

REAP_EVERY = 1.0
LAST_WORDS = 0.2
"""Seconds: between looks at who is late; of the grace time, for what is cut to be over."""


class Listener:
    """One address and the connections that came in by it. `token`: what a request must present, or None."""

    def __init__(self, site: Site, token: str | None) -> None:
        """`site` answers."""
        self.url = ""
        self.token = token
        self._site = site
        # A client that goes takes along what is done for it.
        self._server = web.Server(self._answer, request_factory=self._request, handler_cancellation=True)
        self._connections: OrderedDict[Connection, None] = OrderedDict()
        """Whose last request is the longest ago comes first."""
        self._turned_away: set[TurnedAway] = set()
        self._empty = asyncio.Event()
        self._most = most_connections(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        self._listening: asyncio.Server | None = None
        self._reaper: asyncio.Task[None] | None = None

    async def open(self, host: str, port: int) -> None:
        """Begin to listen.

        Raises:
            ServiceUnreachable: the address cannot be had.
        """
        try:
            self._listening = await asyncio.get_running_loop().create_server(
                self._admit, host, port, reuse_address=True, backlog=ACCEPTED_AT_ONCE
            )
        except (OSError, OverflowError) as error:
            where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            raise ServiceUnreachable(
                f"cannot serve HTTP on {where}: {_said(error)}; name another address in `http: {{listen: …}}`, "
                "or write `http: off`"
            ) from error
        for each in self._listening.sockets:
            # asyncio accepts as many at once as it lets the system hold: let it be few, while others wait there.
            with socket.socket(fileno=os.dup(each.fileno())) as listening:
                listening.listen(QUEUED)
        self.url = _url(self._listening.sockets[0].getsockname())
        if self._reaper is None:
            self._reaper = asyncio.create_task(self._reap(), name="late readers")

    def pause(self) -> None:
        """Take no new connections."""
        if self._listening is not None:
            self._listening.close()
            self._listening = None

    async def close(self, grace: float) -> None:
        """Let what is being answered end within `grace` seconds, and cut the rest."""
        self.pause()
        if self._reaper is not None:
            self._reaper.cancel()
        for connection in self._connections:
            connection.close()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + max(0.0, grace - LAST_WORDS)
        while any(connection.busy for connection in self._connections) and loop.time() < deadline:  # noqa: ASYNC110  nobody tells
            await asyncio.sleep(0.01)
        for connection in [*self._connections]:
            connection.abort()
        for turned_away in [*self._turned_away]:
            turned_away.abort()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS):
                while self._connections or self._turned_away:
                    self._empty.clear()
                    await self._empty.wait()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        return await self._site.answer(request, self.token)

    def _admit(self) -> asyncio.Protocol:
        if len(self._connections) < self._most or self._dropped_an_idle_one():
            connection = Connection(self._server, self._gone)
            self._connections[connection] = None
            return connection
        silent = len(self._turned_away) >= TURNED_AWAY_AT_ONCE
        turned_away = TurnedAway(self._site.health.live, self._sent_away, silent=silent)
        self._turned_away.add(turned_away)
        return turned_away

    def _dropped_an_idle_one(self) -> bool:
        """Make room: whoever asks nothing must keep nobody out. The longest idle one goes first."""
        for connection in [*islice(self._connections, LOOKED_AT)]:
            if connection.idle:
                connection.abort()
                self._gone(connection)
                return True
            self._connections.move_to_end(connection)  # it is at work now
        return False

    def _request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> web.BaseRequest:
        if isinstance(protocol, Connection):
            protocol.writes(writer)
            if protocol in self._connections:
                self._connections.move_to_end(protocol)
        return web.BaseRequest(message, payload, protocol, writer, task, asyncio.get_running_loop())

    def _gone(self, connection: Connection) -> None:
        self._connections.pop(connection, None)
        self._look_whether_empty()

    def _sent_away(self, turned_away: TurnedAway) -> None:
        self._turned_away.discard(turned_away)
        self._look_whether_empty()

    def _look_whether_empty(self) -> None:
        if not self._connections and not self._turned_away:
            self._empty.set()

    async def _reap(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(REAP_EVERY)
            now = loop.time()
            for connection in [each for each in self._connections if each.late(now)]:
                connection.abort()
                self._gone(connection)


def most_connections(files: int) -> int:
    """How many there may be at once, where the process may open so many files (-1: any number)."""
    return MOST if files == resource.RLIM_INFINITY else max(16, min(MOST, files - KEPT_FREE))


def _said(error: OSError | OverflowError) -> str:
    """What the system says, without what asyncio puts around it."""
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number).lower() if number is not None and number > 0 else str(error)


def _url(address: tuple[str, int]) -> str:
    host, port = address[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
