"""What `status` and `validate` tell of targets and endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rich.text import Text

from watcher.config.duration import format_duration
from watcher.events import target_to_json
from watcher.model import FAILED, SUCCEEDED, UNFINISHED
from watcher.redact import printable
from watcher.state import attempt_to_json
from watcher.tables.screen import CALM, CRITICAL, GOOD, UNKNOWN, WARNING, ago, console, table_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from rich.table import Table

    from watcher.config.load import EndpointLoad
    from watcher.config.settings import Config
    from watcher.model import Attempt, Target
    from watcher.state import Record

WIDE = 110
"""Columns from which there is room for everything."""


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
        blind = known.get(str(target.endpoint))
        outage = (record.outage if record else None) or (blind.outage if blind else None)
        note = last_failure(attempt)
        if outage is not None:
            note = f"unreadable for {ago(outage.since, now)}: {outage.code}: {outage.message}"
        status, colour = _status(attempt, seen=state is not None, stalled=bool(state and _stalled(state)))
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
        "stalled": bool(known and _stalled(known)),
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


def _status(attempt: Attempt | None, *, seen: bool, stalled: bool) -> tuple[str, str]:
    if attempt is None:
        return ("NEVER SYNCED", "dim") if seen else ("NOT SEEN YET", "dim")
    if attempt.status == FAILED:
        return attempt.status, CRITICAL
    if stalled:
        return "STALLED", WARNING
    if attempt.status == SUCCEEDED:
        return attempt.status, GOOD
    return attempt.status, CALM if attempt.status in UNFINISHED else UNKNOWN


def _stalled(known: Any) -> bool:
    return bool(known.attempt and known.attempt.unfinished and known.stalled == known.attempt.started_at)


def last_failure(attempt: Attempt | None) -> str:
    """What AWS said last of an attempt that failed, or nothing."""
    if attempt is None or attempt.status != FAILED or not attempt.events:
        return ""
    return attempt.events[-1].get("event", "")
