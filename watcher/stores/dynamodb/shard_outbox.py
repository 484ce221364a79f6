"""Hands out and settles the deliveries that wait in the held shards."""

import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from itertools import chain
from math import inf
from typing import Any, TypeVar

import structlog

from watcher.core.deliveries import Delivery, DeliveryOutcome, DeliveryState
from watcher.core.events import Event
from watcher.stores.dynamodb import codec, items
from watcher.stores.dynamodb.attributes import encodable
from watcher.stores.dynamodb.contents import EventCache
from watcher.stores.dynamodb.items import EventKey, Value, shard_of
from watcher.stores.dynamodb.lane_index import Place, Row
from watcher.stores.dynamodb.shard_lanes import ShardLanes
from watcher.stores.dynamodb.table import PRESENT, Delete, Operation, Update, batches, gather

T = TypeVar("T")
Pending = tuple[DeliveryOutcome, Row, list[Operation]]

log = structlog.get_logger()

_STREAK = "failures = :failures, since = :since, next_try = :next"

MAX_DUE = 100
"""The most deliveries in order that are read at a time: each event may have 200 KiB."""

LEASE_PAUSE_SECONDS = 0.1
"""The seconds until deliveries are due that wait for a lease: it may be good again in a moment."""

BATCH, PARALLEL = 20, 4
"""Deliveries that are settled in one transaction; transactions at once where there are many."""


class ShardOutbox:
    """The deliveries of the held shards, as long as the lease of each permits it.

    `may_deliver`: whether the deliveries of a shard may be handed out at this moment; `trusted_seconds`: for how long a
    delivery that was read is taken to wait still.
    """

    def __init__(self, lanes: ShardLanes, may_deliver: Callable[[int], bool], trusted_seconds: float) -> None:
        self._table = lanes.table
        self._lanes = lanes
        self._index = lanes.index
        self._events = EventCache(lanes.contents)
        self._may_deliver_shard = may_deliver
        self._trusted_seconds = trusted_seconds

    def may_deliver(self, subject: str) -> bool:
        return self._may_deliver_shard(shard_of(subject))

    async def due(self, sink: str, limit: int) -> list[Delivery]:
        most = min(limit, MAX_DUE)
        # What may not be delivered now must not hold up the other shards.
        return await self._confirm_pending(
            lambda: [row for row in self._index.due(sink) if self.may_deliver(row.place.subject)][:most]
        )

    async def lane_heads(
        self, sink: str, now: datetime, limit: int, skip: Collection[str] = (), failing: int | None = None
    ) -> list[Delivery]:
        moment = now.timestamp()
        return await self._confirm_pending(
            lambda: self._index.lane_heads(sink, moment, limit, skip, failing, self.may_deliver)
        )

    async def next_try(self, sink: str, now: datetime, skip: Collection[str] = ()) -> float | None:
        moment = now.timestamp()
        soonest = self._index.next_try(sink, moment, skip, self.may_deliver)
        if soonest is not None or (withheld := self._index.next_try(sink, moment, skip, self._lanes.holds)) is None:
            return soonest
        # The leases are not good at this moment; they are renewed several times in each term.
        return max(withheld, LEASE_PAUSE_SECONDS)

    async def waiting(self) -> Mapping[str, int]:
        """Return how many deliveries wait in the held shards, by sink."""
        return self._index.counts()

    async def retry_now(self, sink: str, since: float = -inf) -> None:
        """Change only the index: after a restart the lanes rest as long as was written."""
        self._index.retry_now(sink, since)

    async def settle(self, results: Sequence[DeliveryOutcome], now: datetime) -> Collection[Delivery]:
        moment = now.timestamp()
        rows = [(result, self._row(result.delivery)) for result in results]
        pending: list[Pending] = [
            (result, row, _settling(result, row, moment))
            for result, row in rows
            # A try that is written already, by this or by another daemon, is not counted once more.
            if row is not None and not (row.tries > result.delivery.tries and result.state is DeliveryState.WAITING)
        ]
        overtaken = await _in_batches(pending, lambda batch: self._settle_together(batch, moment))
        return [*(result.delivery for result, row in rows if row is None), *chain(*overtaken)]

    async def dead_letter(self, sink: str, reason: str, now: datetime, before: datetime | None = None) -> int:
        """Turn deliveries that wait in the held shards into dead letters; returns how many."""
        until = inf if before is None else before.timestamp()
        rows = [row for row in self._index.due(sink) if row.recorded <= until]
        return sum(await _in_batches(rows, lambda batch: self._dead_letter_together(batch, now.timestamp(), reason)))

    async def requeue(self, event_ids: Collection[str], sink: str | None, now: datetime) -> int:
        found = await self._lanes.contents.undelivered("D", event_ids)
        rows = [codec.row_of(item) for item in found if sink in (None, item["sink"]) and not item["reminder"]]
        return sum([await self._wait_again(row) for row in rows if self._lanes.holds(row.place.subject)])

    async def _wait_again(self, row: Row) -> bool:
        done = await self._table.try_transact([Delete(items.dead(row.place), PRESENT), *codec.wait_again(row)])
        if done:
            self._lanes.add(row)
        return done

    async def end(self, row: Row, now: float, state: DeliveryState, answer: str | None) -> bool:
        """End a waiting delivery; returns whether it still waited."""
        done = await self._table.try_transact(codec.end(row, now, state, answer))
        self._index.remove(row.place)
        return done

    async def _settle_together(self, batch: Sequence[Pending], now: float) -> list[Delivery]:
        """Record the outcomes of a few tries; return the deliveries that another daemon has settled."""
        together = [operation for _, _, some in batch for operation in some]
        if len(batch) > 1 and await self._table.try_transact(together):
            for result, row, _ in batch:
                await self._settled(result, row, now)
            return []
        overtaken = []
        # Of one lane one after the other: what becomes of the second depends on the first.
        for result, row, operations in batch:
            if await self._table.try_transact(operations):
                await self._settled(result, row, now)
            else:
                # Another daemon settled it or tried it, or this was written already, though no response came.
                await self._lanes.read_subject(row.place.subject)
                overtaken.append(result.delivery)
        return overtaken

    async def _settled(self, result: DeliveryOutcome, row: Row, now: float) -> None:
        """Update the index by what was written."""
        row.tries, row.tried, row.answer, row.seen = row.tries + 1, now, result.answer, time.monotonic()
        if result.failing:
            self._index.failed(row.place, now, result.pause)
        if result.state is DeliveryState.WAITING:
            return
        if following := self._index.remove(row.place, failing=result.failing):  # it takes over its lane's failures
            values = {":failures": following.failures, ":since": following.since or now, ":next": following.next_try}
            change = Update(items.waiting(following.place), PRESENT, values, f"SET {_STREAK}")
            await self._table.try_transact([change])

    async def _dead_letter_together(self, rows: Sequence[Row], now: float, reason: str) -> int:
        operations = [each for row in rows for each in codec.end(row, now, DeliveryState.DEAD, reason)]
        if await self._table.try_transact(operations):
            for row in rows:
                self._index.remove(row.place)
            return len(rows)
        return sum([await self.end(row, now, DeliveryState.DEAD, reason) for row in rows])

    def _row(self, delivery: Delivery) -> Row | None:
        """Return the waiting delivery; None: its shard is held, and it does not wait in it."""
        place = Place(delivery.event.subject, delivery.sink, delivery.number, delivery.reminder)
        known = self._index.get(place)
        if known is not None or self._lanes.holds(place.subject):
            return known
        return Row(
            place, delivery.event.id, delivery.recorded, delivery.tries,
            failures=delivery.failures, since=delivery.failing_since,
        )  # fmt: skip

    async def _confirm_pending(self, choose: Callable[[], list[Row]]) -> list[Delivery]:
        """Return the deliveries that `choose` finds in the index, those that still wait by the table."""
        while True:
            rows = choose()
            begun = time.monotonic()
            old = {items.waiting(row.place): row for row in rows if row.seen < begun - self._trusted_seconds}
            found = await self._table.get_all(old)
            for row in old.values():
                row.seen = begun
            if gone := [row.place for key, row in old.items() if key not in found]:
                for place in gone:
                    self._index.remove(place)
                await gather(self._lanes.read(shard_of(each), each) for each in {place.subject for place in gone})
                continue
            events = await self._events.events_at([EventKey.of(row) for row in rows])
            if missing := [row for row in rows if EventKey.of(row) not in events]:
                await gather(map(self._look_for_event, missing))
                continue
            return [
                self._delivery(row, events[EventKey.of(row)]) for row in rows if self._index.get(row.place) is not None
            ]

    async def _look_for_event(self, row: Row) -> None:
        """Drop a delivery whose event was deleted from the table; it may also be seen a moment before its event."""
        if not await self._table.get_committed([items.waiting(row.place)]):
            self._index.remove(row.place)
        elif not await self._events.events_at([EventKey.of(row)]):
            log.error("delivery.event_missing", event_id=row.event_id, subject=row.place.subject)
            await self.end(row, row.recorded, DeliveryState.DROPPED, "its event is not in the table, or not all of it")

    def _delivery(self, row: Row, event: Event) -> Delivery:
        place, head = row.place, self._index.head(row.place)
        return Delivery(
            place.number, place.sink, event, row.recorded, place.reminder, row.tries, head.since, head.failures,
            row.answer,
        )  # fmt: skip


async def _in_batches(each: Sequence[T], work: Callable[[Sequence[T]], Awaitable[Any]]) -> list[Any]:
    """Do `work` on a few batches at once: commits and heartbeats find room beside it."""
    return [done for some in batches(batches(each, BATCH), PARALLEL) for done in await gather(map(work, some))]


def _settling(result: DeliveryOutcome, row: Row, now: float) -> list[Operation]:
    """Return the operations that record the outcome of a try."""
    if result.state is not DeliveryState.WAITING:
        tried = Row(row.place, row.event_id, row.recorded, row.tries + 1, now)
        return codec.end(tried, now, result.state, result.answer)
    values: dict[str, Value] = {":one": 1, ":now": now, ":answer": encodable(result.answer), ":tries": row.tries}
    change = "SET tries = tries + :one, tried = :now, answer = :answer"
    if result.failing:
        change += f", {_STREAK}"
        since = now if row.since is None else row.since
        values |= {":failures": row.failures + 1, ":since": since, ":next": now + result.pause}
    # A repeat of what was written counts no try twice.
    return [Update(items.waiting(row.place), f"{PRESENT} AND tries = :tries", values, change)]
