"""A store of each kind, and helpers to write what it must do."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from watcher.core.deliveries import DeliveryOutcome, DeliveryState
from watcher.core.events import Event
from watcher.core.ports import Entry
from watcher.core.state import Record
from watcher.stores.dynamodb import contents, items, schema
from watcher.stores.dynamodb import store as dynamodb_store
from watcher.stores.dynamodb.store import DynamoStore
from watcher.stores.memory import MemoryStore
from watcher.stores.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator
    from pathlib import Path

    from tests.support.dynamodb_tables import Tables
    from watcher.core.deliveries import Delivery, DeliveryRecord
    from watcher.core.ports import Store

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MOMENT = "2026-11-23T11:59:00Z"

SHARDS = 3
"""Of the tables here: enough for subjects of one shard and of another."""


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def event(number: int, subject: str = "a", kind: str = "watcher.sync.failed", **data: Any) -> Event:
    shown = {"id": f"{number:032x}", "type": kind, "subject": subject, "time": NOW.isoformat()}
    attempt = {"startedAt": MOMENT, "status": "FAILED", "targetRevision": {"sha": "a"}, "events": []}
    flags = dict.fromkeys(("observed", "first_seen", "recovered", "recreated"), False)
    body = {"n": number, "data": {"status": "FAILED", "consecutive_failures": 1, "attempt": attempt, **flags, **data}}
    return Event(f"{number:032x}", kind, subject, NOW.isoformat(), json.dumps(body | shown))


def entry(subject: str, *numbers: int, sinks: Iterable[str] = ("x",)) -> Entry:
    """A subject's events, each for the sinks."""
    return Entry(subject, Record(), [(event(number, subject), tuple(sinks)) for number in numbers])


def sent(delivery: Delivery) -> DeliveryOutcome:
    return DeliveryOutcome(delivery, DeliveryState.SENT, "200 OK")


def later(delivery: Delivery, pause: float = 10.0) -> DeliveryOutcome:
    return DeliveryOutcome(delivery, DeliveryState.WAITING, "503", pause, failing=True)


def refused(delivery: Delivery) -> DeliveryOutcome:
    return DeliveryOutcome(delivery, DeliveryState.DEAD, "permanently refused: 400")


def given_up(delivery: Delivery, pause: float = 10.0) -> DeliveryOutcome:
    return DeliveryOutcome(delivery, DeliveryState.DEAD, "given up after 1d: 503", pause, failing=True)


def numbers(deliveries: Iterable[Delivery | DeliveryRecord]) -> list[int]:
    """The numbers that their events were made with."""
    return [int(delivery.event.id, 16) for delivery in deliveries]


async def only(store: Store, sink: str = "x", now: datetime = NOW) -> Delivery:
    """The only delivery that may be tried."""
    (found,) = await store.lane_heads(sink, now, 10)
    return found


@pytest.fixture
def tables(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tables]:
    """Makes tables with fewer shards than usual: a store that is opened reads each of them."""
    for module in (items, schema, contents, dynamodb_store):
        monkeypatch.setattr(module, "SHARDS", SHARDS)
    monkeypatch.setattr(dynamodb_store.Shards, "count", SHARDS)
    items.shard_of.cache_clear()
    yield tables
    items.shard_of.cache_clear()


@pytest.fixture(params=["memory", "sqlite", "dynamodb"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    made: MemoryStore | SqliteStore | DynamoStore
    match request.param:
        case "memory":
            made = MemoryStore()
        case "sqlite":
            made = SqliteStore(tmp_path / "state.db")
        case _:
            tables: Tables = request.getfixturevalue("tables")
            made = DynamoStore(await tables())
    await made.open()
    yield made
    await made.close()
