"""What an operator may change of what waits, beside any number of daemons; see `protocols.Outbox`."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from watcher.core.ports import DeliveryState
from watcher.stores.dynamodb import codec, items
from watcher.stores.dynamodb.client import RefusedError
from watcher.stores.dynamodb.items import Key, shard_of
from watcher.stores.dynamodb.reader import DynamoReader
from watcher.stores.dynamodb.table import ABSENT, PRESENT, Delete, Put, Update, gather

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from watcher.stores.dynamodb.items import EventKey, Item
    from watcher.stores.dynamodb.lane_index import Row
    from watcher.stores.dynamodb.table import Operation


class DynamoOutbox(DynamoReader):
    """Every change is one transaction that only holds for a delivery that is where it was seen."""

    async def requeue(self, event_ids: Collection[str], sink: str | None, now: datetime) -> int:
        """See `protocols.Outbox`."""
        enlisted = await self.registered_sinks()
        found = [
            item
            for item in await self._undelivered("D", event_ids)
            if sink in (None, item["sink"]) and item["sink"] in enlisted and not item["reminder"]
        ]
        return await self._change([(item, _revived(codec.row_of(item, 0.0))) for item in found])

    async def drop(self, event_id: str, sink: str | None, now: datetime) -> int:
        found = [item for item in await self._undelivered("OD", [event_id]) if sink in (None, item["sink"])]
        return await self._change([(item, _dropped(item, now.timestamp())) for item in found])

    async def _undelivered(self, kinds: str, event_ids: Collection[str]) -> list[Item]:
        if not event_ids:
            return await self._of_shards(kinds)
        found = []
        for event_id in dict.fromkeys(event_ids):
            subjects = {key.subject for key in await self.places_of(event_id)}
            for some in await gather(self.of_subject(kind, subject) for kind in kinds for subject in subjects):
                found += [item for item in some if item["id"] == event_id]
        return found

    async def _change(self, changes: Sequence[tuple[Item, Sequence[Operation]]]) -> int:
        """Make those changes that still can be; tell the watchers that hold the shards. How many there were."""
        by_event: dict[EventKey, list[Sequence[Operation]]] = defaultdict(list)
        for item, operations in changes:
            by_event[codec.event_key(item)].append(operations)
        shards: set[int] = set()

        async def change(key: EventKey, each: Sequence[Sequence[Operation]]) -> int:
            # One after the other: transactions on one event would cancel each other.
            count = 0
            for operations in each:
                if await self.made(operations):
                    shards.add(shard_of(key.subject))
                    count += 1
            return count

        try:
            return sum(await gather(change(key, each) for key, each in by_event.items()))
        finally:
            told = (self.table.update(Key("L", f"S#{shard}"), "ADD news :one", {":one": 1}) for shard in shards)
            await gather(told)

    async def made(self, operations: Sequence[Operation]) -> bool:
        """Whether a change was made: False when somebody else was there before."""
        try:
            await self.table.transact(operations)
        except RefusedError:
            return False
        return True


def touched(key: EventKey) -> Operation:
    """Something waits for a sink that did not before: whoever found that an event is not needed must look again."""
    return Update(key.body, "ADD touched :one", {":one": 1})


def ended(row: Row, now: float, state: DeliveryState, answer: str | None) -> list[Operation]:
    """What waits has ended so; a dead letter keeps its place among those of its subject."""
    place, shard = row.place, shard_of(row.place.subject)
    if state is DeliveryState.DEAD:
        key, more = items.dead(shard, place), {}
    else:
        key, more = items.settled(row.event_id, place), {"state": state.value}
    item = codec.delivery_item(key, row, ended=now, answer=answer, failures=None, since=None, next_try=None, **more)
    return [Delete(items.waiting(shard, place), PRESENT), Put(item)]


def _revived(row: Row) -> list[Operation]:
    shard = shard_of(row.place.subject)
    item = codec.delivery_item(items.waiting(shard, row.place), row)
    return [Delete(items.dead(shard, row.place), PRESENT), Put(item, ABSENT), touched(row.event)]


def _dropped(item: Item, now: float) -> list[Operation]:
    row, key = codec.row_of(item, 0.0), items.key_of(item)
    told = codec.delivery_item(
        items.settled(row.event_id, row.place), row, ended=now, state=DeliveryState.DROPPED.value,
        failures=None, since=None, next_try=None,
    )  # fmt: skip
    return [Delete(key, PRESENT), Put(told)]
