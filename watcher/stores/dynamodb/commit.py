"""Commits what the pollers found: each subject's state with its events and their deliveries, as one transaction.

A subject's events get growing numbers, whatever the clocks say. A commit that may have been carried out or not is
repeated as the same `transaction`, as long as its entry is the same object.
"""

from collections import defaultdict
from collections.abc import Awaitable, Collection, Sequence
from datetime import datetime

import structlog

from watcher.core import state
from watcher.core.deliveries import DeliveryState
from watcher.core.ports import Entry
from watcher.core.retry_policy import OVER
from watcher.core.state import Record
from watcher.errors import StoreConflict, StoreError
from watcher.stores.dynamodb import codec, items
from watcher.stores.dynamodb.contents import SinkRegistry, forget_text
from watcher.stores.dynamodb.forgotten import forget
from watcher.stores.dynamodb.items import Item, shard_of
from watcher.stores.dynamodb.retention import Retention
from watcher.stores.dynamodb.shard_lanes import ShardLanes
from watcher.stores.dynamodb.shard_outbox import ShardOutbox
from watcher.stores.dynamodb.table import Put, gather
from watcher.stores.dynamodb.transaction import CollisionError, ConflictError, Prepared, Version, carry_out, prepare

log = structlog.get_logger()

MAX_COLLISIONS = 5  # tries with other numbers, where those of a forgotten state are in the way


class Committer:
    """Knows which version of each state this daemon has read or written."""

    def __init__(self, lanes: ShardLanes, outbox: ShardOutbox, sinks: SinkRegistry, retention: Retention) -> None:
        self._table = lanes.table
        self._contents = lanes.contents
        self._lanes = lanes
        self._outbox = outbox
        self._sinks = sinks
        self._retention = retention
        self._versions: dict[str, Version] = {}
        self._prepared: dict[int, Prepared] = {}
        """By the identity of their entries, which they keep alive."""
        self._last_number = 0
        """The greatest number that this daemon gave to an event, or saw."""
        self._hours: set[str] = set()
        """Those that it has listed in the history."""

    async def commit(self, entries: Sequence[Entry], now: datetime) -> None:
        """Commit each subject's entries by themselves, so that a repeat continues where it was."""
        groups: dict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            groups[entry.subject].append(entry)
        kept = await gather(self._commit_all(group, now.timestamp()) for group in groups.values())
        for entry in entries:
            self._prepared.pop(id(entry), None)
        conflicts = [subject for subject, done in zip(groups, kept, strict=True) if not done]
        if conflicts:
            raise StoreConflict(f"{self._table.address}: another daemon wrote the state of {conflicts[0]}", conflicts)

    async def reload(self, subjects: Collection[str]) -> dict[str, Record]:
        """Read subjects again, with their waiting deliveries; a subject without a state is left out."""
        found = await gather(map(self._reload, dict.fromkeys(subjects)))
        return {subject: record for subject, record in found if record is not None}

    async def forget(self, subjects: Collection[str], now: datetime) -> int:
        return sum(await gather(self._forget(subject, now.timestamp()) for subject in dict.fromkeys(subjects)))

    async def load(self, shard: int) -> dict[str, Record]:
        """Read the states of a shard, and then its waiting deliveries."""
        # States first: whatever was committed by then waits, or was delivered, when what waits is read.
        states = await self._contents.records_of(await self._table.query(f"T#{shard}"))
        await self._table.get_committed(key for _, _, item in states for key in codec.written_with(item))
        await self._lanes.read(shard)
        self._versions |= {subject: Version.of(record, item) for subject, record, item in states}
        self._last_number = max(self._last_number, self._lanes.index.newest())
        return {subject: record for subject, record, _ in states}

    def unload(self, shard: int) -> None:
        """Forget which versions of a shard's states this daemon knows."""
        self._versions = {key: version for key, version in self._versions.items() if shard_of(key) != shard}

    async def _commit_all(self, entries: Sequence[Entry], now: float) -> bool:
        """Commit a subject's entries in turn; returns False if another daemon wrote its state."""
        try:
            for entry in entries:
                await self._commit(entry, now)
        except ConflictError:
            return False
        return True

    async def _commit(self, entry: Entry, now: float) -> None:
        for _ in range(MAX_COLLISIONS):
            prepared = self._prepared.get(id(entry)) or await self._prepare(entry, now)
            if prepared.done:
                return
            for hour in prepared.hours - self._hours:  # an hour is listed before there is an event in it
                await self._table.write(Put({"k": "H", "s": hour}))
                self._hours.add(hour)
            await self._sinks.announce({row.place.sink for row in prepared.rows})
            try:
                await carry_out(self._table, prepared)
            except CollisionError:
                self._last_number += 1_000_000
                await self._discard(prepared)
            except ConflictError:
                await self._discard(prepared)
                raise
            else:
                await self._committed(prepared, now)
                return
        raise StoreError(f"{self._table.address}: no free number was found for the events of {entry.subject}")

    async def _prepare(self, entry: Entry, now: float) -> Prepared:
        known = self._versions.get(entry.subject)
        if entry.follows not in (None, known.record if known else Record()):
            raise ConflictError  # it was found before what is known by now
        # Whatever the clocks say, numbers grow.
        first = max(items.number_at(now), self._last_number + 1, known.item.get("n", 0) + 1 if known else 0)
        self._last_number = first + len(entry.events) - 1
        released = await self._retention.released(entry)
        prepared = await prepare(self._table, entry, known, now, first, released)
        self._prepared[id(entry)] = prepared
        return prepared

    async def _discard(self, prepared: Prepared) -> None:
        """Delete the parts of long texts of a transaction that can no longer be carried out."""
        del self._prepared[id(prepared.entry)]
        wrote = [each.target for each in prepared.operations if isinstance(each.target, dict)]
        await _tidy(self._forget_texts([item for item in wrote if "parts" in item]))

    async def _committed(self, prepared: Prepared, now: float) -> None:
        subject = prepared.entry.subject
        if prepared.owed is not None:
            await self._lanes.write_owed(prepared.owed)
        prepared.done = True
        self._versions[subject] = prepared.version
        if self._lanes.holds(subject):
            reminders = self._lanes.index.reminders(subject)
            for row in prepared.rows:
                self._lanes.add(row)
            if prepared.entry.events:
                self._retention.subject_changed(subject)
                await _tidy(gather(self._outbox.end(row, now, DeliveryState.DROPPED, OVER) for row in reminders))
        if prepared.known is not None:
            await _tidy(forget_text(self._table, prepared.known.item))

    async def _reload(self, subject: str) -> tuple[str, Record | None]:
        found = await self._contents.record_of(await self._table.get(items.state(subject)))
        if found is not None:
            await self._table.get_committed(codec.written_with(found[2]))
        await self._lanes.read_subject(subject)
        if found is not None:
            self._versions[subject] = Version.of(*found[1:])
            return subject, found[1]
        version = self._versions.pop(subject, None)
        if version is not None and "forgotten" not in version.item:
            log.warning("state.lost", subject=subject, consequence="the next poll counts as the first observation",
                        reason="the table is new, or a daemon with another configuration deleted it")  # fmt: skip
        return subject, None

    async def _forget(self, subject: str, now: float) -> bool:
        """Forget a subject; returns False if there was nothing to forget, or another daemon still polls it."""
        known = self._versions.get(subject)
        if known is not None and "forgotten" in known.item:
            return False
        found = await self._contents.record_of(await self._table.get(items.state(subject)))
        if found is None:
            self._versions.pop(subject, None)
            return False
        _, record, item = found
        if "forgotten" in item:
            self._versions[subject] = Version.of(record, item)
            return False
        done, left = await forget(self._table, record, item, now)
        if left is None:
            self._versions.pop(subject, None)
        else:
            self._versions[subject] = Version.of(state.forgotten(record), left)
        if done:
            await _tidy(forget_text(self._table, item))
        return done

    async def _forget_texts(self, discarded: Sequence[Item]) -> None:
        # Another daemon may have written on top of what was committed though its response was lost.
        there = await self._table.get_committed(items.key_of(item) for item in discarded)
        kept = {item.get("parts") for item in there.values()}
        await gather(forget_text(self._table, item) for item in discarded if item["parts"] not in kept)


async def _tidy(work: Awaitable[object]) -> None:
    """Clean up after a commit; a failure must not make the commit look undone."""
    try:
        await work
    except StoreError as error:
        log.debug("store.tidy_failed", error=str(error))
