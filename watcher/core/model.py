"""The values of the domain: targets, revisions, attempts, snapshots and statuses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from watcher.core.kinds import Kind

Revision = Mapping[str, str | None]
"""A commit as the API sends it, with its fields in camelCase (`sha`, `branch`, `directory`, …); None: not sent."""

SyncEvent = Mapping[str, str | None]
"""One event of an attempt: `type`, `event`, `externalId`, `time` (RFC 3339); None: not sent."""


class FirstSeen(StrEnum):
    """Which first observations are events (`on_first_seen`)."""

    FAILED = "failed"
    ALL = "all"
    NONE = "none"


INITIATED = "INITIATED"
IN_PROGRESS = "IN_PROGRESS"
QUEUED = "QUEUED"
SUCCEEDED = "SUCCEEDED"
FAILED = "FAILED"

UNFINISHED = frozenset({INITIATED, IN_PROGRESS, QUEUED})
KNOWN_STATUSES = UNFINISHED | {SUCCEEDED, FAILED}


@dataclass(frozen=True, slots=True)
class EndpointKey:
    """One account, region and API. Its targets share a client, a rate limit and an outage."""

    account: str
    region: str
    api: str
    """botocore's name of the service."""

    def __str__(self) -> str:
        """Return the subject of the endpoint's events."""
        return "/".join((path_segment(self.account), path_segment(self.region), self.api))


@dataclass(frozen=True, slots=True)
class Repository:
    """A branch of a linked Git repository, from which targets are synced."""

    link: str
    """The ID of the repository link."""
    branch: str


FOUND = ("name", "repository", "branch", "config_file", "connection")
"""What events say of a target that discovery found: a connection's name; `owner/name` of a repository, …, and the ARN
of its connection."""


@dataclass(frozen=True, slots=True)
class Target:
    """One thing whose sync status AWS reports, and how it is polled. Durations are in seconds.

    `identity` has the parts that name it in its account and region, in the order of its id, with their names in an
    event's `data.target`.
    """

    kind: Kind
    account: str
    region: str
    identity: tuple[tuple[str, str], ...]
    interval: float = 60.0
    active_interval: float = 10.0
    repository_interval: float = 10.0
    backstop_interval: float = 900.0
    stalled_after: float = 1800.0
    timeout: float = 10.0
    on_first_seen: FirstSeen = FirstSeen.FAILED
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    repository: Repository | None = None
    """What it is synced from; None: not known."""
    found: Mapping[str, str] | None = field(default=None, hash=False)
    """What its listing says about it, by names of `FOUND`; None: nothing."""
    discovered: bool = False
    """Whether only discovery knows it; else the configuration names it."""
    id: str = field(init=False, compare=False, default="")

    def __post_init__(self) -> None:
        # The id is `<account>/<region>/<kind>[/<variant>]/<identity…>`, each part a URL path segment.
        identity = (self.kind.in_id(value) for _, value in self.identity)
        parts = (self.account, self.region, *self.kind.segments, *identity)
        object.__setattr__(self, "id", "/".join(path_segment(part) for part in parts))

    @property
    def api(self) -> str:
        return self.kind.api

    @property
    def endpoint(self) -> EndpointKey:
        return EndpointKey(self.account, self.region, self.api)

    @property
    def pace(self) -> tuple[float, ...]:
        """The settings that decide when it is due."""
        return self.interval, self.active_interval, self.repository_interval, self.backstop_interval

    @property
    def name(self) -> str:
        return dict(self.identity)[self.kind.named_by]

    @property
    def title(self) -> str:
        """The short text that people know it by."""
        return self.kind.title.format(**{**(self.found or {}), **dict(self.identity)})


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of AWS to sync a target with its repository. A field that the API did not send is None."""

    started_at: datetime
    status: str
    target: str | None
    initial_revision: Revision | None
    target_revision: Revision | None
    events: tuple[SyncEvent, ...] = ()

    @property
    def unfinished(self) -> bool:
        return self.status in UNFINISHED

    def is_stalled(self, now: datetime, stalled_after: timedelta) -> bool:
        """Whether it is unfinished for `stalled_after` or longer."""
        return self.unfinished and now - self.started_at >= stalled_after

    @property
    def sha(self) -> str:
        """The commit that this attempt syncs to; empty if it is not known."""
        return (self.target_revision or {}).get("sha") or ""


ACTIVE, RESOLVED = "ACTIVE", "RESOLVED"
"""The statuses of a blocker that AWS documents."""


@dataclass(frozen=True, slots=True)
class Blocker:
    """A sync blocker: while it is active, AWS starts no further sync of its target. None: not sent."""

    id: str
    type: str | None
    status: str
    created_reason: str | None
    created_at: datetime | None
    contexts: Mapping[str, str]
    resolved_reason: str | None = None
    resolved_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One answer about a target. A field that the API did not send is None."""

    desired_state: Revision | None
    latest: Attempt | None
    latest_successful: Attempt | None
    at: datetime | None = None
    """When the answer was sent, by the clock of the server; None: not known."""
    odd: tuple[str, ...] = field(default=(), compare=False)
    """The first few members that are treated as absent: they are missing, or not what the API promises."""


def extended(body: str, **attributes: str | int) -> str:
    """Return the CloudEvent `body` with further extension attributes."""
    return json.dumps({**json.loads(body), **attributes})


@lru_cache(1 << 16)
def path_segment(text: str) -> str:
    """Return `text` percent-encoded as one segment of a URL's path."""
    return quote(text, safe="")


def rfc3339(moment: datetime) -> str:
    """Return `moment` in UTC as RFC 3339, with a fraction only if it has one."""
    fraction = moment.microsecond
    timespec = "seconds" if not fraction else "microseconds" if fraction % 1000 else "milliseconds"
    return moment.astimezone(UTC).isoformat(timespec=timespec).removesuffix("+00:00") + "Z"


def seconds_between(begin: datetime, end: datetime) -> float:
    """Return the seconds from `begin` to `end` with milliseconds; 0 if the clock was set back."""
    return round(max(0.0, (end - begin).total_seconds()), 3)


def for_people(moment: datetime) -> str:
    """Return `moment` as it is shown to people: `2026-11-23 08:00:00 UTC`."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def parse_rfc3339(text: str) -> datetime:
    """Return the time that `rfc3339` wrote.

    Raises:
        ValueError: `text` is not an RFC 3339 time, or is out of range in UTC.
    """
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text!r} is out of range") from None
