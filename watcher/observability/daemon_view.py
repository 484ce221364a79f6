"""What the HTTP side, the metrics and the maintenance tasks read of the running daemon; they change nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from watcher.config.reloader import ReloadStatus
from watcher.core.by_hand import ByHand
from watcher.core.listings import ListingKey
from watcher.core.model import EndpointKey, Target
from watcher.core.ports import Clock, Reader
from watcher.core.settings import Config
from watcher.core.state import Record

SLICE = 200
"""Targets that `polled_here` yields before other tasks on the event loop get a turn."""


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """The polling of one target, in this run."""

    answered: datetime | None
    """When AWS last answered; None: not in this run."""
    tried: datetime | None
    """When it was last polled, with or without an answer."""
    next_poll: datetime | None
    """When it is due; in the past while the poll waits for the rate limit; None while it is being polled."""
    failures: int
    """Polls in a row that failed."""
    polled_here: bool = True
    """False: another daemon on the same table polls it, and the other fields are unknown."""


@dataclass(frozen=True, slots=True)
class EndpointStatus:
    """The polling of one account, region and API, in this run."""

    targets: int
    tried: bool
    """Whether a poll of it has ended, with any outcome."""
    answered: datetime | None
    """When AWS last answered for any of its targets."""
    rate: float
    """Calls a second that the rate limiter allows at this moment."""
    allowed: float
    """Calls a second that the configuration allows."""
    failures: int
    """Polls of any of its targets that failed since the last one that succeeded."""


@dataclass(frozen=True, slots=True)
class ListingStatus:
    """The listing of one account, region and kind."""

    api: str
    every: float
    """Seconds between two listings."""
    completed: datetime | None
    """When it was last complete, also in an earlier run; None: never."""
    found: int
    """How many targets it has."""
    watched: int
    """How many of them the rules select."""
    error: str
    """Why the last one of this run failed; empty: it did not."""
    made_here: bool
    """False: another daemon on the same table makes it."""


@dataclass(frozen=True, slots=True)
class HintQueueStatus:
    """The reading of one queue of hints, in this run."""

    readable: bool | None = None
    """Whether it can be read; None: not tried yet."""
    error: str = ""
    """Why the last call failed; empty: it did not."""
    received: datetime | None = None
    """When the last message arrived."""
    messages: int = 0
    """How many messages have arrived."""
    heard: Collection[EndpointKey] = ()
    """The endpoints whose changes it reports."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """The deliveries of one sink that are not finished."""

    waiting: int = 0
    dead: int = 0
    oldest: datetime | None = None
    """When the oldest pending event was recorded."""

    def age(self, now: datetime) -> float:
        """The age of the oldest pending event in seconds; 0 if none is pending."""
        return 0.0 if self.oldest is None else max(0.0, (now - self.oldest).total_seconds())


class SinkState(StrEnum):
    """Whether a sink accepts deliveries."""

    UP = "up"
    FAILING = "failing"
    """Its latest deliveries keep failing, or became dead letters."""
    DOWN = "down"
    """It does not respond, or fails for several subjects in a row."""
    GONE = "gone"
    """It refuses everything for good, as with the HTTP status 410."""
    CLOSED = "closed"
    """The reader of its output has closed it."""


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """The status of one sink, in this run."""

    type: str
    state: str
    """A `SinkState`."""
    error: str
    """The latest response to a delivery that failed; empty when the latest send had none."""

    def corrected_by(self, backlog: Backlog | None) -> SinkStatus:
        """The status corrected by the backlog (None: empty): up again once all failed deliveries were dropped."""
        left = backlog is not None and (backlog.waiting or backlog.dead)
        return self if left or self.state != SinkState.FAILING else replace(self, state=SinkState.UP, error="")


class DaemonView(Protocol):
    """The daemon as it is at the moment of each call; `config` may be replaced at any time."""

    config: Config
    """The configuration in force."""
    clock: Clock
    started: datetime
    """When this run began."""
    reader: Reader
    """Reads history and outbox through its own connection, so that reading delays no commit."""
    loaded: ReloadStatus
    """The outcome of the last reload."""

    @property
    def records(self) -> Mapping[str, Record]:
        """The committed record of each target id and endpoint key (as text) that this daemon polls."""

    @property
    def by_hand(self) -> ByHand:
        """The mutes and acknowledgements that people have made, as they were last read."""

    def target(self, target_id: str) -> TargetStatus:
        """The polling of a configured target."""

    def endpoints(self) -> Mapping[EndpointKey, EndpointStatus]:
        """The endpoints that this daemon polls: all of the configuration, unless others share the table."""

    def listings(self) -> Mapping[ListingKey, ListingStatus]:
        """The listings that the rules of discovery need."""

    def sinks(self) -> Mapping[str, SinkStatus]:
        """The configured sinks by name."""

    def hint_queues(self) -> Mapping[str, HintQueueStatus]:
        """The queues of hints by URL."""

    def stuck(self) -> list[str]:
        """Why the daemon makes no progress, for people; empty: it does, whatever AWS does."""

    def unready(self) -> list[str]:
        """Why it is not ready: it starts or stops, an endpoint was not tried yet, or the store fails."""


async def polled_here(daemon: DaemonView) -> AsyncIterator[tuple[Target, Record | None]]:
    """Yield each target that this daemon polls and its record, with a turn for other tasks every few targets."""
    targets, records, here = daemon.config.targets, daemon.records, daemon.endpoints().keys()
    for start in range(0, len(targets), SLICE):
        for target in targets[start : start + SLICE]:
            if target.endpoint in here:
                yield target, records.get(target.id)
        await asyncio.sleep(0)


def heard_endpoints(daemon: DaemonView) -> Collection[EndpointKey]:
    """The endpoints whose changes are reported by hints."""
    return {key for status in daemon.hint_queues().values() if status.readable for key in status.heard}


def endpoint_unreadable(daemon: DaemonView, key: EndpointKey) -> bool:
    """Whether an outage of the endpoint is recorded."""
    record = daemon.records.get(str(key))
    return record is not None and record.outage is not None
