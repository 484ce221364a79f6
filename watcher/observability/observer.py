"""Observers: notified of polls, commits, deliveries and hints, for metrics and the event stream.

An observer is called on the event loop between the steps of a poll: it must be quick, never wait, and never raise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from watcher.core.deliveries import DeliveryOutcome
from watcher.core.model import Target
from watcher.core.ports import Entry
from watcher.errors import PollFailed, TargetUnreadable


class PollOutcome(StrEnum):
    """The outcome of a poll with all of its tries."""

    ANSWERED = "answered"
    OLDER = "older"
    """The answer had an older attempt than the known one, and was ignored."""
    TARGET_UNREADABLE = "target_unreadable"
    """It failed for a reason that concerns only the target."""
    ENDPOINT_UNREADABLE = "endpoint_unreadable"
    """It failed for a reason that all targets of its endpoint share."""
    THROTTLED = "throttled"
    """AWS refused the call because there were too many."""
    SUPERSEDED = "superseded"
    """Another daemon recorded the target first; the answer is dropped, and the target is polled again."""
    BUG = "bug"

    @property
    def recorded(self) -> bool:
        """Whether the result was recorded: an answer, or an error about the target."""
        return self in (PollOutcome.ANSWERED, PollOutcome.OLDER, PollOutcome.TARGET_UNREADABLE)


def outcome_of(error: PollFailed) -> PollOutcome:
    """The outcome that a failed poll counts as."""
    if error.throttled:
        return PollOutcome.THROTTLED
    return PollOutcome.TARGET_UNREADABLE if isinstance(error, TargetUnreadable) else PollOutcome.ENDPOINT_UNREADABLE


class HintOutcome(StrEnum):
    """What became of a message of a queue of hints."""

    POLLED = "polled"
    """A poll of each of its targets was recorded; it is deleted."""
    FAILED = "failed"
    """A poll failed with its endpoint; the message comes again."""
    ELSEWHERE = "elsewhere"
    """Another daemon polls a target; the message is left to it."""
    UNWATCHED = "unwatched"
    """It names nothing that is watched; it starts a discovery, and is deleted."""
    MALFORMED = "malformed"
    """It is not an event of Git sync; it is deleted."""


@dataclass(frozen=True, slots=True)
class Poll:
    """A poll that has ended. Times are monotonic seconds."""

    target: Target
    due: float
    begun: float
    ended: float
    outcome: PollOutcome


class Observer:
    """Subclasses override the methods they need."""

    def begun(self, target: Target, due: float, begun: float) -> None:
        """A poll of a target that was due at `due` begins at `begun` (monotonic seconds)."""

    def polled(self, poll: Poll) -> None:
        """A poll has ended."""

    def recorded(self, entries: Sequence[Entry]) -> None:
        """Entries were committed together."""

    def delivered(self, results: Sequence[DeliveryOutcome]) -> None:
        """The outcomes of deliveries were committed."""

    def hinted(self, outcome: HintOutcome, targets: Sequence[Target]) -> None:
        """A message of a queue was handled, which names these targets."""


class Observers(Observer):
    """Several observers as one, notified in the order in which they were added."""

    def __init__(self) -> None:
        self._observers: list[Observer] = []

    def add(self, observer: Observer) -> None:
        self._observers.append(observer)

    def begun(self, target: Target, due: float, begun: float) -> None:
        for each in self._observers:
            each.begun(target, due, begun)

    def polled(self, poll: Poll) -> None:
        for each in self._observers:
            each.polled(poll)

    def recorded(self, entries: Sequence[Entry]) -> None:
        for each in self._observers:
            each.recorded(entries)

    def delivered(self, results: Sequence[DeliveryOutcome]) -> None:
        for each in self._observers:
            each.delivered(results)

    def hinted(self, outcome: HintOutcome, targets: Sequence[Target]) -> None:
        for each in self._observers:
            each.hinted(outcome, targets)
