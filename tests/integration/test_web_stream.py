"""Server-Sent Events: each client gets each event once, in order, after the last one that it has."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.fake_daemon import Site, attempt, serving
from tests.support.waiting import PATIENCE, until
from watcher.core.queries import EventQuery
from watcher.web import stream
from watcher.web.limits import Shares

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import aiohttp

ONE = "stacks:\n  - {name: network, region: us-east-1, labels: {team: platform}}\n"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with serving(tmp_path, ONE) as site:
        yield site


async def happen(site: Site, count: int, first: int = 1) -> None:
    """Record this many events."""
    (target,) = site.peek.config.targets
    if target.id not in site.peek.records:
        await site.peek.see(target, attempt(0, "SUCCEEDED"))
    for minute in range(first, first + count):
        await site.peek.see(target, attempt(minute, "SUCCEEDED"))


class Listening:
    """A client of a stream."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer
        self.opened_at = -1

    async def message(self) -> dict[str, str]:
        """The fields of the next message; a comment has the empty name."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(PATIENCE):
            while line := (await self._answer.content.readline()).decode().rstrip("\n"):
                name, _, value = line.partition(": ")
                fields[name] = value
        return fields

    async def numbers(self, count: int) -> list[int]:
        return [int((await self.message())["id"]) for _ in range(count)]


@asynccontextmanager
async def listening(site: Site, query: str = "", **headers: str) -> AsyncIterator[Listening]:
    async with site.http.get(f"{site.url}/api/stream{query}", headers=headers) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        listener = Listening(answer)
        opening = await listener.message()
        listener.opened_at = int(opening.pop("id"))
        assert opening == {"retry": "3000", "": "watcher"}
        yield listener


async def test_an_event_arrives_as_it_is_recorded(site: Site) -> None:
    async with listening(site) as listener:
        await happen(site, 1)
        message = await listener.message()
    assert set(message) == {"id", "data"}
    ((number, event),) = await site.peek.reader.events(EventQuery())
    assert int(message["id"]) == number
    assert json.loads(message["data"]) == json.loads(event.body)


async def test_only_what_is_to_come_unless_it_is_asked_for_more(site: Site) -> None:
    await happen(site, 5)
    async with listening(site) as new, listening(site, "?after=3") as asking:
        await happen(site, 1, first=6)
        assert await new.numbers(1) == [6]
        assert await asking.numbers(3) == [4, 5, 6]
    async with listening(site, "?after=1", **{"Last-Event-ID": "4"}) as returning:
        assert await returning.numbers(2) == [5, 6]


async def test_a_stream_that_was_quiet_goes_on_where_it_opened(site: Site) -> None:
    """A browser whose connection ends before the first event reconnects with the id of the first message."""
    async with listening(site) as empty:
        assert empty.opened_at == 0
    await happen(site, 5)
    async with listening(site) as quiet:
        assert quiet.opened_at == 5
    async with listening(site, "?after=2") as behind:
        assert behind.opened_at == 2
    await happen(site, 2, first=6)
    async with listening(site, **{"Last-Event-ID": str(quiet.opened_at)}) as returning:
        assert await returning.numbers(2) == [6, 7]
    async with listening(site, **{"Last-Event-ID": str(empty.opened_at)}) as returning:
        assert await returning.numbers(7) == [*range(1, 8)]


async def test_a_number_of_a_lost_store_is_not_waited_for(site: Site) -> None:
    await happen(site, 2)
    async with listening(site, "?after=999999") as listener:
        assert listener.opened_at == 2
        await happen(site, 1, first=3)
        assert await listener.numbers(1) == [3]


async def test_who_lags_is_served_from_the_store_and_loses_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "RECENT_EVENTS", 10)
    monkeypatch.setattr(stream, "FEED_EVENTS", 7)
    monkeypatch.setattr(stream, "PAGE_EVENTS", 4)
    await happen(site, 40)
    async with listening(site, "?after=0") as late, listening(site) as quick:
        await happen(site, 60, first=41)
        assert await quick.numbers(60) == [*range(41, 101)]
        assert await late.numbers(100) == [*range(1, 101)]
        assert len(site.hub._recent) <= 10


async def test_large_events_arrive_few_at_a_time(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit, texts in {"RECENT_CHARACTERS": 10, "FEED_CHARACTERS": 7, "PAGE_CHARACTERS": 4}.items():
        monkeypatch.setattr(stream, limit, texts * 1500)  # an event has between 1,000 and 1,500 characters
    await happen(site, 40)
    async with listening(site, "?after=0") as late, listening(site) as quick:
        await happen(site, 60, first=41)
        assert await quick.numbers(60) == [*range(41, 101)]
        assert await late.numbers(100) == [*range(1, 101)]
        assert 1 <= len(site.hub._recent) <= 15
        assert len(site.hub._messages) <= 30


async def test_many_streams_all_get_all(site: Site) -> None:
    async def listen() -> list[int]:
        async with listening(site, "?after=0") as listener:
            return await listener.numbers(30)

    tasks = [asyncio.create_task(listen()) for _ in range(50)]
    await until(lambda: site.hub.streams == 50)
    await happen(site, 30)
    assert await asyncio.gather(*tasks) == [[*range(1, 31)]] * 50


async def test_with_nobody_listening_nothing_is_read(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[EventQuery] = []
    events = site.peek.reader.events

    async def counted(query: EventQuery) -> Any:
        asked.append(query)
        return await events(query)

    monkeypatch.setattr(site.peek.reader, "events", counted)
    async with listening(site) as listener:
        await happen(site, 1)
        assert await listener.numbers(1) == [1]
    await until(lambda: site.hub.streams == 0)
    before = len(asked)
    await happen(site, 5, first=2)
    await asyncio.sleep(0)
    assert len(asked) == before
    async with listening(site) as listener:
        await happen(site, 1, first=7)
        assert await listener.numbers(1) == [7]


async def test_a_reload_is_told_without_a_number(site: Site) -> None:
    async with listening(site) as listener:
        site.hub.reloaded()
        assert await listener.message() == {"event": "config", "data": "{}"}
        await happen(site, 1)
        assert await listener.numbers(1) == [1]


async def test_silence_is_broken_by_a_comment(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "KEEP_ALIVE_SECONDS", 0.05)
    async with listening(site) as listener:
        assert await listener.message() == {"": "still here"}
        assert await listener.message() == {"": "still here"}


async def test_one_stream_too_many_is_told_so(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert site.server._handler
    monkeypatch.setattr(site.server._handler, "_streams", Shares(5))  # three for one client
    async with listening(site), listening(site):
        async with listening(site):
            status, body, headers = await site.get("/api/stream")
            assert (status, headers["Retry-After"]) == (503, "30")
            assert body == {"error": "3 streams are open already; close one, or use /api/events"}
            assert "watcher_streams 3.0" in (await site.get("/metrics"))[1]
        await until(lambda: site.hub.streams == 2)
        async with listening(site):
            pass


async def test_a_store_that_fails_meanwhile_costs_no_event(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from watcher.errors import StoreError  # noqa: PLC0415  only here

    events, failures = site.peek.reader.events, []

    async def failing(query: EventQuery) -> Any:
        if len(failures) < 1 and query.limit == stream.FEED_EVENTS:
            failures.append(1)
            raise StoreError("watcher.db: locked")
        return await events(query)

    monkeypatch.setattr(site.peek.reader, "events", failing)
    async with listening(site) as listener:
        await happen(site, 3)
        assert await listener.numbers(3) == [1, 2, 3]
    assert failures


def open_stream(site: Site, query: str = "") -> socket.socket:
    """A stream whose client reads nothing."""
    return site.slow_client(f"GET /api/stream{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())


async def test_the_end_is_not_held_by_a_hundred_streams_nor_by_half_a_request(site: Site) -> None:
    sockets = [open_stream(site) for _ in range(100)]
    half = socket.create_connection(site.address)
    half.sendall(b"GET /api/ta")
    await until(lambda: site.hub.streams == 100)
    assert await seconds_to_close(site, 5.0) < 1.0
    for each in (*sockets, half):
        each.close()


async def test_the_end_is_not_held_by_who_takes_nothing(site: Site) -> None:
    (target,) = site.peek.config.targets
    await site.peek.see(target, attempt(0, "SUCCEEDED"))
    for minute in range(1, 150):
        await site.peek.see(target, attempt(minute, "FAILED", "x" * 60_000))
    sockets = [open_stream(site, "?after=0") for _ in range(10)]
    await until(lambda: len(stuck(site)) == 10)
    assert 0.8 <= await seconds_to_close(site, 1.0) < 1.5
    for each in sockets:
        each.close()


def stuck(site: Site) -> list[Any]:
    """The connections that wait for their client to read."""
    assert site.server._listener
    connections = site.server._listener._connections
    return [each for each in connections if each.transport and each.writing_paused]


async def seconds_to_close(site: Site, grace: float) -> float:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await site.server.close(grace)
    took = loop.time() - begun
    assert site.hub.streams == 0
    assert site.server.url is None
    return took
