"""What a person must know first of a target: one word, worst first. Pure."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING

from watcher.core.model import FAILED, SUCCEEDED, UNFINISHED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from watcher.core.model import Attempt
    from watcher.core.state import Known, Outage, Record


class Status(StrEnum):
    """How a target stands, in the order in which people are to see it."""

    UNREADABLE = "unreadable"
    """Nothing can be known of it now: its own fault, or its endpoint's."""
    FAILED = "failed"
    STALLED = "stalled"
    UNKNOWN = "unknown"
    """AWS tells a status that this version does not know."""
    NEVER_SYNCED = "never_synced"
    """AWS answers, and there was no attempt yet."""
    NOT_SEEN = "not_seen"
    """It was not read yet, in this run or any before."""
    ACTIVE = "active"
    SUCCEEDED = "succeeded"


_RANKS = {standing: rank for rank, standing in enumerate(Status)}


def rank(standing: Status) -> int:
    """Its place in the order: 0 is the worst."""
    return _RANKS[standing]


_PHRASES = {Status.UNKNOWN: "with an unknown status", Status.ACTIVE: "syncing"}


def summary(standings: Iterable[Status]) -> str:
    """The number of targets by standing, worst first: `2 failed, 1 stalled, 10 succeeded`."""
    found = Counter(standings)
    counts = [f"{found[each]} {_PHRASES.get(each, each.value.replace('_', ' '))}" for each in Status if found[each]]
    return ", ".join(counts) or "no targets"


def standing(record: Record | None, endpoint: Record | None) -> Status:
    """How a target stands, by what is kept of it and of its endpoint."""
    if outage_of(record, endpoint) is not None:
        return Status.UNREADABLE
    return sync_standing(record.known if record else None)


def sync_standing(known: Known | None) -> Status:
    """How a target's sync stands by the last answer that was believed, whether or not it can be read now."""
    return Status.NOT_SEEN if known is None else attempt_standing(known.attempt, overdue=stalled(known))


def attempt_standing(attempt: Attempt | None, *, overdue: bool) -> Status:
    """The standing of a target's sync by its latest attempt; `overdue`: it began at least `stalled_after` ago."""
    if attempt is None:
        return Status.NEVER_SYNCED
    if attempt.status == FAILED:
        return Status.FAILED
    if overdue and attempt.unfinished:
        return Status.STALLED
    if attempt.status == SUCCEEDED:
        return Status.SUCCEEDED
    return Status.ACTIVE if attempt.status in UNFINISHED else Status.UNKNOWN


def outage_of(record: Record | None, endpoint: Record | None) -> Outage | None:
    """Why a target cannot be read: its own outage before its endpoint's; None: it can."""
    return (record.outage if record else None) or (endpoint.outage if endpoint else None)


def stalled(known: Known | None) -> bool:
    """Whether it was told of the latest attempt that it stalled, and it is not over since."""
    attempt = known.attempt if known else None
    return bool(known and attempt and attempt.unfinished and known.stalled == attempt.started_at)


def active(known: Known | None) -> bool:
    """Whether AWS is at it, so that it is polled each `active_interval`."""
    return bool(known and known.attempt and known.attempt.unfinished and not known.missing)


def last_failure(attempt: Attempt | None) -> str:
    """What AWS said last of an attempt that failed, or nothing."""
    if attempt is None or attempt.status != FAILED:
        return ""
    return next((text for event in reversed(attempt.events) if (text := event.get("event"))), "")
