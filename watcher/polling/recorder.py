"""Keeps what was seen: one commit holds new states, their events and a delivery for each sink.

Results that arrive while a commit is under way wait and share the next one. A commit that fails is tried again until it
works; meanwhile nothing new is polled (`writable`), and what was seen stays in hand. What another watcher has changed
meanwhile is read anew, and what was found without knowing it is superseded.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import structlog

from watcher.core.state import Record
from watcher.errors import StoreConflict, StoreError, Superseded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

    from watcher.core.ports import Clock, Entry, Store
    from watcher.observability.observer import Observer

    Batch = Sequence[tuple["Sequence[Entry] | Forgetting", asyncio.Future[None]]]

log = structlog.get_logger()

T = TypeVar("T")

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 15.0
"""Seconds between tries of a commit that fails."""

BATCH = 500
"""Entries in one commit at most."""

HUNG = 60.0
"""Seconds after which a commit that neither works nor fails is said to hang."""


class Recorder:
    """The only writer of states and events. `records` holds what has been committed, never more."""

    def __init__(self, store: Store, clock: Clock, on_events: Callable[[], None], observer: Observer) -> None:
        """`on_events` is called after each commit that held an event."""
        self.records: dict[str, Record] = {}
        self._store = store
        self._clock = clock
        self._on_events = on_events
        self._observer = observer
        self._waiting: list[tuple[Sequence[Entry] | Forgetting, asyncio.Future[None]]] = []
        self._trouble: str | None = None
        self._committing_since: float | None = None
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

    def adopt(self, records: Mapping[str, Record]) -> None:
        """Take up what was kept of subjects that are this watcher's from now on."""
        self.records.update(records)

    async def drop(self, subjects: Collection[str]) -> None:
        """Know nothing of `subjects` any more, after what was recorded before; what is kept of them stays."""
        await self._in_turn(Forgetting(subjects, kept=True))

    def record_of(self, subject: str) -> Record:
        """What is known of a subject."""
        return self.records.get(subject, _NOTHING)

    async def writable(self) -> None:
        """Wait while the store takes nothing."""
        await self._writable.wait()

    async def record(self, entries: Sequence[Entry]) -> None:
        """Commit `entries` together; returns when they are safe.

        Raises:
            Superseded: another watcher changed one of their subjects; that is known from now on.
        """
        await self._in_turn(entries)

    async def forget(self, subjects: Collection[str]) -> None:
        """Drop what is known of `subjects`, after everything that was recorded before; returns when that is done."""
        await self._in_turn(Forgetting(subjects))

    async def _in_turn(self, work: Sequence[Entry] | Forgetting) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.add_done_callback(lambda future: future.cancelled() or future.exception())  # nobody may wait for it
        self._waiting.append((work, done))
        self._idle.clear()
        self._work.set()
        await asyncio.shield(done)

    @property
    def trouble(self) -> str | None:
        """What is wrong with the store, or None."""
        return self._trouble

    def stuck(self) -> str | None:
        """Why nothing more is committed, for people, or None. A store that says what is wrong with it is no reason."""
        since = self._committing_since
        if since is None or (late := self._clock.monotonic() - since) < HUNG:
            return None
        return f"a commit has not ended for {late:.0f} s: does the disk of `state` answer?"

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
            batch = self._batch()
            if not batch:
                self._work.clear()
                self._idle.set()
                continue
            first = batch[0][0]
            if isinstance(first, Forgetting):
                await self._forget(first)
            else:
                await self._keep(batch)

    async def _forget(self, work: Forgetting) -> None:
        if not work.kept:
            await self._until_kept(partial(self._store.forget, work.subjects))
        ((_, done),) = self._over(1)
        for subject in work.subjects:
            self.records.pop(subject, None)
        if not done.done():
            done.set_result(None)

    async def _keep(self, batch: Batch) -> None:
        groups = [(work, done) for work, done in batch if not isinstance(work, Forgetting)]
        entries = [entry for group, _ in groups for entry in group]
        superseded = await self._until_kept(partial(self._commit, entries))
        self._over(len(batch))
        kept = [entry for entry in entries if entry.subject not in superseded]
        self.records.update((entry.subject, entry.record) for entry in kept)
        for group, done in groups:
            if not done.done() and superseded.isdisjoint(entry.subject for entry in group):
                done.set_result(None)
        if kept:
            self._observer.recorded(kept)
        if any(entry.events for entry in kept):
            self._on_events()
        if superseded:
            await self._learn(superseded)
        for _, done in groups:
            if not done.done():
                done.set_exception(Superseded("another daemon recorded it first"))

    def _over(self, count: int) -> Batch:
        """Take what was kept off the list: only then, so that a cancelled commit leaves its results waiting."""
        over = self._waiting[:count]
        del self._waiting[:count]
        return over

    def _batch(self) -> Batch:
        """What may go together, from the front: results up to the next forgetting, or that alone."""
        batch = self._waiting[:BATCH]
        ends = next((at for at, (work, _) in enumerate(batch) if isinstance(work, Forgetting)), len(batch))
        return batch[: max(1, ends)]

    async def _commit(self, entries: Sequence[Entry]) -> frozenset[str]:
        """Commit what can be; returns the subjects that another watcher changed."""
        try:
            await self._store.commit(entries, self._clock.now())
        except StoreConflict as error:
            return error.subjects
        return frozenset()

    async def _learn(self, subjects: Collection[str]) -> None:
        """Know what another watcher found."""
        found = await self._until_kept(partial(self._store.reload, subjects))
        for subject in subjects:
            self.records.pop(subject, None)
        self.records.update(found)
        self._on_events()  # what was found with it may wait for a sink

    async def _until_kept(self, keep: Callable[[], Awaitable[T]]) -> T:
        """`keep`, again and again until the store takes it."""
        failures = 0
        while True:
            self._committing_since = self._clock.monotonic()
            try:
                kept = await keep()
            except StoreError as error:
                failures += 1
                self._trouble = str(error)
                if failures == 1:
                    self._writable.clear()
                    log.warning(
                        "store.write_failed", error=str(error), consequence="polling stops until the store works again"
                    )
                self._committing_since = None
                await self._rest(min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures - 1, 10)))
            else:
                self._trouble = None
                if failures:
                    self._writable.set()
                    log.info("store.write_recovered", failures=failures)
                return kept
            finally:
                self._committing_since = None

    async def _rest(self, pause: float) -> None:
        if self._hurry.is_set():
            await asyncio.sleep(FIRST_PAUSE)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._hurry.wait()


@dataclass(frozen=True, slots=True)
class Forgetting:
    """Subjects that are to be forgotten, in turn with what is recorded; in the store, too, unless they are `kept`."""

    subjects: Collection[str]
    kept: bool = False


_NOTHING = Record()
