"""State in one DynamoDB table, for any number of watchers at once (`protocols.Store`).

Nothing is right because somebody holds a lease: every state is written on condition that it is still the one that this
watcher knows, in one transaction with the events that it caused and their deliveries. Leases only save calls.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from typing import TYPE_CHECKING

import structlog

from watcher.core.ports import DeliveryState
from watcher.core.retry_policy import REMOVED
from watcher.core.state import Record
from watcher.errors import StoreConflict, StoreError
from watcher.stores.dynamodb import chunked_text, items, schema
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
from watcher.stores.dynamodb.items import SHARDS, shard_of
from watcher.stores.dynamodb.retention import Retention
from watcher.stores.dynamodb.shard_outbox import REFRESH, REFRESH_WITHOUT_LEASES
from watcher.stores.dynamodb.table import Put, gather
from watcher.stores.sqlite.outbox import OVER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Collection, Sequence
    from datetime import datetime

    from watcher.aws.sessions import Sessions
    from watcher.core.ports import Entry
    from watcher.core.state_url import Address
    from watcher.stores.dynamodb.items import Item
    from watcher.stores.dynamodb.lane_index import Row

log = structlog.get_logger()

COLLISIONS = 5
"""Tries with other numbers, where those of a forgotten state are in the way."""


class DynamoStore(Retention):
    """The daemon's own. With leases it holds nothing until `load`; without, all from the start."""

    prepares = True

    def __init__(self, address: Address, sessions: Sessions | None = None) -> None:
        super().__init__(address, sessions)
        self._versions: dict[str, Version] = {}
        self._prepared: dict[int, Prepared] = {}
        """By the identity of their entries, which they keep alive."""
        self._last = 0
        """The greatest number that this watcher gave, or saw."""
        self._hours: set[str] = set()
        self._enlisted = False
        self._refreshing: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Look whether the table can be used, and begin to keep what is held up to date.

        Raises:
            StoreError: there is none, or it is not as it must be.
        """
        await super().open()
        try:
            if await schema.missing_ttl(self.table):
                log.warning("store.ttl_disabled", table=self.table.address.table,
                            remedy="turn it on with `watcher state init`",
                            consequence="membership items of daemons that were killed stay in the table")  # fmt: skip
            if not self.leases:
                log.warning("store.leases_disabled", remedy="remove leases=off from `state`: it is only for tests",
                            consequence="every daemon polls every target, beyond the rate limit")  # fmt: skip
                await gather(map(self.load, range(SHARDS)))
        except BaseException:
            await self.table.close()
            raise
        self._refreshing = asyncio.create_task(self._refresh(), name="store refresh")

    async def close(self) -> None:
        """Close the connections."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([self._refreshing])
        await super().close()

    @staticmethod
    def shard_of(subject: str) -> int:
        """The shard of a target or an endpoint."""
        return shard_of(subject)

    async def load(self, shard: int) -> dict[str, Record]:
        """Have a shard at hand from now on; returns the states in it."""
        # States first: whatever was committed by then waits, or was delivered, when what waits is read.
        found = await self.table.query(f"T#{shard}")
        told = [each for each in await gather(map(self.record_of, found)) if each is not None]
        await self.table.agreed([key for _, _, item in told for key in written_with(item)])
        await self._read_lanes(shard)
        for subject, record, item in told:
            self._know(subject, record, item)
        self._last = max(self._last, self._index.newest())
        self.held.add(shard)
        await self._bury_removed()
        return {subject: record for subject, record, _ in told}

    def unload(self, shard: int) -> None:
        """Have a shard at hand no more. What is under way still ends as it may."""
        self.held.discard(shard)
        self._index.drop_shard(shard)
        for subject in [subject for subject in self._versions if shard_of(subject) == shard]:
            del self._versions[subject]

    async def reload(self, subjects: Collection[str]) -> dict[str, Record]:
        """Read subjects anew, with what waits of them; one that has no state is not among what is returned."""
        told = await gather(map(self._fresh, dict.fromkeys(subjects)))
        return {subject: record for subject, record in told if record is not None}

    async def commit(self, entries: Sequence[Entry], now: datetime) -> None:
        """See `protocols.Store`: each subject's entries by themselves, so a repeat goes on where it was.

        Raises:
            StoreConflict: somebody else wrote some of the states; all other entries were committed.
        """
        groups: dict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            groups[entry.subject].append(entry)
        kept = await gather(self._commit_all(group, now.timestamp()) for group in groups.values())
        for entry in entries:
            self._prepared.pop(id(entry), None)
        conflicts = [subject for subject, done in zip(groups, kept, strict=True) if not done]
        if conflicts:
            raise StoreConflict(f"{self.table.address}: another watcher wrote the state of {conflicts[0]}", conflicts)

    async def forget(self, subjects: Collection[str]) -> None:
        await gather(map(self._forget, dict.fromkeys(subjects)))

    async def register_sinks(self, sinks: Collection[str], now: datetime) -> int:
        await self.table.put({"k": items.SINKS.k, "s": items.SINKS.s, "sinks": sorted(sinks)})
        self._named, self._enlisted = frozenset(sinks), True
        return sum([await self.dead_letter(sink, REMOVED, now) for sink in self._index.sinks() if sink not in sinks])

    async def mark_alive(self, now: datetime) -> None:
        await self.table.put({"k": items.ALIVE.k, "s": items.ALIVE.s, "at": now.timestamp()})

    async def _commit_all(self, entries: Sequence[Entry], now: float) -> bool:
        """Commit a subject's entries in turn; False when somebody else wrote its state."""
        try:
            for entry in entries:
                await self._commit(entry, now)
        except ConflictError:
            return False
        return True

    async def _commit(self, entry: Entry, now: float) -> None:
        for _ in range(COLLISIONS):
            prepared = self._prepared.get(id(entry))
            if prepared is None:
                known = self._versions.get(entry.subject)
                if entry.follows not in (None, _NOTHING if known is None else known.record):
                    raise ConflictError  # it was found before what is known by now
                prepared = await prepare(self.table, entry, known, now, lambda last: self._number(now, last))
                self._prepared[id(entry)] = prepared
            if prepared.done:
                return
            await self._list_hours(prepared.numbers)
            await self.announce_sinks({row.place.sink for row in prepared.rows})
            try:
                await carry_out(self.table, prepared)
            except CollisionError:
                self._last += 1_000_000
                await self._discard(entry, prepared)
                continue
            except ConflictError:
                await self._discard(entry, prepared)
                raise
            await self._committed(prepared, now)
            return
        raise StoreError(f"{self.table.address}: no place is free for the events of {entry.subject}")

    async def _discard(self, entry: Entry, prepared: Prepared) -> None:
        """Leave no parts of long texts behind of what can be committed no more."""
        del self._prepared[id(entry)]
        puts = [operation.item for operation in prepared.operations if isinstance(operation, Put)]
        await self._after(self._forget_texts([item for item in puts if "parts" in item]))

    async def _committed(self, prepared: Prepared, now: float) -> None:
        subject = prepared.entry.subject
        if prepared.owed is not None:
            await self._write_owed(prepared.owed)
        prepared.done = True
        self._versions[subject] = prepared.version
        if shard_of(subject) in self.held:
            reminders = self._index.reminders_of(subject)
            for row in prepared.rows:
                row.seen = self.monotonic()
                self._index.add(row)
            if prepared.entry.events:
                self._news_of(subject)
                await self._after(self._call_off(reminders, now))
        await self._after(self._forget_parts(prepared.known))

    def _number(self, now: float, last: int) -> int:
        """The next event's number, above the subject's last one, whatever the clocks say."""
        self._last = max(items.number_at(now), self._last + 1, last + 1)
        return self._last

    async def _list_hours(self, numbers: Collection[int]) -> None:
        """Let the hours of these events be found in the history, before there is anything in them."""
        for hour in {items.hour_of(number) for number in numbers} - self._hours:
            await self.table.put({"k": "H", "s": hour})
            self._hours.add(hour)

    async def _fresh(self, subject: str) -> tuple[str, Record | None]:
        shard = shard_of(subject)
        told = await self.record_of(await self.table.get(items.state(shard, subject)))
        if told is not None:
            await self.table.agreed(written_with(told[2]))
        if shard in self.held:
            await self._read_lanes(shard, subject)
        if told is None:
            if self._versions.pop(subject, None) is not None:
                log.warning("state.lost", subject=subject,
                            consequence="the next poll counts as the first observation",
                            reason="the table is new, or a daemon with another configuration deleted it")  # fmt: skip
            return subject, None
        self._know(subject, told[1], told[2])
        return subject, told[1]

    async def _forget(self, subject: str) -> None:
        """Whatever its state is: nobody is to know it."""
        key = items.state(shard_of(subject), subject)
        item = await self.table.get(key)
        if item is not None:
            with contextlib.suppress(RefusedError):  # another watcher still polls it
                await self.table.delete(key, "tx = :tx", {":tx": item["tx"]})
            await self._after(chunked_text.forget(self.table, item))
        self._versions.pop(subject, None)

    def _know(self, subject: str, record: Record, item: Item) -> None:
        slim = {name: value for name, value in item.items() if name != "text"}
        self._versions[subject] = Version(items.text_in(item, "tx"), items.whole_in(item, "n"), record, slim)

    async def _call_off(self, rows: Collection[Row], now: float) -> None:
        await gather(self._end(row, now, DeliveryState.DROPPED, OVER) for row in rows)

    async def _forget_parts(self, known: Version | None) -> None:
        if known is not None:
            await chunked_text.forget(self.table, known.item)

    async def _forget_texts(self, items_: Sequence[Item]) -> None:
        # Another watcher may have written on top of what was committed though its answer was lost.
        there = await self.table.agreed([items.key_of(item) for item in items_]) if items_ else {}
        kept = {item.get("parts") for item in there.values()}
        await gather(chunked_text.forget(self.table, item) for item in items_ if item["parts"] not in kept)

    async def refresh(self, shard: int) -> None:
        """A watcher with another configuration may have left something for a sink of its own."""
        await super().refresh(shard)
        await self._bury_removed()

    async def _bury_removed(self) -> None:
        """Give up on what waits for sinks that are neither this watcher's nor of the last one that took up its sinks.

        In a rolling deployment two configurations are at work: what waits for a sink of the other one is left to it.
        """
        if not self._enlisted or self._named.issuperset(self._index.sinks()):
            return
        configured = self._named | await self.known_sinks()
        for sink in [sink for sink in self._index.sinks() if sink not in configured]:
            buried = await self.dead_letter(sink, REMOVED, self._wall())
            log.warning("sink.removed", dead_letters=buried, sink=sink)

    async def _after(self, work: Awaitable[None]) -> None:
        """What is tidied up after a commit must not make it look undone."""
        try:
            await work
        except StoreError as error:
            log.debug("store.tidy_failed", error=str(error))

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH if self.leases else REFRESH_WITHOUT_LEASES)
            for shard in list(self.held):
                try:
                    await self.refresh(shard)
                except StoreError as error:  # what needs the table says so itself
                    log.debug("store.refresh_failed", error=str(error))


_NOTHING = Record()
