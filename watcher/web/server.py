"""The HTTP side as a whole: it is started, follows the configuration, and ends in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watcher.errors import ServiceUnreachable
from watcher.web.handler import Site
from watcher.web.listener import Listener

if TYPE_CHECKING:
    from watcher.core.settings import Http
    from watcher.observability.daemon_view import DaemonView
    from watcher.observability.metrics import Metrics
    from watcher.web.stream import Hub


LAST_ANSWERS = 2.0
"""Seconds for what is being answered at an address that is left."""


class WebServer:
    """The HTTP side of `inside`."""

    def __init__(self, inside: DaemonView, metrics: Metrics, hub: Hub) -> None:
        """Nothing is bound, or read, yet."""
        self._inside = inside
        self._metrics = metrics
        self._hub = hub
        self._site: Site | None = None
        self._http: Http | None = None
        self._listener: Listener | None = None

    @property
    def url(self) -> str | None:
        """Where it listens, with the real port; None: it does not."""
        return self._listener.url if self._listener else None

    async def start(self, http: Http) -> str:
        """Listen; returns the URL.

        Raises:
            ServiceUnreachable: the address cannot be had.
        """
        await self.reconfigure(http)
        return self.url or ""

    async def reconfigure(self, http: Http | None) -> None:
        """Listen at another address, ask for another token, or serve nothing (None). What is the same is not touched.

        Raises:
            ServiceUnreachable: the new address cannot be had; everything is as it was.
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
            await old.close(LAST_ANSWERS)

    async def close(self, grace: float) -> None:
        """End streams, then what is being answered, within `grace` seconds."""
        self._hub.close()
        if self._listener is not None:
            await self._listener.close(grace)
            self._listener = None
        if self._site is not None:
            self._site.close()

    async def _listen(self, http: Http) -> Listener:
        if self._site is None:
            self._site = Site(self._inside, self._metrics, self._hub)
        listener, old, before = Listener(self._site, _token(http), _names(http)), self._listener, self._http
        try:
            await listener.open(http.host, http.port)
        except ServiceUnreachable:
            # Ours may be what is in the way: one port, on one address and then on all of them.
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


def _names(http: Http) -> frozenset[str]:
    """The names that requests may have as `Host`, besides localhost and the address that they arrive at."""
    return frozenset({http.host.lower()})
