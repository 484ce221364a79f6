"""The output of `deliveries` and `events explain`. Responses of sinks are redacted once more."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from watcher.cli.output.console import CRITICAL, GOOD, WARNING, Table, console, print_table
from watcher.core.deliveries import DeliveryRecord, DeliveryState
from watcher.core.model import for_people, rfc3339
from watcher.messages.phrases import counted, without_names_and_ids
from watcher.util.redaction import printable, redact
from watcher.util.units import ago

if TYPE_CHECKING:
    from watcher.delivery.explain import Explanation

COLOURS: dict[str, str] = {DeliveryState.SENT: GOOD, DeliveryState.WAITING: WARNING, DeliveryState.DEAD: CRITICAL}


@dataclass(frozen=True, slots=True)
class Backlog:
    """The pending deliveries and dead letters of one sink: how many there are, and the oldest of them."""

    sink: str
    configured: bool
    waiting: int
    dead: int
    since: float | None
    """When the oldest pending delivery was recorded, in seconds since 1970."""
    deliveries: Sequence[DeliveryRecord]


def print_backlog(backlog: Backlog, now: datetime) -> None:
    """Print a summary line, and a table of the oldest deliveries."""
    screen = console()
    screen.print(Text(_summary(backlog, now), "bold"), soft_wrap=True)
    if backlog.deliveries:
        print_table(_deliveries_table(backlog.deliveries, now))
        screen.print()


def print_backlog_json(backlog: Backlog) -> None:
    """Print one line of JSON for each delivery."""
    for delivery in backlog.deliveries:
        click.echo(json.dumps(_delivery_to_json(delivery)))


def explanations_table(explanations: Sequence[Explanation]) -> Table:
    """Return the table of `events explain`: a row for each sink, and for each reminder."""
    table = Table("SINK", "STATE", "WHEN", "TRIES", "NOTE", fold=("SINK", "STATE", "NOTE"))
    for each in explanations:
        delivery = each.delivery
        moment = None if delivery is None else delivery.ended or delivery.tried
        table.add_row(
            printable(each.sink),
            Text(_state(each.state.upper(), delivery.reminder if delivery else 0), COLOURS.get(each.state, "dim")),
            "" if moment is None else for_people(_moment(moment)),
            str(delivery.tries) if delivery else "",
            printable(redact(each.why)),
        )
    return table


def explanation_to_json(explanation: Explanation) -> dict[str, Any]:
    """Return an explanation as `events explain --json` prints it; without a delivery its fields are null."""
    shown = {"sink": explanation.sink, "state": explanation.state, "why": redact(explanation.why)}
    if explanation.delivery is None:
        return shown | dict.fromkeys(("reminder", "recorded", "tries", "tried", "ended", "answer"))
    return shown | _progress(explanation.delivery, "answer") | {"ended": _time(explanation.delivery.ended)}


def _delivery_to_json(delivery: DeliveryRecord) -> dict[str, Any]:
    event = delivery.event
    shown = {"id": event.id, "sink": delivery.sink, "state": delivery.state.value}
    return shown | {"type": event.type, "subject": event.subject} | _progress(delivery, "error")


def _progress(delivery: DeliveryRecord, response: str) -> dict[str, Any]:
    """Return the progress of a delivery; `response` is the name of the field with the sink's response."""
    return {
        "recorded": _time(delivery.recorded),
        "reminder": delivery.reminder,
        "tries": delivery.tries,
        "tried": _time(delivery.tried),
        response: redact(delivery.answer) if delivery.answer else None,
    }


def _summary(backlog: Backlog, now: datetime) -> str:
    parts = []
    if backlog.waiting and backlog.since is not None:
        since = _moment(backlog.since)
        parts.append(f"{backlog.waiting} waiting since {for_people(since)} ({ago(since, now)})")
    if backlog.dead or parts:
        parts.append(counted(backlog.dead, "dead letter") if backlog.dead else "no dead letters")
    if 0 < len(backlog.deliveries) < backlog.waiting + backlog.dead:
        parts.append(f"oldest {len(backlog.deliveries)} shown")
    note = "" if backlog.configured else " (not in the configuration)"
    return f"{printable(backlog.sink)}{note}: {', '.join(parts) or 'nothing waiting, no dead letters'}"


def _deliveries_table(deliveries: Sequence[DeliveryRecord], now: datetime) -> Table:
    """Return a row for each state and response: a sink that rejects everything has one row, with the oldest event."""
    groups: dict[tuple[str, str], list[DeliveryRecord]] = {}
    for delivery in deliveries:
        groups.setdefault((delivery.state, without_names_and_ids(delivery.answer or "", {})), []).append(delivery)
    table = Table("STATE", "COUNT", "OLDEST EVENT", "NOTE")
    for (state, _), group in groups.items():
        note = "; ".join(filter(None, [redact(group[0].answer or ""), _group_note(group, now)]))
        colour = COLOURS.get(state, "dim")
        table.add_row(Text(state.upper(), colour), str(len(group)), *map(printable, (group[0].event.id, note)))
    return table


def _group_note(deliveries: Sequence[DeliveryRecord], now: datetime) -> str:
    """Return a note on deliveries with the same response, the oldest first: events, targets, ages and tries."""
    oldest, several = deliveries[0], len(deliveries) > 1
    types = dict.fromkeys(_state(each.event.type.removeprefix("watcher."), each.reminder) for each in deliveries)
    subjects = dict.fromkeys(each.event.subject for each in deliveries)
    of = next(iter(subjects)) if len(subjects) == 1 else f"{len(subjects)} targets"
    age = f"{'oldest ' if several else ''}{ago(_moment(oldest.recorded), now)} old"
    tries, tried = max(each.tries for each in deliveries), [each.tried for each in deliveries if each.tried is not None]
    times = "once" if tries == 1 else f"{'up to ' if several else ''}{tries} times"
    last = f", last {ago(_moment(max(tried)), now)} ago" if tried else ""
    return f"{', '.join(types)} of {of}, {age}, {f'tried {times}' if tries else 'not tried yet'}{last}"


def _state(name: str, reminder: int) -> str:
    return f"{name} (reminder {reminder})" if reminder else name


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(_moment(seconds))
