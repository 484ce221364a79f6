"""Several watchers write one history: a reader that follows it gets each event, also one with a smaller number."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.contract.conftest import entry
from tests.integration.test_web_stream import listening
from tests.support.fake_daemon import serving
from tests.support.waiting import until
from watcher.cli.events import _recorded
from watcher.cli.running import opened
from watcher.core.queries import EventQuery
from watcher.core.state_url import parse_address
from watcher.stores import reader_for
from watcher.stores.dynamodb.store import DynamoStore
from watcher.web import stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.dynamodb_tables import Tables


BEHIND = timedelta(minutes=4)


@pytest.fixture
async def state(tables: Tables) -> str:
    table = await tables()
    return f"dynamodb://{table.table}?region=us-east-1&endpoint_url={table.endpoint_url}&leases=off"


@pytest.fixture
async def writers(state: str) -> AsyncIterator[list[DynamoStore]]:
    """Two watchers' stores."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(opened(DynamoStore(parse_address(state)))) for _ in range(2)]


async def recorded_in_turn(writers: list[DynamoStore], first: int, count: int) -> None:
    """By one whose clock is right, and one whose clock is late."""
    for number in range(first, first + count):
        now = datetime.now(UTC) - (number % 2) * BEHIND
        await writers[number % 2].commit([entry(f"subject {number}", number)], now)


async def test_a_stream_hears_both_whatever_their_clocks_say(
    tmp_path: Path, state: str, writers: list[DynamoStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "PEER_SECONDS", 0.05)
    await recorded_in_turn(writers, 1, 4)
    async with serving(tmp_path, state=state) as site, listening(site) as listener:
        await recorded_in_turn(writers, 5, 6)
        heard = [await listener.message() for _ in range(6)]
        assert sorted(int(message["data"].split(",")[0].rpartition(" ")[2]) for message in heard) == [*range(5, 11)]
        async with listening(site, f"?after={heard[-1]['id']}") as again:
            repeated = [await again.message() for _ in range(10)]
        assert {message["id"] for message in heard} <= {message["id"] for message in repeated}


async def test_events_follow_hears_both(state: str, writers: list[DynamoStore]) -> None:
    await recorded_in_turn(writers, 1, 4)
    heard: list[int] = []

    async def follow() -> None:
        async with opened(reader_for(state)) as reader:
            async for event in _recorded(reader, EventQuery(limit=2), follow=True):
                heard.append(int(event.id, 16))  # noqa: PERF401  it never ends

    following = asyncio.create_task(follow())
    await until(lambda: len(heard) >= 2)
    await recorded_in_turn(writers, 5, 6)
    await until(lambda: len(heard) >= 8)
    following.cancel()
    # The newest two by number, and then all that came, each once.
    assert heard[:2] == [2, 4]
    assert sorted(heard[2:]) == [*range(5, 11)]
