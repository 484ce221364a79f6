"""When stacks are polled whose repository is polled as well. Pure; all times are monotonic seconds.

One poll of a repository stands for the stacks that are synced from it: they are polled only every `backstop_interval`
while the repository has no new attempt. When it has one, they are polled at once, and again, further and further
apart, until they show an attempt of their own that began since: a commit need not concern all of them, and the sync of
a stack begins some time after the commit. This ends `LINGER` active intervals after the end of the repository's own
attempt.

A repository that cannot be read stands for nothing: its stacks are polled every `interval`, or, while hints report
their changes, every `backstop_interval`.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import inf

from watcher.core.model import Attempt, Target, parse_rfc3339
from watcher.core.repositories import source_repositories
from watcher.core.state import Known
from watcher.polling.schedule import Lane, next_due

LINGER = 6
"""How many active intervals after the end of a repository's attempt its stacks are still polled more often."""

SHORTEST_GAP = 1 / 3
"""The shortest time between two such polls of a stack, as a multiple of its active interval."""

GROWTH = 0.5
"""The time between two such polls, as a multiple of the time since the attempt was seen."""

HINTED_PACE = 3
"""The factor of the interval of a repository, and of the time between two such polls of a stack, while hints report
changes: polls then find only what no hint reported."""


@dataclass(slots=True)
class RepositoryPolls:
    """What this run knows of a repository by its polls."""

    stacks: Collection[str] = ()
    """The ids of the stacks that it stands for."""
    readable: bool = False
    """Whether its last poll was answered."""
    answers: int = 0
    started_at: datetime | None = None
    """`startedAt` of its latest attempt."""
    seen: float = -inf
    """When this attempt was first seen."""
    ended: float = -inf
    """When its end was first seen; infinite while it is unfinished."""

    def failed(self) -> bool:
        """Note that it could not be read; return whether it could before."""
        before, self.readable = self.readable, False
        return before

    def answered(self, latest: Attempt | None, now: float, moment: datetime) -> bool:
        """Note its latest attempt, at `now`, which is `moment` by the wall clock; return whether its stacks are due."""
        first, self.readable = self.answers == 0, True
        self.answers += 1
        if latest is None:
            return False
        if latest.started_at == self.started_at:
            if self.ended == inf and not latest.unfinished:
                self.ended = now
            return False
        # An attempt that was over before the first answer ended at its last sign of life.
        age = max(0.0, (moment - _last_sign(latest)).total_seconds()) if first and not latest.unfinished else 0.0
        self.started_at, self.seen = latest.started_at, now - age
        self.ended = inf if latest.unfinished else self.seen
        return not first or latest.unfinished


@dataclass(slots=True)
class Repositories:
    """The repositories of one endpoint that stand for stacks."""

    polls: Mapping[str, RepositoryPolls] = field(default_factory=dict)
    """By the id that the repository has, or would have, as a target."""
    by_stack: Mapping[str, RepositoryPolls] = field(default_factory=dict)
    """Those of the repository that stands for a stack, by the id of the stack."""

    def configure(self, targets: Iterable[Target]) -> dict[str, Target]:
        """Set the targets; return what is to be polled, by id: the targets, and the repositories of several stacks."""
        polled = {target.id: target for target in targets}
        polls = {}
        for repository_id, source in source_repositories(polled.values()).items():
            polled[repository_id] = source.target
            polls[repository_id] = self.polls.get(repository_id) or RepositoryPolls()
            polls[repository_id].stacks = [stack.id for stack in source.stacks]
        self.polls = polls
        self.by_stack = {stack: each for each in polls.values() for stack in each.stacks}
        return polled

    def due(self, target: Target, known: Known | None, now: float, *, late: float, heard: bool) -> tuple[float, Lane]:
        """Return when, and in which lane, a settled target is due again that was polled `now`, `late` seconds too late.

        `heard`: hints report the changes of this endpoint's stacks and repositories.
        """
        pace = HINTED_PACE if heard else 1
        if target.id in self.polls:
            return next_due(target.id, target.interval * pace, now, late=late), Lane.SETTLED
        polls = self.by_stack.get(target.id)
        if polls is None or not polls.readable:
            has_hints = heard and target.kind.synced_from is not None
            interval = target.backstop_interval if has_hints else target.interval
            return next_due(target.id, interval, now, late=late), Lane.SETTLED
        backstop = next_due(target.id, target.backstop_interval, now, late=late)
        until = polls.ended + LINGER * target.active_interval
        if polls.started_at is None or now >= until or _began_since(known, polls.started_at):
            return backstop, Lane.SETTLED
        gap = pace * max(SHORTEST_GAP * target.active_interval, GROWTH * (now - polls.seen))
        return min(now + gap, until, backstop), Lane.ACTIVE


def _began_since(known: Known | None, since: datetime) -> bool:
    """Whether the latest attempt of a stack began since then."""
    return known is not None and known.attempt is not None and known.attempt.started_at >= since


def _last_sign(attempt: Attempt) -> datetime:
    """The latest time in an attempt: of its start, or of one of its events."""
    times = (parse_rfc3339(time) for event in attempt.events if (time := event.get("time")))
    return max((attempt.started_at, *times))
