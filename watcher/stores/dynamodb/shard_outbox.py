"""What waits in the shards that a watcher holds: loaded, kept up to date, handed out, settled.

The index (`index`) answers whose turn it is; the table has the last word on what still waits.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import structlog

from watcher.core.ports import Delivery, DeliveryState
from watcher.stores.dynamodb import codec, commit, items
from watcher.stores.dynamodb.chunked_text import TornTextError, text_of
from watcher.stores.dynamodb.items import Place, shard_of
from watcher.stores.dynamodb.lane_index import Index, Row
from watcher.stores.dynamodb.operator_outbox import DynamoOutbox, ended
from watcher.stores.dynamodb.table import MOST_WRITTEN, PRESENT, Delete, Put, Update, gather

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    from watcher.aws.sessions import Sessions
    from watcher.core.events import Event
    from watcher.core.ports import DeliveryOutcome
    from watcher.core.state_url import Address
    from watcher.stores.dynamodb.items import EventKey, Item, Value
    from watcher.stores.dynamodb.table import Operation

log = structlog.get_logger()

REFRESH, REFRESH_WITHOUT_LEASES = 60.0, 5.0
"""Seconds between looks at all that waits: an operator, or a watcher that held the shard before, may change it."""

BODIES = 16 * 1024 * 1024
"""Characters of events that are kept at hand."""

TOGETHER, ABREAST = 20, 4
"""Deliveries that are settled in one transaction; transactions at once where there are many."""


class ShardOutbox(DynamoOutbox):
    """The outbox's part of `protocols.Store`."""

    def __init__(self, address: Address, sessions: Sessions | None = None) -> None:
        """Nothing is held yet."""
        super().__init__(address, sessions)
        self.leases = address.leases
        self.held: set[int] = set()
        """The shards whose state and deliveries this watcher has at hand."""
        self.may: Callable[[int], bool] = self.held.__contains__
        """Whether what waits in a shard may be delivered at this moment."""
        self._index = Index()
        self._bodies: dict[EventKey, Event] = {}
        self._size = 0
        self._named: frozenset[str] = frozenset()
        """The sinks that this watcher took up, or named since as coming."""
        self._trusted = REFRESH if address.leases else 0.0
        """Seconds for which what was read is taken to be so: with leases nobody else settles."""

    async def announce_sinks(self, sinks: Collection[str]) -> None:
        """List sinks as `coming` before any delivery waits for them, so that no daemon takes them for removed.

        `register_sinks` follows later: a sink's history is replayed first, and a reload waits until the removed sinks
        have answered.
        """
        if self._named.issuperset(sinks):
            return
        coming = sorted(frozenset(sinks) - self._named)
        values: dict[str, Value] = {":none": [], ":coming": coming}
        await self.table.update(items.SINKS, "SET coming = list_append(if_not_exists(coming, :none), :coming)", values)
        self._named |= frozenset(coming)

    async def refresh(self, shard: int) -> None:
        """Look at all that waits in a held shard."""
        if shard in self.held:
            await self._read_lanes(shard)

    async def refresh_lanes(self, subject: str) -> None:
        """The same of one subject."""
        if shard_of(subject) in self.held:
            await self._read_lanes(shard_of(subject), subject)

    async def due(self, sink: str, limit: int) -> list[Delivery]:
        """What may not be delivered now holds up nothing of the other shards."""
        return await self._confirm_pending(lambda: self._due(sink, limit))

    async def lane_heads(
        self, sink: str, now: datetime, limit: int, skip: Collection[str] = (), failing: int | None = None
    ) -> list[Delivery]:
        moment = now.timestamp()
        return await self._confirm_pending(
            lambda: self._index.lane_heads(sink, moment, limit, skip, failing, self._may)
        )

    async def next_try(self, sink: str, now: datetime, skip: Collection[str] = ()) -> float | None:
        return self._index.next_try(sink, now.timestamp(), skip, self._may)

    async def waiting(self) -> Mapping[str, int]:
        """In the held shards."""
        return self._index.counts()

    async def retry_now(self, sink: str, since: float = -inf) -> None:
        """Only here: after a restart they rest as long as was written."""
        self._index.retry_now(sink, since)

    async def settle(self, results: Sequence[DeliveryOutcome], now: datetime) -> None:
        """What somebody else settled meanwhile is left as it is."""
        moment = now.timestamp()
        pending: list[tuple[DeliveryOutcome, Row, list[Operation]]] = []
        for result in results:
            row = self._row(result.delivery)
            # A try that is written already, by this or by another watcher, is not counted once more.
            counted = row is not None and row.tries > result.delivery.tries
            if row is not None and not (counted and result.state is DeliveryState.WAITING):
                pending.append((result, row, _settling(result, row, moment)))
        # Of one lane one after the other: what becomes of the second hangs on the first.
        batches = [pending[start : start + TOGETHER] for start in range(0, len(pending), TOGETHER)]
        for start in range(0, len(batches), ABREAST):
            await gather(self._settle_together(batch, moment) for batch in batches[start : start + ABREAST])

    async def _settle_together(self, batch: Sequence[tuple[DeliveryOutcome, Row, list[Operation]]], now: float) -> None:
        if len(batch) > 1 and await self.made([operation for _, _, some in batch for operation in some]):
            for result, row, _ in batch:
                await self._settled(result, row, now)
            return
        for result, row, operations in batch:
            if await self.made(operations):
                await self._settled(result, row, now)
            else:
                # Somebody else settled it or tried it, or this was written already, though no answer came.
                await self.refresh_lanes(row.place.subject)

    async def _settled(self, result: DeliveryOutcome, row: Row, now: float) -> None:
        """Take in what was written."""
        row.tries, row.tried, row.answer, row.seen = row.tries + 1, now, result.answer, self.monotonic()
        if result.failing:
            self._index.failed(row.place, now, result.pause)
        if result.state is DeliveryState.WAITING:
            return
        following = self._index.remove(row.place, failing=result.failing)
        if following is not None:
            await self.made([_lane_of(following)])

    def _row(self, delivery: Delivery) -> Row | None:
        """A delivery as it waits; None: it does not, as far as is known of a held shard."""
        place = Place(delivery.event.subject, delivery.sink, delivery.number, delivery.reminder)
        known = self._index.get(place)
        if known is not None or shard_of(place.subject) in self.held:
            return known
        return Row(
            place, delivery.event.id, delivery.recorded, delivery.tries,
            failures=delivery.failures, since=delivery.failing_since,
        )  # fmt: skip

    def _may(self, subject: str) -> bool:
        return self.may(shard_of(subject))

    def _due(self, sink: str, limit: int) -> list[Row]:
        return [row for row in self._index.due(sink) if self._may(row.place.subject)][:limit]

    async def _confirm_pending(self, choose: Callable[[], list[Row]]) -> list[Delivery]:
        """What `choose` finds in the index, as far as it still waits by the table; with what else it needs."""
        while True:
            rows = choose()
            old = [row for row in rows if row.seen < self.monotonic() - self._trusted]
            begun = self.monotonic()
            found = await self.table.get_all([items.waiting(shard_of(row.place.subject), row.place) for row in old])
            gone = [row for row in old if items.waiting(shard_of(row.place.subject), row.place) not in found]
            for row in old:
                row.seen = begun
            if gone:
                for row in gone:
                    self._index.remove(row.place)
                await gather(self._read_lanes(shard_of(each), each) for each in {row.place.subject for row in gone})
                continue
            told = await self._at_hand([row.event for row in rows])
            missing = [row for row in rows if row.event not in told]
            if missing:
                await gather(map(self._look_for_event, missing))
                continue
            waits = [row for row in rows if self._index.get(row.place) is not None]
            return [self._delivery(row, told[row.event]) for row in waits]

    async def _look_for_event(self, row: Row) -> None:
        """A delivery may be seen a moment before its event; one that has none was left by somebody's deleting."""
        waits = items.waiting(shard_of(row.place.subject), row.place)
        found = await self.table.agreed([waits, row.event.body])
        if waits not in found:
            self._index.remove(row.place)
        elif not await self._readable(found.get(row.event.body)):
            log.error("delivery.event_missing", event_id=row.event_id, subject=row.place.subject)
            await self._end(row, row.recorded, DeliveryState.DROPPED, "its event is not in the table, or not all of it")

    async def _readable(self, event: Item | None) -> bool:
        try:
            return event is not None and bool(await text_of(self.table, event))
        except TornTextError:
            return False

    def _delivery(self, row: Row, event: Event) -> Delivery:
        place, head = row.place, self._index.head(row)
        return Delivery(
            place.number, place.sink, event, row.recorded, place.reminder, row.tries, head.since, head.failures
        )

    async def _at_hand(self, keys: Collection[EventKey]) -> dict[EventKey, Event]:
        """The events; those read last are kept."""
        told = {key: self._bodies[key] for key in keys if key in self._bodies}
        read = await self.bodies([key for key in dict.fromkeys(keys) if key not in told])
        for key, event in read.items():
            self._keep(key, event)
        return told | read

    def _keep(self, key: EventKey, event: Event) -> None:
        if key not in self._bodies:
            self._bodies[key] = event
            self._size += len(event.body)
        while self._size > BODIES:
            oldest = next(iter(self._bodies))
            self._size -= len(self._bodies.pop(oldest).body)

    async def _read_lanes(self, shard: int, subject: str | None = None) -> None:
        """Take in what waits by the table, of a whole shard or one subject."""
        step = self._index.begin()
        try:
            begun = self.monotonic()
            found = await self.table.query(f"O#{shard}", "" if subject is None else items.lanes(subject))
            rows = [codec.row_of(item, begun) for item in found if "sink" in item]
            for note in [item for item in found if "owed" in item]:
                rows += await self._written_with(note, begun)
                rows += await self._write_owed(note)
            rows += await self._missed_predecessors(rows, begun)
            if subject is not None:
                self._index.replace(rows, step, lambda place: place.subject == subject)
            else:
                self._index.replace(rows, step, lambda place: shard_of(place.subject) == shard)
        finally:
            self._index.end(step)

    async def _missed_predecessors(self, rows: Sequence[Row], begun: float) -> list[Row]:
        """What was committed together with `rows`, comes before them, and was not seen.

        A query may show one item of a transaction and not yet another: order would break.
        """
        there, seen, more = {row.place for row in rows}, rows, list[Row]()
        while wanted := [before for row in seen if (before := row.before) is not None and before not in there]:
            found = await self.table.agreed([items.waiting(shard_of(place.subject), place) for place in wanted])
            seen = [codec.row_of(item, begun) for item in found.values()]
            there |= {row.place for row in seen}
            more += seen
        return more

    async def _written_with(self, note: Item, begun: float) -> list[Row]:
        """What was written of a commit beside a note of what it owed."""
        subject = str(note["subject"])
        state = await self.table.get(items.state(shard_of(subject), subject))
        found = await self.table.agreed(commit.written_with(state))
        return [codec.row_of(item, begun) for item in found.values() if "sink" in item]

    async def _write_owed(self, note: Item) -> list[Row]:
        """Write the deliveries that a commit left for later, step by step; whoever comes to it goes on with it."""
        shard, subject, rows = shard_of(str(note["subject"])), str(note["subject"]), commit.owed_rows(note)
        key, before = items.key_of(note), note
        for start in range(0, len(rows), MOST_WRITTEN - 1):
            some, rest = rows[start : start + MOST_WRITTEN - 1], rows[start + MOST_WRITTEN - 1 :]
            left, values = commit.owing(shard, subject, rest), {":tx": before["tx"]}
            if left is None:
                last: Operation = Delete(key, "tx = :tx", values)
            else:
                before = codec.at(key, {name: value for name, value in left.items() if name not in {"k", "s"}})
                last = Put(before, "tx = :tx", values)
            puts = [Put(codec.delivery_item(items.waiting(shard, row.place), row)) for row in some]
            if not await self.made([last, *puts]):
                break  # somebody else is at it, and what they write is read soon
        return rows

    async def _end(self, row: Row, now: float, state: DeliveryState, answer: str | None) -> bool:
        """Let what waits be over; whether it still waited."""
        done = await self.made(ended(row, now, state, answer))
        self._index.remove(row.place)
        return done

    async def dead_letter(self, sink: str, reason: str, now: datetime, before: datetime | None = None) -> int:
        """In the held shards."""
        until = inf if before is None else before.timestamp()
        rows = [row for row in self._index.due(sink) if row.recorded <= until]
        batches = [rows[start : start + TOGETHER] for start in range(0, len(rows), TOGETHER)]
        buried = 0
        for start in range(0, len(batches), ABREAST):
            # Commits and beats find room beside it.
            some = batches[start : start + ABREAST]
            buried += sum(await gather(self._bury_together(batch, now.timestamp(), reason) for batch in some))
        return buried

    async def _bury_together(self, rows: Sequence[Row], now: float, reason: str) -> int:
        operations = [each for row in rows for each in ended(row, now, DeliveryState.DEAD, reason)]
        if await self.made(operations):
            for row in rows:
                self._index.remove(row.place)
            return len(rows)
        return sum([await self._end(row, now, DeliveryState.DEAD, reason) for row in rows])


def _settling(result: DeliveryOutcome, row: Row, now: float) -> list[Operation]:
    """What is to be written of a try."""
    shard = shard_of(row.place.subject)
    if result.state is not DeliveryState.WAITING:
        tried = Row(row.place, row.event_id, row.recorded, row.tries + 1, now)
        return ended(tried, now, result.state, result.answer)
    values: dict[str, Value] = {
        ":one": 1,
        ":now": now,
        ":answer": items.sound(result.answer),
        ":tries": row.tries,
    }
    expression = "SET tries = tries + :one, tried = :now, answer = :answer"
    if result.failing:
        expression += ", failures = :failures, since = :since, next_try = :next"
        since = now if row.since is None else row.since
        values |= {":failures": row.failures + 1, ":since": since, ":next": now + result.pause}
    # A repeat of what was written counts no try twice.
    return [Update(items.waiting(shard, row.place), expression, values, f"{PRESENT} AND tries = :tries")]


def _lane_of(row: Row) -> Operation:
    """A delivery that takes over its lane's failures."""
    values: dict[str, Value] = {":failures": row.failures, ":next": row.next_try}
    expression = "SET failures = :failures, next_try = :next"
    if row.since is not None:
        values[":since"] = row.since
        expression += ", since = :since"
    return Update(items.waiting(shard_of(row.place.subject), row.place), expression, values)
