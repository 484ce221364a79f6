"""A delivery is one event on its way to one sink: how it is sent, what became of it, and how it is found and shown."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from watcher.core.model import extended

if TYPE_CHECKING:
    from watcher.core.events import Event


class Delivery(NamedTuple):
    """One event on its way to one sink. `number` orders all events of a store."""

    number: int
    sink: str
    event: Event
    recorded: float = 0.0
    """When the event was recorded, in seconds since 1970."""
    reminder: int = 0
    """0 for the event itself, n for its n-th reminder."""
    tries: int = 0
    """How many tries there were before."""
    failing_since: float | None = None
    """Since when every delivery of its subject to this sink has failed, in seconds since 1970."""
    failures: int = 0
    """How many tries have failed since then."""
    answer: str | None = None
    """What became of the last try, why it became a dead letter, or `REPLAYED`; None: none of these."""
    opening: Event | None = None
    """The event that opened the incident of this one; only for sinks with `Limits.with_opening`."""
    earlier: str | None = None
    """What the sink said of its last delivery of the same incident; only for sinks with `Limits.with_earlier`."""

    @property
    def id(self) -> str:
        """The id by which a receiver recognises a repeat: that of the event, and the number of the reminder."""
        return f"{self.event.id}-reminder-{self.reminder}" if self.reminder else self.event.id

    @property
    def body(self) -> str:
        """The CloudEvent as it is sent: the same bytes on every try."""
        return extended(self.event.body, reminder=self.reminder) if self.reminder else self.event.body


class Verdict(StrEnum):
    """What a sink did with a delivery."""

    TAKEN = "taken"
    """The sink accepted it."""
    LATER = "later"
    """The sink did not accept it; another try may succeed."""
    NEVER = "never"
    """The sink refused it permanently."""


class SendOutcome(NamedTuple):
    """What became of one try of a delivery; `text` is for people: a status line, a message id, an error."""

    delivery: Delivery
    verdict: Verdict
    text: str


@dataclass(frozen=True, slots=True)
class Limits:
    """How deliveries are sent to a sink."""

    batch: int = 1
    """The most deliveries in one `send`; unless `in_order`, they are of different subjects."""
    parallel: int = 1
    """The most sends at the same time, of different subjects."""
    in_order: bool = False
    """Whether all deliveries are sent in the order in which they were recorded, several of a subject in one `send`."""
    deadline: float = 10.0
    """The most seconds that one `send` may take."""
    group_wait: float = 0.0
    """Seconds that an event waits for others of the same cause, to share one `send`; only for sinks of text."""
    with_opening: bool = False
    """Whether the delivery of an event comes with the one that opened its incident."""
    ends_last: bool = False
    """Whether nothing of an incident is sent after its end, since the receiver would open the incident again."""
    by_subject: bool = False
    """Whether the end of one incident closes the alert of a later one, since the receiver has one for each subject."""
    by_commit: bool = False
    """Whether nothing of a commit is sent after a later event of it, since the receiver shows what it was sent last."""
    with_earlier: bool = False
    """Whether a delivery comes with what the sink said of the last one of the same incident."""

    @property
    def needs_history(self) -> bool:
        """Whether earlier or later events are read before a send."""
        return self.ends_last or self.by_commit or self.with_opening or self.with_earlier


class DeliveryOutcome(NamedTuple):
    """The new state of a delivery after one try."""

    delivery: Delivery
    state: DeliveryState
    """WAITING: the next try is after `pause` seconds, and until then nothing of its subject is sent."""
    answer: str
    pause: float = 0.0
    failing: bool = False
    """Whether the series of failed tries of the subject goes on; False: this try ended it."""


@dataclass(frozen=True, slots=True)
class ReminderRequest:
    """Asks to remind a sink of a subject's problem, `every` so many seconds.

    A reminder repeats the subject's last event of this `type`, if `mark` is the status of its connection, the id of its
    blocker, the `since` of its error or the `startedAt` of its attempt: the first of these that it has.
    """

    sink: str
    subject: str
    type: str
    mark: str
    every: float


class DeliveryState(StrEnum):
    """The state of a delivery."""

    WAITING = "waiting"
    SENT = "sent"
    DEAD = "dead"
    """Given up, or refused permanently: a dead letter."""
    DROPPED = "dropped"
    """Cancelled by an operator."""


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """A delivery as it is shown: how often it was tried, and the last response. Times are seconds since 1970."""

    event: Event
    sink: str
    state: DeliveryState
    reminder: int
    recorded: float
    tries: int
    tried: float | None
    """When the last try was."""
    ended: float | None
    """When it was sent, became a dead letter, or was dropped."""
    answer: str | None
