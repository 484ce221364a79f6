"""What the items of the table mean: texts, events, states, deliveries, sinks. Every read is strongly consistent.

A text may have any length, an item 400 KB: what is too long for one item is cut into parts.
"""

import zlib
from collections.abc import Collection, Iterable
from uuid import uuid4

import structlog

from watcher.core import state_json
from watcher.core.deliveries import DeliveryState
from watcher.core.event_check import check_event
from watcher.core.events import Event
from watcher.core.state import Record
from watcher.errors import StoreError
from watcher.stores.dynamodb import codec, items
from watcher.stores.dynamodb.items import SHARDS, EventKey, Item, Key, shard_of
from watcher.stores.dynamodb.table import Delete, Put, Table, Update, gather

log = structlog.get_logger()

COMPRESSED_FROM = 4096  # characters from which a text is compressed
MAX_TEXT_BYTES = 300 * 1024  # bytes of a text in one item
MAX_ITEM_TEXT_BYTES = 2048  # compressed, of a text in an item that is often read for its other attributes alone
MAX_READS = 3  # of a text that is replaced meanwhile
MAX_CHARACTERS = 16 * 1024 * 1024  # of event bodies kept in memory


class TornTextError(StoreError):
    """A part is missing: the text was replaced while it was read."""


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
                raise self.table.unreadable(f"the event {item['id']!s} of {item['subject']!s}", error) from error
        return events

    async def record_of(self, item: Item | None) -> tuple[str, Record, Item] | None:
        """Return the subject and the record in an item, with the item as it is by now; None: it was deleted.

        Raises:
            StoreError: the record cannot be read.
        """
        found = await self.text_now(item)
        if found is None:
            return None
        text, item = found
        try:
            subject = str(item["subject"])
            return subject, state_json.load(text, subject), item
        except ValueError as error:
            raise self.table.unreadable(f"the state of {item['subject']!s}", error) from error

    async def records_of(self, found: Iterable[Item]) -> list[tuple[str, Record, Item]]:
        """Return what `record_of` returns of each item that was not deleted meanwhile."""
        return [each for each in await gather(map(self.record_of, found)) if each is not None]

    async def text_now(self, item: Item | None) -> tuple[str, Item] | None:
        """Return the text that an item holds, with the item as it is by now; None: it was deleted.

        Raises:
            StoreError: the text is damaged, or a part of it is missing each time.
        """
        for _ in range(MAX_READS - 1):
            if item is None:
                return None
            try:
                return await text_of(self.table, item), item
            except TornTextError:
                item = await self.table.get(items.key_of(item))
        return None if item is None else (await text_of(self.table, item), item)

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

    async def undelivered(self, kinds: str, event_ids: Collection[str] = ()) -> list[Item]:
        """Return the waiting deliveries (`O`) and dead letters (`D`) of these events (empty: of all)."""
        if not event_ids:
            return [item for item in await self.shards(kinds) if "sink" in item]
        wanted = set(event_ids)
        subjects = {key.subject for keys in await gather(map(self.keys_of, wanted)) for key in keys}
        lanes = await gather(self.undelivered_of(kind, subject) for kind in kinds for subject in subjects)
        return [item for lane in lanes for item in lane if item["id"] in wanted]

    async def deliveries(self, event_id: str | None, states: Collection[DeliveryState]) -> list[Item]:
        """Return the deliveries of an event (None: of all) in these states."""
        kinds = "".join(kind for kind, state in codec.UNDELIVERED.items() if state in states)
        found = await self.undelivered(kinds, () if event_id is None else (event_id,)) if kinds else []
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


class EventCache:
    """The events read last: reads an event from the table once, as long as it fits."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._events: dict[EventKey, Event] = {}
        self._characters = 0

    async def events_at(self, keys: Collection[EventKey]) -> dict[EventKey, Event]:
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


class SinkRegistry:
    """The sinks of this daemon, and of the table's other daemons."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._own: frozenset[str] = frozenset()
        """The sinks that this daemon registered, or announced since."""
        self._registered = False

    async def announce(self, sinks: Collection[str]) -> None:
        """List sinks as `coming` before any delivery waits for them, so that no daemon takes them for removed.

        `register` follows later: a sink's history is replayed first, and a reload waits until the sinks that leave have
        answered.
        """
        if coming := sorted(frozenset(sinks) - self._own):
            append = "SET coming = list_append(if_not_exists(coming, :none), :coming)"
            await self._contents.table.write(Update(items.SINKS, "", {":none": [], ":coming": coming}, append))
            self._own |= frozenset(coming)

    async def register(self, sinks: Collection[str]) -> None:
        await self._contents.table.write(Put(codec.at(items.SINKS, {"sinks": sorted(sinks)})))
        self._own, self._registered = frozenset(sinks), True

    async def removed(self, sinks: Collection[str]) -> list[str]:
        """Return those of `sinks` that no daemon has registered or announced; none before the first `register`.

        In a rolling deployment two configurations are in use: a delivery for a sink of the other one is left to it.
        """
        others = [sink for sink in sinks if sink not in self._own] if self._registered else []
        known = await self._contents.sinks("sinks", "coming") if others else frozenset[str]()
        return [sink for sink in others if sink not in known]


async def keep_text(table: Table, text: str, most: int = MAX_TEXT_BYTES) -> Item:
    """Write the parts of `text`, if it is long; returns the attributes that hold it.

    A long text is compressed, and cut into parts if it then has more than `most` bytes. Parts are written before the
    item that refers to them, so a reader of the item finds all of them; no item refers to the parts of a write that
    never came to its end.
    """
    if len(text) < COMPRESSED_FROM:
        return {"text": text}
    content = zlib.compress(text.encode("utf-8", "surrogatepass"))
    if len(content) <= most:
        return {"text": content}
    item = {"parts": uuid4().hex, "count": -(-len(content) // MAX_TEXT_BYTES)}
    await gather(
        table.write(Put({**key._asdict(), "text": content[start : start + MAX_TEXT_BYTES]}))
        for key, start in zip(_parts_of(item), range(0, len(content), MAX_TEXT_BYTES), strict=True)
    )
    return item


async def text_of(table: Table, item: Item) -> str:
    """Return the text that an item holds.

    Raises:
        TornTextError: some of its parts are missing.
        StoreError: it is damaged.
    """
    keys = _parts_of(item)
    found = await table.get_all(keys)
    if len(found) < len(keys):
        raise TornTextError(f"{table.address}: a part of {item['k']!r} {item['s']!r} is missing")
    try:
        content = b"".join(found[key]["text"] for key in keys) if keys else item["text"]
        return content if isinstance(content, str) else zlib.decompress(content).decode("utf-8", "surrogatepass")
    except (KeyError, TypeError, ValueError, zlib.error) as error:
        raise table.unreadable(f"the text of {item['k']!r} {item['s']!r}", repr(error)) from error


async def forget_text(table: Table, item: Item | None) -> None:
    """Delete the parts of an item that was deleted."""
    await gather(table.write(Delete(key)) for key in _parts_of(item or {}))


def _parts_of(item: Item) -> list[Key]:
    count = item.get("count", 0) if "parts" in item else 0
    return [Key(f"P#{item['parts']!s}", f"{number:06}") for number in range(count)]
