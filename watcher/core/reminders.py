"""What sinks are to be reminded of: whatever is wrong now, by what is known now. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from watcher.core.model import FAILED, rfc3339
from watcher.core.ports import ReminderRequest
from watcher.core.routing import muted_by, why_not
from watcher.util.shapes import Optional, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from watcher.core.settings import Config
    from watcher.core.state import Record


class Wrong(NamedTuple):
    """What is wrong with a subject: the type of the event that told of it, and the moment that tells which one."""

    type: str
    moment: str


def wishes(config: Config, records: Mapping[str, Record], now: datetime) -> list[ReminderRequest]:
    """What the sinks with `remind_every` are to be reminded of, when it is time; of what is muted at `now`, nothing."""
    sinks = [sink for sink in config.sinks if sink.remind_every is not None]
    return [
        ReminderRequest(sink.name, subject, wrong.type, wrong.moment, sink.remind_every)
        for subject, labels, wrong in _wrong(config, records)
        if muted_by(config.mutes, wrong.type, subject, now) is None
        for sink in sinks
        if sink.remind_every is not None and why_not(sink, wrong.type, subject, labels) is None
    ]


def due(wish: ReminderRequest, body: str, recorded: float, last: tuple[int, float] | None, now: float) -> int | None:
    """Which reminder of an event is due to the sink of `wish`; None: none is yet, or the event is not the one meant.

    `body`, `recorded`: the event's. `last`: of its last delivery to the sink, the reminder's count and when it ended.
    Times in seconds since 1970.
    """
    data = parse(body, {"data": {"attempt": Optional({}), "error": Optional({})}}, "event.body")["data"]
    if wish.moment not in ((data.get("attempt") or {}).get("startedAt"), (data.get("error") or {}).get("since")):
        return None
    if last is None and "muted" not in data:  # it was recorded before the sink was there
        return None
    count, ended = last or (0, recorded)
    return count + 1 if ended + wish.every <= now else None


def _wrong(config: Config, records: Mapping[str, Record]) -> Iterator[tuple[str, Mapping[str, str], Wrong]]:
    for endpoint, targets in config.endpoints().items():
        blind = records.get(str(endpoint))
        if blind is not None and blind.outage is not None:
            # Of its targets nothing is known now, so nothing is said of them.
            yield str(endpoint), {}, Wrong("watcher.endpoint.unreadable", rfc3339(blind.outage.since))
            continue
        for target in targets:
            record = records.get(target.id)
            wrong = None if record is None else wrong_with(record)
            if wrong is not None:
                yield target.id, target.labels, wrong


def wrong_with(record: Record) -> Wrong | None:
    """What is wrong with a target, by its record."""
    if record.outage is not None:
        return Wrong("watcher.target.unreadable", rfc3339(record.outage.since))
    attempt = record.known.attempt if record.known is not None else None
    if record.known is None or attempt is None or record.known.missing:
        return None
    if attempt.status == FAILED:
        return Wrong("watcher.sync.failed", rfc3339(attempt.started_at))
    if attempt.unfinished and record.known.stalled == attempt.started_at:
        return Wrong("watcher.sync.stalled", rfc3339(attempt.started_at))
    return None
