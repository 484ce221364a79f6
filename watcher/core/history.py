"""The history from which reports are made: the attempts that were seen, and the incidents that have ended. Pure.

A row is written in the commit that changes what it says. An attempt has one row, whose status is that of its last
sight; an incident has one from its end on, since an open one is in the record of its subject. Rows have the labels that
their target had then: a report about a past quarter stays the same when labels are changed or a target is removed.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from watcher.core.attempts import Line, SeenAttempt, note, parse_line
from watcher.core.diff import Comparison, Reason
from watcher.core.incidents import IncidentStep, State
from watcher.core.state import Known

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

    def attempts_since(self, moment: datetime) -> AsyncIterator[AttemptRow]:
        """Yield the rows of attempts that started at `moment` or later, in the order of their start."""

    def incidents_since(self, moment: datetime) -> AsyncIterator[IncidentRow]:
        """Yield the rows of incidents that ended at `moment` or later, in the order of their end."""


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
    if step is None or step.state is not State.RESOLVED or step.ended is None:
        return []
    incident = step.incident
    return [IncidentRow(subject, incident.id, incident.opened_at, step.ended, removed, incident.labels)]
