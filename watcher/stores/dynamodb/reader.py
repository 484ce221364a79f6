"""Read access to the table, for commands and pages; every read is strongly consistent."""

from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial

from watcher.aws.sessions import Sessions
from watcher.core.deliveries import DeliveryRecord, DeliveryState
from watcher.core.events import Event, fitting
from watcher.core.queries import DeliveryQuery, EventQuery
from watcher.core.state import Record
from watcher.core.state_url import Address
from watcher.core.status import moment_of
from watcher.sources.subjects import matches_one_id, subject_matches
from watcher.stores.dynamodb import codec, items
from watcher.stores.dynamodb.by_hand import HandItems
from watcher.stores.dynamodb.client import Caller
from watcher.stores.dynamodb.contents import Contents
from watcher.stores.dynamodb.history import HistoryItems
from watcher.stores.dynamodb.items import EventKey, Item
from watcher.stores.dynamodb.listings import Listings
from watcher.stores.dynamodb.schema import check
from watcher.stores.dynamodb.table import MAX_READ, Table, batches
from watcher.util.globs import let_through

PAGE = 200  # places in the history that are read at a time
LATE = 600
"""Seconds by which an event may be recorded after one with a greater number: a commit takes time, and clocks differ, by
as much as signatures allow (five minutes from AWS's, to either side)."""


class DynamoReader:
    """Reads what any daemon has written to the table."""

    late = items.number_at(LATE)

    def __init__(self, address: Address, sessions: Sessions | None = None, table: Table | None = None) -> None:
        """`sessions`: the AWS sessions shared with other clients; `table`: one to use in place of an own one."""
        self.table = table or Table(address, Caller(address, sessions))
        self.contents = Contents(self.table)
        self._listings = Listings(self.contents)
        self.listings = self._listings.read
        self._hand = HandItems(self.contents)
        self.by_hand = self._hand.read
        self._history_items = HistoryItems(self.contents)
        self.history = self._history_items.read

    async def open(self) -> None:
        try:
            await self._prepare()
        except BaseException:
            await self.table.close()
            raise

    async def close(self) -> None:
        await self.table.close()

    async def _prepare(self) -> None:
        await check(self.table)

    async def records(self) -> dict[str, Record]:
        states = await self.contents.records_of(await self.contents.shards("T"))
        return {subject: record for subject, record, _ in states}

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
        for some in batches(keys, MAX_READ):
            events += await self._numbered(some)
            count, events = len(events), fitting(events, query.size)
            if len(events) < count:
                break
        return events[::-1] if query.newest else events

    async def deliveries(self, query: DeliveryQuery) -> list[DeliveryRecord]:
        found = await self.contents.deliveries(query.event_id, query.states or [*DeliveryState])
        wanted = [
            item for item in found if query.sink in (None, item["sink"]) and query.answer in (None, item.get("answer"))
        ]
        wanted = sorted(wanted, key=codec.order_of, reverse=query.newest)[: query.limit]
        events = await self.contents.events_at(map(codec.event_key, wanted))
        return [codec.record_of(item, events[key]) for item in wanted if (key := codec.event_key(item)) in events]

    async def counts(self) -> Mapping[tuple[str, DeliveryState], int]:
        found = await self.contents.undelivered("OD")
        return Counter((str(item["sink"]), codec.state_of(item)) for item in found)

    async def find(self, event_id: str) -> list[tuple[int, Event]]:
        return await self._numbered(await self.contents.keys_of(event_id))

    async def registered_sinks(self) -> Collection[str]:
        return await self.contents.sinks("sinks")

    async def alive_at(self) -> datetime | None:
        item = await self.table.get(items.ALIVE)
        return moment_of((item or {}).get("at"))

    async def _numbered(self, keys: Sequence[EventKey]) -> list[tuple[int, Event]]:
        events = await self.contents.events_at(keys)
        return [(key.number, events[key]) for key in keys if key in events]

    async def _history(self, query: EventQuery) -> AsyncIterator[Item]:
        """Places of events from which all that are wanted can be chosen, in the order that the query asks for."""
        first = query.after + 1
        if query.since is not None:
            # No event has a number of before it was recorded.
            first = max(first, items.number_at(query.since.timestamp()))
        end = items.END if query.before is None else query.before
        if first >= end:
            return
        pages = partial(self.table.pages, newest=query.newest)
        # No sort key equals a number: the event's id follows it.
        since, until = f"{first:020}", f"{end:020}"
        if query.target is not None and matches_one_id(query.target):
            async for item in pages(items.history(query.target), since=since, until=until, page=min(PAGE, query.limit)):
                yield item
            return
        async for listed in pages("H", since=items.hour_of(first), until=items.hour_of(end)):
            async for item in pages(f"H#{listed['s']!s}", since=since, until=until, page=PAGE):
                yield item


def _wanted(item: Item, query: EventQuery) -> bool:
    return (
        (query.target is None or subject_matches(str(item["subject"]), query.target))
        and let_through(query.types, str(item["type"]))
        and (query.since is None or float(item["recorded"]) >= query.since.timestamp())
    )
