"""Keeps what was seen: one commit holds new states, their events and a delivery for each sink.

Results that arrive while a commit is under way wait and share the next one. A commit that fails is tried again until it
works; meanwhile nothing new is polled (`writable`), and what was seen stays in hand.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import structlog

from watcher.errors import StoreError
from watcher.state import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from watcher.protocols import Clock, Entry, Store

log = structlog.get_logger()

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 15.0
"""Seconds between tries of a commit that fails."""

BATCH = 500
"""Entries in one commit at most."""


class Recorder:
    """The only writer of states and events. `records` holds what has been committed, never more."""

    def __init__(self, store: Store, clock: Clock, on_events: Callable[[], None]) -> None:
        """`on_events` is called after each commit that held an event."""
        self.records: dict[str, Record] = {}
        self._store = store
        self._clock = clock
        self._on_events = on_events
        self._waiting: list[tuple[Sequence[Entry], asyncio.Future[None]]] = []
        self._work = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._hurry = asyncio.Event()

    async def load(self, subjects: Collection[str]) -> None:
        """Take up what was kept of `subjects`, and forget all others (contract, section 5, rule 9)."""
        kept = await self._store.records()
        wanted = set(subjects)
        gone = [subject for subject in kept if subject not in wanted]
        if gone:
            await self._store.forget(gone)
            log.info("state.forgotten", subjects=len(gone))
        self.records = {subject: record for subject, record in kept.items() if subject in wanted}

    def record_of(self, subject: str) -> Record:
        """What is known of a subject."""
        return self.records.get(subject, _NOTHING)

    async def writable(self) -> None:
        """Wait while the store takes nothing."""
        await self._writable.wait()

    async def record(self, entries: Sequence[Entry]) -> None:
        """Commit `entries` together; returns when they are safe."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((entries, done))
        self._idle.clear()
        self._work.set()
        await asyncio.shield(done)

    async def drained(self) -> None:
        """Wait until every result is committed; from now on what fails is tried again soon."""
        self._hurry.set()
        await self._idle.wait()

    @property
    def pending(self) -> int:
        """How many results wait for their commit."""
        return len(self._waiting)

    async def run(self) -> None:
        """Commit what arrives, for ever."""
        while True:
            await self._work.wait()
            batch = self._waiting[:BATCH]
            if not batch:
                self._work.clear()
                self._idle.set()
                continue
            entries = [entry for group, _ in batch for entry in group]
            await self._commit(entries)
            # Only now, so that a cancelled commit leaves its results waiting.
            del self._waiting[: len(batch)]
            for entry in entries:
                self.records[entry.subject] = entry.record
            for _, done in batch:
                if not done.done():
                    done.set_result(None)
            if any(entry.events for entry in entries):
                self._on_events()

    async def _commit(self, entries: Sequence[Entry]) -> None:
        failures = 0
        while True:
            try:
                await self._store.commit(entries, self._clock.now())
            except StoreError as error:
                failures += 1
                if failures == 1:
                    self._writable.clear()
                    log.warning("store.unwritable", error=str(error), consequence="polling stops until it works again")
                await self._rest(min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures - 1, 10)))
            else:
                if failures:
                    self._writable.set()
                    log.info("store.writable", failures=failures)
                return

    async def _rest(self, pause: float) -> None:
        if self._hurry.is_set():
            await asyncio.sleep(FIRST_PAUSE)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._hurry.wait()


_NOTHING = Record()
