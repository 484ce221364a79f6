"""Converts events and deliveries to items of the table, and back. Pure."""

from __future__ import annotations

from typing import Any

from watcher.core.events import Event
from watcher.core.ports import DeliveryRecord, DeliveryState
from watcher.stores.dynamodb import items
from watcher.stores.dynamodb.items import EventKey, Item, Key, Value, sound
from watcher.stores.lane_index import Place, Row

_ROW = ("tries", "tried", "answer", "failures", "since", "next_try")


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


def row_of(item: Item, seen: float) -> Row:
    """Return the delivery in an item; `seen`: when it was read (monotonic seconds)."""
    values: dict[str, Any] = {name: item[name] for name in (*_ROW, "after") if name in item}
    values |= {name: float(values[name]) for name in ("tried", "since", "next_try") if name in values}
    return Row(place_of(item), item["id"], float(item["recorded"]), seen=seen, **values)


def place_of(item: Item) -> Place:
    """Return which delivery an item is of."""
    return Place(item["subject"], item["sink"], item["number"], item["reminder"])


def record_of(item: Item, event: Event) -> DeliveryRecord:
    """Return the delivery in an item, with what became of it."""
    row, ended = row_of(item, 0.0), ended_at(item) if "ended" in item else None
    return DeliveryRecord(
        event, row.place.sink, state_of(item), row.place.reminder, row.recorded, row.tries, row.tried, ended, row.answer
    )  # fmt: skip


def state_of(item: Item) -> DeliveryState:
    """Return the state of a delivery: by its partition, or as written in the item."""
    match item["k"][0]:
        case "O":
            return DeliveryState.WAITING
        case "D":
            return DeliveryState.DEAD
    return DeliveryState(item["state"])


def ended_at(item: Item) -> float:
    """Return when a delivery ended, in seconds since 1970."""
    return float(item.get("ended", 0))


def at(key: Key, values: Item) -> Item:
    """Return an item with a key."""
    return {"k": key.k, "s": key.s, **values}


def _delivery_item(key: Key, row: Row, **more: Value | None) -> Item:
    """Return an item of a delivery; `more`: further attributes, None to leave one out."""
    values: dict[str, Any] = {
        **row.place._asdict(), "id": row.event_id, "recorded": row.recorded, "after": row.after or None,
        **{name: getattr(row, name) for name in _ROW},
    } | more  # fmt: skip
    if values["answer"] is not None:
        values["answer"] = sound(values["answer"])
    return at(key, {name: value for name, value in values.items() if value is not None})
