"""Decides when there is an event: compares an answer with what is known of its target. Pure.

The rules; `Reason` names those that cause a change. Each change is one event:

1. First observation (`FIRST_SEEN`): the first attempt that is seen of a target is an event only if `on_first_seen` asks
   for it: if it failed (`failed`, the default), whatever its status (`all`), or never (`none`).
2. Same attempt, other status (`STATUS`): the same `startedAt` with another status is an event.
3. New attempt (`NEW_ATTEMPT`): a later `startedAt` is an event, also with the same status as the attempt before. A
   second failed attempt in a row is a second event.
4. Success between two polls (`MISSED_SUCCESS`): when there is a new attempt, and the latest successful attempt started
   after the last known one, or is that one and was never seen to succeed, then the success is an event of its own,
   before that of the new attempt.
5. Older attempt (`RECREATED`): an answer with an earlier `startedAt` than the known attempt is ignored, since it may
   come from a replica that lags. The third such answer in a row with the same attempt is accepted, and is an event.
6. No attempt: an answer without a latest attempt means that the target never synced. It is not an event, and the first
   attempt after it is a new attempt. A poll that failed, or an answer that is not what the API promises, does not get
   here: it changes nothing.
7. Same attempt, same status: what else the answer shows (more `events`) is kept, and is not an event.
8. Stalled (`STALLED`): an attempt that is unfinished for `stalled_after` is an event, once for each attempt.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from watcher.core.model import FAILED, KNOWN_STATUSES, SUCCEEDED, Attempt, FirstSeen, Revision, Snapshot
from watcher.core.state import Known, Taken

ROLLBACK_ANSWERS = 3
"""How many consecutive answers must show the same older attempt before it is accepted as a rollback."""

MAX_COUNTED_STATUSES = 32
"""How many (attempt, status) pairs are counted; only an attempt that comes back needs any but its own."""


class Reason(StrEnum):
    """Why there is a change: the rule that causes it."""

    FIRST_SEEN = "first observation"
    STATUS = "same attempt, other status"
    NEW_ATTEMPT = "new attempt"
    MISSED_SUCCESS = "success between two polls"
    RECREATED = "older attempt, accepted"
    STALLED = "unfinished for too long"


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a target's sync, as its event reports it."""

    reason: Reason
    type: str
    """The type of the event without `watcher.`."""
    attempt: Attempt
    previous: Attempt | None
    times: int
    """How many times this attempt has taken this status."""
    consecutive_failures: int
    recovered: bool
    """Whether this is the first success after a failed or stalled attempt."""
    desired_state: Revision | None
    latest_successful: Attempt | None

    @property
    def new_attempt(self) -> bool:
        """Whether the attempt differs from the one known before."""
        differs = self.previous is None or self.attempt.started_at != self.previous.started_at
        return differs and self.reason is not Reason.FIRST_SEEN


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is known after an answer, the changes that it caused, and whether it was ignored as an older answer."""

    known: Known
    changes: tuple[Change, ...] = ()
    ignored: bool = False


def diff(
    known: Known | None,
    snapshot: Snapshot,
    *,
    now: datetime,
    on_first_seen: FirstSeen = FirstSeen.FAILED,
    stalled_after: timedelta,
) -> Comparison:
    """Return what is known of a target after an answer, and the changes that the answer caused.

    Args:
        known: the state before; None at the first observation.
        snapshot: an answer that has what the API promises.
        now: the time of the answer: by the server's clock, which also gave `startedAt`, where the answer has its time.
        on_first_seen: which first observations are changes.
        stalled_after: an attempt that is unfinished for so long is stalled.
    """
    latest = snapshot.latest
    if latest is None:
        return Comparison(_never_synced(known, snapshot, now))
    if known is None:
        return _first_observation(latest, snapshot, now, on_first_seen)
    is_older = known.attempt is not None and latest.started_at < known.attempt.started_at
    comparison = (_older_attempt if is_older else _same_or_new_attempt)(known, latest, snapshot, now)
    return comparison if comparison.ignored else _check_stalled(comparison, now, stalled_after)


def _never_synced(known: Known | None, snapshot: Snapshot, now: datetime) -> Known:
    """Rule 6. What was known is kept, so that the same attempt in a later answer is not a change."""
    if known is None:
        return Known(None, now, snapshot.desired_state, snapshot.latest_successful)
    missing = known.attempt is not None
    return replace(known, desired_state=snapshot.desired_state, missing=missing, older=None, older_answers=0)


def _first_observation(latest: Attempt, snapshot: Snapshot, now: datetime, on_first_seen: FirstSeen) -> Comparison:
    """Rule 1 (`FIRST_SEEN`)."""
    successful = snapshot.latest_successful
    blank = Known(None, now, last_success=successful.started_at if successful else None)
    known, change = _take(blank, latest, snapshot, now, Reason.FIRST_SEEN)
    wanted = on_first_seen is FirstSeen.ALL or (on_first_seen is FirstSeen.FAILED and latest.status == FAILED)
    return Comparison(known, (change,) if wanted else ())


def _older_attempt(known: Known, latest: Attempt, snapshot: Snapshot, now: datetime) -> Comparison:
    """Rule 5 (`RECREATED`)."""
    answers = known.older_answers + 1 if known.older == latest.started_at else 1
    if answers < ROLLBACK_ANSWERS:
        return Comparison(replace(known, older=latest.started_at, older_answers=answers), ignored=True)
    taken, change = _take(known, latest, snapshot, now, Reason.RECREATED)
    return Comparison(taken, (change,))


def _same_or_new_attempt(known: Known, latest: Attempt, snapshot: Snapshot, now: datetime) -> Comparison:
    """Rules 2 (`STATUS`), 3 (`NEW_ATTEMPT`), 4 (`MISSED_SUCCESS`) and 7."""
    previous = known.attempt
    if previous is None or latest.started_at != previous.started_at:
        changes = []
        if missed := _missed_success(known, latest, snapshot):
            known, change = _take(known, missed, snapshot, now, Reason.MISSED_SUCCESS)
            changes.append(change)
        known, change = _take(known, latest, snapshot, now, Reason.NEW_ATTEMPT)
        return Comparison(known, (*changes, change))
    if latest.status != previous.status:
        known, change = _take(known, latest, snapshot, now, Reason.STATUS)
        return Comparison(known, (change,))
    return Comparison(_update(known, latest, snapshot))


def _missed_success(known: Known, latest: Attempt, snapshot: Snapshot) -> Attempt | None:
    """Rule 4 (`MISSED_SUCCESS`): return the success that happened between two polls, if there was one."""
    success = snapshot.latest_successful
    if success is None or success.status != SUCCEEDED or success.started_at >= latest.started_at:
        return None
    if known.attempt is not None:
        unseen = success.started_at >= known.attempt.started_at and success.started_at != known.last_success
    else:
        # The target had never synced: only a success that its answer showed even so is an old one.
        unseen = known.latest_successful is None or success.started_at > known.latest_successful.started_at
    return success if unseen else None


def _check_stalled(comparison: Comparison, now: datetime, stalled_after: timedelta) -> Comparison:
    """Rule 8 (`STALLED`): add the change if the latest attempt is stalled and that was not reported yet."""
    known, attempt = comparison.known, comparison.known.attempt
    if attempt is None or known.stalled == attempt.started_at or not attempt.is_stalled(now, stalled_after):
        return comparison
    change = Change(
        reason=Reason.STALLED,
        type="sync.stalled",
        attempt=attempt,
        previous=attempt,
        times=_times(known.taken, attempt),
        consecutive_failures=0,
        recovered=False,
        desired_state=known.desired_state,
        latest_successful=known.latest_successful,
    )
    stalled = replace(known, stalled=attempt.started_at, has_stalled=True)
    return replace(comparison, known=stalled, changes=(*comparison.changes, change))


def _take(known: Known, attempt: Attempt, snapshot: Snapshot, now: datetime, reason: Reason) -> tuple[Known, Change]:
    """Return what is known once `attempt` with its status is the latest, and the change to it."""
    failed, succeeded = attempt.status == FAILED, attempt.status == SUCCEEDED
    failures = known.failures
    if failed and known.last_failure != attempt.started_at:
        failures += 1
    taken = _count(known.taken, attempt)
    change = Change(
        reason=reason,
        type=f"sync.{attempt.status.lower()}" if attempt.status in KNOWN_STATUSES else "sync.unknown",
        attempt=attempt,
        previous=known.attempt,
        times=_times(taken, attempt),
        consecutive_failures=failures if failed else 0,
        recovered=succeeded and (known.failures > 0 or known.has_stalled),
        desired_state=snapshot.desired_state,
        latest_successful=snapshot.latest_successful,
    )
    now_known = replace(
        _update(known, attempt, snapshot),
        since=now,
        failures=0 if succeeded else failures,
        has_stalled=known.has_stalled and not succeeded,
        last_failure=attempt.started_at if failed else None if succeeded else known.last_failure,
        last_success=attempt.started_at if succeeded else known.last_success,
        taken=taken,
    )
    return now_known, change


def _update(known: Known, attempt: Attempt, snapshot: Snapshot) -> Known:
    """Return what is known with what the answer shows (rule 7); an accepted answer ends a series of older ones."""
    return replace(
        known,
        attempt=attempt,
        desired_state=snapshot.desired_state,
        latest_successful=snapshot.latest_successful,
        missing=False,
        older=None,
        older_answers=0,
    )


def _count(taken: tuple[Taken, ...], attempt: Attempt) -> tuple[Taken, ...]:
    """Return `taken` with the count for this attempt and status increased, as the last entry."""
    others = (entry for entry in taken if (entry.started_at, entry.status) != (attempt.started_at, attempt.status))
    counted = Taken(attempt.started_at, attempt.status, 1 + _times(taken, attempt))
    return (*others, counted)[-MAX_COUNTED_STATUSES:]


def _times(taken: tuple[Taken, ...], attempt: Attempt) -> int:
    same = (entry for entry in taken if (entry.started_at, entry.status) == (attempt.started_at, attempt.status))
    return next((entry.times for entry in same), 0)
