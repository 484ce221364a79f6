"""Which reminders are due: of each problem that holds now, to each sink with `remind_every`. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from watcher.core.model import FAILED, rfc3339
from watcher.core.ports import ReminderRequest
from watcher.core.routing import muted_by, why_not
from watcher.core.settings import Config
from watcher.core.state import Record
from watcher.core.status import stalled
from watcher.util.shapes import Optional, parse


class Problem(NamedTuple):
    """A problem of a subject: the type of the event that reported it, and the time that identifies the event."""

    type: str
    moment: str


def reminder_requests(config: Config, records: Mapping[str, Record], now: datetime) -> list[ReminderRequest]:
    """Return the reminders that sinks request; none of what is muted at `now`."""
    return [
        ReminderRequest(sink.name, subject, problem.type, problem.moment, sink.remind_every)
        for subject, labels, problem in _problems(config, records)
        if muted_by(config.mutes, problem.type, subject, now) is None
        for sink in config.sinks
        if sink.remind_every is not None and why_not(sink, problem.type, subject, labels) is None
    ]


def due(request: ReminderRequest, body: str, recorded: float, last: tuple[int, float] | None, now: float) -> int | None:
    """Return the number of the reminder that is due; None: none is due yet, or the event is not the requested one.

    `body` and `recorded` are those of the event, `last` the number and the end of its last delivery to the sink. Times
    are seconds since 1970.
    """
    data = parse(body, {"data": {"attempt": Optional({}), "error": Optional({})}}, "event.body")["data"]
    if request.moment not in ((data.get("attempt") or {}).get("startedAt"), (data.get("error") or {}).get("since")):
        return None
    if last is None and "muted" not in data:  # recorded before the sink was configured
        return None
    count, ended = last or (0, recorded)
    return count + 1 if ended + request.every <= now else None


def _problems(config: Config, records: Mapping[str, Record]) -> Iterator[tuple[str, Mapping[str, str], Problem]]:
    for endpoint, targets in config.endpoints.items():
        failing = records.get(str(endpoint))
        if failing is not None and failing.outage is not None:
            # Nothing is known of its targets now, so they get no reminders.
            yield str(endpoint), {}, Problem("watcher.endpoint.unreadable", rfc3339(failing.outage.since))
            continue
        for target in targets:
            record = records.get(target.id)
            problem = None if record is None else problem_of(record)
            if problem is not None:
                yield target.id, target.labels, problem


def problem_of(record: Record) -> Problem | None:
    """Return the problem of a target; None: it has none."""
    if record.outage is not None:
        return Problem("watcher.target.unreadable", rfc3339(record.outage.since))
    attempt = record.known.attempt if record.known is not None else None
    if record.known is None or attempt is None or record.known.missing:
        return None
    if attempt.status == FAILED:
        return Problem("watcher.sync.failed", rfc3339(attempt.started_at))
    if stalled(record.known):
        return Problem("watcher.sync.stalled", rfc3339(attempt.started_at))
    return None
