"""One address that is listened to, and what its connections may not do: come in masses, stay without a purpose."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
from typing import TYPE_CHECKING

from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

from watcher.errors import ServiceUnreachable
from watcher.web.connection import Connection
from watcher.web.connections import Arrival, Connections
from watcher.web.limits import client_of, most_connections
from watcher.web.turned_away import TurnedAway

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http_parser import RawRequestMessage
    from aiohttp.streams import StreamReader

    from watcher.core.settings import Config
    from watcher.web.handler import Site

TURNED_AWAY_AT_ONCE = 64
"""How many surplus connections get a response (`TurnedAway`) at a time; a newer one replaces the oldest."""

ACCEPTED_AT_ONCE, QUEUED = 32, 1024
"""Connections accepted before others on the loop get their turn; that the system holds meanwhile."""

REAP_EVERY = 1.0
LAST_WORDS = 0.2
"""Seconds: between looks at who is late; of the grace time, for what is cut to be over."""


class Listener:
    """One address and the connections that came in by it. `token`: what a request must present, or None."""

    def __init__(self, site: Site, token: str | None, names: frozenset[str]) -> None:
        """`site` answers; `names`: see `access.addressed_here`."""
        self.url = ""
        self.token = token
        self._names = names
        self._site = site
        # A client that goes takes along what is done for it.
        self._server = web.Server(self._answer, request_factory=self._request, handler_cancellation=True)
        self._connections = Connections()
        self._turned_away: dict[TurnedAway, None] = {}
        self._empty = asyncio.Event()
        self._most: tuple[Config | None, int] = (None, 0)
        self._listening: asyncio.Server | None = None
        self._reaper: asyncio.Task[None] | None = None

    async def open(self, host: str, port: int) -> None:
        """Begin to listen.

        Raises:
            ServiceUnreachable: the address cannot be had.
        """
        try:
            self._listening = await asyncio.get_running_loop().create_server(
                lambda: Arrival(self._admit), host, port, reuse_address=True, backlog=ACCEPTED_AT_ONCE
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
        return await self._site.answer(request, self.token, self._names)

    def _admit(self, address: str) -> asyncio.Protocol:
        client, most = client_of(address), self._most_connections()
        if self._connections.have_room(client, most):
            connection = Connection(self._server, client, self._gone)
            self._connections.add(connection)
            return connection
        if len(self._turned_away) >= min(TURNED_AWAY_AT_ONCE, max(4, most // 4)):
            silent = (each for each in self._turned_away if not each.has_asked)
            oldest = next(silent, None) or next(iter(self._turned_away))
            oldest.abort()
            self._sent_away(oldest)
        turned_away = TurnedAway(self._site.health, self._names, self._sent_away)
        self._turned_away[turned_away] = None
        return turned_away

    def _most_connections(self) -> int:
        """How many connections may be open beside those for polls, by the configuration in force."""
        config = self._site.config
        if self._most[0] is not config:
            files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
            calls = sum(config.accounts[key.account].rate_limit.concurrency for key in config.endpoints())
            beside = files if files == resource.RLIM_INFINITY else max(0, files - calls)
            self._most = config, most_connections(beside)
        return self._most[1]

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
            self._connections.worked(protocol)
        return web.BaseRequest(_in_origin_form(message), payload, protocol, writer, task, asyncio.get_running_loop())

    def _gone(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._look_whether_empty()

    def _sent_away(self, turned_away: TurnedAway) -> None:
        self._turned_away.pop(turned_away, None)
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


def _in_origin_form(message: RawRequestMessage) -> RawRequestMessage:
    """Rewrite a request whose target is a full URL: that URL's host becomes its `Host` (RFC 9112, section 3.2.2).

    aiohttp would decode the host as an international name, and fail the whole connection if it is not one.
    """
    url = message.url
    if not url.absolute:
        return message
    headers = CIMultiDict(message.headers)
    headers["Host"] = url.raw_host or ""
    return message._replace(url=url.relative(), headers=CIMultiDictProxy(headers))


def _said(error: OSError | OverflowError) -> str:
    """What the system says, without what asyncio puts around it."""
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number).lower() if number is not None and number > 0 else str(error)


def _url(address: tuple[str, int]) -> str:
    host, port = address[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
