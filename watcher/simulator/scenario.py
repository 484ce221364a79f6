"""A scenario: everything that happens in a simulated AWS, as frozen values. Moments are seconds since the start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from watcher.core.model import Target
from watcher.simulator.faults import Fault
from watcher.simulator.git_events import QueueSettings
from watcher.simulator.inventory import Connection, Place, Repository
from watcher.simulator.listing import MAX_PAGE
from watcher.simulator.subject import Subject
from watcher.simulator.timeline import Timeline


class ApiCall(NamedTuple):
    """A call to one of the APIs, as faults see it.

    `key`: of the target that it is about, or empty; `is_poll`: it asks for that target's sync status; `page`: of a
    listing, from 1.
    """

    place: Place
    api: str
    operation: str
    key: str = ""
    is_poll: bool = False
    page: int = 1


@dataclass(frozen=True, slots=True)
class FaultWindow:
    """A fault that hides timelines from the moment `begin` to the moment `end`; they go on beneath it.

    In that time it spares the first `after` calls, and strikes `calls` more, or all. Without `key` it applies to every
    call, with it to those for this target's sync status, or for the `operation`. `account`, `region`, `api`,
    `operation` and the `page` of a listing narrow it.
    """

    fault: Fault
    key: str | None = None
    api: str | None = None
    region: str | None = None
    account: str | None = None
    operation: str | None = None
    page: int | None = None
    begin: float = 0.0
    end: float = float("inf")
    after: int = 0
    calls: int | None = None

    def applies_to(self, call: ApiCall) -> bool:
        """Whether this call is among those that it counts."""
        return (
            self.key in (None, call.key)
            and self.api in (None, call.api)
            and self.region in (None, call.place.region)
            and self.account in (None, call.place.account)
            and self.page in (None, call.page)
            and (self.operation == call.operation if self.operation else self.key is None or call.is_poll)
        )

    def strikes(self, number: int) -> bool:
        """Whether it strikes the call that it counts as `number` (from 1)."""
        return self.after < number and (self.calls is None or number <= self.after + self.calls)


@dataclass(frozen=True, slots=True)
class Throttle:
    """A token bucket for each account, region and API, as AWS has it: calls a second, and `burst` at once."""

    requests_per_second: float
    burst: int


@dataclass(frozen=True, slots=True)
class Role:
    """A role that can be assumed; its credentials are valid for `lifetime` seconds (AWS gives at least 900)."""

    arn: str
    external_id: str | None = None
    lifetime: float = 3600.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a simulated AWS has.

    `keys` maps the access keys whose signatures are verified to their secrets; those of other keys are accepted
    unverified. `accounts` maps access keys to the numbers of their accounts. With `roles`, only these can be assumed;
    without, any. `page_size` is the largest page of a listing, whatever a request asks for.
    """

    name: str
    timelines: tuple[tuple[Subject, Timeline], ...] = ()
    fault_windows: tuple[FaultWindow, ...] = ()
    throttle: Throttle | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    roles: tuple[Role, ...] = ()
    repositories: tuple[Repository, ...] = ()
    connections: tuple[Connection, ...] = ()
    accounts: Mapping[str, str] = field(default_factory=dict)
    page_size: int = MAX_PAGE
    queues: tuple[QueueSettings, ...] = ()

    def targets(self, account: str = "default", region: str = "us-east-1") -> list[Target]:
        """Every target that is in all accounts, as a watcher would have it in the configuration."""
        return [
            subject.target(account, region)
            for subject, _ in self.timelines
            if subject.account is None and subject.synced and subject.region in (None, region)
        ]

    def at_pace(self, pace: float) -> Scenario:
        """The same scenario, `pace` times as fast; rates stay."""
        return replace(
            self,
            timelines=tuple((subject.at_pace(pace), timeline.at_pace(pace)) for subject, timeline in self.timelines),
            repositories=tuple(each.at_pace(pace) for each in self.repositories),
            queues=tuple(each.at_pace(pace) for each in self.queues),
            connections=tuple(each.at_pace(pace) for each in self.connections),
            fault_windows=tuple(
                replace(each, begin=each.begin / pace, end=each.end / pace) for each in self.fault_windows
            ),
        )
