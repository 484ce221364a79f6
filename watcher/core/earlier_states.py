"""The incident of a subject whose state was stored by a version that kept none. Pure.

Whatever the state shows as a reported problem is one that holds. The incident is that of the problem that began first,
and its id is that of the event which reported it, as far as the state still has what that id is made from:

- an outage, an active blocker, an unfinished attempt that was reported as stalled: all of it;
- of several failed attempts in a row, the first that the counts (`Known.taken`) still have, else the last;
- a connection: all but its ARN, in whose place is the subject.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from watcher.core.connections import AVAILABLE
from watcher.core.event_ids import id_of
from watcher.core.model import FAILED, SUCCEEDED, rfc3339
from watcher.core.state import Known, Record

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class Opening(NamedTuple):
    """What an incident is made from."""

    at: datetime
    event_id: str
    problems: tuple[str, ...]


class _Problem(NamedTuple):
    began: datetime
    name: str
    event_id: str


def opening_of(subject: str, record: Record) -> Opening | None:
    """Return the opening of the incident that a stored state shows; None: it shows no problem that was reported."""
    if record.sequence == 0:  # no event has been recorded
        return None
    problems = sorted(_problems(subject, record))
    if not problems:
        return None
    return Opening(problems[0].began, problems[0].event_id, tuple(each.name for each in problems))


def _problems(subject: str, record: Record) -> Iterator[_Problem]:
    known, outage, connection = record.known, record.outage, record.connection
    if outage is not None:
        what = "endpoint" if subject.count("/") == 2 else "target"  # account/region/api
        yield _problem(outage.since, "unreadable", subject, f"{what}.unreadable", rfc3339(outage.since))
    if record.blockers:
        blocker = record.blockers[0]
        began = blocker.created_at or (known.since if known else None) or _LONG_AGO
        yield _problem(began, "blocked", subject, "sync.blocked", blocker.id, blocker.status)
    if connection is not None and connection.status != AVAILABLE:
        times = connection.times.get(connection.status, 1)
        yield _problem(connection.since, "unavailable", subject, "connection.unavailable", connection.status, times)
    if known is None or (attempt := known.attempt) is None:
        return
    if known.last_failure is not None:
        at = _first_failure(known, known.last_failure)
        yield _problem(at, "failed", subject, "sync.failed", rfc3339(at), FAILED, _times(known, at, FAILED))
    if known.stalled == attempt.started_at and attempt.status not in (SUCCEEDED, FAILED):
        at, times = attempt.started_at, _times(known, attempt.started_at, attempt.status)
        yield _problem(at, "stalled", subject, "sync.stalled", rfc3339(at), attempt.status, times)


def _problem(began: datetime, name: str, subject: str, event_type: str, *identity: str | int) -> _Problem:
    return _Problem(began, name, id_of([subject, f"watcher.{event_type}", *identity]))


def _first_failure(known: Known, last: datetime) -> datetime:
    """Return `startedAt` of the first of the failed attempts in a row that is still counted."""
    first = last
    for each in reversed(known.taken):
        if each.status == SUCCEEDED:
            break
        if each.status == FAILED:
            first = each.started_at
    return first


def _times(known: Known, started_at: datetime, status: str) -> int:
    same = (each.times for each in known.taken if (each.started_at, each.status) == (started_at, status))
    return next(same, 1)
