"""What `deliveries` and `events explain` tell of deliveries. What sinks answered is redacted once more."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from watcher.model import rfc3339
from watcher.protocols import DeliveryState
from watcher.redact import printable, redact
from watcher.tables.screen import CRITICAL, GOOD, WARNING, ago, console, table_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from watcher.explain import Explanation
    from watcher.protocols import DeliveryRecord

WIDE = 160
"""Columns from which each fact has one of its own."""

STATES: dict[str, str] = {
    DeliveryState.SENT: GOOD,
    DeliveryState.WAITING: WARNING,
    DeliveryState.DEAD: CRITICAL,
}


@dataclass(frozen=True, slots=True)
class Backlog:
    """What one sink did not take: how much there is in all, and the oldest of it."""

    sink: str
    configured: bool
    waiting: int
    dead: int
    since: float | None
    """When the oldest that waits was recorded, in seconds since 1970."""
    deliveries: Sequence[DeliveryRecord]


def print_backlog(backlog: Backlog, now: datetime) -> None:
    """A line that sums it up, and a table of the oldest."""
    screen = console()
    screen.print(Text(_summary(backlog, now), "bold"), soft_wrap=True)
    if backlog.deliveries:
        screen.print(_deliveries_table(backlog.deliveries, now, wide=screen.width >= WIDE))
        screen.print()


def print_backlog_json(backlog: Backlog) -> None:
    """JSON Lines: one object for each delivery."""
    for delivery in backlog.deliveries:
        click.echo(json.dumps(_delivery_to_json(delivery)))


def explanations_table(explanations: Sequence[Explanation]) -> Table:
    """What `events explain` shows of one event: a row for each sink, and for each reminder."""
    table = table_of("SINK", "STATE", "WHEN", "TRIES", "NOTE", fold=("SINK", "STATE", "NOTE"))
    for each in explanations:
        delivery = each.delivery
        moment = None if delivery is None else delivery.ended or delivery.tried
        table.add_row(
            printable(each.sink),
            Text(_state(each.state.upper(), delivery.reminder if delivery else 0), STATES.get(each.state, "dim")),
            "" if moment is None else f"{_moment(moment):%Y-%m-%d %H:%M:%S}",
            str(delivery.tries) if delivery else "",
            printable(redact(each.why)),
        )
    return table


def explanation_to_json(explanation: Explanation) -> dict[str, Any]:
    """What `events explain --json` tells of a sink; what only a delivery has is null where there is none."""
    delivery = explanation.delivery
    return {
        "sink": explanation.sink,
        "state": explanation.state,
        "why": redact(explanation.why),
        "reminder": delivery.reminder if delivery else None,
        "recorded": _time(delivery.recorded) if delivery else None,
        "tries": delivery.tries if delivery else None,
        "tried": _time(delivery.tried) if delivery else None,
        "ended": _time(delivery.ended) if delivery else None,
        "answer": redact(delivery.answer) if delivery and delivery.answer else None,
    }


def _delivery_to_json(delivery: DeliveryRecord) -> dict[str, Any]:
    event = delivery.event
    return {
        "id": event.id,
        "sink": delivery.sink,
        "state": delivery.state.value,
        "type": event.type,
        "subject": event.subject,
        "recorded": _time(delivery.recorded),
        "reminder": delivery.reminder,
        "tries": delivery.tries,
        "tried": _time(delivery.tried),
        "error": redact(delivery.answer) if delivery.answer else None,
    }


def _summary(backlog: Backlog, now: datetime) -> str:
    parts = []
    if backlog.waiting and backlog.since is not None:
        since = _moment(backlog.since)
        parts.append(f"{backlog.waiting} waiting since {since:%Y-%m-%d %H:%M:%S} UTC ({ago(since, now)})")
    if backlog.dead:
        parts.append(f"{backlog.dead} dead")
    if 0 < len(backlog.deliveries) < backlog.waiting + backlog.dead:
        parts.append(f"{len(backlog.deliveries)} shown")
    gone = "" if backlog.configured else " (not in the configuration)"
    return f"{printable(backlog.sink)}{gone}: {', '.join(parts) or 'nothing waits, no dead letters'}"


def _deliveries_table(deliveries: Sequence[DeliveryRecord], now: datetime, *, wide: bool) -> Table:
    """A row for each; on a narrow terminal all but the state and the id, which `retry` and `drop` take, is a note."""
    details = ("WHAT", "TARGET", "AGE", "TRIES", "TRIED") if wide else ()
    table = table_of("STATE", "EVENT", *details, "NOTE")
    for delivery in deliveries:
        what = _state(delivery.event.type.removeprefix("watcher."), delivery.reminder)
        tried = "" if delivery.tried is None else f"{ago(_moment(delivery.tried), now)}"
        cells = [what, delivery.event.subject, ago(_moment(delivery.recorded), now), str(delivery.tries), tried]
        note = redact(delivery.answer or "")
        if not wide:
            tries = (
                f"tried {'once' if delivery.tries == 1 else f'{delivery.tries} times'}, last {tried} ago"
                if delivery.tries
                else f"not tried{' yet' if delivery.state is DeliveryState.WAITING else ''}"
            )
            note = f"{what} {delivery.event.subject}, {cells[2]} old, {tries}{': ' if note else ''}{note}"
            cells = []
        state = Text(delivery.state.value.upper(), STATES.get(delivery.state, "dim"))
        table.add_row(state, *map(printable, (delivery.event.id, *cells, note)))
    return table


def _state(name: str, reminder: int) -> str:
    return f"{name} (reminder {reminder})" if reminder else name


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(_moment(seconds))
