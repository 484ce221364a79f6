"""Reads and writes all contents of a table: `watcher state export` and `import`.

An import that was cut off leaves a mark in the table: no daemon uses it before another import has come to its end.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from operator import itemgetter
from uuid import uuid4

from watcher.core import state_json
from watcher.core.by_hand import Acknowledgement, HandMute
from watcher.core.deliveries import DeliveryState
from watcher.core.history import AttemptRow, IncidentRow
from watcher.core.leases import Beat
from watcher.core.listings import Listing
from watcher.core.queries import EventQuery
from watcher.errors import StoreError
from watcher.stores.dynamodb import codec, items, schema
from watcher.stores.dynamodb.by_hand import acknowledgement_item, mute_item
from watcher.stores.dynamodb.client import ConditionFailedError
from watcher.stores.dynamodb.contents import keep_text, text_of
from watcher.stores.dynamodb.history import item_of
from watcher.stores.dynamodb.items import META, EventKey, Item, Value
from watcher.stores.dynamodb.lane_index import Place, Row
from watcher.stores.dynamodb.lease_table import LEASES, WATCHER, LeaseTable, seen_in
from watcher.stores.dynamodb.reader import DynamoReader
from watcher.stores.dynamodb.table import Delete, Put, Update, batches, gather
from watcher.stores.transfer import Part, Recorded, Sending, Sinks, State

BATCH = 50
HISTORY = (items.ATTEMPTS, items.INCIDENTS)
KINDS = ("T#", "E#", "H", "X#", "O#", "D#", items.LISTINGS, items.FORGOTTEN, items.BY_HAND, *HISTORY, "P#")
"""How the partitions begin that an import fills."""
READS_PER_TERM = 4  # of the counters


class DynamoMover(DynamoReader):
    """Reads or writes a whole table that no daemon uses."""

    async def _prepare(self) -> None:
        """Check that the table can be used, and that no daemon uses it."""
        await schema.check(self.table, importing=True, preparing=True)
        await self._refuse_daemons()

    async def read(self) -> AsyncIterator[Part]:
        """Yield everything in the order of an export."""
        await schema.check(self.table)
        yield Sinks(tuple(sorted(await self.registered_sinks())))
        states = await self.contents.records_of(await self.contents.shards("T"))
        for subject, record, item in sorted(states, key=itemgetter(0)):
            yield State(subject, record, item.get("forgotten"))
        for _, listing in sorted((await self.listings()).items()):
            yield listing
        for part in (await self.by_hand()).parts:
            yield part
        async for row in self.history():
            yield row
        known: set[EventKey] = set()
        for hour in await self.contents.hours():
            places = sorted([codec.event_key(item) async for item in self.table.pages(f"H#{hour}")])
            for some in batches(places, BATCH):
                found = await self.table.get_all(key.body for key in some)
                for key in [key for key in some if key.body in found]:
                    item = found[key.body]
                    event = codec.event_of(item, await text_of(self.table, item))
                    known.add(key)
                    yield Recorded(key.number, float(item["recorded"]), event)
        for item in sorted(await self.contents.deliveries(None, [*DeliveryState]), key=codec.order_of):
            if codec.event_key(item) in known:
                kind = codec.state_of(item)
                ended = None if kind is DeliveryState.WAITING else codec.ended_at(item)
                yield _sending(codec.row_of(item), kind, ended)
        async for sending in self._owed(known):
            yield sending

    async def write(self, parts: Iterable[Part]) -> None:
        """Write everything into an empty table, or one with an import that was cut off.

        Raises:
            StoreError: the table holds other state.
        """
        mark = uuid4().hex
        cut_off = await self._begin(mark)
        life = LeaseTable(self.table, f"import {mark}")
        renewing = asyncio.create_task(self._keep_renewing(life))
        try:
            if cut_off:
                await self._clear()
            names = _Names()
            for batch in batches(parts, BATCH):
                await self._write(batch, names)
            # States are last: each has the number of its subject's last event.
            await gather(self._write_state(each, names) for each in names.states)
        finally:
            renewing.cancel()
            await asyncio.wait([renewing])
        await self._end(mark)
        await life.resign()

    async def _owed(self, known: Collection[EventKey]) -> AsyncIterator[Sending]:
        """Yield the deliveries that are not written yet: a daemon was killed after a commit for very many sinks."""
        for note in await self.contents.shards("O"):
            for row in codec.owed_rows(note) if "owed" in note else ():
                if EventKey.of(row) in known:
                    yield _sending(row, DeliveryState.WAITING)

    async def _begin(self, mark: str) -> bool:
        """Mark the table, which no daemon uses until the end; returns whether an earlier import was cut off."""
        before = (await self.table.get(META) or {}).get("importing")
        if not before and not await self._empty():
            raise StoreError(f"{self.table.address}: it already contains state; name another table under `state`")
        unchanged = "importing = :before" if before else "attribute_not_exists(importing)"
        values: dict[str, Value] = {":mark": mark} | ({":before": before} if before else {})
        try:
            await self.table.write(Update(META, unchanged, values, "SET importing = :mark"))
        except ConditionFailedError:
            raise StoreError(f"{self.table.address}: another import has just started; wait until it ends") from None
        return bool(before)

    async def _end(self, mark: str) -> None:
        try:
            await self.table.write(Update(META, "importing = :mark", {":mark": mark}, "REMOVE importing"))
        except ConditionFailedError:
            raise StoreError(
                f"{self.table.address}: another import wrote to it at the same time; empty the table, or create "
                "another one, and import again"
            ) from None

    async def _keep_renewing(self, life: LeaseTable) -> None:
        """Renew the import's counter, so that others see that it is running."""
        while True:
            with contextlib.suppress(StoreError):
                await life.renew(leaving=True)
            await asyncio.sleep(self.table.address.term / READS_PER_TERM)

    async def _write(self, batch: Iterable[Part], names: _Names) -> None:
        puts: list[Item] = []
        for part in batch:
            match part:
                case Listing():
                    await self._listings.keep(part)
                case HandMute():
                    puts.append(mute_item(part))
                case Acknowledgement():
                    puts.append(acknowledgement_item(part))
                case AttemptRow() | IncidentRow():
                    puts.append(item_of(part))
                case Sinks(sinks):
                    puts.append(codec.at(items.SINKS, {"sinks": list(sinks)}))
                case State():
                    names.states.append(part)
                case Recorded(_, recorded, event):
                    key = names.add(part)
                    text = await keep_text(self.table, event.body)
                    puts += codec.event_items(key, event, recorded, text)
                    puts.append({"k": "H", "s": items.hour_of(key.number)})
                case Sending():
                    puts.append(_delivery(part, *names.events[part.number, part.subject]))
        await gather(self.table.write(Put(item)) for item in puts)

    async def _write_state(self, part: State, names: _Names) -> None:
        values: Item = {"subject": part.subject, "tx": uuid4().hex, "n": names.last.get(part.subject, 0)}
        values |= await keep_text(self.table, state_json.dump(part.record))
        written = [codec.at(items.state(part.subject), values)]
        if part.forgotten is not None:
            written = [*codec.forgotten_items(part.subject, part.forgotten, values)]
        await gather(self.table.write(Put(item)) for item in written)

    async def _empty(self) -> bool:
        for partition in (items.LISTINGS, items.BY_HAND, *HISTORY):
            async for _ in self.table.pages(partition, page=1):
                return False
        return not await self.events(EventQuery(limit=1)) and not await self.contents.shards("TO")

    async def _clear(self) -> None:
        """Delete what an import that was cut off has written: this one may have other contents."""
        for kind in KINDS:
            keys = [items.key_of(item) async for item in self.table.scan(kind)]
            await gather(self.table.write(Delete(key)) for key in keys)

    async def _refuse_daemons(self) -> None:
        """Refuse a table with a moving counter; that of a daemon that was killed stays, and does not move."""
        before = await self._counters()
        for _ in range(READS_PER_TERM * 2 if before else 0):
            await asyncio.sleep(self.table.address.term / READS_PER_TERM)
            now = await self._counters()
            if any(before.get(watcher) != beat for watcher, beat in now.items()):
                raise StoreError(
                    f"{self.table.address}: it is used by a daemon or an import; stop it, or wait for its end"
                )
            if not now:
                return

    async def _counters(self) -> Mapping[str, Beat]:
        return seen_in(await self.table.query(LEASES, WATCHER)).watchers


class _Names:
    """The numbers of imported events: those of the moments at which they were recorded, in their order."""

    def __init__(self) -> None:
        self.events: dict[tuple[int, str], tuple[EventKey, float]] = {}
        self.last: dict[str, int] = {}
        self.states: list[State] = []
        self._number = 0

    def add(self, part: Recorded) -> EventKey:
        self._number = max(items.number_at(part.recorded), self._number + 1)
        key = EventKey(self._number, part.event.subject, part.event.id)
        self.events[part.number, key.subject] = key, part.recorded
        self.last[key.subject] = self._number
        return key


def _sending(row: Row, kind: DeliveryState, ended: float | None = None) -> Sending:
    place = row.place
    tries = codec.tries_of(row)
    return Sending(place.number, place.subject, place.sink, place.reminder, kind, ended=ended, **tries)


def _delivery(part: Sending, event: EventKey, recorded: float) -> Item:
    place = Place(part.subject, part.sink, event.number, part.reminder)
    row = Row(place, event.id, recorded, **codec.tries_of(part))
    if part.state is DeliveryState.WAITING:
        return codec.waiting_item(row)
    return codec.ended_item(row, part.state, part.ended, part.answer)
