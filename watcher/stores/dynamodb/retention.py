"""The recorded events: replayed to new sinks, released when a mute ends, repeated as reminders, and pruned."""

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import chain, islice
from math import inf

from watcher.core import reminders
from watcher.core.deliveries import DeliveryState, ReminderRequest
from watcher.core.events import Event
from watcher.core.incidents import BEGUN_BY, State
from watcher.core.ports import Entry
from watcher.core.retry_policy import OVER, REPLAYED
from watcher.stores.dynamodb import codec, forgotten, items
from watcher.stores.dynamodb.contents import SinkRegistry, forget_text, text_of
from watcher.stores.dynamodb.items import EventKey, Item, Key, shard_of
from watcher.stores.dynamodb.lane_index import Place, Row
from watcher.stores.dynamodb.shard_lanes import ShardLanes
from watcher.stores.dynamodb.shard_outbox import ShardOutbox
from watcher.stores.dynamodb.table import ABSENT, MAX_WRITTEN, Delete, Put, batches, gather

BATCH = 50  # events that are looked at together
DAY_SECONDS = 86400.0
LOOK_AGAIN_SECONDS = 300.0
"""After this a reminder request without an event is looked at again, if nothing of its subject has happened."""


class Retention:
    """Whatever lets a delivery of an old event wait marks the event, so that no daemon prunes it at the same moment."""

    def __init__(self, lanes: ShardLanes, outbox: ShardOutbox, sinks: SinkRegistry) -> None:
        self._table = lanes.table
        self._contents = lanes.contents
        self._lanes = lanes
        self._index = lanes.index
        self._outbox = outbox
        self._sinks = sinks
        self._not_before: dict[ReminderRequest, float] = {}
        """The earliest time of the next reminder, as far as is known (seconds since 1970)."""
        self._ended: dict[EventKey, float] = {}
        """When the last delivery ended for which an old event was kept."""

    async def replay(self, sink: str, since: datetime, wanted: Callable[[Event], bool]) -> int:
        moment, done = since.timestamp(), 0
        first = items.number_at(moment)
        await self._sinks.announce({sink})
        for hour in await self._contents.hours():
            if hour >= items.hour_of(first):
                places = [item async for item in self._table.pages(f"H#{hour}", since=f"{first:020}")]
                for some in batches([item for item in places if float(item["recorded"]) >= moment], BATCH):
                    done += await self._replay(some, sink, wanted)
        return done

    async def remind(self, requests: Sequence[ReminderRequest], now: datetime) -> int:
        """Remind, and cancel the reminders that wait in the held shards and are no longer requested."""
        requested, moment = {(request.sink, request.subject) for request in requests}, now.timestamp()
        over = [row for row in self._index.reminders() if (row.place.sink, row.place.subject) not in requested]
        await gather(self._outbox.end(row, moment, DeliveryState.DROPPED, OVER) for row in over)
        current = set(requests)
        self._not_before = {request: at for request, at in self._not_before.items() if request in current}
        return sum(await gather(self._remind(request, moment) for request in requests))

    async def prune(self, before: datetime, limit: int) -> int:
        moment = before.timestamp()
        done = await forgotten.prune(self._table, moment, limit)
        for hour in await self._contents.hours():
            if hour > items.hour_of(items.number_at(moment)):
                break
            places = [item async for item in self._table.pages(f"H#{hour}")]
            left = len(places)
            old = iter([codec.event_key(item) for item in places if float(item["recorded"]) < moment])
            # No more at a time than may still be deleted, so that no more are.
            while some := [*islice(old, min(BATCH, limit - done))]:
                deleted = sum(await gather(self._prune(key, moment) for key in some))
                done, left = done + deleted, left - deleted
            if done >= limit:
                return done
            # A daemon that writes into an hour lists it once; so it stays listed until no daemon can write into it.
            if not left and hour < items.hour_of(items.number_at(moment - DAY_SECONDS)):
                await self._table.write(Delete(Key("H", hour)))
        return done

    async def released(self, entry: Entry) -> list[Row]:
        """Return the deliveries of earlier events that an entry releases; none of an event that was pruned."""
        rows: list[Row] = []
        for event_id, sinks in entry.released:
            keys = [key for key in await self._contents.keys_of(event_id) if key.subject == entry.subject]
            event = await self._table.get(keys[-1].body) if keys else None
            if event is not None:
                places = [Place(entry.subject, sink, keys[-1].number, 0) for sink in dict.fromkeys(sinks)]
                rows += [Row(place, event_id, float(event["recorded"])) for place in places]
        return await self._never_had(rows)

    def subject_changed(self, subject: str) -> None:
        """Forget when the next reminders of a subject are due: it has new events."""
        self._not_before = {request: at for request, at in self._not_before.items() if request.subject != subject}

    async def _replay(self, some: Sequence[Item], sink: str, wanted: Callable[[Event], bool]) -> int:
        events = await self._contents.events_at(map(codec.event_key, some))
        rows = [
            Row(Place(key.subject, sink, key.number, 0), key.id, float(item["recorded"]), answer=REPLAYED)
            for item in some
            if (key := codec.event_key(item)) in events and wanted(events[key])
        ]
        return sum(await gather(map(self._let_wait, await self._never_had(rows))))

    async def _never_had(self, rows: Sequence[Row]) -> list[Row]:
        """Return those of `rows` that neither wait nor ended before."""
        had = [
            {items.waiting(row.place), items.dead(row.place), items.settled(row.event_id, row.place)} for row in rows
        ]
        found = await self._table.get_all(chain(*had))
        return [row for row, keys in zip(rows, had, strict=True) if keys.isdisjoint(found)]

    async def _let_wait(self, row: Row) -> bool:
        """Let an old event wait for a sink; returns False if the event was pruned, or waits already."""
        put = Put(codec.waiting_item(row), ABSENT)
        done = await self._table.try_transact([put, codec.touch(EventKey.of(row))])
        if done:
            self._lanes.add(row)
        return done

    async def _remind(self, request: ReminderRequest, now: float) -> bool:
        early = now < self._not_before.get(request, -inf) <= now + request.every
        if early or self._index.waits(request.sink, request.subject):
            return False
        item = await self._last_event(request.subject, request.type)
        if item is None:
            return False
        key, recorded = codec.event_key(item), float(item["recorded"])
        last = max(await self._ended_deliveries(key, request.sink), default=None)
        count = reminders.due(request, await text_of(self._table, item), last, now)
        if count is None:
            due = (last[1] if last else recorded) + request.every
            self._not_before[request] = due if due > now else now + LOOK_AGAIN_SECONDS
            return False
        self._not_before.pop(request, None)
        return await self._let_wait(Row(Place(request.subject, request.sink, key.number, count), key.id, recorded))

    async def _last_event(self, subject: str, kind: str) -> Item | None:
        async for item in self._table.pages(items.history(subject), newest=True, page=4):
            if item["type"] == kind and item["subject"] == subject:
                return item
        return None

    async def _ended_deliveries(self, key: EventKey, sink: str) -> list[tuple[int, float]]:
        """Return the ended deliveries of an event to a sink: the reminder's number, and when it ended."""
        prefix = f"{items.lanes(key.subject, sink)}{key.number:020}"
        settled, dead = await asyncio.gather(
            self._table.query(items.by_id(key.id), f"D{items.SEPARATOR}{prefix}"),
            self._table.query(f"D#{shard_of(key.subject)}", prefix),
        )
        return [(item["reminder"], codec.ended_at(item)) for item in (*settled, *dead)]

    async def _is_of_open_incident(self, key: EventKey, event: Item) -> bool:
        """Return whether an event opened an open incident of its subject, or is its last problem event of a type."""
        if event["type"] not in BEGUN_BY:
            return False
        state = await self._contents.record_of(await self._table.get(items.state(key.subject)))
        incident = state[1].incident if state is not None else None
        if incident is None:
            return False
        about = json.loads(await text_of(self._table, event))["data"].get("incident") or {}
        if about.get("id") != incident.id:
            return False
        if about["state"] == State.OPENED:
            return True
        last = await self._last_event(key.subject, str(event["type"]))
        return last is not None and codec.event_key(last) == key

    async def _prune(self, key: EventKey, before: float) -> bool:
        """Delete an old event with its ended deliveries unless it is still needed; returns whether it was deleted."""
        if self._ended.get(key, -inf) >= before:
            return False
        event = await self._table.get(key.body)
        if event is not None and await self._is_of_open_incident(key, event):
            return False
        waiting, dead, settled = await asyncio.gather(
            self._contents.undelivered_of("O", key.subject),
            self._contents.undelivered_of("D", key.subject),
            self._table.query(items.by_id(key.id), "D"),
        )
        mine = [item for item in (*dead, *settled) if codec.event_key(item) == key]
        recent = max((moment for item in mine if (moment := codec.ended_at(item)) >= before), default=None)
        old = [item for item in mine if codec.ended_at(item) < before]
        if recent is not None:
            self._ended[key] = recent
        if recent is not None or any(codec.event_key(item) == key for item in waiting):
            await gather(self._table.write(Delete(items.key_of(item))) for item in old if item["reminder"])
            return False
        self._ended.pop(key, None)
        seen = (event or {}).get("touched")
        untouched = ("touched = :t", {":t": seen}) if seen else ("attribute_not_exists(touched)",)
        places = [Delete(key.body, *untouched), Delete(key.in_history), Delete(key.by_id)]
        places += [Delete(items.key_of(item)) for item in old]
        if not await self._table.try_transact(places[:MAX_WRITTEN]):
            return False
        await gather(map(self._table.write, places[MAX_WRITTEN:]))
        await forget_text(self._table, event)
        return True
