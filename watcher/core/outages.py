"""When failed polls become an event, and whose fault they are. Pure.

A failure is the target's own (not found, invalid) or its endpoint's (contract, section 4). An endpoint that fails for
one target while it answers for others is that target's own trouble: otherwise nobody would ever hear of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from watcher.core.state import Outage
from watcher.errors import EndpointUnreadable, PollFailed, TargetUnreadable

if TYPE_CHECKING:
    from datetime import datetime


OWN, ALONE = 3, 1
"""What a failure counts towards a target's own trouble: one that is sure, and one that only it seems to have.

Server errors at random strike some target several times in a row; they must do so three times as long to be its own.
"""


@dataclass(frozen=True, slots=True)
class FailureStreak:
    """Polls in a row that failed."""

    since: datetime
    code: str
    message: str
    failures: int = 1
    own: int = 0
    """How much they count towards a target's own trouble; of an endpoint, unused."""
    answers: int = 0
    """How often the endpoint had answered anyone when the last of them failed."""

    def outage(self) -> Outage:
        """The streak, once it is said to be one."""
        return Outage(self.since, self.code, self.message, self.failures)


def lengthen(streak: FailureStreak | None, error: PollFailed, now: datetime) -> FailureStreak:
    """An endpoint's streak with one more failure."""
    if streak is None:
        return FailureStreak(now, error.code, error.message)
    return replace(streak, code=error.code, message=error.message, failures=streak.failures + 1)


def lengthen_target(streak: FailureStreak | None, error: PollFailed, now: datetime, *, answers: int) -> FailureStreak:
    """A target's streak with one more failure.

    Args:
        streak: the failures before, if any.
        error: the failure.
        now: when it was.
        answers: how often the target's endpoint has answered anyone so far.
    """
    alone = streak is not None and answers > streak.answers and not error.throttled
    own = OWN if isinstance(error, TargetUnreadable) else ALONE if alone else 0
    longer = lengthen(streak, error, now)
    return replace(longer, own=longer.own + own, answers=answers)


def is_answer(error: PollFailed) -> bool:
    """Whether the endpoint answered, though not with what was asked for."""
    return not isinstance(error, EndpointUnreadable)
