"""Who is told of what happens while it goes on: metrics, the status page. Nothing hangs on what they make of it.

An observer is called on the event loop between a poll's steps: it is quick, waits for nothing and raises nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from watcher.errors import TargetUnreadable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.core.model import Target
    from watcher.core.ports import DeliveryOutcome, Entry
    from watcher.errors import PollFailed


class PollOutcome(StrEnum):
    """How a poll ended, all of its tries together."""

    ANSWERED = "answered"
    OLDER = "older"
    """Answered with an older attempt than is known, which was ignored (contract, section 5, rule 5)."""
    TARGET_UNREADABLE = "target_unreadable"
    """It failed for a reason of the target's own."""
    ENDPOINT_UNREADABLE = "endpoint_unreadable"
    """It failed for a reason that all targets of its endpoint share."""
    THROTTLED = "throttled"
    """AWS said that there were too many calls."""
    SUPERSEDED = "superseded"
    """Another watcher was quicker; what was answered is not kept, and the target is polled again."""
    BUG = "bug"


def outcome_of(error: PollFailed) -> PollOutcome:
    """What a failed poll is counted as."""
    if error.throttled:
        return PollOutcome.THROTTLED
    return PollOutcome.TARGET_UNREADABLE if isinstance(error, TargetUnreadable) else PollOutcome.ENDPOINT_UNREADABLE


@dataclass(frozen=True, slots=True)
class Poll:
    """One poll that is over. Times are seconds on the monotonic clock."""

    target: Target
    due: float
    begun: float
    ended: float
    outcome: PollOutcome


class Observer:
    """Is told; answers nothing. What one does not define for itself, it is not told of."""

    def begun(self, target: Target, due: float, begun: float) -> None:
        """A poll begins, at `begun`, of a target that was `due` (monotonic seconds)."""

    def polled(self, poll: Poll) -> None:
        """A poll is over."""

    def recorded(self, entries: Sequence[Entry]) -> None:
        """These were committed together."""

    def delivered(self, results: Sequence[DeliveryOutcome]) -> None:
        """What became of tries of deliveries was committed."""


class Observers(Observer):
    """Several as one."""

    def __init__(self, *observers: Observer) -> None:
        """They are told in this order."""
        self._observers = [*observers]

    def add(self, observer: Observer) -> None:
        """Tell one more."""
        self._observers.append(observer)

    def begun(self, target: Target, due: float, begun: float) -> None:
        """See `Observer`."""
        for each in self._observers:
            each.begun(target, due, begun)

    def polled(self, poll: Poll) -> None:
        """See `Observer`."""
        for each in self._observers:
            each.polled(poll)

    def recorded(self, entries: Sequence[Entry]) -> None:
        """See `Observer`."""
        for each in self._observers:
            each.recorded(entries)

    def delivered(self, results: Sequence[DeliveryOutcome]) -> None:
        """See `Observer`."""
        for each in self._observers:
            each.delivered(results)
