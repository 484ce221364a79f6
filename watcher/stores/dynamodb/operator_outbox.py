"""The changes that an operator makes to deliveries, beside any number of daemons."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime

from watcher.core.ports import DeliveryState
from watcher.stores.dynamodb import codec, items
from watcher.stores.dynamodb.items import EventKey, Item, shard_of
from watcher.stores.dynamodb.lease_table import lease
from watcher.stores.dynamodb.reader import DynamoReader
from watcher.stores.dynamodb.table import ABSENT, PRESENT, Delete, Operation, Put, Update, gather
from watcher.stores.lane_index import Row


class DynamoOutbox(DynamoReader):
    """Every change is one transaction that only holds for a delivery that is where it was seen."""

    async def requeue(self, event_ids: Collection[str], sink: str | None, now: datetime) -> int:
        registered = await self.registered_sinks()
        found = [
            item
            for item in await self._undelivered("D", event_ids, sink)
            if item["sink"] in registered and not item["reminder"]
        ]
        return await self._change([(item, _requeued(codec.row_of(item, 0.0))) for item in found])

    async def drop(self, event_id: str, sink: str | None, now: datetime) -> int:
        found = await self._undelivered("OD", [event_id], sink)
        return await self._change([(item, _dropped(item, now.timestamp())) for item in found])

    async def _undelivered(self, kinds: str, event_ids: Collection[str], sink: str | None) -> list[Item]:
        found: list[Item] = [] if event_ids else await self.contents.undelivered(kinds)
        for event_id in dict.fromkeys(event_ids):
            found += await self.contents.undelivered(kinds, event_id)
        return [item for item in found if sink in (None, item["sink"])]

    async def _change(self, changes: Sequence[tuple[Item, Sequence[Operation]]]) -> int:
        """Make the changes that are still possible, and notify the daemons that hold the shards; returns how many."""
        by_event: dict[EventKey, list[Sequence[Operation]]] = defaultdict(list)
        for item, operations in changes:
            by_event[codec.event_key(item)].append(operations)
        shards: set[int] = set()

        async def change(key: EventKey, each: Sequence[Sequence[Operation]]) -> int:
            # One after the other: transactions on one event would cancel each other.
            count = 0
            for operations in each:
                if await self.table.try_transact(operations):
                    shards.add(shard_of(key.subject))
                    count += 1
            return count

        try:
            return sum(await gather(change(key, each) for key, each in by_event.items()))
        finally:
            await gather(self.table.update(lease(shard), "ADD news :one", {":one": 1}) for shard in shards)


def touched(key: EventKey) -> Operation:
    """Mark an event for which a delivery waits again: a daemon that found it unneeded must read it once more."""
    return Update(key.body, "ADD touched :one", {":one": 1})


def ended(row: Row, now: float, state: DeliveryState, answer: str | None) -> list[Operation]:
    """Return the operations that end a waiting delivery."""
    return [Delete(items.waiting(row.place), PRESENT), Put(codec.ended_item(row, state, now, answer))]


def _requeued(row: Row) -> list[Operation]:
    put = Put(codec.waiting_item(row), ABSENT)
    return [Delete(items.dead(row.place), PRESENT), put, touched(EventKey.of(row))]


def _dropped(item: Item, now: float) -> list[Operation]:
    row = codec.row_of(item, 0.0)
    return [Delete(items.key_of(item), PRESENT), Put(codec.ended_item(row, DeliveryState.DROPPED, now, row.answer))]
