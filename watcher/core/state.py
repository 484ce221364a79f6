"""What is known of a target or an endpoint from one poll to the next. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from watcher.core.attempts import Line
from watcher.core.model import Attempt, Blocker, Revision


@dataclass(frozen=True, slots=True)
class Taken:
    """How many times one attempt took a status. The count is in the event's id, as an attempt may go back and forth."""

    started_at: datetime
    status: str
    times: int


@dataclass(frozen=True, slots=True)
class Known:
    """The sync state of a target: the last accepted answer, and what must be remembered of those before."""

    attempt: Attempt | None
    """The latest attempt; None while the target never synced."""
    since: datetime
    """When this attempt was first observed with this status."""
    desired_state: Revision | None = None
    latest_successful: Attempt | None = None
    missing: bool = False
    """Whether the last answer had no `latestSync`, although there had been an attempt before."""
    failures: int = 0
    """Failed attempts in a row."""
    last_failure: datetime | None = None
    """`startedAt` of the last attempt among them."""
    last_success: datetime | None = None
    """`startedAt` of the last attempt that was observed or reported to succeed."""
    stalled: datetime | None = None
    """`startedAt` of the attempt that was last reported as stalled."""
    has_stalled: bool = False
    """Whether an attempt has stalled since the last success."""
    older: datetime | None = None
    """`startedAt` of the older attempt that the last answers showed instead (`core.diff`, rule 5)."""
    older_answers: int = 0
    """How many consecutive answers showed it."""
    taken: tuple[Taken, ...] = ()


@dataclass(frozen=True, slots=True)
class Outage:
    """An `unreadable` event that no `readable` event has followed yet."""

    since: datetime
    code: str
    message: str
    attempts: int
    """How many polls failed in a row before the event."""


@dataclass(frozen=True, slots=True)
class KnownConnection:
    """The status of a connection, and how many times it took each status, which is in the ids of its events."""

    status: str
    since: datetime
    """When it was first observed with this status."""
    times: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class HeldBack:
    """The latest problem event of a type that a mute held back."""

    type: str
    event_id: str
    sinks: tuple[str, ...]
    """The sinks that it, or an earlier one that it stands for, was held back from."""


@dataclass(frozen=True, slots=True)
class Incident:
    """An open incident (`core.incidents`)."""

    id: str
    opened_at: datetime
    """The time of the event that opened it."""
    problems: tuple[str, ...]
    """The problems that hold, in the order in which they began."""
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    """The labels of its target, for the event that reports its removal if it is no longer in the configuration."""
    notified: tuple[str, ...] | None = None
    """The sinks that its problem events were routed to; None: an earlier version did not record that."""
    held: tuple[HeldBack, ...] = ()
    """The problem events that mutes hold back (`core.mute_ends`), in their order; none of a problem that has ended."""


@dataclass(frozen=True, slots=True)
class KnownDigests:
    """What is remembered of digests."""

    schedule: str
    """The schedule that was last followed, as `core.digest.Digest` shows it."""
    until: datetime
    """A digest that was due by this time was recorded, or is skipped."""
    since: datetime
    """When the last one was recorded: the next one counts from then on."""


@dataclass(frozen=True, slots=True)
class Record:
    """The stored state of one subject: a target, or an endpoint (whose `known` stays None)."""

    known: Known | None = None
    sequence: int = 0
    """The sequence number of its last event."""
    outage: Outage | None = None
    blockers: tuple[Blocker, ...] = ()
    """The blockers that were reported as active (`core.blockers`)."""
    connection: KnownConnection | None = None
    """The status of a connection, whose `known` stays None."""
    incident: Incident | None = None
    discovery: int = 0
    """The number of its last event of discovery (`core.discovery.event_number`); 0: there was none."""
    recent: tuple[Line, ...] = ()
    """The last attempts of a target that were seen, the newest first (`core.attempts`)."""
    digests: KnownDigests | None = None
    """In the record of digests alone (`core.digest`)."""
    unfinished: tuple[str, ...] = ()
    """The sinks that show the latest attempt as unfinished (`core.unfinished`)."""


def forgotten(record: Record) -> Record:
    """Return what is kept of a subject that left the configuration: if it comes back, what is counted continues."""
    return Record(sequence=record.sequence, discovery=record.discovery)
