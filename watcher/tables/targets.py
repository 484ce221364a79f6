"""What `status` and `validate` tell of targets and endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rich.text import Text

from watcher.config.duration import format_duration
from watcher.events import target_to_json
from watcher.redact import printable
from watcher.standing import Standing, last_failure, outage_of, stalled, sync_standing
from watcher.state import attempt_to_json
from watcher.tables.screen import CALM, CRITICAL, GOOD, UNKNOWN, WARNING, ago, console, table_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from rich.table import Table

    from watcher.config.load import EndpointLoad
    from watcher.config.settings import Config
    from watcher.model import Attempt, Target
    from watcher.state import Known, Record

WIDE = 110
"""Columns from which there is room for everything."""

_COLOURS = {
    Standing.FAILED: CRITICAL,
    Standing.STALLED: WARNING,
    Standing.NEVER_SYNCED: "dim",
    Standing.NOT_SEEN: "dim",
    Standing.ACTIVE: CALM,
    Standing.SUCCEEDED: GOOD,
}

_WORDS = {Standing.STALLED: "STALLED", Standing.NEVER_SYNCED: "NEVER SYNCED", Standing.NOT_SEEN: "NOT SEEN YET"}
"""Where AWS's own word does not say it."""


def load_table(report: Sequence[EndpointLoad]) -> Table:
    """What `validate` shows."""
    table = table_of("ENDPOINT", "TARGETS", "CALLS/S", "ALLOWED", "")
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


def status_table(config: Config, known: Mapping[str, Record], now: datetime) -> Table:
    """What `status` shows."""
    rows = []
    for target in config.targets:
        record = known.get(target.id)
        state = record.known if record else None
        attempt = state.attempt if state else None
        outage = outage_of(record, known.get(str(target.endpoint)))
        note = last_failure(attempt)
        if outage is not None:
            note = f"unreadable for {ago(outage.since, now)}: {outage.code}: {outage.message}"
        status, colour = _status(state)
        rows.append(Row(target, status, colour, state.since if state else None, attempt, note))
    return targets_table(rows, "SINCE", now)


def record_to_json(target: Target, record: Record | None) -> dict[str, Any]:
    """What `status --json` shows of a target."""
    known = record.known if record else None
    outage = record.outage if record else None
    return {
        "target": target_to_json(target),
        "seen": known is not None,
        "status": known.attempt.status if known and known.attempt else None,
        "since": known.since.isoformat().replace("+00:00", "Z") if known else None,
        "stalled": stalled(known),
        "consecutive_failures": known.failures if known else 0,
        "attempt": attempt_to_json(known.attempt) if known and known.attempt else None,
        "sequence": record.sequence if record else 0,
        "error": None if outage is None else {"code": outage.code, "message": outage.message},
    }


class Row(NamedTuple):
    """What is told of one target."""

    target: Target
    status: str
    colour: str
    since: datetime | None
    attempt: Attempt | None
    note: str


def targets_table(rows: Sequence[Row], since: str, now: datetime) -> Table:
    """A row for each target. Ids are cut to what differs; a narrow terminal does without the commits."""
    wide = console().width >= WIDE
    places = {(row.target.account, row.target.region) for row in rows}
    columns = ("STATUS", "TARGET", since, *(["COMMIT"] if wide else []), "NOTE")
    table = table_of(*columns, fold=("TARGET", "NOTE") if len(places) > 1 else ("NOTE",))
    for row in rows:
        name = row.target.id if len(places) > 1 else row.target.id.split("/", 2)[2]
        table.add_row(
            Text(printable(row.status), row.colour),
            name,
            "" if row.since is None else ago(row.since, now),
            *(["" if row.attempt is None else printable(row.attempt.sha[:8])] if wide else []),
            printable(row.note),
        )
    return table


def _status(known: Known | None) -> tuple[str, str]:
    standing = sync_standing(known)
    told = known.attempt.status if known and known.attempt else ""
    return _WORDS.get(standing, told), _COLOURS.get(standing, UNKNOWN)
