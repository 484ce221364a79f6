"""What `deliveries` and `events explain` tell of deliveries. What sinks answered is redacted once more."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from watcher.cli.output.console import CRITICAL, GOOD, WARNING, ago, console, table_of
from watcher.core.model import for_people, rfc3339
from watcher.core.ports import DeliveryState
from watcher.messages.cause import without_names_and_ids
from watcher.util.redaction import printable, redact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from watcher.core.ports import DeliveryRecord
    from watcher.delivery.explain import Explanation

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
        screen.print(_deliveries_table(backlog.deliveries, now))
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
            "" if moment is None else for_people(_moment(moment)),
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
        parts.append(f"{backlog.waiting} waiting since {for_people(since)} ({ago(since, now)})")
    if backlog.dead or parts:
        parts.append(f"{backlog.dead or 'none'} dead")
    if 0 < len(backlog.deliveries) < backlog.waiting + backlog.dead:
        parts.append(f"the oldest {len(backlog.deliveries)} shown")
    gone = "" if backlog.configured else " (not in the configuration)"
    return f"{printable(backlog.sink)}{gone}: {', '.join(parts) or 'nothing waits, no dead letters'}"


def _deliveries_table(deliveries: Sequence[DeliveryRecord], now: datetime) -> Table:
    """A row for each state and answer, with the id of the oldest event: a sink that refuses everything is one row."""
    groups: dict[tuple[str, str], list[DeliveryRecord]] = {}
    for delivery in deliveries:
        groups.setdefault((delivery.state, without_names_and_ids(delivery.answer or "", {})), []).append(delivery)
    table = table_of("STATE", "COUNT", "OLDEST EVENT", "NOTE")
    for (state, _), alike in groups.items():
        note = "; ".join(filter(None, [redact(alike[0].answer or ""), _alike(alike, now)]))
        colour = STATES.get(state, "dim")
        table.add_row(Text(state.upper(), colour), str(len(alike)), *map(printable, (alike[0].event.id, note)))
    return table


def _alike(deliveries: Sequence[DeliveryRecord], now: datetime) -> str:
    """A note on deliveries with the same answer, the oldest first: their events, targets, ages and tries."""
    oldest, several = deliveries[0], len(deliveries) > 1
    what = dict.fromkeys(_state(each.event.type.removeprefix("watcher."), each.reminder) for each in deliveries)
    subjects = dict.fromkeys(each.event.subject for each in deliveries)
    whose = next(iter(subjects)) if len(subjects) == 1 else f"{len(subjects)} targets"
    tries, tried = max(each.tries for each in deliveries), [each.tried for each in deliveries if each.tried is not None]
    how = f"tried {'once' if tries == 1 else f'{tries} times'}{' at most' if several and tries > 1 else ''}"
    last = f", last {ago(_moment(max(tried)), now)} ago" if tried else ""
    return (
        f"{', '.join(what)} of {whose}, {'the oldest ' if several else ''}{ago(_moment(oldest.recorded), now)} old, "
        f"{how if tries else 'not tried yet'}{last}"
    )


def _state(name: str, reminder: int) -> str:
    return f"{name} (reminder {reminder})" if reminder else name


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(_moment(seconds))
