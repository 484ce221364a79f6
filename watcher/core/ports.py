"""Every edge of the house on one page: where answers come from, where state is kept, where events go, the time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import TYPE_CHECKING, Any, Protocol

from watcher.core.events import with_reminder

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    from watcher.core.events import Event
    from watcher.core.model import Api, Snapshot, Target
    from watcher.core.state import Record


class Source(Protocol):
    """How one kind of target is asked for. Pure: the endpoint makes the call."""

    @property
    def api(self) -> Api:
        """The API to call."""

    @property
    def operation(self) -> str:
        """The client's method."""

    def request(self, target: Target) -> dict[str, str]:
        """The call's parameters."""

    def read(self, answer: dict[str, Any]) -> Snapshot:
        """The answer's meaning; raises PollFailed when it is not what the API promises."""


class Clock(Protocol):
    """What time it is. Schedules and waits use `monotonic`; only what is shown to people uses `now`."""

    def now(self) -> datetime:
        """The wall clock, in UTC. It may be set back."""

    def monotonic(self) -> float:
        """Seconds that only grow."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One subject's new state, the events it caused, and the names of the sinks that are to have each of them."""

    subject: str
    record: Record
    events: Sequence[tuple[Event, Sequence[str]]] = ()
    follows: Record | None = None
    """What was known of the subject when this was found; None: whatever it is."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one sink. `number` orders all events of a store."""

    number: int
    sink: str
    event: Event
    recorded: float = 0.0
    """When the event was recorded, in seconds since 1970."""
    reminder: int = 0
    """0 for the event itself; n for the n-th time that the sink is reminded of it."""
    tries: int = 0
    """How often it was tried before."""
    failing_since: float | None = None
    """Since when no delivery of its subject gets through to this sink, in seconds since 1970."""
    failures: int = 0
    """How many tries failed in a row since then."""

    @property
    def id(self) -> str:
        """What a receiver knows a repeat of this delivery by: the event's id, and of a reminder also its count."""
        return f"{self.event.id}-reminder-{self.reminder}" if self.reminder else self.event.id

    @property
    def body(self) -> str:
        """The CloudEvent as it is sent: the same bytes on every try."""
        return with_reminder(self.event.body, self.reminder) if self.reminder else self.event.body


class Verdict(StrEnum):
    """What became of one try."""

    TAKEN = "taken"
    """The sink has it: it need not be sent again."""
    LATER = "later"
    """It does not have it now; another try may do."""
    NEVER = "never"
    """It refuses this event for good."""


@dataclass(frozen=True, slots=True)
class SendOutcome:
    """What a sink answered to one delivery; `text` is for people: a status line, a message id, an error."""

    delivery: Delivery
    verdict: Verdict
    text: str


@dataclass(frozen=True, slots=True)
class Limits:
    """How a sink wants its deliveries."""

    batch: int = 1
    """Deliveries in one `send` at most; unless `in_order`, of different subjects."""
    parallel: int = 1
    """Sends under way at the same time at most, of different subjects."""
    in_order: bool = False
    """Everything in the order in which it was recorded, also several of one subject in one `send`."""
    deadline: float = 10.0
    """Seconds that one `send` may take."""
    group_wait: float = 0.0
    """Seconds that an event waits for others of the same cause, which then share one `send` (a text sink's)."""


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """What one try of a delivery means for its future."""

    delivery: Delivery
    state: DeliveryState
    """WAITING: it is tried again after `pause` seconds, and nothing of its subject before it."""
    answer: str
    pause: float = 0.0
    failing: bool = False
    """The subject's streak of failed tries goes on; False: this try ended it."""


@dataclass(frozen=True, slots=True)
class ReminderRequest:
    """A sink is to be reminded of what is wrong with a subject, `every` so many seconds."""

    sink: str
    subject: str
    type: str
    """Of the subject's last event of this type, ..."""
    moment: str
    """... if this is its attempt's `startedAt`, or its outage's `since`."""
    every: float


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    WAITING = "waiting"
    SENT = "sent"
    DEAD = "dead"
    """It was given up, or refused for good: a dead letter."""
    DROPPED = "dropped"
    """Somebody said that it need not be sent."""


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """A delivery as it is told of: what was tried, and what was answered last."""

    event: Event
    sink: str
    state: DeliveryState
    reminder: int
    recorded: float
    tries: int
    tried: float | None
    """When it was tried last, in seconds since 1970."""
    ended: float | None
    """When it was sent, given up or dropped."""
    answer: str | None


@dataclass(frozen=True, slots=True)
class DeliveryQuery:
    """Which deliveries are wanted; every field None or empty lets everything through."""

    states: Collection[DeliveryState] = ()
    sink: str | None = None
    event_id: str | None = None
    limit: int = 100
    newest: bool = False
    """Return the deliveries of the newest events first, instead of the oldest."""


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which recorded events are wanted; globs, and every field None or empty lets everything through."""

    target: str | None = None
    """See `core.subjects.subject_matches`."""
    types: Sequence[str] = ()
    since: datetime | None = None
    after: int = 0
    """Only events recorded after the one with this number."""
    limit: int = 50
    newest: bool = True
    """If more than `limit` or `size` match, return the newest instead of the oldest; in both cases oldest first."""
    size: float = inf
    """Characters that the bodies may have in all; a single event may have more."""
    known: Collection[tuple[int, str]] = ()
    """Events that are to be left out, by number and id; needed only where events may be `late`."""


class Reader(Protocol):
    """Read access to a store."""

    late: int
    """By how much the number of an event may be smaller than that of an event recorded before it; 0: it never is."""

    async def open(self) -> None:
        """Open the store; no other method may be called before.

        Raises:
            StoreError: the store does not exist, or cannot be used.
        """

    async def records(self) -> dict[str, Record]:
        """The state of every subject."""

    async def events(self, query: EventQuery) -> list[tuple[int, Event]]:
        """Recorded events with their numbers, oldest first."""

    async def deliveries(self, query: DeliveryQuery) -> list[DeliveryRecord]:
        """Deliveries by sink, those of the oldest event first, unless `query.newest`."""

    async def counts(self) -> Mapping[tuple[str, DeliveryState], int]:
        """How many deliveries wait or are dead letters, by sink."""

    async def find(self, event_id: str) -> list[tuple[int, Event]]:
        """The recorded events with this id: more than one where the same change was seen again after a lost state."""

    async def alive_at(self) -> datetime | None:
        """When a daemon last called `Store.mark_alive`; None: never since the store was created or imported."""

    async def close(self) -> None:
        """Close the store. Also allowed if it was never opened, or if `open` failed."""


class Outbox(Reader, Protocol):
    """What an operator may change beside a running daemon."""

    async def registered_sinks(self) -> Collection[str]:
        """The sinks that were configured when `register_sinks` was asked last."""

    async def requeue(self, event_ids: Collection[str], sink: str | None, now: datetime) -> int:
        """Let dead letters be tried anew: those of these events (empty: all), of one sink or all; returns how many.

        Those of sinks that are not `registered_sinks` stay, and so do reminders: the next one comes by itself.
        """

    async def drop(self, event_id: str, sink: str | None, now: datetime) -> int:
        """Let what waits, or is dead, of an event not be sent, to one sink or all; returns how many deliveries."""


class Store(Reader, Protocol):
    """Where state and events are kept. Every method may raise StoreError, and then nothing has changed."""

    async def commit(self, entries: Sequence[Entry], now: datetime) -> None:
        """Keep states, events and deliveries: all of them, or none (contract, section 6).

        Raises:
            StoreConflict: another watcher changed some of the subjects; all other entries were kept.
        """

    async def reload(self, subjects: Collection[str]) -> dict[str, Record]:
        """What is known of subjects by now, whoever found it; one of which nothing is known is left out."""

    async def forget(self, subjects: Collection[str]) -> None:
        """Drop the states of subjects that are no longer configured; their events stay."""

    async def due(self, sink: str, limit: int) -> list[Delivery]:
        """The sink's oldest waiting deliveries, in the order in which their events were recorded."""

    async def lane_heads(
        self, sink: str, now: datetime, limit: int, skip: Collection[str] = (), failing: int | None = None
    ) -> list[Delivery]:
        """The oldest waiting delivery of each subject that is not in `skip` and whose next try is not still to come.

        At most `failing` of them (None: any number) are of subjects whose last try failed. They come in the order in
        which their events were recorded.
        """

    async def next_try(self, sink: str, now: datetime, skip: Collection[str] = ()) -> float | None:
        """Seconds until `lane_heads` will have something of a subject not in `skip`; None: nothing waits."""

    async def settle(self, results: Sequence[DeliveryOutcome], now: datetime) -> None:
        """Keep what became of tries."""

    async def waiting(self) -> Mapping[str, int]:
        """How many deliveries wait, by sink."""

    async def prune(self, before: datetime, limit: int) -> int:
        """Drop up to `limit` events from before a time that no sink waits for; returns how many.

        What a sink took, or was given up on, since that time keeps its event as well.
        """

    async def registered_sinks(self) -> Collection[str]:
        """The sinks that were configured when `register_sinks` was asked last."""

    async def retry_now(self, sink: str, since: float = -inf) -> None:
        """The sink works again: subjects that fail since then (seconds since 1970) may be tried at once."""

    async def register_sinks(self, sinks: Collection[str], now: datetime) -> int:
        """Take up the configured sinks.

        What waits for a sink that is not among them becomes a dead letter that says so; returns how many did.
        """

    async def replay(self, sink: str, since: datetime, wanted: Callable[[Event], bool]) -> int:
        """Let the sink have the `wanted` events that were recorded since a time and that it never had; how many."""

    async def dead_letter(self, sink: str, reason: str, now: datetime, before: datetime | None = None) -> int:
        """Turn what waits for the sink, and was recorded `before` (None: all), into dead letters; returns how many."""

    async def mark_alive(self, now: datetime) -> None:
        """Record that a daemon keeps the store up to date as of `now`; the mark is not exported."""

    async def remind(self, wishes: Sequence[ReminderRequest], now: datetime) -> int:
        """Let sinks have events once more whose last delivery ended long enough ago; returns how many.

        A reminder that waits and is not wished for any more is called off.
        """


class Sink(Protocol):
    """Where events go."""

    @property
    def name(self) -> str:
        """As configured."""

    @property
    def limits(self) -> Limits:
        """How it wants its deliveries."""

    async def send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        """Hand them over, in order, and return what was answered to each; one without an answer was not tried.

        It may be cancelled when the deadline is over: whatever was not answered counts as tried and failed.

        Raises:
            SinkError: none was taken; they stay due.
            SinkClosed: nor will any other be in this run.
            SinkGone: the receiver wants nothing more, ever.
        """

    async def close(self) -> None:
        """Let go of it; a `send` under way ends soon with SinkError."""
