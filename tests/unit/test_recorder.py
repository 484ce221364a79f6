"""A commit that fails is tried again until it works; when the daemon is to end, soon."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from tests.unit.relaying import Clock, in_own_time, passed
from watcher.errors import StoreError
from watcher.observer import Observers
from watcher.protocols import Entry
from watcher.recorder import FIRST_PAUSE, LONGEST_PAUSE, Recorder
from watcher.state import Record
from watcher.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Sequence
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
    running = asyncio.create_task(recorder.run())
    recording = asyncio.create_task(recorder.record([Entry("a", Record())]))
    await asyncio.sleep(120)
    assert 120 / LONGEST_PAUSE <= len(store.tries) < 20
    draining, begun = asyncio.create_task(recorder.drained()), passed()
    await asyncio.sleep(5)
    assert recorder.pending
    assert sum(each >= begun for each in store.tries) >= 5 / FIRST_PAUSE - 1
    store.full = False
    await draining
    await recording
    assert passed() - begun <= 5 + FIRST_PAUSE
    assert set(await store.records()) == {"a"}
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
