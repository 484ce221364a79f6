"""The output of `events` and `demo`: events as JSON Lines, or in a line or two for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from watcher.cli.output.console import CALM, CRITICAL, GOOD, UNKNOWN, UNLIMITED, WARNING, console
from watcher.core.incidents import State
from watcher.core.model import FAILED
from watcher.messages.phrases import length, moment
from watcher.util.redaction import printable
from watcher.util.units import format_duration

if TYPE_CHECKING:
    from watcher.core.events import Event


COLOURS = {
    "failed": CRITICAL,
    "succeeded": GOOD,
    "readable": GOOD,
    "available": GOOD,
    "unavailable": WARNING,
    "stalled": WARNING,
    "blocked": WARNING,
    "unblocked": GOOD,
    "unreadable": UNKNOWN,
    "unknown": UNKNOWN,
}
"""By the last word of an event's type."""


class EventPrinter:
    """Prints events as they arrive: as JSON Lines, or for people, in at most two lines of the terminal.

    `within` is a prefix that all subjects share; then it, the ids and the date are left out.
    """

    def __init__(self, *, as_json: bool, within: str = "") -> None:
        self._within = within
        self._console = None if as_json else console()

    def print(self, event: Event, *, whole: bool = False) -> None:
        """Print an event; `whole`: without cutting it to the width of the terminal.

        Raises:
            BrokenPipeError: the reader has closed its end.
        """
        if self._console is None:
            click.echo(event.body)
            sys.stdout.flush()
        else:
            width = UNLIMITED if whole else self._console.width
            try:
                self._console.print(event_text(json.loads(event.body), width, self._within))
            except SystemExit:  # rich would end the process when the reader has closed its end
                raise BrokenPipeError from None


def event_text(event: dict[str, Any], width: int = UNLIMITED, within: str = "") -> Text:
    """Return an event for people: time, type, id, subject and notes, in one or two lines of at most `width` columns.

    `within`: see `EventPrinter`.
    """
    kind, subject = event["type"].removeprefix("watcher."), printable(event["subject"])
    when, notes = moment(event["time"]), printable(", ".join(filter(None, _notes(event))))
    line = Text(f"{when[11:] if within else when}  ", "dim")
    line.append(f"{kind:<{22 if within else 17}}  ", COLOURS.get(kind.rpartition(".")[2], CALM))
    first, second = (subject.removeprefix(within), "") if within else (event["id"], subject)
    line.append(first)
    rest = Text(second)
    rest.append(f"  {notes}" if second and notes else notes, "dim")
    if not rest:
        return line
    if line.cell_len + 2 + rest.cell_len <= width:
        return Text("  ").join([line, rest])
    rest.truncate(max(1, width - 2), overflow="ellipsis")
    return Text("\n  ").join([line, rest])


def _notes(event: dict[str, Any]) -> Iterator[str | None]:
    """Yield notes on an event, the cause first, since text that does not fit is cut."""
    data = event["data"]
    yield from _said(data)
    incident = data.get("incident")
    if incident is not None and incident["state"] != State.ONGOING:
        lasted = incident["duration_seconds"]
        yield "incident opened" if lasted is None else f"incident resolved after {length(lasted)}"
    if "muted" in data:
        yield f"muted: {data['muted']['reason']}" if data["muted"]["reason"] else "muted"


def _said(data: dict[str, Any]) -> Iterator[str | None]:
    """Yield what is particular to an event of its type."""
    if "blocker" in data:
        yield data["blocker"]["resolved_reason"] or data["blocker"]["created_reason"]
    elif "attempt" in data:
        attempt = data["attempt"]
        if data["status"] == FAILED and attempt["events"]:
            yield attempt["events"][-1]["event"]
        yield ((attempt.get("targetRevision") or {}).get("sha") or "")[:8]
        yield from (name.replace("_", " ") for name in ("first_seen", "recovered", "recreated") if data[name])
        if not data["observed"]:
            yield "between two polls"
        if data["consecutive_failures"] > 1:
            yield f"{data['consecutive_failures']} failures in a row"
    elif "connection" in data:
        yield data["connection"]["name"]
        yield data["connection"]["status"]
        yield data["previous_status"] and f"{data['previous_status']} before"
    elif "lasted_seconds" in data:
        yield f"after {format_duration(max(0.1, round(data['lasted_seconds'], 1)))}"
    elif "error" in data:
        yield f"{data['error']['code']}: {data['error']['message']}"
    elif "digest" in data:
        yield data["message"]
