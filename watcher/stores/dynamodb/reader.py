"""What the table holds, for those who only look; every read is strongly consistent."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

import structlog

from watcher.core import state
from watcher.core.events import check_event, fitting
from watcher.core.liveness import moment_of
from watcher.core.ports import DeliveryState
from watcher.core.subjects import matches_one_id, subject_matches
from watcher.errors import StoreError
from watcher.stores.dynamodb import codec, items
from watcher.stores.dynamodb.chunked_text import TornTextError, text_of
from watcher.stores.dynamodb.client import Caller
from watcher.stores.dynamodb.items import SHARDS, EventKey, shard_of
from watcher.stores.dynamodb.schema import check
from watcher.stores.dynamodb.table import MOST_READ, Table, gather
from watcher.util.globs import matches

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Mapping
    from datetime import datetime

    from watcher.aws.sessions import Sessions
    from watcher.core.events import Event
    from watcher.core.ports import DeliveryQuery, DeliveryRecord, EventQuery
    from watcher.core.state import Record
    from watcher.core.state_url import Address
    from watcher.stores.dynamodb.items import Item

log = structlog.get_logger()

PAGE = 200
"""Places in the history that are read at a time."""

LATE = 600
"""Seconds by which an event may be recorded after one with a greater number: a commit takes time, and clocks differ, by
as much as signatures allow (five minutes from AWS's, to either side)."""

TORN = 3
"""Tries of reading a text that is replaced meanwhile."""

_SETTLED = {DeliveryState.SENT, DeliveryState.DROPPED}


class DynamoReader:
    """See `protocols.Reader`."""

    prepares = False
    """Whether a table that was never used is made ready for use."""

    late = items.number_at(LATE)

    def __init__(self, address: Address, sessions: Sessions | None = None) -> None:
        """Nothing is opened yet. `sessions`: the AWS sessions shared with other clients."""
        self.table = Table(address, Caller(address, sessions))

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
        found = await gather(self.record_of(item) for shard in shards for item in shard)
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
            bodies = await self.bodies(some)
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
            for item in await self._deliveries(query.event_id, states)
            if codec.state_of(item) in states and query.sink in (None, item["sink"])
        ]
        found.sort(
            key=lambda item: (item["sink"], item["number"], item["subject"], item["reminder"]), reverse=query.newest
        )
        bodies = await self.bodies([codec.event_key(item) for item in found[: query.limit]])
        told = [(item, bodies.get(codec.event_key(item))) for item in found[: query.limit]]
        return [codec.record_of(item, event) for item, event in told if event is not None]

    async def counts(self) -> Mapping[tuple[str, DeliveryState], int]:
        items = await self._of_shards("OD")
        return Counter((str(item["sink"]), codec.state_of(item)) for item in items)

    async def find(self, event_id: str) -> list[tuple[int, Event]]:
        places = await self.table.query(items.by_id(event_id), "E")
        keys = sorted(map(codec.event_key, places))
        bodies = await self.bodies(keys)
        return [(key.number, bodies[key]) for key in keys if key in bodies]

    async def registered_sinks(self) -> Collection[str]:
        return _names(await self.table.get(items.SINKS), "sinks")

    async def known_sinks(self) -> frozenset[str]:
        """Those, and the sinks that a watcher is about to take up: what waits for any other was left by one removed."""
        item = await self.table.get(items.SINKS)
        return _names(item, "sinks") | _names(item, "coming")

    async def bodies(self, keys: Iterable[EventKey]) -> dict[EventKey, Event]:
        """The events at these places; one that is not there (any more) is left out."""
        wanted = {key.body: key for key in keys}
        found = await self.table.get_all(wanted.keys())
        told: dict[EventKey, Event] = {}
        for place, item in found.items():
            try:
                told[wanted[place]] = check_event(codec.event_of(item, await text_of(self.table, item)))
            except TornTextError:  # it was pruned meanwhile
                log.debug("event.pruned", event_id=item["id"])
            except ValueError as error:
                raise StoreError(
                    f"{self.table.address}: the event {item['id']!s} of {item['subject']!s} cannot be read ({error}); "
                    "restore the table to an earlier time, or delete that item"
                ) from error
        return told

    async def record_of(self, item: Item | None) -> tuple[str, Record, Item] | None:
        """The subject and the state that an item tells of, with the item as it is by now; None: it is gone.

        Raises:
            StoreError: it cannot be read.
        """
        for _ in range(TORN):
            if item is None:
                return None
            try:
                subject = str(item["subject"])
                return subject, state.load(await text_of(self.table, item), subject), item
            except TornTextError:
                item = await self.table.get(items.key_of(item))
            except ValueError as error:
                raise StoreError(
                    f"{self.table.address}: the state of {item['subject']!s} cannot be read ({error}); restore the "
                    "table to an earlier time, or delete that item"
                ) from error
        raise StoreError(f"{self.table.address}: a part of the state of a subject is missing")

    async def alive_at(self) -> datetime | None:
        item = await self.table.get(items.ALIVE)
        return moment_of((item or {}).get("at"))

    async def places_of(self, event_id: str) -> list[EventKey]:
        """Where an event is, each time that it was recorded."""
        return sorted(map(codec.event_key, await self.table.query(items.by_id(event_id), "E")))

    async def of_subject(self, kind: str, subject: str) -> list[Item]:
        """What waits (`O`), or is dead (`D`), of a subject."""
        found = await self.table.query(f"{kind}#{shard_of(subject)}", items.lanes(subject))
        return [item for item in found if item.get("subject") == subject and "sink" in item]

    async def _of_shards(self, kinds: str) -> list[Item]:
        shards = await gather(self.table.query(f"{kind}#{shard}") for kind in kinds for shard in range(SHARDS))
        return [item for shard in shards for item in shard if "sink" in item]

    async def _deliveries(self, event_id: str | None, states: Collection[DeliveryState]) -> list[Item]:
        kinds = "".join(
            kind for kind, state in (("O", DeliveryState.WAITING), ("D", DeliveryState.DEAD)) if state in states
        )
        if event_id is None:
            found = await self._of_shards(kinds)
            if _SETTLED & set(states):  # seldom asked for, so there is no index for it
                found += [item async for item in self.table.scan("X#") if "sink" in item]
            return found
        found = await self.table.query(items.by_id(event_id), "D") if _SETTLED & set(states) else []
        subjects = {key.subject for key in await self.places_of(event_id)}
        for some in await gather(self.of_subject(kind, subject) for kind in kinds for subject in subjects):
            found += [item for item in some if item["id"] == event_id]
        return found

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

    async def hours(self) -> list[str]:
        """The hours in which there may be events."""
        return [str(item["s"]) for item in await self.table.query("H")]

    @staticmethod
    def monotonic() -> float:
        """This process's own clock: how old what is known is."""
        return time.monotonic()


def _names(item: Item | None, attribute: str) -> frozenset[str]:
    names = (item or {}).get(attribute, [])
    return frozenset(names if isinstance(names, list) else ())


def _wanted(item: Item, query: EventQuery) -> bool:
    return (
        (query.target is None or subject_matches(str(item["subject"]), query.target))
        and (not query.types or any(matches(str(item["type"]), glob) for glob in query.types))
        and (query.since is None or items.real_in(item, "recorded") >= query.since.timestamp())
    )
