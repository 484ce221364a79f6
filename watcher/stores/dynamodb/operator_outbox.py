"""The changes that an operator makes, beside any number of daemons."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from watcher.core.deliveries import DeliveryState
from watcher.core.state_url import Address
from watcher.stores.dynamodb import codec, items
from watcher.stores.dynamodb.items import EventKey, Item, shard_of
from watcher.stores.dynamodb.lease_table import lease_key
from watcher.stores.dynamodb.reader import DynamoReader
from watcher.stores.dynamodb.table import PRESENT, Delete, Operation, Put, Table, Update, gather


class DynamoOutbox(DynamoReader):
    """Every change is one transaction that only holds for a delivery that is where it was seen."""

    def __init__(self, address: Address, table: Table | None = None) -> None:
        super().__init__(address, table=table)
        self.add_mute, self.end_mute = self._hand.add_mute, self._hand.end_mute
        self.acknowledge = self._hand.acknowledge

    async def requeue(self, event_ids: Collection[str], sink: str | None, now: datetime) -> int:
        registered = await self.registered_sinks()
        return await self._move(
            (item, codec.wait_again(codec.row_of(item)))
            for item in await self.contents.undelivered("D", event_ids)
            if item["sink"] in registered and sink in (None, item["sink"]) and not item["reminder"]
        )

    async def drop(self, event_id: str, sink: str | None, now: datetime) -> int:
        found = [(item, codec.row_of(item)) for item in await self.contents.undelivered("OD", [event_id])]
        return await self._move(
            (item, [Put(codec.ended_item(row, DeliveryState.DROPPED, now.timestamp(), row.answer))])
            for item, row in found
            if sink in (None, item["sink"])
        )

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
            await gather(
                self.table.write(Update(lease_key(shard), "", {":one": 1}, "ADD news :one")) for shard in shards
            )
