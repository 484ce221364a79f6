"""A scenario: everything that will happen in a world of the stand-in, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from watcher.core.model import Api, Target
    from watcher.simulator.faults import Fault
    from watcher.simulator.timeline import Subject, Timeline


@dataclass(frozen=True, slots=True)
class Spell:
    """A fault that lies over lives for a while, which go on beneath it.

    It holds from the moment `begin` to the moment `end`, in which it spares the first `after` calls and strikes
    `calls` more, or all. Without `key` it strikes every target; `api` and `region` narrow it.
    """

    fault: Fault
    key: str | None = None
    api: Api | None = None
    region: str | None = None
    begin: float = 0.0
    end: float = float("inf")
    after: int = 0
    calls: int | None = None

    def covers(self, key: str, api: Api, region: str) -> bool:
        """Whether a call for this target is among those that it can strike."""
        return self.key in (None, key) and self.api in (None, api) and self.region in (None, region)

    def strikes(self, moment: float, seen: int) -> bool:
        """Whether it strikes at `moment` after `seen` calls that it covered, in its time, before."""
        in_time = self.begin <= moment < self.end
        return in_time and self.after <= seen and (self.calls is None or seen < self.after + self.calls)


@dataclass(frozen=True, slots=True)
class Throttle:
    """A token bucket for each region and API, as AWS's: so many calls a second, and `burst` at once."""

    requests_per_second: float
    burst: int


@dataclass(frozen=True, slots=True)
class Role:
    """A role that can be assumed; the credentials live for `lifetime` seconds (AWS itself gives at least 900)."""

    arn: str
    external_id: str | None = None
    lifetime: float = 3600.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole world. `keys` are the secrets of the access keys whose signatures are verified; others are believed.

    With `roles` only these can be assumed; without, any.
    """

    name: str
    lives: tuple[tuple[Subject, Timeline], ...] = ()
    spells: tuple[Spell, ...] = ()
    throttle: Throttle | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    roles: tuple[Role, ...] = ()

    def targets(self, account: str = "default", region: str = "us-east-1") -> list[Target]:
        """Every target of the world, as a watcher in `account` and `region` would have it in its configuration."""
        return [subject.watched(account, region) for subject, _ in self.lives if subject.region in (None, region)]

    def at_pace(self, pace: float) -> Scenario:
        """The same world, `pace` times as fast; rates stay."""
        return replace(
            self,
            lives=tuple((subject, life.at_pace(pace)) for subject, life in self.lives),
            spells=tuple(replace(s, begin=s.begin / pace, end=s.end / pace) for s in self.spells),
        )
