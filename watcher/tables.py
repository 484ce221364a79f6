"""What commands print: tables for people, JSON for programs.

Text from AWS is escaped, so that it cannot move the cursor or forge a line. On a terminal a table fits its width; into
a pipe every cell stands in full. `NO_COLOR` is honoured.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from watcher.check import Result
from watcher.config.duration import format_duration
from watcher.events import target_to_json
from watcher.model import FAILED, SUCCEEDED, UNFINISHED
from watcher.redact import printable
from watcher.state import attempt_to_json

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence
    from datetime import datetime

    from watcher.check import Finding
    from watcher.config.load import EndpointLoad
    from watcher.config.settings import Config
    from watcher.events import Event
    from watcher.model import Attempt, Target
    from watcher.state import Record

UNLIMITED = 100_000
"""Columns of a pipe."""

WIDE = 110
"""Columns from which there is room for everything."""

NOTE = 20
"""Columns that a note has at least."""

COLOURS = {Result.OK: "green", Result.WARNING: "yellow", Result.CRITICAL: "bold red", Result.UNKNOWN: "magenta"}


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    click.echo(json.dumps(value, indent=2))


def print_table(table: Table) -> None:
    """A table on stdout."""
    _console().print(table)


def load_table(report: Sequence[EndpointLoad]) -> Table:
    """What `validate` shows."""
    table = _table("ENDPOINT", "TARGETS", "CALLS/S", "ALLOWED", "")
    for load in report:
        if load.kept_interval is None:
            note = Text("fits", "green")
        else:
            kept = format_duration(max(0.1, round(load.kept_interval, 1)))
            note = Text(f"too much: an interval of {kept} will be kept", "yellow")
        table.add_row(
            printable(str(load.endpoint)),
            str(load.targets), f"{load.asked:.3g}", f"{load.allowed:g}", note,
        )  # fmt: skip
    return table


def check_table(findings: Sequence[Finding], now: datetime) -> Table:
    """What `check` shows."""
    rows = []
    for finding in findings:
        attempt = None if finding.snapshot is None else finding.snapshot.latest
        if finding.error is not None:
            status, note = "UNREADABLE", f"{finding.error.code}: {finding.error.message}"
        else:
            status, note = finding.status or "NEVER SYNCED", _last_failure(attempt)
        since = None if attempt is None else attempt.started_at
        rows.append(_Row(finding.target, status, COLOURS[finding.result], since, attempt, note))
    return _targets_table(rows, "AGE", now)


def status_table(config: Config, known: Mapping[str, Record], now: datetime) -> Table:
    """What `status` shows."""
    rows = []
    for target in config.targets:
        record = known.get(target.id)
        state = record.known if record else None
        attempt = state.attempt if state else None
        blind = known.get(str(target.endpoint))
        outage = (record.outage if record else None) or (blind.outage if blind else None)
        note = _last_failure(attempt)
        if outage is not None:
            note = f"unreadable for {_ago(outage.since, now)}: {outage.code}: {outage.message}"
        status, colour = _status(attempt, seen=state is not None, stalled=bool(state and _stalled(state)))
        rows.append(_Row(target, status, colour, state.since if state else None, attempt, note))
    return _targets_table(rows, "SINCE", now)


class EventPrinter:
    """Prints events as they come: as they are, or one line for people each."""

    def __init__(self, *, as_json: bool, dated: bool = True) -> None:
        """`as_json`: as they are; `dated`: with the day, not only the time of day."""
        self._from = 0 if dated else 11
        self._console = None if as_json else _console()

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
        notes.append(data["attempt"]["targetRevision"].get("sha", "")[:8])
        notes += [name.replace("_", " ") for name in ("first_seen", "recovered", "recreated") if data[name]]
        if not data["observed"]:
            notes.append("between two polls")
        if data["consecutive_failures"] > 1:
            notes.append(f"{data['consecutive_failures']} failures in a row")
        if data["status"] == FAILED and data["attempt"]["events"]:
            notes.append(data["attempt"]["events"][-1]["event"])
    elif "lasted_seconds" in data:
        notes.append(f"after {format_duration(max(0.1, round(data['lasted_seconds'], 1)))}")
    else:
        notes.append(f"{data['error']['code']}: {data['error']['message']}")
    told = printable(", ".join(filter(None, notes)))
    line.append(f"  {told}" if len(line) + 2 + len(told) <= width else f"\n          {told}", "dim")
    return line


def finding_to_json(finding: Finding) -> dict[str, Any]:
    """What `check --json` shows of a target."""
    latest = None if finding.snapshot is None else finding.snapshot.latest
    error = finding.error
    return {
        "target": target_to_json(finding.target),
        "result": finding.result.name.lower(),
        "status": latest.status if latest else None,
        "stalled": finding.result is Result.WARNING,
        "attempt": None if latest is None else attempt_to_json(latest),
        "error": None if error is None else {"code": error.code, "message": error.message},
    }


def record_to_json(target: Target, record: Record | None) -> dict[str, Any]:
    """What `status --json` shows of a target."""
    known = record.known if record else None
    outage = record.outage if record else None
    return {
        "target": target_to_json(target),
        "seen": known is not None,
        "status": known.attempt.status if known and known.attempt else None,
        "since": known.since.isoformat().replace("+00:00", "Z") if known else None,
        "stalled": bool(known and _stalled(known)),
        "consecutive_failures": known.failures if known else 0,
        "attempt": attempt_to_json(known.attempt) if known and known.attempt else None,
        "sequence": record.sequence if record else 0,
        "error": None if outage is None else {"code": outage.code, "message": outage.message},
    }


def _console() -> Console:
    # Its own NO_COLOR keeps bold and the like; people who set it want none of that.
    plain = not sys.stdout.isatty() or bool(os.environ.get("NO_COLOR"))
    width = None if sys.stdout.isatty() else UNLIMITED
    # Without `emoji`, the `:secret:` of an ARN would become one.
    return Console(highlight=False, markup=False, emoji=False, no_color=plain or None,
                   color_system=None if plain else "auto", width=width, soft_wrap=False)  # fmt: skip


def _table(*columns: str, fold: Container[str] = ("NOTE", "ENDPOINT", "")) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(
            column, no_wrap=column not in fold, overflow="fold", min_width=NOTE if column == "NOTE" else None
        )
    return table


class _Row(NamedTuple):
    target: Target
    status: str
    colour: str
    since: datetime | None
    attempt: Attempt | None
    note: str


def _targets_table(rows: Sequence[_Row], since: str, now: datetime) -> Table:
    """A row for each target. Ids are cut to what differs; a narrow terminal does without the commits."""
    wide = _console().width >= WIDE
    places = {(row.target.account, row.target.region) for row in rows}
    columns = ("STATUS", "TARGET", since, *(["COMMIT"] if wide else []), "NOTE")
    table = _table(*columns, fold=("TARGET", "NOTE") if len(places) > 1 else ("NOTE",))
    for row in rows:
        name = row.target.id if len(places) > 1 else row.target.id.split("/", 2)[2]
        table.add_row(
            Text(printable(row.status), row.colour),
            name,
            "" if row.since is None else _ago(row.since, now),
            *(["" if row.attempt is None else printable(row.attempt.sha[:8])] if wide else []),
            printable(row.note),
        )
    return table


def _status(attempt: Attempt | None, *, seen: bool, stalled: bool) -> tuple[str, str]:
    if attempt is None:
        return ("NEVER SYNCED", "dim") if seen else ("NOT SEEN YET", "dim")
    if attempt.status == FAILED:
        return attempt.status, COLOURS[Result.CRITICAL]
    if stalled:
        return "STALLED", COLOURS[Result.WARNING]
    if attempt.status == SUCCEEDED:
        return attempt.status, COLOURS[Result.OK]
    return attempt.status, "cyan" if attempt.status in UNFINISHED else COLOURS[Result.UNKNOWN]


def _stalled(known: Any) -> bool:
    return bool(known.attempt and known.attempt.unfinished and known.stalled == known.attempt.started_at)


def _event_colour(kind: str) -> str:
    if kind.endswith(".failed"):
        return COLOURS[Result.CRITICAL]
    if kind.endswith((".succeeded", ".readable")):
        return COLOURS[Result.OK]
    if kind.endswith(".stalled"):
        return COLOURS[Result.WARNING]
    if kind.endswith((".unreadable", ".unknown")):
        return COLOURS[Result.UNKNOWN]
    return "cyan"


def _ago(moment: datetime, now: datetime) -> str:
    """Roughly how long ago: one unit, two at most."""
    seconds = max(1, round((now - moment).total_seconds()))
    for unit in (86400, 3600, 60):
        if seconds >= 2 * unit:
            return format_duration(float(seconds // unit * unit))
    return format_duration(float(seconds))


def _last_failure(attempt: Attempt | None) -> str:
    if attempt is None or attempt.status != FAILED or not attempt.events:
        return ""
    return attempt.events[-1].get("event", "")
