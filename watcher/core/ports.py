"""The interfaces of the clock, stores and sinks.

Deliveries are in `core.deliveries`, queries in `core.queries`. What stores do with shards, mutes and acknowledgements,
the history, and copies of the configuration is declared in `core.shards`, `core.by_hand`, `core.history` and
`core.config_copies`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from watcher.core.by_hand import HandReader, HandWriter
from watcher.core.deliveries import (
    Delivery,
    DeliveryOutcome,
    DeliveryRecord,
    DeliveryState,
    Limits,
    ReminderRequest,
    SendOutcome,
)
from watcher.core.history import HistoryReader, HistoryRow, HistoryStore
from watcher.core.listings import Listing, ListingKey
from watcher.core.queries import DeliveryQuery, EventQuery
from watcher.core.shards import Sharded
from watcher.core.state import Record

if TYPE_CHECKING:
    from watcher.core.events import Event


class Clock(Protocol):
    """The time. Schedules and waits use `monotonic`; only what is recorded and shown uses `now`."""

    def now(self) -> datetime:
        """Return the time of the wall clock, in UTC. It may be set back."""

    def monotonic(self) -> float:
        """Return seconds that never decrease."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The new state of a subject, the events that it caused, and the names of the sinks that each event is for."""

    subject: str
    record: Record
    events: Sequence[tuple[Event, Sequence[str]]] = ()
    follows: Record | None = None
    """The state from which this one was derived: the store must still have it; None: any."""
    released: Sequence[tuple[str, Sequence[str]]] = ()
    """Earlier events of the subject, by id, and the sinks that each is for only now; without those that were pruned."""
    owed: Collection[str] = ()
    """The sinks that get the end of its incident only because they were sent a problem of it."""
    history: Sequence[HistoryRow] = ()
    """What is added to the history, or replaced there."""


class Reader(HandReader, HistoryReader, Protocol):
    """Read access to a store."""

    late: int
    """By how much the number of an event may be smaller than that of an event recorded before it; 0: it never is."""

    async def open(self) -> None:
        """Open the store; no other method may be called before.

        Raises:
            StoreError: the store does not exist, or cannot be used.
        """

    async def records(self) -> dict[str, Record]:
        """Return the state of every subject; of a forgotten one with events, what was kept."""

    async def events(self, query: EventQuery) -> list[tuple[int, Event]]:
        """Return recorded events with their numbers, oldest first."""

    async def deliveries(self, query: DeliveryQuery) -> list[DeliveryRecord]:
        """Return deliveries by sink, those of the oldest event first, unless `query.newest`."""

    async def counts(self) -> Mapping[tuple[str, DeliveryState], int]:
        """Return how many deliveries wait or are dead letters, by sink and state."""

    async def find(self, event_id: str) -> list[tuple[int, Event]]:
        """Return the recorded events with this id: several if the same change was observed again after a lost state."""

    async def registered_sinks(self) -> Collection[str]:
        """Return the sinks that were last given to `Store.set_sinks`."""

    async def alive_at(self) -> datetime | None:
        """Return when a daemon last called `Store.mark_alive`; None: never since the store was created or imported."""

    async def listings(self, known: Mapping[ListingKey, datetime] | None = None) -> dict[ListingKey, Listing]:
        """Return the last complete listings, without those that were completed when `known` says."""

    async def close(self) -> None:
        """Close the store. Also allowed if it was never opened, or if `open` failed."""


class Outbox(Reader, HandWriter, Protocol):
    """What an operator may change while a daemon runs."""

    async def requeue(self, event_ids: Collection[str], sink: str | None, now: datetime) -> int:
        """Make dead letters of these events (empty: all), for one sink or all, wait again; return how many.

        Those of sinks that are not registered stay dead letters, and so do reminders: the next one comes by itself.
        """

    async def drop(self, event_id: str, sink: str | None, now: datetime) -> int:
        """Cancel the waiting and dead-lettered deliveries of an event, for one sink or all; return how many."""


class Store(HistoryStore, Reader, HandWriter, Protocol):
    """Keeps state, events and deliveries. Every method may raise StoreError; then nothing has changed."""

    shards: Sharded | None
    """None: the whole store is this daemon's alone."""

    async def commit(self, entries: Sequence[Entry], now: datetime) -> None:
        """Record states, events and deliveries: all of them or none, and before anything of them is sent.

        Raises:
            StoreConflict: another daemon changed some of the subjects; all other entries were recorded.
        """

    async def reload(self, subjects: Collection[str]) -> dict[str, Record]:
        """Return the current states of subjects, also those that another daemon wrote; without those that have none."""

    async def forget(self, subjects: Collection[str], now: datetime) -> int:
        """Forget the states of subjects that are no longer configured, and return of how many; their events stay.

        Of a subject with events `state.forgotten` is kept, until `prune` or the next commit.
        """

    async def keep_listing(self, listing: Listing) -> bool:
        """Keep a complete listing in place of the one that it follows; return False if another daemon replaced that."""

    async def forget_listings(self, keys: Collection[ListingKey]) -> None:
        """Delete the listings of what is no longer discovered."""

    async def due(self, sink: str, limit: int) -> list[Delivery]:
        """Return the oldest waiting deliveries of a sink, in the order in which their events were recorded.

        They are `limit` at most, and fewer if so many events may take much memory.
        """

    async def lane_heads(
        self, sink: str, now: datetime, limit: int, skip: Collection[str] = (), failing: int | None = None
    ) -> list[Delivery]:
        """Return the oldest waiting delivery of each subject that is not in `skip` and whose next try is due.

        At most `failing` of them (None: any number) are of subjects whose last try failed. They are in the order in
        which their events were recorded.
        """

    async def next_try(self, sink: str, now: datetime, skip: Collection[str] = ()) -> float | None:
        """Return the seconds until `lane_heads` may return a subject that is not in `skip`; None: nothing waits."""

    def may_deliver(self, subject: str) -> bool:
        """Return whether what waits of a subject is this daemon's to deliver at this moment."""

    async def settle(self, results: Sequence[DeliveryOutcome], now: datetime) -> Collection[Delivery]:
        """Record the outcomes of tries; return the deliveries of which another daemon recorded one before."""

    async def waiting(self) -> Mapping[str, int]:
        """Return how many deliveries wait, by sink."""

    async def prune(self, before: datetime, limit: int) -> int:
        """Delete up to `limit` events that were recorded, and subjects that were forgotten `before`; return how many.

        An event stays while a delivery of it waits, or ended later than `before`. While an incident is open, the event
        that opened it and its last problem event of each type stay. Mutes that ended `before`, and acknowledgements of
        then whose incident is over, are deleted as well.
        """

    async def retry_now(self, sink: str, since: float = -inf) -> None:
        """Make subjects that have failed since then (seconds since 1970) due, because the sink has recovered."""

    async def set_sinks(self, sinks: Collection[str], now: datetime) -> int:
        """Set the configured sinks; return how many waiting deliveries of other sinks became dead letters."""

    async def replay(self, sink: str, since: datetime, wanted: Callable[[Event], bool]) -> int:
        """Queue for a sink the `wanted` events recorded since then that were never queued for it; return how many."""

    async def requeue(self, event_ids: Collection[str], sink: str | None, now: datetime) -> int:
        """Make dead letters wait again, as `Outbox.requeue` does; only those of the shards that this daemon holds."""

    async def dead_letter(self, sink: str, reason: str, now: datetime, before: datetime | None = None) -> int:
        """Make the waiting deliveries of a sink, recorded `before` (None: all), dead letters; return how many."""

    async def mark_alive(self, now: datetime) -> None:
        """Record that a daemon keeps the store up to date as of `now`; the mark is not exported."""

    async def remind(self, requests: Sequence[ReminderRequest], now: datetime) -> int:
        """Queue the reminders that are due, and return how many; cancel waiting ones that are not requested."""


class Sink(Protocol):
    """A destination of events."""

    name: str
    """The name in the configuration."""
    limits: Limits

    async def send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        """Send deliveries in order and return their outcomes; a delivery without an outcome was not tried.

        It is cancelled at the deadline: then every delivery without an outcome counts as tried and failed.

        Raises:
            SinkError: no delivery was accepted; they stay due.
            SinkClosed: none will be accepted in this run.
            SinkGone: the receiver permanently refuses everything.
        """

    async def close(self) -> None:
        """Release what the sink holds; a `send` under way ends soon with SinkError."""


@runtime_checkable
class ResendingSink(Sink, Protocol):
    """A sink whose receiver forgets an alert that is not sent again."""

    resend_every: float
    """Seconds between two calls of `resend`."""

    async def resend(self, deliveries: Sequence[Delivery]) -> None:
        """Repeat the last problem of each open incident that this daemon has sent to the receiver.

        Raises:
            SinkError: the receiver did not accept them.
        """
