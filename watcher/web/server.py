"""The HTTP server: starts, follows the configuration, and stops in time."""

from __future__ import annotations

from watcher.core.settings import Http
from watcher.errors import ServiceUnreachable
from watcher.observability.daemon_view import DaemonView
from watcher.observability.metrics import Metrics
from watcher.web.handler import Handler
from watcher.web.listener import Listener
from watcher.web.stream import Hub

CLOSE_SECONDS = 2.0
"""For responses that are being sent at an address that is no longer configured."""


class WebServer:
    """The HTTP server of a daemon; it listens once it is configured."""

    def __init__(self, daemon: DaemonView, metrics: Metrics, hub: Hub) -> None:
        self._daemon = daemon
        self._metrics = metrics
        self._hub = hub
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
            old.token = _token(http)
        self._http = http
        if old is not None and (old is not self._listener or before is None or _token(before) != old.token):
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
            self._handler = Handler(self._daemon, self._metrics, self._hub)
        names = frozenset({http.host.lower()})
        listener, old, before = Listener(self._handler, _token(http), names), self._listener, self._http
        try:
            await listener.open(http.host, http.port)
        except ServiceUnreachable:
            # The old listener may be the reason: the same port, on one address and then on all of them.
            if old is None or before is None or before.port != http.port:
                raise
            old.pause()
            try:
                await listener.open(http.host, http.port)
            except ServiceUnreachable:
                await old.open(before.host, before.port)
                raise
        return listener


def _token(http: Http) -> str | None:
    return http.token.get_secret_value() if http.token else None
