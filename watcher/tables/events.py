"""What `events` and `demo` print of an event: the event as it is, or a line for people."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from watcher.config.duration import format_duration
from watcher.model import FAILED
from watcher.redact import printable
from watcher.tables.screen import CALM, CRITICAL, GOOD, UNKNOWN, UNLIMITED, WARNING, console

if TYPE_CHECKING:
    from watcher.events import Event


class EventPrinter:
    """Prints events as they come: as they are, or one line for people each."""

    def __init__(self, *, as_json: bool, dated: bool = True) -> None:
        """`as_json`: as they are; `dated`: with the day, not only the time of day."""
        self._from = 0 if dated else 11
        self._console = None if as_json else console()

    def print(self, event: Event) -> None:
        """Print one.

        Raises:
            BrokenPipeError: nobody reads any more.
        """
        if self._console is None:
            click.echo(event.body)
            sys.stdout.flush()
        else:
            try:
                self._console.print(event_line(json.loads(event.body), self._from, self._console.width))
            except SystemExit:  # rich would end the process when nobody reads
                raise BrokenPipeError from None


def event_line(event: dict[str, Any], start: int = 0, width: int = UNLIMITED) -> Text:
    """An event in one line: when (from the letter `start`), what, of which target, which commit, why; or in two."""
    data, kind = event["data"], event["type"].removeprefix("watcher.")
    line = Text(f"{event['time'][start:19].replace('T', ' ')}  ", "dim")
    line.append(f"{kind:<17}  ", _event_colour(kind))
    line.append(printable(event["subject"]))
    notes = []
    if "attempt" in data:
        notes.append(((data["attempt"]["targetRevision"] or {}).get("sha") or "")[:8])
        notes += [name.replace("_", " ") for name in ("first_seen", "recovered", "recreated") if data[name]]
        if not data["observed"]:
            notes.append("between two polls")
        if data["consecutive_failures"] > 1:
            notes.append(f"{data['consecutive_failures']} failures in a row")
        if data["status"] == FAILED and data["attempt"]["events"]:
            notes.append(data["attempt"]["events"][-1]["event"])
    elif "lasted_seconds" in data:
        notes.append(f"after {format_duration(max(0.1, round(data['lasted_seconds'], 1)))}")
    elif "error" in data:
        notes.append(f"{data['error']['code']}: {data['error']['message']}")
    if "muted" in data:
        notes.append(f"muted: {data['muted']['reason']}" if data["muted"]["reason"] else "muted")
    told = printable(", ".join(filter(None, notes)))
    line.append(f"  {told}" if len(line) + 2 + len(told) <= width else f"\n          {told}", "dim")
    return line


def _event_colour(kind: str) -> str:
    if kind.endswith(".failed"):
        return CRITICAL
    if kind.endswith((".succeeded", ".readable")):
        return GOOD
    if kind.endswith(".stalled"):
        return WARNING
    if kind.endswith((".unreadable", ".unknown")):
        return UNKNOWN
    return CALM
