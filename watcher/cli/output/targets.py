"""What `status` and `validate` tell of targets and endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rich.text import Text

from watcher.cli.output.console import CALM, CRITICAL, GOOD, UNKNOWN, WARNING, ago, console, table_of
from watcher.core.events import target_to_json
from watcher.core.model import rfc3339
from watcher.core.state import attempt_to_json
from watcher.core.status import Status, last_failure, outage_of, rank, stalled, standing, summary
from watcher.util.duration import format_duration
from watcher.util.redaction import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from rich.table import Table

    from watcher.config.capacity import EndpointLoad
    from watcher.core.model import Attempt, Target
    from watcher.core.settings import Config
    from watcher.core.state import Record

WIDE = 110
"""Columns from which there is room for everything."""

LONGEST_STATUS = 24
"""Letters of a status that are shown: one that AWS makes up must leave room for the other columns."""

_COLOURS = {
    Status.UNREADABLE: UNKNOWN,
    Status.FAILED: CRITICAL,
    Status.STALLED: WARNING,
    Status.UNKNOWN: UNKNOWN,
    Status.NEVER_SYNCED: "dim",
    Status.NOT_SEEN: "dim",
    Status.ACTIVE: CALM,
    Status.SUCCEEDED: GOOD,
}

_WORDS = {
    Status.UNREADABLE: "UNREADABLE",
    Status.STALLED: "STALLED",
    Status.NEVER_SYNCED: "NEVER SYNCED",
    Status.NOT_SEEN: "NOT SEEN YET",
}
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


class Row(NamedTuple):
    """The row of one target."""

    target: Target
    standing: Status
    attempt: Attempt | None
    note: str


def status_rows(config: Config, known: Mapping[str, Record], now: datetime) -> list[Row]:
    """What `status` shows."""
    return [_row(target, known.get(target.id), known.get(str(target.endpoint)), now) for target in config.targets]


def _row(target: Target, record: Record | None, endpoint: Record | None, now: datetime) -> Row:
    attempt = record.known.attempt if record and record.known else None
    outage, note = outage_of(record, endpoint), last_failure(attempt)
    if outage is not None:
        before = f"; {attempt.status} before" if attempt else ""
        note = f"{outage.code}: {outage.message} (for {ago(outage.since, now)}{before})"
    return Row(target, standing(record, endpoint), attempt, note)


def record_to_json(target: Target, record: Record | None) -> dict[str, Any]:
    """What `status --json` shows of a target."""
    known = record.known if record else None
    outage = record.outage if record else None
    return {
        "target": target_to_json(target),
        "seen": known is not None,
        "status": known.attempt.status if known and known.attempt else None,
        "since": rfc3339(known.since) if known else None,
        "stalled": stalled(known),
        "consecutive_failures": known.failures if known else 0,
        "attempt": attempt_to_json(known.attempt) if known and known.attempt else None,
        "sequence": record.sequence if record else 0,
        "error": None if outage is None else {"code": outage.code, "message": outage.message},
    }


def print_targets(rows: Sequence[Row], now: datetime, about: str = "") -> None:
    """Print the totals by standing, then a row for each target, worst first; `about` is appended to the totals."""
    screen = console()
    screen.print(Text(summary(row.standing for row in rows) + about, "bold"), soft_wrap=True)
    screen.print()
    screen.print(_targets_table(sorted(rows, key=lambda row: (rank(row.standing), row.target.id)), now))


def _targets_table(rows: Sequence[Row], now: datetime) -> Table:
    """A row for each target. Ids are shown without a common account and region; a narrow terminal gets no commits.

    AGE is the time since the latest attempt began, for both `status` and `check`.
    """
    wide = console().width >= WIDE
    places = {(row.target.account, row.target.region) for row in rows}
    columns = ("STATUS", "TARGET", "AGE", *(["COMMIT"] if wide else []), "NOTE")
    table = table_of(*columns, fold=("TARGET", "NOTE") if len(places) > 1 else ("NOTE",))
    for row in rows:
        attempt, word = row.attempt, _WORDS.get(row.standing)
        table.add_row(
            Text(word or _shown(attempt.status if attempt else ""), _COLOURS[row.standing]),
            row.target.id if len(places) > 1 else row.target.id.split("/", 2)[2],
            "" if attempt is None else ago(attempt.started_at, now),
            *(["" if attempt is None else printable(attempt.sha[:8])] if wide else []),
            printable(row.note),
        )
    return table


def _shown(status: str) -> str:
    shown = printable(status)
    return shown if len(shown) <= LONGEST_STATUS else shown[: LONGEST_STATUS - 1] + "…"
