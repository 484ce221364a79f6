"""Serves the pages at the address of `http.listen`, or tries to."""

import asyncio
import contextlib
from collections.abc import Callable

import structlog

from watcher.core.settings import Http
from watcher.errors import ServiceUnreachable
from watcher.web.server import WebServer

log = structlog.get_logger()

LISTEN_RETRY_SECONDS = 30.0
"""Seconds between tries to listen at an address that the configuration does not name."""


async def serve_at(web: WebServer, http: Http | None) -> None:
    """Serve the pages at another address, or nowhere (None).

    Raises:
        ServiceUnreachable: it cannot listen at the address that the configuration names; nothing has changed.
    """
    before = web.url
    try:
        await web.reconfigure(http)
    except ServiceUnreachable as error:
        if http is None or http.written:
            raise
        # The configuration does not name the address: watch without the pages.
        log.warning("http.listen_failed", error=str(error))
    if web.url not in (None, before):
        log.info("http.started", url=web.url)


async def serve_again(web: WebServer, current: Callable[[], Http | None]) -> None:
    """Try again, for ever, to listen at an address that was not available; `current` returns the present settings."""
    while True:
        await asyncio.sleep(LISTEN_RETRY_SECONDS)
        http = current()
        if web.url is None and http is not None:
            with contextlib.suppress(ServiceUnreachable):
                await web.reconfigure(http)
                log.info("http.started", url=web.url)
