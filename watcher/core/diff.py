"""What changed: (what was known, an answer) -> (what is known now, the changes to tell). Pure.

Contract, section 5, is implemented here, rule by rule; `Reason` names the rule that made a change.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from watcher.core.model import FAILED, KNOWN_STATUSES, SUCCEEDED, FirstSeen
from watcher.core.state import Known, Taken

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from watcher.core.model import Attempt, Revision, Snapshot

BELIEVED_AFTER = 3
"""The answer in a row, with the same older attempt, that is believed (rule 5)."""

REMEMBERED_STATUSES = 32
"""How many (attempt, status) pairs are counted; only an attempt that comes back needs any but its own."""


class Reason(StrEnum):
    """Why there is a change."""

    FIRST_SEEN = "first observation"
    STATUS = "same attempt, other status"
    NEW_ATTEMPT = "new attempt"
    MISSED_SUCCESS = "success between two polls"
    RECREATED = "older attempt, believed"
    STALLED = "unfinished for too long"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to tell about a target's sync: the fields of an event's `data` (contract, section 4)."""

    reason: Reason
    type: str
    """The event's type without `watcher.`."""
    attempt: Attempt
    previous: Attempt | None
    times: int
    """Which time in this attempt it took this status."""
    consecutive_failures: int
    recovered: bool
    """Whether it is the first success after a failed or stalled attempt."""
    desired_state: Revision | None
    latest_successful: Attempt | None

    @property
    def new_attempt(self) -> bool:
        """Whether the attempt is another than the one known before."""
        if self.reason is Reason.FIRST_SEEN:
            return False
        return self.previous is None or self.attempt.started_at != self.previous.started_at


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known after an answer, what to tell of it, and whether the answer was too old to be believed."""

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
) -> Outcome:
    """Compare one answer with what was known.

    Args:
        known: the state before; None at the first observation.
        snapshot: a whole, believable answer.
        now: the time of the answer, by the server's clock where it told, as `startedAt` is.
        on_first_seen: which first observations are told.
        stalled_after: an unfinished attempt older than this is stalled.
    """
    latest = snapshot.latest
    if latest is None:
        return Outcome(_never_synced(known, snapshot, now))
    if known is None:
        return _first_observation(latest, snapshot, now, on_first_seen)
    if known.attempt is not None and latest.started_at < known.attempt.started_at:
        outcome = _older_answer(known, latest, snapshot, now)
        if outcome.ignored:
            return outcome
    else:
        outcome = _answer(known, latest, snapshot, now)
    return _stalled(outcome, now, stalled_after)


def _never_synced(known: Known | None, snapshot: Snapshot, now: datetime) -> Known:
    """Rule 6: no event. What was known is kept, so that the same attempt shown again is no news."""
    if known is None:
        return Known(None, now, snapshot.desired_state, snapshot.latest_successful)
    return replace(
        known,
        desired_state=snapshot.desired_state,
        missing=known.attempt is not None,
        older=None,
        older_answers=0,
    )


def _first_observation(latest: Attempt, snapshot: Snapshot, now: datetime, on_first_seen: FirstSeen) -> Outcome:
    """Rule 1."""
    successful = snapshot.latest_successful
    blank = Known(None, now, last_success=successful.started_at if successful else None)
    known, change = _take(blank, latest, snapshot, now, Reason.FIRST_SEEN)
    told = on_first_seen is FirstSeen.ALL or (on_first_seen is FirstSeen.FAILED and latest.status == FAILED)
    return Outcome(known, (change,) if told else ())


def _older_answer(known: Known, latest: Attempt, snapshot: Snapshot, now: datetime) -> Outcome:
    """Rule 5: a replica that lags, until it says so three times in a row."""
    answers = known.older_answers + 1 if known.older == latest.started_at else 1
    if answers < BELIEVED_AFTER:
        return Outcome(replace(known, older=latest.started_at, older_answers=answers), ignored=True)
    taken, change = _take(known, latest, snapshot, now, Reason.RECREATED)
    return Outcome(taken, (change,))


def _answer(known: Known, latest: Attempt, snapshot: Snapshot, now: datetime) -> Outcome:
    """Rules 2, 3, 4 and 7."""
    previous = known.attempt
    if previous is None or latest.started_at != previous.started_at:
        changes = []
        if missed := _missed_success(known, latest, snapshot):
            known, change = _take(known, missed, snapshot, now, Reason.MISSED_SUCCESS)
            changes.append(change)
        known, change = _take(known, latest, snapshot, now, Reason.NEW_ATTEMPT)
        return Outcome(known, (*changes, change))
    if latest.status != previous.status:
        known, change = _take(known, latest, snapshot, now, Reason.STATUS)
        return Outcome(known, (change,))
    return Outcome(_settle(known, latest, snapshot))


def _missed_success(known: Known, latest: Attempt, snapshot: Snapshot) -> Attempt | None:
    """Rule 4: the success that came and was overtaken between two polls, if there was one."""
    success = snapshot.latest_successful
    if success is None or success.status != SUCCEEDED or success.started_at >= latest.started_at:
        return None
    if known.attempt is not None:
        fresh = success.started_at >= known.attempt.started_at and success.started_at != known.last_success
    else:
        # It had never synced; only what was told then can be old.
        fresh = known.latest_successful is None or success.started_at > known.latest_successful.started_at
    return success if fresh else None


def _stalled(outcome: Outcome, now: datetime, stalled_after: timedelta) -> Outcome:
    """Section 4, `watcher.sync.stalled`: once for each attempt."""
    known, attempt = outcome.known, outcome.known.attempt
    if attempt is None or not attempt.unfinished or known.stalled == attempt.started_at:
        return outcome
    if now - attempt.started_at < stalled_after:
        return outcome
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
    return replace(outcome, known=stalled, changes=(*outcome.changes, change))


def _take(known: Known, attempt: Attempt, snapshot: Snapshot, now: datetime, reason: Reason) -> tuple[Known, Change]:
    """Let `attempt` with its status be the latest that is known, and say so."""
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
        _settle(known, attempt, snapshot),
        since=now,
        failures=0 if succeeded else failures,
        has_stalled=known.has_stalled and not succeeded,
        last_failure=attempt.started_at if failed else None if succeeded else known.last_failure,
        last_success=attempt.started_at if succeeded else known.last_success,
        taken=taken,
    )
    return now_known, change


def _settle(known: Known, attempt: Attempt, snapshot: Snapshot) -> Known:
    """Keep what the answer shows (rule 7); an answer that is believed ends a streak of older ones."""
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
    """`taken` with one more for this attempt and status, as its last entry."""
    times = 1 + _times(taken, attempt)
    others = (entry for entry in taken if (entry.started_at, entry.status) != (attempt.started_at, attempt.status))
    return (*others, Taken(attempt.started_at, attempt.status, times))[-REMEMBERED_STATUSES:]


def _times(taken: tuple[Taken, ...], attempt: Attempt) -> int:
    for entry in taken:
        if (entry.started_at, entry.status) == (attempt.started_at, attempt.status):
            return entry.times
    return 0
