"""Records the results of polls: one commit has new states, their events, and a delivery of each event for each sink.

Results that arrive during a commit wait and share the next one. A commit that fails is repeated until it succeeds
(`RetriedWrites`); meanwhile nothing is polled, and the results wait in memory. A state that another daemon has changed
is read again. A result that was based on a previous state is superseded.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial

import structlog

from watcher.core.by_hand import NOTHING_BY_HAND, ByHand
from watcher.core.listings import Listing, ListingKey
from watcher.core.ports import Clock, Entry, Store
from watcher.core.state import Record, forgotten
from watcher.errors import StoreConflict, Superseded
from watcher.observability.observer import Observer
from watcher.polling.notified_sinks import without_dropped
from watcher.polling.retried_writes import RetriedWrites

log = structlog.get_logger()

MAX_ENTRIES = 500
"""The most results in one commit."""

_NOTHING = Record()
_SUPERSEDED = "another change was recorded first"

Pending = asyncio.Future[None]
"""Done when a result is recorded, or another change is made."""

Action = Callable[[], Awaitable[object]]
"""Makes a change that is not the result of a poll, such as forgetting states; may raise Superseded."""


class Recorder:
    """The only writer of states and events. `records` has what was committed, and nothing else."""

    def __init__(self, store: Store, clock: Clock, on_events: Callable[[], None], observer: Observer) -> None:
        """`on_events` is called after each commit that recorded or released an event."""
        self.records: dict[str, Record] = {}
        self.by_hand: ByHand = NOTHING_BY_HAND
        """What people have set by hand, as it was last read (`polling.by_hand`); replaced when that changes."""
        self._store = store
        self.clock = clock
        self.writes = RetriedWrites(clock)
        self._on_events = on_events
        self.observer = observer
        self._waiting: list[tuple[Entry | Action, Pending]] = []
        self._writing = asyncio.Lock()
        """Held from the comparison of entries with `records` until `records` has what was committed."""
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    async def load(
        self, subjects: Collection[str], removals: Callable[[Mapping[str, Record], Collection[str]], Sequence[Entry]]
    ) -> None:
        """Load the states of `subjects`, and forget all others: they are no longer configured.

        `removals` gets all stored states and the subjects to forget, and returns what is recorded before that.
        """
        self.records = await self._store.records()
        gone = self.records.keys() - set(subjects)
        entries = removals(self.records, gone)
        for first in range(0, len(entries), MAX_ENTRIES):
            removed = entries[first : first + MAX_ENTRIES]
            await self._store.commit(await self._addressed(removed), self.clock.now())
            self.observer.recorded(removed)
            self.records |= {entry.subject: entry.record for entry in removed}
        self._forgotten(gone, await self._store.forget(gone, self.clock.now()))

    def adopt(self, records: Mapping[str, Record]) -> None:
        """Add the stored states of subjects that this daemon polls from now on."""
        self.records.update(records)

    async def drop(self, subjects: Collection[str]) -> None:
        """Remove `subjects` from `records`, after everything that was recorded before; the store keeps their states."""
        await self._in_turn(partial(self._drop, subjects))

    def record_of(self, subject: str) -> Record:
        """Return what is known of a subject."""
        return self.records.get(subject, _NOTHING)

    async def record(self, entry: Entry) -> None:
        """Return when `entry` is committed.

        Raises:
            Superseded: its subject was changed meanwhile; `records` has its state now.
        """
        await self._in_turn(entry)

    async def forget(self, subjects: Collection[str]) -> None:
        """Forget the states of `subjects`, after everything that was recorded before; return when that is done."""
        await self._in_turn(partial(self._forget, subjects))

    async def keep_listing(self, listing: Listing) -> None:
        """Keep a complete listing, after everything that was recorded before; return when that is done.

        Raises:
            Superseded: another daemon replaced the listing that it follows.
        """
        await self._in_turn(partial(self._keep_listing, listing))

    async def forget_listings(self, keys: Collection[ListingKey]) -> None:
        """Delete listings, as `forget` deletes states."""
        if keys:
            await self._in_turn(lambda: self.writes.keep(partial(self._store.forget_listings, keys)))

    async def revise(
        self, subjects: Collection[str], revised: Callable[[Mapping[str, Record]], Sequence[Entry]]
    ) -> list[Entry]:
        """Commit what `revised` returns for the stored states of `subjects`, also of those that other daemons poll.

        It may be called before `run`, and is not retried. A poll that was based on a previous state is superseded.

        Returns:
            The entries that were committed; of the others another daemon changed the state meanwhile.

        Raises:
            StoreError: the store failed; some of the entries may have been committed.
        """
        async with self._writing:
            entries = revised(await self._store.reload(subjects))
            superseded = await self._commit(entries) if entries else frozenset[str]()
            done = [entry for entry in entries if entry.subject not in superseded]
            self.records |= {entry.subject: entry.record for entry in done if entry.subject in self.records}
        if done:
            self._on_events()
        return done

    async def _in_turn(self, work: Entry | Action) -> None:
        done: Pending = asyncio.get_running_loop().create_future()
        done.add_done_callback(asyncio.Future.exception)  # possibly nothing awaits it
        self._waiting.append((work, done))
        self._idle.clear()
        self._work.set()
        await asyncio.shield(done)

    async def drained(self) -> None:
        """Wait until every result is committed; from now on a failed commit is repeated soon."""
        self.writes.hurry()
        await self._idle.wait()

    @property
    def pending(self) -> int:
        """How many results wait for a commit."""
        return len(self._waiting)

    async def run(self) -> None:
        """Commit results until cancelled."""
        while True:
            await self._work.wait()
            batch: list[tuple[Entry, Pending]] = []
            for work, done in self._waiting[:MAX_ENTRIES]:
                if not isinstance(work, Entry):
                    if not batch:
                        await self._apply(work, done)
                    break
                batch.append((work, done))
            if batch:
                await self._keep(batch)
            if not self._waiting:
                self._work.clear()
                self._idle.set()

    async def _apply(self, action: Action, done: Pending) -> None:
        try:
            await action()
        except Superseded as error:
            done.set_exception(error)
        else:
            done.set_result(None)
        del self._waiting[0]  # only now: an action that is cancelled still waits

    async def _drop(self, subjects: Collection[str]) -> None:
        for subject in subjects:
            self.records.pop(subject, None)

    async def _forget(self, subjects: Collection[str]) -> None:
        self._forgotten(subjects, await self.writes.keep(partial(self._store.forget, subjects, self.clock.now())))

    async def _keep_listing(self, listing: Listing) -> None:
        if not await self.writes.keep(partial(self._store.keep_listing, listing)):
            raise Superseded(_SUPERSEDED)

    def _forgotten(self, subjects: Collection[str], count: int) -> None:
        """Reduce the records of `subjects` to what the store keeps; it forgot `count` of them now, others before."""
        for subject in subjects:
            left = forgotten(self.records.pop(subject, _NOTHING))
            if left.sequence:
                self.records[subject] = left
        if count:
            log.info("state.forgotten", subjects=count)

    async def _keep(self, batch: Sequence[tuple[Entry, Pending]]) -> None:
        async with self._writing:
            following = self._following(batch)
            superseded = await self.writes.keep(partial(self._commit, [entry for entry, _ in following]))
            del self._waiting[: len(batch)]  # only now: the results of a commit that is cancelled still wait
            kept = [(entry, done) for entry, done in following if entry.subject not in superseded]
            self.records |= {entry.subject: entry.record for entry, _ in kept}
        for _, done in kept:
            done.set_result(None)
        if kept:
            self.observer.recorded([entry for entry, _ in kept])
        if any(entry.events or entry.released for entry, _ in kept):
            self._on_events()
        if superseded:
            await self._reload(superseded)
        for _, done in batch:
            if not done.done():
                done.set_exception(Superseded(_SUPERSEDED))

    def _following(self, batch: Sequence[tuple[Entry, Pending]]) -> list[tuple[Entry, Pending]]:
        """Return the entries that follow what is recorded: a poll and the end of a mute may change a state at once."""
        known, following = dict[str, Record](), list[tuple[Entry, Pending]]()
        for entry, done in batch:
            if entry.follows in (None, known.get(entry.subject, self.record_of(entry.subject))):
                known[entry.subject] = entry.record
                following.append((entry, done))
        return following

    async def _commit(self, entries: Sequence[Entry]) -> frozenset[str]:
        """Commit `entries`; return the subjects that another daemon changed, whose entries were not committed."""
        try:
            await self._store.commit(await self._addressed(entries), self.clock.now())
        except StoreConflict as error:
            return error.subjects
        return frozenset()

    async def _addressed(self, entries: Sequence[Entry]) -> list[Entry]:
        return [await without_dropped(self._store, entry) for entry in entries]

    async def _reload(self, subjects: Collection[str]) -> None:
        """Load what another daemon recorded."""
        found = await self.writes.keep(partial(self._store.reload, subjects))
        for subject in subjects:
            self.records.pop(subject, None)
        self.records.update(found)
        self._on_events()  # the other daemon's events may wait for a sink
