"""Reads events, states and deliveries out of the items of the table; every read is strongly consistent."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import structlog

from watcher.core import state
from watcher.core.events import Event, check_event
from watcher.core.ports import DeliveryState
from watcher.core.state import Record
from watcher.errors import StoreError
from watcher.stores.dynamodb import codec, items
from watcher.stores.dynamodb.chunked_text import TornTextError, text_of
from watcher.stores.dynamodb.items import SHARDS, EventKey, Item, shard_of
from watcher.stores.dynamodb.table import Table, gather

log = structlog.get_logger()

MAX_READS = 3
"""How often a text is read that is replaced meanwhile."""

MAX_CHARACTERS = 16 * 1024 * 1024
"""Characters of event bodies kept in memory."""


class Contents:
    """What the items of one table mean."""

    def __init__(self, table: Table) -> None:
        self.table = table

    async def events_at(self, keys: Iterable[EventKey]) -> dict[EventKey, Event]:
        """Return the events with these keys; those that do not exist (any more) are left out."""
        wanted = {key.body: key for key in keys}
        events: dict[EventKey, Event] = {}
        for place, item in (await self.table.get_all(wanted)).items():
            try:
                events[wanted[place]] = check_event(codec.event_of(item, await text_of(self.table, item)))
            except TornTextError:  # it was pruned meanwhile
                log.debug("event.pruned", event_id=item["id"])
            except ValueError as error:
                raise self._unreadable(f"the event {item['id']!s} of {item['subject']!s}", error) from error
        return events

    async def record_of(self, item: Item | None) -> tuple[str, Record, Item] | None:
        """Return the subject and the record in an item, with the item as it is by now; None: it was deleted.

        Raises:
            StoreError: the record cannot be read.
        """
        for _ in range(MAX_READS):
            if item is None:
                return None
            try:
                subject = str(item["subject"])
                return subject, state.load(await text_of(self.table, item), subject), item
            except TornTextError:
                item = await self.table.get(items.key_of(item))
            except ValueError as error:
                raise self._unreadable(f"the state of {item['subject']!s}", error) from error
        raise StoreError(f"{self.table.address}: a part of the state of a subject is missing")

    async def keys_of(self, event_id: str) -> list[EventKey]:
        """Return the keys of the events with this ID, one for each time that it was recorded."""
        return sorted(map(codec.event_key, await self.table.query(items.by_id(event_id), "E")))

    async def shards(self, kinds: str) -> list[Item]:
        """Return the items of the partitions of these kinds, of all shards."""
        found = await gather(self.table.query(f"{kind}#{shard}") for kind in kinds for shard in range(SHARDS))
        return [item for shard in found for item in shard]

    async def undelivered_of(self, kind: str, subject: str) -> list[Item]:
        """Return a subject's waiting deliveries (`kind` is `O`) or dead letters (`D`)."""
        found = await self.table.query(f"{kind}#{shard_of(subject)}", items.lanes(subject))
        return [item for item in found if item.get("subject") == subject and "sink" in item]

    async def undelivered(self, kinds: str, event_id: str | None = None) -> list[Item]:
        """Return the waiting deliveries (`O`) and dead letters (`D`) of an event (None: of all)."""
        if event_id is None:
            return [item for item in await self.shards(kinds) if "sink" in item]
        subjects = {key.subject for key in await self.keys_of(event_id)}
        lanes = await gather(self.undelivered_of(kind, subject) for kind in kinds for subject in subjects)
        return [item for lane in lanes for item in lane if item["id"] == event_id]

    async def deliveries(self, event_id: str | None, states: Collection[DeliveryState]) -> list[Item]:
        """Return the deliveries of an event (None: of all) in these states."""
        kinds = "".join(kind for kind, state in codec.UNDELIVERED.items() if state in states)
        found = await self.undelivered(kinds, event_id) if kinds else []
        if set(states) - set(codec.UNDELIVERED.values()):
            if event_id is not None:
                found += await self.table.query(items.by_id(event_id), "D")
            else:  # seldom asked for, so there is no index for it
                found += [item async for item in self.table.scan("X#") if "sink" in item]
        return [item for item in found if codec.state_of(item) in states]

    async def hours(self) -> list[str]:
        """Return the hours in which there may be events, the oldest first."""
        return [str(item["s"]) for item in await self.table.query("H")]

    async def sinks(self, *attributes: str) -> frozenset[str]:
        """Return the sinks of the last registration (`sinks`), and those about to be registered (`coming`)."""
        item = await self.table.get(items.SINKS) or {}
        lists = [names for attribute in attributes if isinstance(names := item.get(attribute), list)]
        return frozenset(name for names in lists for name in names)

    def _unreadable(self, what: str, error: ValueError) -> StoreError:
        return StoreError(
            f"{self.table.address}: {what} cannot be read ({error}); restore the table to an earlier time, or delete "
            "that item"
        )


class EventCache:
    """The events read last: reads an event from the table once, as long as it fits."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._events: dict[EventKey, Event] = {}
        self._characters = 0

    async def events_at(self, keys: Collection[EventKey]) -> dict[EventKey, Event]:
        """Return the events with these keys; those that do not exist (any more) are left out."""
        cached = {key: self._events[key] for key in keys if key in self._events}
        read = await self._contents.events_at([key for key in keys if key not in cached])
        for key, event in read.items():
            if key not in self._events:
                self._events[key] = event
                self._characters += len(event.body)
            while self._characters > MAX_CHARACTERS:
                oldest = next(iter(self._events))
                self._characters -= len(self._events.pop(oldest).body)
        return cached | read
