"""Reads the rows of a state file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from watcher.core.events import Event, check_event
from watcher.core.ports import DeliveryState
from watcher.util.shapes import Optional, check, is_moment

SINK = {"sink": str}
DELIVERY = {"recorded": is_moment, "reminder": int, "tries": int, "since": Optional(is_moment), "failures": int}
RECORD = {
    "reminder": int, "recorded": is_moment, "tries": int, "tried": Optional(is_moment), "ended": Optional(is_moment),
    "answer": Optional(str),
}  # fmt: skip


def numbered(row: Sequence[Any]) -> tuple[int, Event]:
    """Return the number and the event in a row that begins with the number.

    Raises:
        ValueError: the row is not an event.
    """
    number, *fields = row
    return number, check_event(Event(*fields), f"event {number}")


def checked(forms: Mapping[str, Any], values: Sequence[Any]) -> Sequence[Any]:
    """Return `values` of a row if they have the `forms` of their columns.

    Raises:
        ValueError: a value has another form.
    """
    check(dict(zip(forms, values, strict=True)), forms, "delivery")
    return values


def one_of(states: Iterable[DeliveryState]) -> str:
    """Return a condition with its values written out: bound ones could not use the index of just these rows."""
    return " OR ".join(f"state = '{state}'" for state in states).join("()")
