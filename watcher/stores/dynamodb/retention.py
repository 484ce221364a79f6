"""The history's part of `protocols.Store`: replayed to new sinks, reminded of, and ended."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from math import inf
from typing import TYPE_CHECKING

from watcher.core import reminders
from watcher.core.ports import DeliveryState
from watcher.stores.dynamodb import chunked_text, codec, items
from watcher.stores.dynamodb.items import Key, Place, shard_of
from watcher.stores.dynamodb.lane_index import Row
from watcher.stores.dynamodb.operator_outbox import touched
from watcher.stores.dynamodb.shard_outbox import ShardOutbox
from watcher.stores.dynamodb.table import ABSENT, MOST_WRITTEN, Delete, Put, gather
from watcher.stores.sqlite.outbox import OVER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from watcher.aws.sessions import Sessions
    from watcher.core.events import Event
    from watcher.core.ports import ReminderRequest
    from watcher.core.state_url import Address
    from watcher.stores.dynamodb.items import EventKey, Item
    from watcher.stores.dynamodb.table import Operation

STEP = 50
"""Events that are looked at together."""

DAY = 86400.0

LOOK_AGAIN = 300.0
"""Seconds after which a wish that means no event is looked at anew, if nothing of its subject has happened."""


class Retention(ShardOutbox):
    """Whatever makes an old event wait anew touches the event, so that nobody ends it at the same moment."""

    def __init__(self, address: Address, sessions: Sessions | None = None) -> None:
        """Nothing is known of the history yet."""
        super().__init__(address, sessions)
        self._not_before: dict[ReminderRequest, float] = {}
        """When a wish may come true, as far as is known (seconds since 1970)."""
        self._ended: dict[EventKey, float] = {}
        """When the last delivery of an old event ended, that is kept for it."""

    async def replay(self, sink: str, since: datetime, wanted: Callable[[Event], bool]) -> int:
        moment, done = since.timestamp(), 0
        first = items.number_at(moment)
        await self.announce_sinks({sink})
        for hour in await self.hours():
            if hour < items.hour_of(first):
                continue
            places = [item async for item in self.table.pages(f"H#{hour}", since=f"{first:020}")]
            old = [item for item in places if items.real_in(item, "recorded") >= moment]
            for some in _steps(old):
                done += sum(await gather(self._replayed(item, sink, wanted) for item in some))
        return done

    async def remind(self, wishes: Sequence[ReminderRequest], now: datetime) -> int:
        """What waits in the held shards is called off."""
        wished, moment = {(wish.sink, wish.subject) for wish in wishes}, now.timestamp()
        over = [row for row in self._index.reminders() if (row.place.sink, row.place.subject) not in wished]
        await gather(self._end(row, moment, DeliveryState.DROPPED, OVER) for row in over)
        current = set(wishes)
        self._not_before = {wish: at for wish, at in self._not_before.items() if wish in current}
        return sum(await gather(self._remind(wish, moment) for wish in wishes))

    async def prune(self, before: datetime, limit: int) -> int:
        moment, done = before.timestamp(), 0
        for hour in await self.hours():
            if hour > items.hour_of(items.number_at(moment)):
                break
            places = [item async for item in self.table.pages(f"H#{hour}")]
            left = len(places)
            old = [item for item in places if items.real_in(item, "recorded") < moment]
            while old and done < limit:
                # No more at a time than may still end, so that no more do.
                some, old = old[: min(STEP, limit - done)], old[min(STEP, limit - done) :]
                ended = sum(await gather(self._prune(codec.event_key(item), moment) for item in some))
                done, left = done + ended, left - ended
            if done >= limit:
                return done
            # Whoever writes into an hour lists it once; so it stays listed until nobody can.
            if not left and hour < items.hour_of(items.number_at(moment - DAY)):
                await self.table.delete(Key("H", hour))
        return done

    def _news_of(self, subject: str) -> None:
        """What was known of wishes for it may be so no more."""
        self._not_before = {wish: at for wish, at in self._not_before.items() if wish.subject != subject}

    @staticmethod
    def _wall() -> datetime:
        return datetime.now(UTC)

    async def _replayed(self, item: Item, sink: str, wanted: Callable[[Event], bool]) -> bool:
        key = codec.event_key(item)
        event = (await self.bodies([key])).get(key)
        if event is None or not wanted(event):
            return False
        row = Row(Place(key.subject, sink, key.number, 0), key.id, items.real_in(item, "recorded"))
        shard = shard_of(key.subject)
        had = [items.waiting(shard, row.place), items.dead(shard, row.place), items.settled(key.id, row.place)]
        return not await self.table.get_all(had) and await self._let_wait(row)

    async def _let_wait(self, row: Row) -> bool:
        """Let an old event wait for a sink; whether it was still there, and did not."""
        shard = shard_of(row.place.subject)
        put = Put(codec.delivery_item(items.waiting(shard, row.place), row), ABSENT)
        if not await self.made([put, touched(row.event)]):
            return False
        if shard in self.held:
            row.seen = self.monotonic()
            self._index.add(row)
        return True

    async def _remind(self, wish: ReminderRequest, now: float) -> int:
        if self._index.waits(wish.sink, wish.subject) or now < self._not_before.get(wish, -inf) <= now + wish.every:
            return 0
        found = await self._last_event(wish.subject, wish.type)
        if found is None:
            return 0
        key, event, recorded = found
        ended = await self._deliveries_of(key, wish.sink)
        last = max(ended, default=None)
        count = reminders.due(wish, event.body, recorded, last, now)
        if count is None:
            due = (last[1] if last else recorded) + wish.every
            self._not_before[wish] = due if due > now else now + LOOK_AGAIN
            return 0
        row = Row(Place(wish.subject, wish.sink, key.number, count), key.id, recorded)
        self._not_before.pop(wish, None)
        return int(await self._let_wait(row))

    async def _last_event(self, subject: str, kind: str) -> tuple[EventKey, Event, float] | None:
        """A subject's last event of a type, and when it was recorded."""
        async for item in self.table.pages(items.history(subject), newest=True, page=4):
            if item["type"] == kind and item["subject"] == subject:
                event = codec.event_of(item, await chunked_text.text_of(self.table, item))
                return codec.event_key(item), event, items.real_in(item, "recorded")
        return None

    async def _deliveries_of(self, key: EventKey, sink: str) -> list[tuple[int, float]]:
        """Of each delivery of an event to a sink that has ended, the reminder's count and when it did."""
        dead = f"{items.lane(key.subject, sink)}{key.number:020}"
        settled, letters = await asyncio.gather(
            self.table.query(items.by_id(key.id), f"D\x1f{dead}"),
            self.table.query(f"D#{shard_of(key.subject)}", dead),
        )
        return [(codec.place_of(item).reminder, codec.ended_at(item)) for item in (*settled, *letters)]

    async def _prune(self, key: EventKey, before: float) -> bool:
        """Let an old event end, with all that is known of it, unless it is still needed; whether it did."""
        if self._ended.get(key, -inf) >= before:
            return False
        event = await self.table.get(key.body)
        waiting, letters, settled = await asyncio.gather(
            self.of_subject("O", key.subject),
            self.of_subject("D", key.subject),
            self.table.query(items.by_id(key.id), "D"),
        )
        mine = [item for item in (*letters, *settled) if codec.event_key(item) == key]
        recent = [moment for item in mine if (moment := codec.ended_at(item)) >= before]
        old = [item for item in mine if codec.ended_at(item) < before]
        if recent or any(codec.event_key(item) == key for item in waiting):
            if recent:
                self._ended[key] = max(recent)
            await gather(self.table.delete(items.key_of(item)) for item in old if item["reminder"])
            return False
        self._ended.pop(key, None)
        places: list[Operation] = [Delete(key.in_history), Delete(key.by_id)]
        places += [Delete(items.key_of(item)) for item in old[: MOST_WRITTEN - 3]]
        seen = (event or {}).get("touched")
        unchanged = (
            Delete(key.body, "touched = :t", {":t": seen})
            if seen
            else Delete(key.body, "attribute_not_exists(touched)")
        )
        if not await self.made([unchanged, *places]):
            return False
        await gather(self.table.delete(items.key_of(item)) for item in old[MOST_WRITTEN - 3 :])
        await chunked_text.forget(self.table, event)
        return True


def _steps(places: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(places), STEP):
        yield places[start : start + STEP]
