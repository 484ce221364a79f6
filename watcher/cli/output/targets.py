"""The output of `status` and `check`: a table of targets."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from rich.text import Text

from watcher.cli.options import print_note
from watcher.cli.output.console import CALM, CRITICAL, GOOD, UNKNOWN, WARNING, Table, console, print_table
from watcher.core.by_hand import NOTHING_BY_HAND, ByHand
from watcher.core.events import target_to_json
from watcher.core.incidents import open_to_json
from watcher.core.listings import ListingKey
from watcher.core.model import Attempt, Target, rfc3339
from watcher.core.settings import Config
from watcher.core.state import Record
from watcher.core.state_json import attempt_to_json, blocker_to_json
from watcher.core.status import Status, outage_of, reason_of, reported, stalled, standing, summary, urgency
from watcher.errors import PollFailed
from watcher.messages.connections import connection_note
from watcher.util.redaction import printable
from watcher.util.units import ago

_SHOWN: dict[Status, tuple[str, str]] = {
    Status.UNREADABLE: (UNKNOWN, "UNREADABLE"),
    Status.FAILED: (CRITICAL, ""),
    Status.BLOCKED: (WARNING, "BLOCKED"),
    Status.UNAVAILABLE: (WARNING, ""),
    Status.STALLED: (WARNING, "STALLED"),
    Status.UNKNOWN: (UNKNOWN, ""),
    Status.NEVER_SYNCED: ("dim", "NEVER SYNCED"),
    Status.NOT_SEEN: ("dim", "NOT SEEN YET"),
    Status.ACTIVE: (CALM, ""),
    Status.SUCCEEDED: (GOOD, ""),
    Status.AVAILABLE: (GOOD, ""),
}
"""The colour of each status, and the words that are shown instead of AWS's own."""

ROOM_BESIDE_IDS = 66
"""Columns for all else in a row that has a commit, with at least 24 for its note."""


class Row(NamedTuple):
    """The row of one target."""

    target: Target
    standing: Status
    attempt: Attempt | None
    note: str
    status: str = ""
    """AWS's, of a target without attempts: a connection."""
    incident: datetime | None = None
    """When its open incident began."""


def status_rows(
    config: Config, known: Mapping[str, Record], now: datetime, hand: ByHand = NOTHING_BY_HAND
) -> list[Row]:
    """Return a row for each configured target."""
    return [_row(each, known.get(each.id), known.get(str(each.endpoint)), now, hand) for each in config.targets]


def _row(target: Target, record: Record | None, endpoint: Record | None, now: datetime, hand: ByHand) -> Row:
    attempt = record.known.attempt if record and record.known else None
    outage, note = outage_of(record, endpoint), reason_of(attempt, record.blockers if record else ())
    if outage is not None:
        before = f"; {attempt.status} before" if attempt else ""
        note = f"{outage.code}: {outage.message} (for {ago(outage.since, now)}{before})"
    elif record and record.connection:
        note = about_connection(target, record.connection.status)
    incident = record.incident if record else None
    if acknowledgement := hand.acknowledgement(incident):
        note = "; ".join(filter(None, (note, f"acknowledged by {acknowledgement.by}")))
    opened = incident.opened_at if incident else None
    return Row(target, standing(record, endpoint), attempt, note, reported(record)[0] or "", opened)


def about_connection(target: Target, status: str) -> str:
    """Return the name of a connection, since its id has none, and what a person must do about it."""
    return ": ".join(filter(None, (target.title, connection_note(status))))


def record_to_json(target: Target, record: Record | None, hand: ByHand = NOTHING_BY_HAND) -> dict[str, Any]:
    """Return a target's record as `status --json` prints it."""
    known, outage = (record.known, record.outage) if record else (None, None)
    status, since = reported(record)
    return {
        "target": target_to_json(target),
        "seen": since is not None,
        "status": status,
        "since": None if since is None else rfc3339(since),
        "stalled": stalled(known),
        "blockers": [blocker_to_json(blocker) for blocker in (record.blockers if record else ())],
        "consecutive_failures": known.failures if known else 0,
        "attempt": attempt_to_json(known.attempt) if known and known.attempt else None,
        "incident": open_to_json(record, hand),
        "sequence": record.sequence if record else 0,
        "error": None if outage is None else {"code": outage.code, "message": outage.message},
    }


def failure_to_json(key: ListingKey, error: PollFailed) -> dict[str, Any]:
    """Return a listing that failed as commands print it."""
    return {**key._asdict(), "error": {"code": error.code, "message": error.message}}


def print_absent(absent: Mapping[ListingKey, PollFailed]) -> None:
    """Note the listings of APIs that are not offered."""
    for key, error in absent.items():
        print_note(printable(f"{key}: the API is not offered there, so there are none ({error})"))


def print_targets(rows: Sequence[Row], now: datetime, about: str = "") -> None:
    """Print the totals by status, then a row for each target by urgency; `about` is appended to the totals."""
    screen = console()
    screen.print(Text(summary(row.standing for row in rows) + about, "bold"), soft_wrap=True)
    if not rows:
        return
    screen.print()
    print_table(_targets_table(sorted(rows, key=_place), now))


def _place(row: Row) -> tuple[tuple[bool, int], str]:
    return urgency(row.standing, incident=row.incident is not None), row.target.id


def _targets_table(rows: Sequence[Row], now: datetime) -> Table:
    """Return a row for each target, with the time since its latest attempt began as AGE, and since its incident opened.

    IDs are shown without a common account and region; where notes would have little room there are no commits, and
    without incidents no column for them.
    """
    places = {(row.target.account, row.target.region) for row in rows}
    ids = [row.target.id if len(places) > 1 else row.target.id.split("/", 2)[2] for row in rows]
    incidents = any(row.incident for row in rows)
    wide = console().width >= max(map(len, ids), default=0) + ROOM_BESIDE_IDS
    columns = ("STATUS", "TARGET", "AGE", *(["INCIDENT"] if incidents else []), *(["COMMIT"] if wide else []), "NOTE")
    table = Table(*columns, fold=("TARGET", "NOTE") if len(places) > 1 else ("NOTE",))
    for row, shown_id in zip(rows, ids, strict=True):
        attempt, (colour, words) = row.attempt, _SHOWN[row.standing]
        status = words or printable(row.status or (attempt.status if attempt else ""))
        table.add_row(
            # A long status must leave room for the other columns.
            Text(status if len(status) <= 24 else f"{status[:23]}…", colour),
            shown_id,
            "" if attempt is None else ago(attempt.started_at, now),
            *(["" if row.incident is None else ago(row.incident, now)] if incidents else []),
            *(["" if attempt is None else printable(attempt.sha[:8])] if wide else []),
            printable(row.note),
        )
    return table
