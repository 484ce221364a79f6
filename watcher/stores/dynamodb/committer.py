"""Commits what the pollers found: each subject's state with its events and their deliveries, on one condition.

A state is written on condition that it is still the one that this daemon knows. A commit that may have been carried out
or not is repeated as the same transaction, as long as its entry is the same object.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Collection, Sequence
from datetime import datetime

import structlog

from watcher.core.ports import DeliveryState, Entry
from watcher.core.state import Record
from watcher.errors import StoreConflict, StoreError
from watcher.stores.dynamodb import chunked_text, items
from watcher.stores.dynamodb.client import RefusedError
from watcher.stores.dynamodb.commit import (
    CollisionError,
    ConflictError,
    Prepared,
    Version,
    carry_out,
    prepare,
    written_with,
)
from watcher.stores.dynamodb.contents import Contents
from watcher.stores.dynamodb.items import Item, shard_of
from watcher.stores.dynamodb.retention import Retention
from watcher.stores.dynamodb.shard_lanes import ShardLanes
from watcher.stores.dynamodb.shard_outbox import ShardOutbox
from watcher.stores.dynamodb.sink_registry import SinkRegistry
from watcher.stores.dynamodb.table import Put, gather
from watcher.stores.lanes import OVER

log = structlog.get_logger()

MAX_COLLISIONS = 5
"""Tries with other numbers, where those of a forgotten state are in the way."""

_NOTHING = Record()


class Committer:
    """Knows which version of each state this daemon has read or written."""

    def __init__(
        self, contents: Contents, lanes: ShardLanes, outbox: ShardOutbox, sinks: SinkRegistry, retention: Retention
    ) -> None:
        self._table = contents.table
        self._contents = contents
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

    async def forget(self, subjects: Collection[str]) -> None:
        await gather(map(self._forget, dict.fromkeys(subjects)))

    async def load(self, shard: int) -> dict[str, Record]:
        """Read the states of a shard, and then its waiting deliveries."""
        # States first: whatever was committed by then waits, or was delivered, when what waits is read.
        found = await self._table.query(f"T#{shard}")
        states = [each for each in await gather(map(self._contents.record_of, found)) if each is not None]
        await self._table.agreed([key for _, _, item in states for key in written_with(item)])
        await self._lanes.read(shard)
        for subject, record, item in states:
            self._know(subject, record, item)
        self._last_number = max(self._last_number, self._lanes.index.newest())
        return {subject: record for subject, record, _ in states}

    def unload(self, shard: int) -> None:
        """Forget which versions of a shard's states this daemon knows."""
        for subject in [subject for subject in self._versions if shard_of(subject) == shard]:
            del self._versions[subject]

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
            prepared = self._prepared.get(id(entry))
            if prepared is None:
                known = self._versions.get(entry.subject)
                if entry.follows not in (None, _NOTHING if known is None else known.record):
                    raise ConflictError  # it was found before what is known by now
                prepared = await prepare(self._table, entry, known, now, lambda last: self._number(now, last))
                self._prepared[id(entry)] = prepared
            if prepared.done:
                return
            await self._list_hours(prepared.numbers)
            await self._sinks.announce({row.place.sink for row in prepared.rows})
            try:
                await carry_out(self._table, prepared)
            except CollisionError:
                self._last_number += 1_000_000
                await self._discard(entry, prepared)
                continue
            except ConflictError:
                await self._discard(entry, prepared)
                raise
            await self._committed(prepared, now)
            return
        raise StoreError(f"{self._table.address}: no place is free for the events of {entry.subject}")

    async def _discard(self, entry: Entry, prepared: Prepared) -> None:
        """Delete the parts of long texts of a transaction that can no longer be carried out."""
        del self._prepared[id(entry)]
        puts = [operation.item for operation in prepared.operations if isinstance(operation, Put)]
        await _tidy(self._forget_texts([item for item in puts if "parts" in item]))

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
            await _tidy(chunked_text.forget(self._table, prepared.known.item))

    def _number(self, now: float, last: int) -> int:
        """Return the next event's number: above the subject's last one, whatever the clocks say."""
        self._last_number = max(items.number_at(now), self._last_number + 1, last + 1)
        return self._last_number

    async def _list_hours(self, numbers: Collection[int]) -> None:
        """List the hours of these events in the history before there is an event in them."""
        for hour in {items.hour_of(number) for number in numbers} - self._hours:
            await self._table.put({"k": "H", "s": hour})
            self._hours.add(hour)

    async def _reload(self, subject: str) -> tuple[str, Record | None]:
        found = await self._contents.record_of(await self._table.get(items.state(subject)))
        if found is not None:
            await self._table.agreed(written_with(found[2]))
        await self._lanes.read_subject(subject)
        if found is None:
            if self._versions.pop(subject, None) is not None:
                log.warning("state.lost", subject=subject,
                            consequence="the next poll counts as the first observation",
                            reason="the table is new, or a daemon with another configuration deleted it")  # fmt: skip
            return subject, None
        self._know(subject, found[1], found[2])
        return subject, found[1]

    async def _forget(self, subject: str) -> None:
        key = items.state(subject)
        item = await self._table.get(key)
        if item is not None:
            with contextlib.suppress(RefusedError):  # another daemon still polls it
                await self._table.delete(key, "tx = :tx", {":tx": item["tx"]})
            await _tidy(chunked_text.forget(self._table, item))
        self._versions.pop(subject, None)

    def _know(self, subject: str, record: Record, item: Item) -> None:
        slim = {name: value for name, value in item.items() if name != "text"}
        self._versions[subject] = Version(item["tx"], item.get("n", 0), record, slim)

    async def _forget_texts(self, discarded: Sequence[Item]) -> None:
        # Another daemon may have written on top of what was committed though its response was lost.
        there = await self._table.agreed([items.key_of(item) for item in discarded]) if discarded else {}
        kept = {item.get("parts") for item in there.values()}
        await gather(chunked_text.forget(self._table, item) for item in discarded if item["parts"] not in kept)


async def _tidy(work: Awaitable[object]) -> None:
    """Clean up after a commit; a failure must not make the commit look undone."""
    try:
        await work
    except StoreError as error:
        log.debug("store.tidy_failed", error=str(error))
