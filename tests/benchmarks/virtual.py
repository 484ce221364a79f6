"""Polling in virtual time: the real schedule and diff, or plain round robin, over a world whose times are known.

Calls are spaced as the rate limiter spaces them, take a fixed time, and see the world in its middle.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import cycle
from typing import TYPE_CHECKING, NamedTuple

from tests.benchmarks.worlds import syncing
from tests.support.timelines import advance
from watcher.core.diff import diff
from watcher.core.model import SUCCEEDED
from watcher.polling.rate_limiter import windows
from watcher.polling.schedule import Lane, Schedule, first_due, next_due
from watcher.simulator.timeline import datetime_at, initial_state

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.benchmarks.worlds import Pattern, Sync, Watch
    from watcher.core.state import Known
    from watcher.simulator.timeline import State, Subject, Timeline

CONCURRENCY = 10
CALL = 0.1
"""Seconds."""
STALLED_AFTER = timedelta(hours=1)


class Reported(NamedTuple):
    """An event: the attempt of a target, whether it was finished, and when this was reported."""

    target_id: str
    started: float
    over: bool
    at: float


@dataclass(slots=True)
class Watched:
    """One target: where its timeline stands, and what is known of it."""

    target_id: str
    subject: Subject
    timeline: Timeline
    state: State
    known: Known | None = None
    reported: list[Reported] = field(default_factory=list)

    def poll(self, seen: float, answered: float) -> bool:
        """Take the answer that showed the world as it was at `seen`; whether a sync is under way."""
        self.state = advance(self.subject, self.timeline, 0.0, self.state, seen)
        outcome = diff(self.known, self.state.snapshot, now=datetime_at(seen), stalled_after=STALLED_AFTER)
        self.known = outcome.known
        for change in outcome.changes:
            started = change.attempt.started_at.timestamp()
            self.reported.append(Reported(self.target_id, started, change.attempt.status == SUCCEEDED, answered))
        return self.known.attempt is not None and self.known.attempt.unfinished


class World:
    """All targets of a region of a `worlds.syncing` world, from its beginning."""

    def __init__(self, count: int, pattern: Pattern, region: str) -> None:
        scenario, self.syncs = syncing(count, pattern, region)
        self.until = pattern.until
        self.targets = {
            (target_id := subject.target("default", region).id): Watched(
                target_id, subject, timeline, initial_state(subject, timeline, 0.0, 0.0)
            )
            for subject, timeline in scenario.timelines
        }

    def reported(self) -> list[Reported]:
        """Every event."""
        return [reported for watched in self.targets.values() for reported in watched.reported]


def watch(world: World, how: Watch) -> list[Reported]:
    """Poll as the daemon does; `Poller` is this with a real clock, a real client and a store."""
    schedule, now = Schedule(), 0.0
    under_way: list[tuple[float, float, float, str]] = []
    count = len(world.targets)
    for name in world.targets:
        schedule.add(name, first_due(name, how.interval, now, count=count, rate=how.rate))
    gap, allowed = spacing(how.rate), 0.0
    while now < world.until:
        while under_way and under_way[0][0] <= now:
            answered, due, begun, name = heapq.heappop(under_way)
            if world.targets[name].poll(begun + CALL / 2, answered):
                schedule.add(name, begun + how.active_interval, Lane.ACTIVE)
            else:
                schedule.add(name, next_due(name, how.interval, answered, late=begun - due))
        free = len(under_way) < CONCURRENCY
        taken = schedule.take(now) if free and now >= allowed else None
        if taken is not None:
            due, name = taken
            heapq.heappush(under_way, (now + CALL, due, now, name))
            allowed = now + gap
            continue
        due_next = schedule.next_at() if free else None
        now = min(
            world.until if due_next is None else max(due_next, allowed),
            under_way[0][0] if under_way else world.until,
        )
    return world.reported()


def round_robin(world: World, how: Watch) -> list[Reported]:
    """Poll one after the other, over and over, with all of the rate."""
    gap, now = spacing(how.rate), 0.0
    for watched in cycle(world.targets.values()):
        if now >= world.until:
            break
        watched.poll(now + CALL / 2, now + CALL)
        now += gap
    return world.reported()


def spacing(rate: float) -> float:
    """Seconds between the beginnings of two calls of a backlog, at so many calls a second."""
    calls, window = windows(rate)
    return window / calls


class Delays(NamedTuple):
    """Seconds from the world's changes to their events, and how many syncs were not reported from start to end."""

    starts: list[float]
    ends: list[float]
    unreported: int


def delays(syncs: Mapping[str, Sequence[Sync]], reported: Sequence[Reported], until: float) -> Delays:
    """How late the syncs that ended well before `until` were reported.

    The first event of an attempt reports its start; the first event that says that it is finished, its end.
    """
    first: dict[tuple[str, int], float] = {}
    over: dict[tuple[str, int], float] = {}
    begins = {target_id: [sync.begin for sync in each] for target_id, each in syncs.items()}
    for event in sorted(reported, key=lambda event: event.at):
        # AWS rounds its times to milliseconds.
        key = event.target_id, bisect_right(begins[event.target_id], event.started + 0.01) - 1
        first.setdefault(key, event.at)
        if event.over:
            over.setdefault(key, event.at)
    wanted = [(key, sync) for key, sync in _numbered(syncs) if sync.end < until]
    return Delays(
        starts=[first[key] - sync.begin for key, sync in wanted if key in first],
        ends=[over[key] - sync.end for key, sync in wanted if key in over],
        unreported=sum(key not in first or key not in over for key, _ in wanted),
    )


def _numbered(syncs: Mapping[str, Sequence[Sync]]) -> Iterator[tuple[tuple[str, int], Sync]]:
    for target_id, each in syncs.items():
        for number, sync in enumerate(each):
            yield (target_id, number), sync
