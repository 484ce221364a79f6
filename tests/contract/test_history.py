"""Every store keeps the history of attempts and incidents, apart from events."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.contract.conftest import NOW, after, event
from watcher.core.attempts import SeenAttempt
from watcher.core.history import AttemptRow, HistoryRow, IncidentRow, moment_of
from watcher.core.ports import Entry
from watcher.core.state import Record
from watcher.errors import StoreError
from watcher.stores.dynamodb.store import DynamoStore
from watcher.stores.sqlite import history
from watcher.stores.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from tests.support.dynamodb_tables import Tables
    from watcher.core.ports import Store

SHA = "62c0d0f1c7e84c6fb8d3b1d8a1c1a9f0e5d4b3a2"


def attempt(subject: str, seconds: float, status: str = "SUCCEEDED", duration: float | None = 65.25) -> AttemptRow:
    return AttemptRow(subject, SeenAttempt(after(seconds), status, duration, SHA), {"team": "platform ü"})


def incident(subject: str, seconds: float, incident_id: str = "7" * 32) -> IncidentRow:
    return IncidentRow(subject, incident_id, after(seconds - 60), after(seconds), labels={"team": "platform"})


async def write(store: Store, *rows: HistoryRow) -> None:
    for row in rows:
        await store.commit([Entry(row.subject, Record(), history=[row])], NOW)


async def rows(store: Store, since: datetime | None = None) -> list[HistoryRow]:
    return [row async for row in store.history(since)]


async def test_rows_are_written_with_the_state_attempts_first_the_oldest_of_each_first(store: Store) -> None:
    assert await rows(store) == []
    first = [attempt("a", 0, "IN_PROGRESS", None), incident("a", 9.5)]
    await store.commit([Entry("a", Record(sequence=1), [(event(1), ["x"])], history=first)], NOW)
    odd = replace(
        attempt("b", -5), attempt=SeenAttempt(after(-5), "FAILED", first_seen=True, observed=False), labels={}
    )
    await store.commit([Entry("b", Record(), history=[odd, incident("b", 3)])], NOW)
    assert await rows(store) == [odd, first[0], incident("b", 3), first[1]]
    assert (await store.records())["a"] == Record(sequence=1)


async def test_an_attempt_has_one_row_as_it_was_last_seen(store: Store) -> None:
    await write(store, attempt("a", 0, "IN_PROGRESS", None), attempt("b", 0), attempt("a", 0, "FAILED", 12))
    assert await rows(store) == [attempt("a", 0, "FAILED", 12), attempt("b", 0)]


async def test_two_incidents_of_a_subject_that_end_together_are_both_kept(store: Store) -> None:
    await write(store, incident("a", 1, "1"), incident("a", 1, "2"))
    assert await rows(store) == [incident("a", 1, "1"), incident("a", 1, "2")]


@pytest.mark.parametrize(("since", "count"), [(-1, 6), (0, 6), (0.1, 4), (0.5, 4), (1, 2), (1.01, 0)])
async def test_rows_since_a_moment_are_those_of_exactly_then_or_later(store: Store, since: float, count: int) -> None:
    for seconds in (0, 0.5, 1):
        await write(store, attempt("a", seconds), incident("a", seconds))
    found = await rows(store, after(since))
    assert len(found) == count
    assert all(moment_of(row) >= after(since) for row in found)


async def test_old_rows_are_deleted_at_most_so_many_at_a_time(store: Store) -> None:
    await write(store, *(attempt("a", seconds) for seconds in range(4)), incident("a", 2), incident("b", 60))
    assert await store.prune_history(after(0), 10) == 0
    assert await store.prune_history(after(3), 2) == 2
    assert await rows(store) == [attempt("a", 2), attempt("a", 3), incident("a", 2), incident("b", 60)]
    assert await store.prune_history(after(3), 10) == 2
    assert await rows(store) == [attempt("a", 3), incident("b", 60)]


async def test_history_outlasts_events_and_the_target_that_left(store: Store) -> None:
    row = attempt("a", 0)
    await store.commit([Entry("a", Record(sequence=1), [(event(1), [])], history=[row])], NOW)
    await store.forget(["a"], after(1))
    while await store.prune(after(100), 10):
        pass
    assert await store.records() == {}
    assert await rows(store) == [row]


async def test_a_long_history_is_read_in_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "PAGE", 3)
    store = SqliteStore(tmp_path / "state.db")
    await store.open()
    many = [attempt(subject, second) for second in range(4) for subject in "abc"]
    await store.commit([Entry("a", Record(), history=[*many, incident("a", 1)])], NOW)
    assert await rows(store) == [*many, incident("a", 1)]
    await store.close()


async def test_two_daemons_of_a_table_write_one_history(tables: Tables) -> None:
    address = await tables()
    first, second = DynamoStore(address), DynamoStore(address)
    await first.open()
    await second.open()
    await write(first, attempt("a", 0))
    await write(second, attempt("b", 1))
    assert await rows(first) == await rows(second) == [attempt("a", 0), attempt("b", 1)]
    await first.close()
    await second.close()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("UPDATE attempt SET labels = '[]'", "the labels cannot be"),
        ("UPDATE attempt SET observed = 'yes'", "cannot be a row of attempt"),
        ("UPDATE attempt SET started_at = 'today'", "Invalid isoformat string"),
    ],
)
async def test_a_damaged_row_is_reported(tmp_path: Path, change: str, message: str) -> None:
    path = tmp_path / "state.db"
    store = SqliteStore(path)
    await store.open()
    await write(store, attempt("a", 0))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(change)
    with pytest.raises(StoreError, match=message):
        await rows(store)
    await store.close()
