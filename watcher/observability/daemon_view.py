"""What those who look in over HTTP may see of the running daemon. `app.App` is what they see; they change nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from watcher.config.reloader import ReloadStatus
    from watcher.core.model import EndpointKey
    from watcher.core.ports import Clock, Reader
    from watcher.core.settings import Config
    from watcher.core.state import Record
    from watcher.observability.backlog import Backlog


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """How the polling of one target goes, in this run."""

    answered: datetime | None
    """When AWS last answered for it; None: not in this run."""
    tried: datetime | None
    """When it was last polled, with or without an answer."""
    next_poll: datetime | None
    """When it is due; in the past while it waits for its turn; None while it is being polled."""
    failures: int
    """Polls in a row that failed."""
    polled_here: bool = True
    """False: another watcher on the same table polls it, and nothing else is known here of how that goes."""


@dataclass(frozen=True, slots=True)
class EndpointStatus:
    """How one account, region and API is doing, in this run."""

    targets: int
    tried: bool
    """Whether it was polled once, with whatever outcome."""
    answered: datetime | None
    """When it last answered anyone."""
    rate: float
    """Calls a second that are let through now."""
    allowed: float
    """Calls a second that the configuration allows."""
    failures: int
    """Polls in a row that failed, and none succeeded."""


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

    def beside(self, backlog: Backlog | None) -> SinkStatus:
        """The status corrected by the backlog (None: empty): up again once all failed deliveries were dropped."""
        left = backlog is not None and (backlog.waiting or backlog.dead)
        return self if left or self.state != SinkState.FAILING else replace(self, state=SinkState.UP, error="")


class DaemonView(Protocol):
    """The daemon, from outside. Everything is read at the moment it is asked for; `config` may be replaced any time."""

    @property
    def config(self) -> Config:
        """The configuration in force."""

    @property
    def clock(self) -> Clock:
        """What time it is."""

    @property
    def started(self) -> datetime:
        """When this run began."""

    @property
    def records(self) -> Mapping[str, Record]:
        """What has been committed of each target's id and endpoint's key (as text), of what is polled here."""

    @property
    def reader(self) -> Reader:
        """The history and the outbox, through a connection of its own, so that reading delays no commit."""

    @property
    def loaded(self) -> ReloadStatus:
        """The state of the configuration."""

    def target(self, target_id: str) -> TargetStatus:
        """How the polling of a configured target goes."""

    def endpoints(self) -> Mapping[EndpointKey, EndpointStatus]:
        """Every endpoint of the configuration that this watcher polls: all, unless others share the table."""

    def sinks(self) -> Mapping[str, SinkStatus]:
        """Every configured sink by its name."""

    def stuck(self) -> list[str]:
        """Why the daemon makes no progress, for people: empty while all is well. AWS's health is no reason."""

    def unready(self) -> list[str]:
        """Why it is not ready: starting, stopping, endpoints that were not tried yet, a store that takes nothing."""
