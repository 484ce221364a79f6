"""The periodic tasks of a daemon besides watching."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from tests.contract.conftest import NOW, entry, event
from tests.support.fake_daemon import STACKS, Peek, config_of
from watcher.core.attempts import SeenAttempt
from watcher.core.deliveries import DeliveryState
from watcher.core.history import AttemptRow
from watcher.core.ports import Entry
from watcher.core.queries import DeliveryQuery, EventQuery
from watcher.core.retry_policy import REMOVED
from watcher.core.state import Record
from watcher.delivery import maintenance
from watcher.stores.memory import MemoryStore


@pytest.mark.parametrize("wrong", ["why_stuck", "why_unready"])
async def test_a_store_is_marked_only_while_every_endpoint_is_polled(
    monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    monkeypatch.setattr(maintenance, "UNREADY_SECONDS", 0.001)
    store, looked = MemoryStore(), asyncio.Event()

    class Looks(list[str]):
        def __len__(self) -> int:
            looked.set()
            return 1

    peek = Peek(config_of(STACKS, "memory://"), store, store, **{wrong: Looks()})
    relay: Any = None
    marking = asyncio.create_task(maintenance.Maintenance(peek, store, relay).mark_alive())
    async with asyncio.timeout(30):
        await looked.wait()
        assert await store.alive_at() is None
        setattr(peek, wrong, [])
        while await store.alive_at() is None:  # noqa: ASYNC110  the store has no event to wait for
            await asyncio.sleep(0.01)
    marking.cancel()


async def test_history_is_kept_for_400_days_and_events_for_state_retention(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "PRUNE_STEP", 2)
    store, now = MemoryStore(), datetime.now(UTC)
    days = [401.0, 402.0, 403.0, 399.0, 31.0]
    rows = [AttemptRow("a", SeenAttempt(now - timedelta(days=each), "SUCCEEDED")) for each in days]
    await store.commit([Entry("a", Record(), [(event(1), [])], history=rows)], now - timedelta(days=31))
    relay: Any = None
    peek = Peek(config_of(f"{STACKS}\nstate_retention: 30d", "memory://"), store, store)
    await maintenance.Maintenance(peek, store, relay).prune_once()
    assert await store.events(EventQuery()) == []
    assert [row async for row in store.history()] == rows[3:]


async def test_what_waits_for_a_sink_that_left_becomes_dead_letters_unless_sinks_are_being_changed() -> None:
    store = MemoryStore()
    await store.commit([entry("a", 1, sinks=["stdout", "left"])], NOW)
    relay: Any = SimpleNamespace(is_changing=True)
    config = config_of(f"{STACKS}\nsinks: [{{name: stdout, type: stdout}}]", "memory://")
    made = maintenance.Maintenance(Peek(config, store, store), store, relay)
    await made.dead_letter_removed()
    assert await store.waiting() == {"stdout": 1, "left": 1}
    relay.is_changing = False
    await made.dead_letter_removed()
    assert await store.waiting() == {"stdout": 1}
    (dead,) = await store.deliveries(DeliveryQuery([DeliveryState.DEAD]))
    assert (dead.sink, dead.answer) == ("left", REMOVED)
