"""The transaction that commits a subject's state with its events and their deliveries.

The state is written on condition that it is still the one that this daemon knows: `tx`, the name of the transaction
that wrote it, is never used twice. The state also keeps the number of the subject's last event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from watcher.core import state_json
from watcher.core.ports import Entry
from watcher.core.state import Record
from watcher.stores.dynamodb import codec, items
from watcher.stores.dynamodb.client import ConditionFailedError, UnknownOutcomeError
from watcher.stores.dynamodb.contents import keep_text
from watcher.stores.dynamodb.history import item_of
from watcher.stores.dynamodb.items import EventKey, Item
from watcher.stores.dynamodb.lane_index import Place, Row
from watcher.stores.dynamodb.table import ABSENT, MAX_WRITTEN, Operation, Put, Table


@dataclass(frozen=True, slots=True)
class Version:
    """The state of a subject that this daemon knows, with the attributes of its item that are needed later."""

    record: Record
    item: Item

    @classmethod
    def of(cls, record: Record, item: Item) -> Version:
        return cls(record, {name: item[name] for name in ("tx", "n", "parts", "count", "forgotten") if name in item})


@dataclass(slots=True)
class Prepared:
    """A transaction, the same for all its repeats."""

    entry: Entry
    known: Version | None
    version: Version
    operations: list[Operation]
    rows: list[Row]
    hours: set[str]
    """The hours of its events."""
    owed: Item | None
    """What did not fit: a note of the deliveries that follow once this is done."""
    done: bool = False


class ConflictError(Exception):
    """Another daemon wrote the subject's state."""


class CollisionError(Exception):
    """The events' numbers are taken: those of a state that was forgotten."""


async def prepare(
    table: Table, entry: Entry, known: Version | None, now: float, first: int, released: Sequence[Row] = ()
) -> Prepared:
    """Return the transaction that commits an entry; texts that are too long for it are written before.

    Args:
        table: where it is committed.
        entry: the state and its events.
        known: the version that the state follows.
        now: when the events are recorded.
        first: the number of its first event, above the subject's last one.
        released: the deliveries of earlier events.
    """
    last = known.item.get("n", 0) if known else 0
    puts: list[Operation] = [codec.touch(key) for key in dict.fromkeys(map(EventKey.of, released))]
    rows: list[Row] = [*released]
    hours: set[str] = set()
    for last, (event, sinks) in enumerate(entry.events, first):  # the last number stays the state's
        hours.add(items.hour_of(last))
        text = await keep_text(table, event.body)
        key = EventKey(last, entry.subject, event.id)
        puts += [Put(item, ABSENT) for item in codec.event_items(key, event, now, text)]
        rows += [Row(Place(entry.subject, sink, last, 0), event.id, now) for sink in dict.fromkeys(sinks)]
    before: dict[str, int] = {}
    for row in rows:
        row.after = before.get(row.place.sink, 0)
        before[row.place.sink] = row.place.number
    puts += [Put(item_of(each)) for each in entry.history]
    text = await keep_text(table, state_json.dump(entry.record))
    # One more for the state, and one for what is left if not all deliveries fit.
    room = MAX_WRITTEN - 1 - len(puts)
    fit = rows if len(rows) <= room else rows[: room - 1]
    waiting = [codec.waiting_item(row) for row in fit]
    owed = codec.owing(rows[len(fit) :])
    # A daemon that reads the state must find what was written with it (`Table.get_committed`).
    wrote = [item["s"] for item in [*waiting, *([owed] if owed else [])]]
    values = {"subject": entry.subject, "tx": uuid4().hex, "n": last, "wrote": wrote}
    item = codec.at(items.state(entry.subject), values | text)
    unchanged = Put(item, "tx = :tx", {":tx": known.item["tx"]}) if known else Put(item, ABSENT)
    puts = [unchanged, *puts, *(Put(each, ABSENT) for each in waiting), *([Put(owed)] if owed else [])]
    return Prepared(entry, known, Version.of(entry.record, item), puts, rows, hours, owed)


async def carry_out(table: Table, prepared: Prepared) -> None:
    """Carry out a transaction; returns when it is known to be done.

    Raises:
        ConflictError: another daemon wrote the state meanwhile.
        CollisionError: an event's place is taken.
        StoreError: it is not known to be done; the same transaction may be repeated.
    """
    name = prepared.version.item["tx"]
    try:
        await table.transact(prepared.operations, name)
    except (ConditionFailedError, UnknownOutcomeError) as error:
        found = await table.get(items.state(prepared.entry.subject))
        tx = found and found["tx"]
        if tx == name:
            await table.get_committed(codec.written_with(found))
            return
        if tx != (prepared.known and prepared.known.item["tx"]):
            raise ConflictError from error
        if isinstance(error, ConditionFailedError):
            raise CollisionError from error
        raise
