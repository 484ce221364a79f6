"""The HTTP server: listens, limits its connections, follows the configuration, and stops in time."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

from watcher.core.settings import Http
from watcher.errors import ServiceUnreachable
from watcher.observability.daemon_view import DaemonView
from watcher.observability.metrics import Metrics
from watcher.web.auth import Tokens
from watcher.web.changes import Changes
from watcher.web.connection import Connection, Connections
from watcher.web.handler import Handler
from watcher.web.limits import max_connections
from watcher.web.stream import Hub

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http_parser import RawRequestMessage
    from aiohttp.streams import StreamReader

MAX_SURPLUS = 64  # connections above the limit that get a response at a time; a newer one replaces an older one
ACCEPTED_AT_ONCE = 32  # connections that are accepted before other tasks of the loop run
BACKLOG = 1024  # connections that the system holds meanwhile
REAP_SECONDS = 1.0  # between two checks for late clients
CLOSE_SECONDS = 2.0  # for responses that are being sent at an address that is no longer configured
ABORT_SECONDS = 0.2  # the part of the grace time in which aborted connections may end


class Listener:
    """One address and its connections. Requests must have one of the `tokens`; `names`: its host names."""

    def __init__(self, handler: Handler, tokens: Tokens, names: frozenset[str]) -> None:
        self.url = ""
        self.tokens = tokens
        self.names = names
        self._handler = handler
        # A client that disconnects cancels its request.
        self._server = web.Server(self._respond, request_factory=self._request, handler_cancellation=True)
        self._connections, self._surplus = Connections(), Connections()
        self._listening: asyncio.Server | None = None
        self._reaper: asyncio.Task[None] | None = None

    async def open(self, http: Http) -> None:
        """Listen at the address of `http`.

        Raises:
            ServiceUnreachable: the address is not available.
        """
        try:
            self._listening = await asyncio.get_running_loop().create_server(
                lambda: Connection(self._server, self._opened, self._closed),
                http.host,
                http.port,
                reuse_address=True,
                backlog=ACCEPTED_AT_ONCE,
            )
        except (OSError, OverflowError) as error:
            raise ServiceUnreachable(
                f"cannot serve HTTP on {http.url.removeprefix('http://')}: {_reason(error)}; set another "
                "address in `http: {listen: …}`, or write `http: off`"
            ) from error
        for each in self._listening.sockets:
            # asyncio accepts as many at once as the system's backlog holds, so only the system's is raised.
            with socket.socket(fileno=os.dup(each.fileno())) as listening:
                listening.listen(BACKLOG)
        self.url = Http(*self._listening.sockets[0].getsockname()[:2]).url
        if self._reaper is None:
            self._reaper = asyncio.create_task(self._reap(), name="late clients")

    def pause(self) -> None:
        """Accept no new connections."""
        if self._listening is not None:
            self._listening.close()
            self._listening = None

    async def close(self, grace: float) -> None:
        """Wait up to `grace` seconds for responses to be sent, and close all connections."""
        self.pause()
        if self._reaper is not None:
            self._reaper.cancel()
        for connection in self._connections:
            connection.close()
        await _until(lambda: not any(each.busy for each in self._connections), grace - ABORT_SECONDS)
        for connection in [*self._connections, *self._surplus]:
            connection.abort()
        await _until(lambda: not (self._connections or self._surplus), ABORT_SECONDS)

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = cast("Connection", request.protocol)
        response = await self._handler.respond(request, connection, self.tokens, self.names)
        if connection.surplus:
            response.force_close()
        return response

    def _opened(self, connection: Connection) -> None:
        most = self._max_connections()
        if self._connections.have_room(connection.client, most):
            self._connections.add(connection)
        else:
            connection.mark_surplus()
            self._surplus.make_room(connection.client, min(MAX_SURPLUS, max(4, most // 4)))
            self._surplus.add(connection)

    def _closed(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._surplus.discard(connection)

    def _max_connections(self) -> int:
        """How many connections may be open in addition to the AWS calls of the current configuration."""
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        calls = self._handler.daemon.config.max_calls
        return max_connections(files if files == resource.RLIM_INFINITY else max(0, files - calls))

    def _request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> web.BaseRequest:
        connection = cast("Connection", protocol)
        connection.writes(writer)
        self._connections.move_to_end(connection)
        return web.BaseRequest(_in_origin_form(message), payload, protocol, writer, task, asyncio.get_running_loop())

    async def _reap(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(REAP_SECONDS)
            now = loop.time()
            for connection in [each for each in (*self._connections, *self._surplus) if each.late(now)]:
                connection.abort()
                self._closed(connection)


class WebServer:
    """The HTTP server of a daemon; it listens once it is configured."""

    def __init__(self, daemon: DaemonView, metrics: Metrics, hub: Hub, changes: Changes) -> None:
        self._hub = hub
        self._make_handler = partial(Handler, daemon, metrics, hub, changes)
        self._handler: Handler | None = None
        self._http: Http | None = None
        self._listener: Listener | None = None

    @property
    def url(self) -> str | None:
        """The URL, with the actual port; None if it does not listen."""
        return self._listener.url if self._listener else None

    async def reconfigure(self, http: Http | None) -> None:
        """Listen at the address that is configured, with its token; None: stop. Nothing else is interrupted.

        Raises:
            ServiceUnreachable: the new address is not available; nothing has changed.
        """
        old, before = self._listener, self._http
        if http is None:
            self._listener = None
        elif old is None or before is None or (before.host, before.port) != (http.host, http.port):
            self._listener = await self._listen(http)
        else:
            old.tokens, old.names = _tokens(http), _names(http)
        self._http = http
        if old is not None and (old is not self._listener or before is None or _tokens(before) != old.tokens):
            self._hub.cut()
        if old is not None and old is not self._listener:
            await old.close(CLOSE_SECONDS)

    async def close(self, grace: float) -> None:
        """End streams, wait up to `grace` seconds for other responses, and stop."""
        self._hub.close()
        if self._listener is not None:
            await self._listener.close(grace)
            self._listener = None
        if self._handler is not None:
            self._handler.close()

    async def _listen(self, http: Http) -> Listener:
        if self._handler is None:
            self._handler = self._make_handler()
        listener, old, before = Listener(self._handler, _tokens(http), _names(http)), self._listener, self._http
        try:
            await listener.open(http)
        except ServiceUnreachable:
            # The old listener may be the reason: the same port, on one address and then on all of them.
            if old is None or before is None or before.port != http.port:
                raise
            old.pause()
            try:
                await listener.open(http)
            except ServiceUnreachable:
                await old.open(before)
                raise
        return listener


def _names(http: Http) -> frozenset[str]:
    """Return the names of the daemon: the host at which it listens, and that of `public_url`."""
    public = urlsplit(http.public_url).hostname if http.public_url else None
    return frozenset(name.lower() for name in (http.host, public) if name)


def _tokens(http: Http) -> Tokens:
    read, write = (each.get_secret_value() if each else None for each in (http.token, http.write_token))
    return Tokens(read, write)


async def _until(condition: Callable[[], bool], seconds: float) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while loop.time() < end:
        if condition():
            return
        await asyncio.sleep(0.01)


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


def _reason(error: OSError | OverflowError) -> str:
    """The system's message, without what asyncio adds."""
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number).lower() if number is not None and number > 0 else str(error)
