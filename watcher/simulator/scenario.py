"""A scenario: everything that happens in a simulated AWS, as frozen values. Moments are seconds since the start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from watcher.core.model import Target
from watcher.simulator.faults import Fault
from watcher.simulator.timeline import Subject, Timeline


@dataclass(frozen=True, slots=True)
class FaultWindow:
    """A fault that hides timelines from the moment `begin` to the moment `end`; they go on beneath it.

    In that time it spares the first `after` calls, and strikes `calls` more, or all. Without `key` it applies to every
    target; `api` and `region` narrow it.
    """

    fault: Fault
    key: str | None = None
    api: str | None = None
    region: str | None = None
    begin: float = 0.0
    end: float = float("inf")
    after: int = 0
    calls: int | None = None

    def applies_to(self, key: str, api: str, region: str) -> bool:
        """Whether calls for this target are among those that it counts."""
        return self.key in (None, key) and self.api in (None, api) and self.region in (None, region)

    def strikes(self, number: int) -> bool:
        """Whether it strikes the call that it counts as `number` (from 1)."""
        return self.after < number and (self.calls is None or number <= self.after + self.calls)


@dataclass(frozen=True, slots=True)
class Throttle:
    """A token bucket for each region and API, as AWS has it: calls a second, and `burst` at once."""

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
    unverified. With `roles`, only these can be assumed; without, any.
    """

    name: str
    timelines: tuple[tuple[Subject, Timeline], ...] = ()
    fault_windows: tuple[FaultWindow, ...] = ()
    throttle: Throttle | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    roles: tuple[Role, ...] = ()

    def targets(self, account: str = "default", region: str = "us-east-1") -> list[Target]:
        """Every target, as a watcher would have it in the configuration of `account` and `region`."""
        return [subject.target(account, region) for subject, _ in self.timelines if subject.region in (None, region)]

    def at_pace(self, pace: float) -> Scenario:
        """The same scenario, `pace` times as fast; rates stay."""
        return replace(
            self,
            timelines=tuple((subject, timeline.at_pace(pace)) for subject, timeline in self.timelines),
            fault_windows=tuple(
                replace(each, begin=each.begin / pace, end=each.end / pace) for each in self.fault_windows
            ),
        )
