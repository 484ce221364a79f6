"""The digest: when it is due, and what it says of the time since the last one. Pure.

It is an event of the subject `digest`. The record of this subject says up to which time digests are recorded. The
event, its deliveries and that time are one commit, so each due time has one digest, also after a restart, and if other
daemons use the store. If several were due while no daemon ran, one is recorded, about all of that time. A new or
changed schedule counts from the moment at which a daemon first follows it: no digest is recorded for the time before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, tzinfo
from heapq import nlargest, nsmallest
from typing import TYPE_CHECKING, Any

from watcher.core.history import HistoryRow, IncidentRow
from watcher.core.model import FAILED, rfc3339, seconds_between
from watcher.core.status import TROUBLES, Status, standing, summary
from watcher.core.windows import DAYS, days_for_people, readings
from watcher.util.bounded_text import bounded

if TYPE_CHECKING:
    from watcher.core.mutes import Mute
    from watcher.core.settings import Config
    from watcher.core.state import Record

DIGEST_SUBJECT = "digest"
"""The subject of digests."""

MAX_LISTED = 20
"""How many incidents, targets or mutes are listed; all of them are counted."""

MAX_GLOBS, MAX_TEXT = 5, 300
"""The most globs of a mute, and bytes of each and of its reason, that are listed: the length of events is limited."""

LOOK_BACK = timedelta(days=1)
"""How long before the last digest a sync may have begun to be counted if it ended since then."""

_DAYS_BACK = range(-1, 10)
"""The days before today (UTC) that are looked at: a week, and more for zones that are ahead, behind, or skip a day."""


@dataclass(frozen=True, slots=True)
class Digest:
    """A message by schedule, also if all is well."""

    to: tuple[str, ...]
    """The sinks that it is sent to."""
    at: time
    days: tuple[str, ...] = DAYS
    zone: tzinfo = UTC

    def __str__(self) -> str:
        """Return the schedule for people: `mon, 08:00 (Europe/Berlin)`."""
        return f"{days_for_people(self.days)}, {self.at:%H:%M} ({self.zone})"

    def last_due(self, now: datetime) -> datetime:
        """Return the last moment up to `now` at which one was due; both are in UTC.

        That is when the clock first reads the time; if it skips the time on that day, the moment of the change.
        """
        days = (now.date() - timedelta(days=back) for back in _DAYS_BACK)
        moments = (readings(self.zone, day, self.at)[0] for day in days if DAYS[day.weekday()] in self.days)
        return next(moment for moment in moments if moment <= now)


@dataclass(slots=True)
class Period:
    """What happened since the last digest; rows are added one after the other."""

    since: datetime
    synced: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    """Failed syncs by target."""
    ended: list[IncidentRow] = field(default_factory=list)

    def add(self, row: HistoryRow) -> None:
        """Count a row of the history, if what it is about ended in the period."""
        if isinstance(row, IncidentRow):
            if row.closed_at >= self.since:
                self.ended.append(row)
        elif row.attempt.ended and row.attempt.started_at + timedelta(seconds=row.attempt.duration or 0) >= self.since:
            self.synced += 1
            if row.attempt.status == FAILED:
                self.failed[row.subject] += 1


def digest_data(
    config: Config,
    records: Mapping[str, Record],
    period: Period,
    mutes: Sequence[Mute],
    *,
    due: datetime,
    now: datetime,
) -> dict[str, Any]:
    """Return the `digest` of an event's `data`, and its `message`, a line for people.

    Args:
        config: what is watched.
        records: what is known of all subjects, also of those that other daemons poll.
        period: what happened since the last digest.
        mutes: those that apply now; their `until` is when they end or pause.
        due: when this one is due.
        now: the present time.
    """
    kinds = Counter(target.kind.name for target in config.targets)
    open_ = [
        (subject, record.incident)
        for subject in config.subjects
        if (record := records.get(subject)) is not None and record.incident is not None
    ]
    statuses = Counter(standing(records.get(each.id), records.get(str(each.endpoint))) for each in config.targets)
    oldest = nsmallest(MAX_LISTED, open_, key=lambda each: (each[1].opened_at, each[0]))
    most = nsmallest(MAX_LISTED, period.failed.items(), key=lambda each: (-each[1], each[0]))
    latest = nlargest(MAX_LISTED, period.ended, key=lambda row: (row.closed_at, row.subject))
    digest = {
        "due": rfc3339(due),
        "since": rfc3339(period.since),
        "well": not open_ and not statuses.keys() & TROUBLES,
        "watched": {
            "targets": len(config.targets), "endpoints": len(config.endpoints), "kinds": dict(sorted(kinds.items())),
            "statuses": {each.value: statuses[each] for each in Status if statuses[each]},
        },
        "open": len(open_),
        "incidents": [
            {"subject": subject, "problems": list(incident.problems), "opened_at": rfc3339(incident.opened_at),
             "age_seconds": seconds_between(incident.opened_at, now)}
            for subject, incident in oldest
        ],
        "syncs": period.synced,
        "failed": period.failed.total(),
        "failures": [{"subject": subject, "count": count} for subject, count in most],
        "ended": len(period.ended),
        "recoveries": [
            {"subject": row.subject, "closed_at": rfc3339(row.closed_at), "removed": row.removed,
             "duration_seconds": seconds_between(row.opened_at, row.closed_at)}
            for row in latest
        ],
        "muted": len(mutes),
        "mutes": [_mute_to_json(mute) for mute in mutes[:MAX_LISTED]],
    }  # fmt: skip
    return {"digest": digest, "message": _line(digest)}


def status_line(statuses: Mapping[str, int], among: Iterable[Status] = Status) -> str:
    """Return some of the counts of `digest.watched.statuses` for people: `1 failed, 10 succeeded`."""
    return summary({each: statuses[each] for each in among if each in statuses})


def _line(digest: Mapping[str, Any]) -> str:
    targets, open_ = digest["watched"]["targets"], digest["open"]
    watched = f"{targets} {'target' if targets == 1 else 'targets'}"
    if digest["well"]:
        return f"All is well: {watched}, no open incident."
    if not open_:
        return f"{status_line(digest['watched']['statuses'], TROUBLES)} of {watched}, no open incident."
    return f"{open_} open {'incident' if open_ == 1 else 'incidents'}, {watched}."


def _mute_to_json(mute: Mute) -> dict[str, Any]:
    return {
        "targets": [bounded(each, MAX_TEXT) for each in mute.targets[:MAX_GLOBS]],
        "events": [bounded(each, MAX_TEXT) for each in mute.events[:MAX_GLOBS]],
        "until": None if mute.until is None else rfc3339(mute.until),
        "reason": mute.reason and bounded(mute.reason, MAX_TEXT),
    }
