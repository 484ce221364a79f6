"""Converts events and deliveries to items of the table, and back. Pure."""

from typing import Any
from uuid import uuid4

from watcher.core.deliveries import DeliveryRecord, DeliveryState
from watcher.core.events import Event
from watcher.stores.dynamodb import items
from watcher.stores.dynamodb.attributes import encodable
from watcher.stores.dynamodb.items import EventKey, Item, Key, Value, shard_of
from watcher.stores.dynamodb.lane_index import Place, Row
from watcher.stores.dynamodb.table import ABSENT, PRESENT, Delete, Operation, Put, Update

_TRIES = ("tries", "tried", "answer", "failures", "since", "next_try")
UNDELIVERED = {"O": DeliveryState.WAITING, "D": DeliveryState.DEAD}
"""The states of deliveries by the kind of their partition; those of others are written in the items."""


def forgotten_items(subject: str, moment: float, values: Item) -> tuple[Item, Item]:
    """Return what is kept of a subject that was forgotten: its state, with these `values`, and the note of it."""
    left: Item = {"subject": subject, "forgotten": moment}
    return at(items.state(subject), left | values), at(items.forgotten(subject, moment), left)


def event_items(key: EventKey, event: Event, recorded: float, text: Item) -> tuple[Item, Item, Item]:
    """Return the items of an event: itself, its place in the history, and its place by its ID."""
    named: Item = {"number": key.number, "id": event.id, "subject": event.subject}
    shown = named | {"type": event.type, "time": event.time, "recorded": recorded}
    return at(key.body, shown | text), at(key.in_history, shown), at(key.by_id, named)


def event_of(item: Item, body: str) -> Event:
    """Return the event in an item, with its body."""
    return Event(item["id"], item["type"], item["subject"], item["time"], body)


def event_key(item: Item) -> EventKey:
    """Return the key of the event in an item of an event or a delivery."""
    return EventKey(item["number"], item["subject"], item["id"])


def waiting_item(row: Row) -> Item:
    """Return the item of a waiting delivery."""
    return _delivery_item(items.waiting(row.place), row)


def ended_item(row: Row, state: DeliveryState, ended: float | None, answer: str | None) -> Item:
    """Return the item of a delivery that has ended, without its lane's failures.

    A dead letter keeps its place among those of its subject.
    """
    ends = {"ended": ended, "answer": answer, "failures": None, "since": None, "next_try": None}
    if state is DeliveryState.DEAD:
        return _delivery_item(items.dead(row.place), row, **ends)
    return _delivery_item(items.settled(row.event_id, row.place), row, state=state.value, **ends)


def end(row: Row, now: float, state: DeliveryState, answer: str | None) -> list[Operation]:
    """Return the operations that end a waiting delivery."""
    return [Delete(items.waiting(row.place), PRESENT), Put(ended_item(row, state, now, answer))]


def wait_again(row: Row) -> list[Operation]:
    """Return the operations that make a dead letter wait again, beside its deletion."""
    return [Put(waiting_item(row), ABSENT), touch(EventKey.of(row))]


def touch(key: EventKey) -> Operation:
    """Mark an event for which a delivery waits again: a daemon that found it unneeded must read it once more."""
    return Update(key.body, PRESENT, {":one": 1}, "ADD touched :one")


def row_of(item: Item, seen: float = 0.0) -> Row:
    """Return the delivery in an item; `seen`: when it was read (monotonic seconds)."""
    values: dict[str, Any] = {name: item[name] for name in (*_TRIES, "after") if name in item}
    values |= {name: float(values[name]) for name in ("tried", "since", "next_try") if name in values}
    place = Place(item["subject"], item["sink"], item["number"], item["reminder"])
    return Row(place, item["id"], float(item["recorded"]), seen=seen, **values)


def order_of(item: Item) -> tuple[Any, ...]:
    """Return the position of a delivery among all: by sink, and then as its sink gets them."""
    return item["sink"], item["number"], item["subject"], item["reminder"]


def tries_of(delivery: object) -> dict[str, Any]:
    """Return how the tries of a delivery went (a `Row` or `Sending`): its fields of these names."""
    return {name: getattr(delivery, name) for name in _TRIES}


def record_of(item: Item, event: Event) -> DeliveryRecord:
    """Return the delivery in an item, with what became of it."""
    row, ended = row_of(item), ended_at(item) if "ended" in item else None
    return DeliveryRecord(
        event, row.place.sink, state_of(item), row.place.reminder, row.recorded, row.tries, row.tried, ended, row.answer
    )  # fmt: skip


def state_of(item: Item) -> DeliveryState:
    """Return the state of a delivery: by its partition, or as written in the item."""
    return UNDELIVERED.get(item["k"][0]) or DeliveryState(item["state"])


def ended_at(item: Item) -> float:
    """Return when a delivery ended, in seconds since 1970."""
    return float(item.get("ended", 0))


def written_with(state: Item | None) -> list[Key]:
    """Return the keys of the deliveries that were written in one transaction with a state."""
    if state is None or not isinstance(wrote := state.get("wrote"), list):
        return []
    return [Key(f"O#{shard_of(state['subject'])}", sort) for sort in wrote]


def owing(rows: list[Row]) -> Item | None:
    """Return a note of a subject's deliveries that are still to be written, for the partition of the waiting ones."""
    if not rows:
        return None
    subject, number = rows[0].place.subject, rows[0].place.number
    key = Key(f"O#{shard_of(subject)}", f"{items.lanes(subject)}{items.OWED}{number:020}")
    owed = [f"{row.place.number}{items.OWED}{row.event_id}{items.OWED}{row.place.sink}" for row in rows]
    return at(key, {"subject": subject, "owed": owed, "recorded": rows[0].recorded, "tx": uuid4().hex})


def owed_rows(note: Item) -> list[Row]:
    """Return the deliveries in such a note."""
    notes = [text.split(items.OWED, 2) for text in note["owed"]]
    recorded = float(note["recorded"])
    return [Row(Place(note["subject"], sink, int(number), 0), id_, recorded) for number, id_, sink in notes]


def at(key: Key, values: Item) -> Item:
    """Return an item with a key."""
    return {"k": key.k, "s": key.s, **values}


def _delivery_item(key: Key, row: Row, **more: Value | None) -> Item:
    """Return an item of a delivery; `more`: further attributes, None to leave one out."""
    values: dict[str, Any] = {
        **row.place._asdict(), "id": row.event_id, "recorded": row.recorded, "after": row.after or None,
        **tries_of(row),
    } | more  # fmt: skip
    if values["answer"] is not None:
        values["answer"] = encodable(values["answer"])
    return at(key, {name: value for name, value in values.items() if value is not None})
