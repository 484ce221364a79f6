"""Which reminders are due: of each problem that holds now, to each sink with `remind_every`. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from watcher.core.by_hand import NOTHING_BY_HAND, ByHand
from watcher.core.connections import AVAILABLE
from watcher.core.deliveries import ReminderRequest
from watcher.core.model import FAILED, rfc3339
from watcher.core.mute_ends import is_held
from watcher.core.routing import all_mutes, muted_by, why_not
from watcher.core.settings import Config
from watcher.core.state import Record
from watcher.core.status import stalled
from watcher.util.shapes import Optional, parse


class ReportedProblem(NamedTuple):
    """A problem of a subject: the type of the event that reported it, and the mark that identifies the event."""

    type: str
    mark: str


def reminder_requests(
    config: Config, records: Mapping[str, Record], now: datetime, hand: ByHand = NOTHING_BY_HAND
) -> list[ReminderRequest]:
    """Return the reminders that sinks request.

    None of what is muted at `now`, or still held back by a mute, and none of an incident that somebody acknowledged.
    """
    mutes = all_mutes(config.mutes, hand)
    return [
        ReminderRequest(sink.name, subject, problem.type, problem.mark, sink.remind_every)
        for subject, labels, problem in _problems(config, records)
        if muted_by(mutes, problem.type, subject, now) is None
        and hand.acknowledgement(records[subject].incident) is None
        for sink in config.sinks
        if sink.remind_every is not None
        and why_not(sink, problem.type, subject, labels) is None
        and not is_held(records[subject], problem.type, sink.name)
    ]


def due(request: ReminderRequest, body: str, last: tuple[int, float] | None, now: float) -> int | None:
    """Return the number of the reminder that is due; None: none is due yet, or the event is not the requested one.

    `body` is that of the event, `last` the number and the end of its last delivery to the sink. An event that a sink
    never had is not repeated to it. Times are seconds since 1970.
    """
    parts = {"attempt": Optional({}), "error": Optional({}), "blocker": Optional({}), "connection": Optional({})}
    data = parse(body, {"data": parts}, "event.body")["data"]
    marks = (("connection", "status"), ("blocker", "id"), ("error", "since"), ("attempt", "startedAt"))
    mark = next(((data.get(part) or {}).get(key) for part, key in marks if data.get(part)), None)
    if mark != request.mark or last is None:
        return None
    count, ended = last
    return count + 1 if ended + request.every <= now else None


def _problems(
    config: Config, records: Mapping[str, Record]
) -> Iterator[tuple[str, Mapping[str, str], ReportedProblem]]:
    for endpoint, targets in config.endpoints.items():
        failing = records.get(str(endpoint))
        if failing is not None and failing.outage is not None:
            # Nothing is known of its targets now, so they get no reminders.
            yield str(endpoint), {}, ReportedProblem("watcher.endpoint.unreadable", rfc3339(failing.outage.since))
            continue
        for target in targets:
            record = records.get(target.id)
            for problem in problems_of(record) if record is not None else ():
                yield target.id, target.labels, problem


def problems_of(record: Record) -> Iterator[ReportedProblem]:
    """Yield the problems of a target; while it cannot be read, that is the only one that is known to hold."""
    if record.outage is not None:
        yield ReportedProblem("watcher.target.unreadable", rfc3339(record.outage.since))
        return
    if record.connection is not None and record.connection.status != AVAILABLE:
        yield ReportedProblem("watcher.connection.unavailable", record.connection.status)
    if record.blockers:
        yield ReportedProblem("watcher.sync.blocked", record.blockers[-1].id)
    attempt = record.known.attempt if record.known is not None else None
    if record.known is None or attempt is None or record.known.missing:
        return
    if attempt.status == FAILED:
        yield ReportedProblem("watcher.sync.failed", rfc3339(attempt.started_at))
    elif stalled(record.known):
        yield ReportedProblem("watcher.sync.stalled", rfc3339(attempt.started_at))
