"""Every edge of the house on one page: where answers come from, where state is kept, where events go, the time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from watcher.events import Event
    from watcher.model import Api, Snapshot, Target
    from watcher.state import Record


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


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one sink. `number` orders all events of a store."""

    number: int
    sink: str
    event: Event


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which recorded events are wanted; globs, and every field None or empty lets everything through."""

    target: str | None = None
    types: Sequence[str] = ()
    since: datetime | None = None
    after: int = 0
    """Only events recorded after the one with this number."""
    limit: int = 50
    newest: bool = True
    """Of more than `limit`, the newest; otherwise the oldest. Either way they come oldest first."""


class Reader(Protocol):
    """What has been kept, for those who only look."""

    async def records(self) -> dict[str, Record]:
        """The state of every subject."""

    async def events(self, query: EventQuery) -> list[tuple[int, Event]]:
        """Recorded events with their numbers, oldest first."""

    async def close(self) -> None:
        """Let go of it."""


class Store(Reader, Protocol):
    """Where state and events are kept. Every method may raise StoreError, and then nothing has changed."""

    async def commit(self, entries: Sequence[Entry], now: datetime) -> None:
        """Keep states, events and deliveries: all of them, or none (contract, section 6)."""

    async def forget(self, subjects: Collection[str]) -> None:
        """Drop the states of subjects that are no longer configured; their events stay."""

    async def due(self, sink: str, limit: int) -> list[Delivery]:
        """The sink's oldest deliveries that it has not acknowledged, in order."""

    async def settle(self, deliveries: Sequence[Delivery], now: datetime) -> None:
        """The sink has acknowledged these."""

    async def waiting(self) -> Mapping[str, int]:
        """How many deliveries wait, by sink."""

    async def prune(self, before: datetime, limit: int) -> int:
        """Drop up to `limit` events from before a time that no sink waits for; returns how many."""


class Sink(Protocol):
    """Where events go."""

    @property
    def name(self) -> str:
        """As configured."""

    async def send(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        """Hand them over, in order, and return those that were acknowledged.

        Raises:
            SinkError: none was taken; they stay due.
            SinkClosed: nor will any other be in this run.
        """

    async def close(self) -> None:
        """Let go of it; a `send` under way ends soon with SinkError."""
