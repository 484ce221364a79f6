"""A commit that fails is tried again until it works; when the daemon is to end, soon."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.support.tasks import running
from tests.unit.delivery.relaying import Clock, in_own_time, passed
from watcher.core.ports import Entry
from watcher.core.state import Record
from watcher.errors import StoreConflict, StoreError, Superseded
from watcher.observability.observer import Observers
from watcher.polling.recorder import Recorder
from watcher.polling.retried_writes import MAX_PAUSE_SECONDS, MIN_PAUSE_SECONDS
from watcher.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime


class Full(MemoryStore):
    """A disk without room."""

    def __init__(self) -> None:
        super().__init__()
        self.full = True
        self.tries: list[float] = []

    async def commit(self, entries: Sequence[Entry], now: datetime) -> None:
        self.tries.append(passed())
        if self.full:
            raise StoreError("the disk is full")
        await super().commit(entries, now)


@in_own_time
async def test_what_could_not_be_kept_is_tried_again_at_once_when_the_daemon_is_to_end() -> None:
    store = Full()
    recorder = Recorder(store, Clock(), lambda: None, Observers())
    async with running(recorder.run()):
        recording = asyncio.create_task(recorder.record(Entry("a", Record())))
        await asyncio.sleep(120)
        assert 120 / MAX_PAUSE_SECONDS <= len(store.tries) < 20
        draining, begun = asyncio.create_task(recorder.drained()), passed()
        await asyncio.sleep(5)
        assert recorder.pending
        assert sum(each >= begun for each in store.tries) >= 5 / MIN_PAUSE_SECONDS - 1
        store.full = False
        await draining
        await recording
        assert passed() - begun <= 5 + MIN_PAUSE_SECONDS
        assert set(await store.records()) == {"a"}


MINE, THEIRS, NEW = (Record(sequence=number) for number in (1, 5, 6))


class Shared(MemoryStore):
    """Another watcher has written `a`; the first looks at what it wrote fail."""

    def __init__(self) -> None:
        super().__init__()
        self.commits = 0
        self.failures = 3

    async def commit(self, entries: Sequence[Entry], now: datetime) -> None:
        self.commits += 1
        theirs = [entry for entry in entries if entry.record == MINE and entry.subject == "a"]
        await super().commit([entry for entry in entries if entry not in theirs], now)
        if theirs:
            await super().commit([Entry("a", THEIRS)], now)
            raise StoreConflict("another watcher wrote a", ["a"])

    async def reload(self, subjects: Collection[str]) -> dict[str, Record]:
        self.failures -= 1
        if self.failures >= 0:
            raise StoreError("not now")
        return await super().reload(subjects)


@in_own_time
async def test_what_another_watcher_wrote_meanwhile_is_learnt_and_the_rest_is_kept() -> None:
    store = Shared()
    told: list[str] = []
    recorder = Recorder(store, Clock(), lambda: told.append("news"), Observers())
    async with running(recorder.run()):
        both = [asyncio.create_task(recorder.record(Entry(subject, MINE))) for subject in "ab"]
        with pytest.raises(Superseded):
            await both[0]
        await both[1]
        assert recorder.records == {"a": THEIRS, "b": MINE}
        assert await store.records() == recorder.records
        assert told == ["news"]
        assert recorder.writes.trouble is None
        # It is never tried blindly again; what follows what was learnt is kept.
        assert store.commits == 1
        await recorder.record(Entry("a", NEW))
        assert recorder.records["a"] == NEW


@in_own_time
async def test_what_is_dropped_stays_in_the_store_and_what_is_adopted_is_known() -> None:
    store = MemoryStore()
    recorder = Recorder(store, Clock(), lambda: None, Observers())
    async with running(recorder.run()):
        recorder.adopt({"a": MINE, "b": THEIRS})
        recording = asyncio.create_task(recorder.record(Entry("a", NEW)))
        await asyncio.sleep(0)
        await recorder.drop(["a"])
        assert recording.done()
        assert recorder.records == {"b": THEIRS}
        assert await store.records() == {"a": NEW}


@in_own_time
async def test_of_two_changes_of_one_state_at_once_the_second_is_superseded() -> None:
    store = MemoryStore()
    recorder = Recorder(store, Clock(), lambda: None, Observers())
    async with running(recorder.run()):
        await recorder.record(Entry("a", MINE))
        changes = [Entry("a", THEIRS, follows=MINE), Entry("a", NEW, follows=MINE), Entry("b", NEW, follows=Record())]
        outcomes = await asyncio.gather(*map(recorder.record, changes), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [type(None), Superseded, type(None)]
        with pytest.raises(Superseded):
            await recorder.record(Entry("a", NEW, follows=MINE))
        assert await store.records() == recorder.records == {"a": THEIRS, "b": NEW}
        await recorder.record(Entry("a", NEW, follows=THEIRS))
        assert recorder.record_of("a") == NEW
