"""Read access to the table, for commands and pages; every read is strongly consistent."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping
from datetime import datetime

from watcher.aws.sessions import Sessions
from watcher.core.events import Event, fitting
from watcher.core.ports import DeliveryQuery, DeliveryRecord, DeliveryState, EventQuery
from watcher.core.state import Record
from watcher.core.state_url import Address
from watcher.core.status import moment_of
from watcher.sources.subjects import matches_one_id, subject_matches
from watcher.stores.dynamodb import codec, items
from watcher.stores.dynamodb.client import Caller
from watcher.stores.dynamodb.contents import Contents
from watcher.stores.dynamodb.items import SHARDS, EventKey, Item
from watcher.stores.dynamodb.schema import check
from watcher.stores.dynamodb.table import MOST_READ, Table, gather
from watcher.util.globs import matches

PAGE = 200
"""Places in the history that are read at a time."""

LATE = 600
"""Seconds by which an event may be recorded after one with a greater number: a commit takes time, and clocks differ, by
as much as signatures allow (five minutes from AWS's, to either side)."""


class DynamoReader:
    """Reads what any daemon has written to the table."""

    prepares = False
    """Whether a table that was never used is made ready for use."""

    late = items.number_at(LATE)

    def __init__(self, address: Address, sessions: Sessions | None = None, table: Table | None = None) -> None:
        """`sessions`: the AWS sessions shared with other clients; `table`: one to use in place of an own one."""
        self.table = table or Table(address, Caller(address, sessions))
        self.contents = Contents(self.table)

    async def open(self) -> None:
        """Look whether the table can be used.

        Raises:
            StoreError: there is none, or it is not as it must be.
        """
        try:
            await check(self.table, preparing=self.prepares)
        except BaseException:
            await self.table.close()
            raise

    async def close(self) -> None:
        """Close the connections."""
        await self.table.close()

    async def records(self) -> dict[str, Record]:
        shards = await gather(self.table.query(f"T#{shard}") for shard in range(SHARDS))
        found = await gather(self.contents.record_of(item) for shard in shards for item in shard)
        return {subject: record for subject, record, _ in filter(None, found)}

    async def events(self, query: EventQuery) -> list[tuple[int, Event]]:
        found: list[Item] = []
        known = {EventKey(number, "", id_).sort for number, id_ in query.known}
        async for item in self._history(query):
            if _wanted(item, query) and item["s"] not in known:
                found.append(item)
                if len(found) >= query.limit:
                    break
        keys = sorted(map(codec.event_key, found), reverse=query.newest)
        events: list[tuple[int, Event]] = []
        for start in range(0, len(keys), MOST_READ):
            some = keys[start : start + MOST_READ]
            bodies = await self.contents.events_at(some)
            there = [(key.number, bodies[key]) for key in some if key in bodies]
            kept = fitting([*events, *there], query.size)
            full, events = len(kept) < len(events) + len(there), kept
            if full:
                break
        return events[::-1] if query.newest else events

    async def deliveries(self, query: DeliveryQuery) -> list[DeliveryRecord]:
        states = frozenset(query.states or DeliveryState)
        found = [
            item
            for item in await self.contents.deliveries(query.event_id, states)
            if codec.state_of(item) in states and query.sink in (None, item["sink"])
        ]
        found.sort(
            key=lambda item: (item["sink"], item["number"], item["subject"], item["reminder"]), reverse=query.newest
        )
        bodies = await self.contents.events_at([codec.event_key(item) for item in found[: query.limit]])
        pairs = [(item, bodies.get(codec.event_key(item))) for item in found[: query.limit]]
        return [codec.record_of(item, event) for item, event in pairs if event is not None]

    async def counts(self) -> Mapping[tuple[str, DeliveryState], int]:
        items = await self.contents.undelivered("OD")
        return Counter((str(item["sink"]), codec.state_of(item)) for item in items)

    async def find(self, event_id: str) -> list[tuple[int, Event]]:
        keys = await self.contents.keys_of(event_id)
        bodies = await self.contents.events_at(keys)
        return [(key.number, bodies[key]) for key in keys if key in bodies]

    async def registered_sinks(self) -> Collection[str]:
        return await self.contents.sinks("sinks")

    async def alive_at(self) -> datetime | None:
        item = await self.table.get(items.ALIVE)
        return moment_of((item or {}).get("at"))

    async def _history(self, query: EventQuery) -> AsyncIterator[Item]:
        """Places of events from which all that are wanted can be chosen, in the order that the query asks for."""
        first = query.after + 1
        if query.since is not None:
            # No event has a number of before it was recorded.
            first = max(first, items.number_at(query.since.timestamp()))
        if first >= items.END:
            return
        since, page = f"{first:020}", min(PAGE, query.limit)
        if query.target is not None and matches_one_id(query.target):
            async for item in self.table.pages(
                items.history(query.target), newest=query.newest, since=since, page=page
            ):
                yield item
            return
        async for listed in self.table.pages("H", newest=query.newest, since=items.hour_of(first)):
            async for item in self.table.pages(f"H#{listed['s']!s}", newest=query.newest, since=since, page=PAGE):
                yield item


def _wanted(item: Item, query: EventQuery) -> bool:
    return (
        (query.target is None or subject_matches(str(item["subject"]), query.target))
        and (not query.types or any(matches(str(item["type"]), glob) for glob in query.types))
        and (query.since is None or float(item["recorded"]) >= query.since.timestamp())
    )
