"""A webhook sink as a configuration makes it, and what it is to send."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from watcher.core.deliveries import Delivery
from watcher.core.events import trial_event
from watcher.sinks.webhook import WebhookOptions, WebhookSink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

    from watcher.core.deliveries import SendOutcome

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)

QUICK = 1.0
"""A time-out that a test waits for."""


def a_delivery(**changes: Any) -> Delivery:
    return Delivery(1, "ops", trial_event("ops", NOW), **changes)


def a_sink(url: str, **options: Any) -> WebhookSink:
    """As configured; it may reach the receiver, which is on loopback, and uses no proxy of the surroundings."""
    private: dict[str, Any] = {"allow_http": True, "allow_private": True, "timeout": 30.0, "proxy": False}
    model = WebhookOptions.model_construct(name="ops", type="webhook", url=url, **private | options)
    return WebhookSink(model)


@asynccontextmanager
async def sending(url: str, **options: Any) -> AsyncIterator[WebhookSink]:
    sink = a_sink(url, **options)
    try:
        yield sink
    finally:
        await sink.close()


async def try_once(url: str, delivery: Delivery | None = None, **options: Any) -> SendOutcome:
    async with sending(url, **options) as sink:
        (answer,) = await sink.send([delivery or a_delivery()])
    return answer


def resolve_to(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """A name server of the attacker's: it gives one address after the other, then none. Returns the names asked for."""
    asked: list[str] = []
    waiting = iter(answers)

    async def getaddrinfo(loop: Any, host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        if address := next(waiting, None):
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            return [(family, socket.SOCK_STREAM, 6, "", (address, port, *((0, 0) if ":" in address else ())))]
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", getaddrinfo)
    return asked
