"""The status of a target in one word, worst first; and whether a daemon still updates the state. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from watcher.core.connections import AVAILABLE, ERROR, PENDING
from watcher.core.model import FAILED, SUCCEEDED, UNFINISHED, Attempt, Blocker
from watcher.core.state import Known, Outage, Record
from watcher.util.shapes import is_moment

MARK_SECONDS = 30.0
"""Seconds between the marks that a daemon leaves in its store while it polls every endpoint, also without changes."""

SILENT_SECONDS = 3 * MARK_SECONDS
"""A store that has had no mark for so many seconds is no longer updated; two late marks are tolerated."""


class Status(StrEnum):
    """The status of a target, in the order in which people see it: the worst first."""

    UNREADABLE = "unreadable"
    """The target, or its endpoint, has an outage: nothing can be known now."""
    FAILED = "failed"
    BLOCKED = "blocked"
    """A sync blocker is active, so that AWS starts no further sync."""
    UNAVAILABLE = "unavailable"
    """A connection is pending or in error."""
    STALLED = "stalled"
    UNKNOWN = "unknown"
    """AWS reports a status that this version does not know."""
    NEVER_SYNCED = "never_synced"
    """AWS answers that there was no attempt yet."""
    NOT_SEEN = "not_seen"
    """The target was never read, in this run or before."""
    ACTIVE = "active"
    SUCCEEDED = "succeeded"
    AVAILABLE = "available"
    """A connection is available."""


TROUBLES = frozenset(
    {Status.UNREADABLE, Status.FAILED, Status.BLOCKED, Status.UNAVAILABLE, Status.STALLED, Status.UNKNOWN}
)
"""Those that need attention."""

RANKS = {status: rank for rank, status in enumerate(Status)}
"""The place of each status in the order: 0 is the worst."""

_PHRASES = {Status.UNKNOWN: "with an unknown status", Status.ACTIVE: "syncing"}


def summary(statuses: Iterable[Status] | Mapping[Status, int]) -> str:
    """Return the number of targets by status, worst first: `2 failed, 1 stalled, 10 succeeded`.

    `statuses`: that of each target, or how many targets have each.
    """
    found = Counter(statuses)
    counts = [f"{found[each]} {_PHRASES.get(each, each.value.replace('_', ' '))}" for each in Status if found[each]]
    return ", ".join(counts) or "no targets"


def urgency(status: Status, *, incident: bool) -> tuple[bool, int]:
    """Return the sort key of a target: those whose status needs attention or that have an open incident come first.

    In each part the worst status comes first. A target that is synced again after a failure still has its incident.
    """
    return status not in TROUBLES and not incident, RANKS[status]


def standing(record: Record | None, endpoint: Record | None) -> Status:
    """Return the status of a target, by its own record and that of its endpoint."""
    if outage_of(record, endpoint) is not None:
        return Status.UNREADABLE
    if record is not None and record.connection is not None:
        return connection_standing(record.connection.status)
    known = record.known if record else None
    if record is None or known is None:
        return Status.NOT_SEEN
    return sync_standing(known.attempt, is_stalled=stalled(known), is_blocked=bool(record.blockers))


def connection_standing(status: str) -> Status:
    """Return the status of a connection by AWS's."""
    if status == AVAILABLE:
        return Status.AVAILABLE
    return Status.UNAVAILABLE if status in (PENDING, ERROR) else Status.UNKNOWN


def reported(record: Record | None) -> tuple[str | None, datetime | None]:
    """Return the status of a target as AWS sent it, and since when it has been observed; None: none."""
    if record is not None and record.connection is not None:
        return record.connection.status, record.connection.since
    known = record.known if record else None
    if known is None:
        return None, None
    return known.attempt.status if known.attempt else None, known.since


def sync_standing(attempt: Attempt | None, *, is_stalled: bool, is_blocked: bool) -> Status:
    """Return the status of a sync by its latest attempt, and by whether a blocker is active."""
    if attempt is not None and attempt.status == FAILED:
        return Status.FAILED
    if is_blocked:
        return Status.BLOCKED
    if attempt is None:
        return Status.NEVER_SYNCED
    if is_stalled:
        return Status.STALLED
    if attempt.status == SUCCEEDED:
        return Status.SUCCEEDED
    return Status.ACTIVE if attempt.status in UNFINISHED else Status.UNKNOWN


def outage_of(record: Record | None, endpoint: Record | None) -> Outage | None:
    """Return the outage of a target, else that of its endpoint; None: it can be read."""
    return (record.outage if record else None) or (endpoint.outage if endpoint else None)


def stalled(known: Known | None) -> bool:
    """Return whether the latest attempt was reported as stalled and is still unfinished."""
    attempt = known.attempt if known else None
    return bool(known and attempt and attempt.unfinished and known.stalled == attempt.started_at)


def active(known: Known | None) -> bool:
    """Return whether a sync is under way, so that its target is polled each `active_interval`."""
    return bool(known and known.attempt and known.attempt.unfinished and not known.missing)


def reason_of(attempt: Attempt | None, blockers: Sequence[Blocker]) -> str:
    """Return AWS's texts on what is wrong with a sync: why it failed, and why it is blocked; empty if there is none."""
    reasons = (blocker.created_reason for blocker in blockers)
    blocked = next((f"blocked: {reason}" for reason in reasons if reason), "")
    return "; ".join(filter(None, (last_failure(attempt), blocked)))


def last_failure(attempt: Attempt | None) -> str:
    """Return the last text of AWS about a failed attempt; empty if there is none."""
    if attempt is None or attempt.status != FAILED:
        return ""
    return next((text for event in reversed(attempt.events) if (text := event.get("event"))), "")


def moment_of(mark: Any) -> datetime | None:
    """Return the time of a mark, which a store has in seconds since 1970; None: no mark, or not a possible time."""
    return datetime.fromtimestamp(mark, UTC) if is_moment(mark) else None


@dataclass(frozen=True, slots=True)
class Liveness:
    """The age of a store's last mark at one moment."""

    as_of: datetime | None
    """When a daemon last marked the store; None: never since the store was created or imported."""
    now: datetime

    @property
    def silent(self) -> bool:
        """Whether no daemon updates the store."""
        return self.as_of is None or self.now - self.as_of > timedelta(seconds=SILENT_SECONDS)
