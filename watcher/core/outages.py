"""Series of failed polls, and whether a failure counts as the target's own or as its endpoint's. Pure.

The target's own are errors about the target (not found, invalid). The endpoint's are credentials, access, throttling,
the network, server errors and a retired service. An endpoint that fails for one target while it answers for others also
counts as that target's own, and not as the endpoint's: otherwise no event would ever report it, or, where an operation
or a resource is denied, the endpoint would be reported as unreadable and readable again and again.
"""

from dataclasses import dataclass
from datetime import datetime

from watcher.core.state import Outage
from watcher.errors import EndpointUnreadable, PollFailed, TargetUnreadable

OWN, ALONE = 3, 1
"""What a failure counts as the target's own: an error about the target, and one of the endpoint for this target alone.

Random server errors hit some target several times in a row, so they must last three times as long to count.
"""


@dataclass(frozen=True, slots=True)
class FailureStreak:
    """Consecutive polls that failed."""

    since: datetime
    code: str
    message: str
    failures: int = 1
    own: int = 0
    """How much they count as the subject's own, in units of `ALONE`."""
    answers: int = 0
    """How many answers for any target the endpoint had given at the last of them."""

    def outage(self) -> Outage:
        """Return the outage that the streak is reported as."""
        return Outage(self.since, self.code, self.message, self.failures)


def lengthen(
    streak: FailureStreak | None, error: PollFailed, now: datetime, *, own: int = OWN, answers: int = 0
) -> FailureStreak:
    """Return the streak with one more failure, which counts as `own`; the defaults are those of an endpoint."""
    failures, counted = (0, 0) if streak is None else (streak.failures, streak.own)
    since = now if streak is None else streak.since
    return FailureStreak(since, error.code, error.message, failures + 1, counted + own, answers)


def lengthen_target(streak: FailureStreak | None, error: PollFailed, now: datetime, *, answers: int) -> FailureStreak:
    """Return the streak of a target with one more failure.

    `answers` is how many answers for any target its endpoint has given so far.
    """
    alone = is_alone(streak, error, answers)
    own = OWN if isinstance(error, TargetUnreadable) else ALONE if alone else 0
    return lengthen(streak, error, now, own=own, answers=answers)


def is_alone(streak: FailureStreak | None, error: PollFailed, answers: int) -> bool:
    """Return whether the endpoint answered for others since the target's last failure, which is the end of `streak`."""
    return streak is not None and answers > streak.answers and not error.throttled


def is_answer(error: PollFailed) -> bool:
    """Return whether the endpoint answered, although not with a sync status."""
    return not isinstance(error, EndpointUnreadable)
