"""The changes that an operator makes to deliveries, beside any number of daemons."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from watcher.core.ports import DeliveryState
from watcher.stores.dynamodb import codec, items
from watcher.stores.dynamodb.items import EventKey, Item, shard_of
from watcher.stores.dynamodb.lease_table import lease
from watcher.stores.dynamodb.reader import DynamoReader
from watcher.stores.dynamodb.table import ABSENT, PRESENT, Delete, Operation, Put, Update, gather


class DynamoOutbox(DynamoReader):
    """Every change is one transaction that only holds for a delivery that is where it was seen."""

    async def requeue(self, event_ids: Collection[str], sink: str | None, now: datetime) -> int:
        registered = await self.registered_sinks()
        found = await self._undelivered("D", event_ids, sink)
        wanted = [item for item in found if item["sink"] in registered and not item["reminder"]]
        return await self._move(
            (item, [Put(codec.waiting_item(codec.row_of(item)), ABSENT), codec.touch(codec.event_key(item))])
            for item in wanted
        )

    async def drop(self, event_id: str, sink: str | None, now: datetime) -> int:
        found = [(item, codec.row_of(item)) for item in await self._undelivered("OD", [event_id], sink)]
        state, moment = DeliveryState.DROPPED, now.timestamp()
        return await self._move((item, [Put(codec.ended_item(row, state, moment, row.answer))]) for item, row in found)

    async def _undelivered(self, kinds: str, event_ids: Collection[str], sink: str | None) -> list[Item]:
        found: list[Item] = [] if event_ids else await self.contents.undelivered(kinds)
        for event_id in dict.fromkeys(event_ids):
            found += await self.contents.undelivered(kinds, event_id)
        return [item for item in found if sink in (None, item["sink"])]

    async def _move(self, moves: Iterable[tuple[Item, Sequence[Operation]]]) -> int:
        """Delete each item that is still there and carry out the operations that replace it; returns how many were.

        The daemons that hold the shards are notified.
        """
        by_event: dict[EventKey, list[Sequence[Operation]]] = defaultdict(list)
        for item, operations in moves:
            by_event[codec.event_key(item)].append([Delete(items.key_of(item), PRESENT), *operations])
        shards: set[int] = set()

        async def move(key: EventKey, each: Sequence[Sequence[Operation]]) -> int:
            # One after the other: transactions on one event would cancel each other.
            count = 0
            for operations in each:
                if await self.table.try_transact(operations):
                    shards.add(shard_of(key.subject))
                    count += 1
            return count

        try:
            return sum(await gather(move(key, each) for key, each in by_event.items()))
        finally:
            await gather(self.table.write(Update(lease(shard), "", {":one": 1}, "ADD news :one")) for shard in shards)
