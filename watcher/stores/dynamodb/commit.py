"""One subject's new state with the events that it caused, as one transaction; and how its fate is found out.

The state is written on condition that it is still the one that this watcher knows: `tx`, the name of the transaction
that wrote it, is never used twice. The state also keeps the number of the subject's last event, so that numbers grow
whatever the clocks say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from watcher.core import state
from watcher.stores.dynamodb import chunked_text, codec, items
from watcher.stores.dynamodb.client import RefusedError, UnknownOutcomeError
from watcher.stores.dynamodb.items import EventKey, Key, shard_of
from watcher.stores.dynamodb.table import ABSENT, MOST_WRITTEN, Put
from watcher.stores.lane_index import Place, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from watcher.core.ports import Entry
    from watcher.core.state import Record
    from watcher.stores.dynamodb.items import Item, Value
    from watcher.stores.dynamodb.table import Operation, Table


@dataclass(frozen=True, slots=True)
class Version:
    """Which state of a subject this watcher knows: who wrote it, and the number of the last event until then."""

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
    """Somebody else wrote the subject's state."""


class CollisionError(Exception):
    """The events' numbers are taken: those of a state that was forgotten."""


async def prepare(
    table: Table, entry: Entry, known: Version | None, now: float, number: Callable[[int], int]
) -> Prepared:
    """The transaction that keeps an entry; texts that are too long for it are written before.

    `number` gives the next event's, above the subject's last one.
    """
    tx, subject, shard = uuid4().hex, entry.subject, shard_of(entry.subject)
    last = 0 if known is None else known.number
    puts: list[Operation] = []
    rows: list[Row] = []
    numbers: list[int] = []
    before: dict[str, int] = {}
    for event, sinks in entry.events:
        last = number(last)
        numbers.append(last)
        key = EventKey(last, subject, event.id)
        told = codec.event_items(key, event, now, await chunked_text.kept(table, event.body))
        puts += [Put(item, ABSENT) for item in told]
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
    puts += [Put(codec.delivery_item(items.waiting(shard, row.place), row), ABSENT) for row in fit]
    wrote = [items.sort_of(row.place) for row in fit]
    owed = owing(shard, subject, rows[len(fit) :])
    if owed is not None:
        puts.append(Put(owed))
        wrote.append(items.text_in(owed, "s"))
    # Whoever reads the state must find what was written with it (`Table.agreed`).
    slim["wrote"] = wrote
    state_item = codec.at(items.state(shard, subject), slim | text)
    puts.insert(0, Put(state_item, condition, values))
    parts = {name: value for name, value in text.items() if name in {"parts", "count"}}
    return Prepared(entry, tx, known, puts, rows, Version(tx, last, entry.record, slim | parts), numbers, owed)


async def carry_out(table: Table, prepared: Prepared) -> None:
    """Write it; returns when it is known to be done.

    Raises:
        ConflictError: somebody else wrote the state meanwhile.
        CollisionError: an event's place is taken.
        StoreError: it is not known to be done, and the same may be tried again.
    """
    try:
        await table.transact(prepared.operations, prepared.tx)
    except (RefusedError, UnknownOutcomeError) as error:
        found = await table.get(items.state(shard_of(prepared.entry.subject), prepared.entry.subject))
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
    """Where the deliveries are that were written in one transaction with a state."""
    wrote = (item or {}).get("wrote", ())
    if item is None or not isinstance(wrote, list):
        return []
    partition = f"O#{shard_of(items.text_in(item, 'subject'))}"
    return [Key(partition, sort) for sort in wrote]


def owing(shard: int, subject: str, rows: list[Row]) -> Item | None:
    """A note of deliveries that are still to be written, where what waits of their subject is."""
    if not rows:
        return None
    number = rows[0].place.number
    key = Key(f"O#{shard}", f"{items.lanes(subject)}{items.OWED}{number:020}")
    owed = [f"{row.place.number}{items.OWED}{row.event_id}{items.OWED}{row.place.sink}" for row in rows]
    return codec.at(key, {"subject": subject, "owed": owed, "recorded": rows[0].recorded, "tx": uuid4().hex})


def owed_rows(item: Item) -> list[Row]:
    """The deliveries that such a note is of."""
    subject, recorded, owed = items.text_in(item, "subject"), items.real_in(item, "recorded"), item["owed"]
    told = [text.split(items.OWED, 2) for text in owed] if isinstance(owed, list) else []
    return [Row(Place(subject, sink, int(number), 0), id_, recorded) for number, id_, sink in told]
