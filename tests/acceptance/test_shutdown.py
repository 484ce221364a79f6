"""A stop with everything under way at once: many deliveries, open streams, slow readers, polls without answer."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.acceptance.consumers import HOOK_SECRET, Consumer, hanging, sound
from tests.support.installed_command import REGION
from tests.support.simulator import attempt
from tests.support.waiting import PATIENCE, SLACK, until
from watcher.core.model import FAILED, SUCCEEDED
from watcher.sources.codeconnections import stack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.installed_command import Child, Site
    from tests.support.simulator import Simulator

T = 1_795_420_800.0
GRACE = 3.0
STREAMS = 50


@pytest.fixture
async def hook() -> AsyncIterator[Consumer]:
    made = Consumer("hook", hanging)
    await made.receiver.start()
    yield made
    await made.receiver.stop()


async def opened(url: str, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which `request` was sent, however much of one that is."""
    at = urlsplit(url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    writer.write(request)
    await writer.drain()
    return reader, writer


@pytest.mark.parametrize("count", [200, pytest.param(1000, marks=pytest.mark.soak)])
async def test_everything_under_way_ends_in_time_and_the_next_start_delivers_the_rest(
    site: Site, simulator: Simulator, hook: Consumer, count: int
) -> None:
    targets = [stack("default", REGION, f"stack-{number:04}") for number in range(count)]
    for target in targets:
        simulator.world.show(target, attempt(target, FAILED, T))
    site.environment["HOOK_SECRET"] = HOOK_SECRET
    more = (f"shutdown_grace: {GRACE:g}s", "http: {listen: 127.0.0.1:0}", "sinks:", hook.line())
    site.configure(targets, *more, interval="2s")
    child = site.start()
    await until(lambda: child.logged("http.started"), "the start")

    def recorded() -> int:
        return int(site.query("SELECT count(*) FROM event")[0][0])

    await until(
        lambda: recorded() == count or not child.running,
        lambda: f"the events; {child.said()}",
        progress=recorded,
    )
    url = child.logged("http.started")[0]["url"]
    streams = [await opened(url, b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n") for _ in range(STREAMS)]
    for reader, _ in streams:
        assert await reader.readuntil(b"\r\n\r\n")
    half = await opened(url, b"GET /api/tar")
    slow = await opened(url, b"GET /api/targets HTTP/1.1\r\nHost: localhost\r\n\r\n")
    simulator.world.fault(None, "hang")
    calls = len(site.calls())
    await until(lambda: len(site.calls()) > calls + 5, "polls under way")
    try:
        begun = time.monotonic()
        assert await child.stopped() == 0
        assert time.monotonic() - begun < GRACE + SLACK
        for reader, _ in streams:
            with contextlib.suppress(ConnectionError):
                await asyncio.wait_for(reader.read(), PATIENCE)  # to its end
    finally:
        for _, writer in (*streams, half, slow):
            writer.close()
    assert site.undelivered("hook") == count

    hook.temper = sound
    simulator.world.clear()
    for target in targets[:10]:
        simulator.world.show(target, attempt(target, SUCCEEDED, T + 1))
    child = site.start()
    await _delivered(site, child, hook, count + 10)
    assert await child.stopped() == 0
    assert [event["data"]["sequence"] for event in hook.events() if event["subject"] == targets[0].id] == [1, 2]
    assert len({event["id"] for event in hook.events()}) == count + 10
    assert not hook.forged


async def _delivered(site: Site, child: Child, hook: Consumer, count: int) -> None:
    await until(
        lambda: (len(dict(hook.arrived)) == count and site.undelivered() == 0) or not child.running,
        lambda: f"{count} deliveries; {len(dict(hook.arrived))} arrived; {child.said()}",
        progress=lambda: len(hook.arrived),
    )
