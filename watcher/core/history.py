"""The history from which reports are made: the attempts that were seen, and the incidents that have ended. Pure.

A row is written in the commit that changes what it says. An attempt has one row, whose status is that of its last
sight; an incident has one from its end on, since an open one is in the record of its subject. Rows have the labels that
their target had then: a report about a past quarter stays the same when labels are changed or a target is removed.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol

from watcher.core.attempts import Line, SeenAttempt, note, parse_line
from watcher.core.diff import Comparison, Reason
from watcher.core.incidents import IncidentStep
from watcher.core.model import parse_rfc3339, rfc3339
from watcher.core.state import Known
from watcher.util.shapes import Each, Nullable, is_time, is_unicode, parse

RETENTION_SECONDS = 400 * 86400.0
"""How long rows are kept: four quarters of a year, and the month in which they are reported."""


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """An attempt of a target in the history."""

    subject: str
    attempt: SeenAttempt
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Those of the target when the row was written."""


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """An incident in the history, which has ended."""

    subject: str
    id: str
    opened_at: datetime
    closed_at: datetime
    removed: bool = False
    """Whether it ended because its subject was removed."""
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Those of the target when the incident opened."""


HistoryRow = AttemptRow | IncidentRow


class HistoryReader(Protocol):
    """Read access to the history of a store."""

    def history(self, since: datetime | None = None) -> AsyncIterator[HistoryRow]:
        """Yield the attempts that started since then (None: all), and then the incidents that ended since then.

        The oldest of each come first.
        """


class HistoryStore(HistoryReader, Protocol):
    """Keeps the history. `Store.commit` writes the rows of its entries, in place of those of the same attempts."""

    async def prune_history(self, before: datetime, limit: int) -> int:
        """Delete up to `limit` rows of attempts that started, and of incidents that ended `before`; return how many."""


def recent_after(
    recent: tuple[Line, ...], before: Known | None, comparison: Comparison, now: datetime
) -> tuple[Line, ...]:
    """Return the last attempts of a target after an answer.

    Args:
        recent: the last attempts before, the newest first.
        before: what was known of the target; None at the first observation.
        comparison: what the answer means.
        now: when its events are recorded.
    """
    for change in comparison.changes:
        if change.reason is not Reason.STALLED:
            first, missed = change.reason is Reason.FIRST_SEEN, change.reason is Reason.MISSED_SUCCESS
            ended_by = None if first else now
            recent = note(recent, change.attempt, first_seen=first, observed=not missed, ended_by=ended_by)
    latest = comparison.known.attempt
    if latest is not None and (before is None or latest != before.attempt):
        recent = note(recent, latest, first_seen=before is None, observed=True, ended_by=None)
    return recent


def attempt_rows(
    subject: str, before: tuple[Line, ...], after: tuple[Line, ...], labels: Mapping[str, str]
) -> list[HistoryRow]:
    """Return the rows of the attempts of which a commit changes what is known."""
    return [AttemptRow(subject, parse_line(line), labels) for line in reversed(after) if line not in before]


def incident_row(subject: str, step: IncidentStep | None, *, removed: bool) -> list[HistoryRow]:
    """Return the row of the incident that an event resolved; none if it resolved none."""
    if step is None or step.ended is None:
        return []
    incident = step.incident
    return [IncidentRow(subject, incident.id, incident.opened_at, step.ended, removed, incident.labels)]


ATTEMPT_FORM = {
    "subject": is_unicode, "started_at": is_time, "status": is_unicode, "duration": Nullable((int, float)),
    "sha": Nullable(is_unicode), "first_seen": bool, "observed": bool, "labels": Each(dict, is_unicode),
}  # fmt: skip
INCIDENT_FORM = {
    "subject": is_unicode, "id": is_unicode, "opened_at": is_time, "closed_at": is_time, "removed": bool,
    "labels": Each(dict, is_unicode),
}  # fmt: skip
"""The forms of rows in JSON."""


def row_to_json(row: HistoryRow) -> dict[str, Any]:
    """Return a row in JSON."""
    labels = dict(row.labels)
    if isinstance(row, IncidentRow):
        opened, closed = rfc3339(row.opened_at), rfc3339(row.closed_at)
        return {"subject": row.subject, "id": row.id, "opened_at": opened, "closed_at": closed, "removed": row.removed,
                "labels": labels}  # fmt: skip
    seen = row.attempt
    return {
        "subject": row.subject, "started_at": rfc3339(seen.started_at), "status": seen.status,
        "duration": seen.duration, "sha": seen.sha, "first_seen": seen.first_seen, "observed": seen.observed,
        "labels": labels,
    }  # fmt: skip


@lru_cache(maxsize=1024)
def labels_of(text: str) -> Mapping[str, str]:
    """Return the labels of a row that a store keeps as JSON; rows of a target share them.

    Raises:
        ValueError: `text` is not labels.
    """
    labels: Mapping[str, str] = parse(text, Each(dict, is_unicode), "the labels")
    return labels


def attempt_from_json(form: Mapping[str, Any]) -> AttemptRow:
    """Return the row of an attempt, which has `ATTEMPT_FORM`."""
    names = ("status", "duration", "sha", "first_seen", "observed")
    seen = SeenAttempt(parse_rfc3339(form["started_at"]), **{name: form[name] for name in names})
    return AttemptRow(form["subject"], seen, form["labels"])


def incident_from_json(form: Mapping[str, Any]) -> IncidentRow:
    """Return the row of an incident, which has `INCIDENT_FORM`."""
    opened, closed = parse_rfc3339(form["opened_at"]), parse_rfc3339(form["closed_at"])
    return IncidentRow(form["subject"], form["id"], opened, closed, form["removed"], form["labels"])


def moment_of(row: HistoryRow) -> datetime:
    """Return the moment by which a row is found and kept: the start of an attempt, the end of an incident."""
    return row.closed_at if isinstance(row, IncidentRow) else row.attempt.started_at


def place_of(moment: datetime) -> str:
    """Return the least text of a time in this second or later: rows from it on are selected by comparing texts."""
    return rfc3339(moment.replace(microsecond=0)).removesuffix("Z")
