"""One subject's new state with the events that it caused, as one transaction; and whether it was carried out.

The state is written on condition that it is still the one that this daemon knows: `tx`, the name of the transaction
that wrote it, is never used twice. The state also keeps the number of the subject's last event, so that numbers grow
whatever the clocks say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import uuid4

from watcher.core import state
from watcher.core.ports import Entry
from watcher.core.state import Record
from watcher.stores.dynamodb import chunked_text, codec, items
from watcher.stores.dynamodb.client import RefusedError, UnknownOutcomeError
from watcher.stores.dynamodb.items import EventKey, Item, Key, Value, shard_of
from watcher.stores.dynamodb.table import ABSENT, MOST_WRITTEN, Operation, Put, Table
from watcher.stores.lane_index import Place, Row


@dataclass(frozen=True, slots=True)
class Version:
    """The state of a subject that this daemon knows: the transaction that wrote it, and its last event's number."""

    tx: str
    number: int
    record: Record
    item: Item
    """As it is in the table, without its text."""


@dataclass(slots=True)
class Prepared:
    """A transaction, the same for all its repeats."""

    entry: Entry
    tx: str
    known: Version | None
    operations: list[Operation]
    rows: list[Row]
    version: Version
    numbers: Sequence[int] = ()
    """Its events'."""
    owed: Item | None = None
    """What did not fit: the deliveries that follow once this is done (`owing`)."""
    done: bool = False


class ConflictError(Exception):
    """Another daemon wrote the subject's state."""


class CollisionError(Exception):
    """The events' numbers are taken: those of a state that was forgotten."""


async def prepare(
    table: Table, entry: Entry, known: Version | None, now: float, number: Callable[[int], int]
) -> Prepared:
    """Return the transaction that commits an entry; texts that are too long for it are written before.

    `number` returns the next event's number, above the subject's last one.
    """
    tx, subject = uuid4().hex, entry.subject
    last = 0 if known is None else known.number
    puts: list[Operation] = []
    rows: list[Row] = []
    numbers: list[int] = []
    before: dict[str, int] = {}
    for event, sinks in entry.events:
        last = number(last)
        numbers.append(last)
        key = EventKey(last, subject, event.id)
        text = await chunked_text.kept(table, event.body)
        puts += [Put(item, ABSENT) for item in codec.event_items(key, event, now, text)]
        for sink in dict.fromkeys(sinks):
            rows.append(Row(Place(subject, sink, last, 0), event.id, now, after=before.get(sink, 0)))
            before[sink] = last
    slim: Item = {"subject": subject, "tx": tx, "n": last}
    text = await chunked_text.kept(table, state.dump(entry.record))
    condition = "tx = :tx" if known else ABSENT
    values: dict[str, Value] | None = {":tx": known.tx} if known else None
    # One more for what is left, if not all deliveries fit.
    room = MOST_WRITTEN - 1 - len(puts)
    fit = rows if len(rows) <= room else rows[: room - 1]
    puts += [Put(codec.waiting_item(row), ABSENT) for row in fit]
    wrote = [items.sort_of(row.place) for row in fit]
    owed = owing(subject, rows[len(fit) :])
    if owed is not None:
        puts.append(Put(owed))
        wrote.append(owed["s"])
    # A daemon that reads the state must find what was written with it (`Table.agreed`).
    slim["wrote"] = wrote
    state_item = codec.at(items.state(subject), slim | text)
    puts.insert(0, Put(state_item, condition, values))
    parts = {name: value for name, value in text.items() if name in {"parts", "count"}}
    return Prepared(entry, tx, known, puts, rows, Version(tx, last, entry.record, slim | parts), numbers, owed)


async def carry_out(table: Table, prepared: Prepared) -> None:
    """Carry out a transaction; returns when it is known to be done.

    Raises:
        ConflictError: another daemon wrote the state meanwhile.
        CollisionError: an event's place is taken.
        StoreError: it is not known to be done; the same transaction may be repeated.
    """
    try:
        await table.transact(prepared.operations, prepared.tx)
    except (RefusedError, UnknownOutcomeError) as error:
        found = await table.get(items.state(prepared.entry.subject))
        tx = None if found is None else found["tx"]
        if tx == prepared.tx:
            await table.agreed(written_with(found))
            return
        if tx != (None if prepared.known is None else prepared.known.tx):
            raise ConflictError from error
        if isinstance(error, RefusedError):
            raise CollisionError from error
        raise


def written_with(item: Item | None) -> list[Key]:
    """Return the keys of the deliveries that were written in one transaction with a state."""
    wrote = (item or {}).get("wrote", ())
    if item is None or not isinstance(wrote, list):
        return []
    partition = f"O#{shard_of(item['subject'])}"
    return [Key(partition, sort) for sort in wrote]


def owing(subject: str, rows: list[Row]) -> Item | None:
    """Return a note of deliveries that are still to be written, for the partition of the waiting ones."""
    if not rows:
        return None
    number = rows[0].place.number
    key = Key(f"O#{shard_of(subject)}", f"{items.lanes(subject)}{items.OWED}{number:020}")
    owed = [f"{row.place.number}{items.OWED}{row.event_id}{items.OWED}{row.place.sink}" for row in rows]
    return codec.at(key, {"subject": subject, "owed": owed, "recorded": rows[0].recorded, "tx": uuid4().hex})


def owed_rows(item: Item) -> list[Row]:
    """Return the deliveries in such a note."""
    notes = [text.split(items.OWED, 2) for text in item["owed"]]
    recorded = float(item["recorded"])
    return [Row(Place(item["subject"], sink, int(number), 0), id_, recorded) for number, id_, sink in notes]
