"""A world whose commits start syncs, polled in virtual time: each stack, by repository, and by repository with hints.

The real schedule, diff and rules of polling by repository decide; `Planner` and `Poller` are this with a real clock, a
real client and a store. Calls are spaced as the rate limiter spaces them, take a fixed time, and see the world in its
middle.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import chain, count
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from tests.benchmarks.virtual import CALL, CONCURRENCY, STALLED_AFTER, Reported, spacing
from tests.benchmarks.worlds import REGION, Sync
from watcher.core.diff import diff
from watcher.core.model import IN_PROGRESS, SUCCEEDED, Attempt, Repository, Snapshot
from watcher.core.status import active
from watcher.polling.by_repository import Repositories
from watcher.polling.schedule import Lane, Schedule, first_due
from watcher.simulator.timeline import datetime_at
from watcher.sources.codeconnections import REPOSITORY, stack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from watcher.core.model import Target
    from watcher.core.state import Known


class Commits(NamedTuple):
    """A world: each of the `stacks` is synced `every` so many seconds, for `length` seconds (half more or less).

    A commit starts the sync of `synced` stacks of its repository, each up to `delay` seconds later. The repository's
    own attempt takes `attempt` seconds (half more or less). No commit is before `quiet`, and no sync after `until`.
    """

    until: float
    quiet: float
    stacks: int = 1000
    repositories: int = 50
    every: float = 7200.0
    length: float = 60.0
    synced: int = 5
    delay: float = 10.0
    attempt: float = 30.0


class Hints(NamedTuple):
    """The messages of a queue: the share that is lost, and between which seconds after the change the others arrive."""

    lost: float = 0.02
    earliest: float = 1.0
    latest: float = 3.0


class Way(NamedTuple):
    """How stacks are polled: calls a second, whether by repository, and whether hints arrive."""

    rate: float
    by_repository: bool = False
    hints: Hints | None = None


class World(NamedTuple):
    """The targets, and when each is synced, by id."""

    stacks: tuple[Target, ...]
    syncs: Mapping[str, Sequence[Sync]]

    def shown(self, target_id: str, moment: float) -> Attempt | None:
        """The latest attempt of a stack or a repository at a moment."""
        syncs = self.syncs[target_id]
        at = bisect_right(syncs, moment, key=lambda sync: sync.begin) - 1
        if at < 0:
            return None
        begin, end = syncs[at]
        return Attempt(datetime_at(begin), SUCCEEDED if moment >= end else IN_PROGRESS, None, None, None)

    @property
    def stack_syncs(self) -> Mapping[str, Sequence[Sync]]:
        return {target.id: self.syncs[target.id] for target in self.stacks}


def world(commits: Commits, **watching: float) -> World:
    """The world of some commits; `watching`: how its stacks are polled, as fields of `Target`."""
    chance, stacks = Random(7), []
    syncs: dict[str, list[Sync]] = {}
    each = commits.stacks // commits.repositories
    pause = commits.every * commits.synced / each
    for number in range(commits.repositories):
        repository = Repository(f"link-{number:03}", "main")
        own = [
            stack("default", REGION, f"stack-{number:03}-{at:03}", repository=repository, **watching)
            for at in range(each)
        ]
        identity = {"link": repository.link, "branch": repository.branch}
        attempts = syncs[REPOSITORY.target("default", REGION, identity).id] = []
        syncs |= {target.id: [] for target in own}
        stacks += own
        at = commits.quiet + chance.uniform(0, pause)
        while at + commits.delay + 1.5 * commits.length < commits.until:
            attempts.append(Sync(at, at + chance.uniform(0.5, 1.5) * commits.attempt))
            for target in chance.sample(own, commits.synced):
                begin, before = at + chance.uniform(0, commits.delay), syncs[target.id]
                if not before or before[-1].end < begin:
                    before.append(Sync(begin, begin + chance.uniform(0.5, 1.5) * commits.length))
            at += chance.uniform(0.5, 1.5) * pause
    return World(tuple(stacks), syncs)


@dataclass(slots=True)
class Run:
    """Polls a world in one way, from its beginning."""

    world: World
    way: Way
    until: float
    reported: list[Reported] = field(default_factory=list)
    calls: int = 0
    _schedule: Schedule = field(default_factory=Schedule)
    _repositories: Repositories = field(default_factory=Repositories)
    _known: dict[str, Known | None] = field(default_factory=dict)
    _under_way: list[tuple[float, int, float, float, str]] = field(default_factory=list)
    """Polls by when they end: with the moments at which they were due and have begun."""
    _hinted_again: set[str] = field(default_factory=set)
    _order: Iterator[int] = field(default_factory=count)

    def poll(self) -> None:
        """Poll until the end."""
        stacks = self.world.stacks
        if self.way.by_repository:
            targets = self._repositories.configure(stacks)
        else:
            targets = {target.id: target for target in stacks}
        for target in targets.values():
            due = first_due(target.id, target.interval, 0.0, count=len(targets), rate=self.way.rate)
            self._schedule.add(target.id, due)
        hints, gap = _messages(self.world, targets, self.way.hints), spacing(self.way.rate)
        now = allowed = 0.0
        while now < self.until:
            while hints and hints[0][0] <= now:
                self._hint(heapq.heappop(hints)[1], now)
            while self._under_way and self._under_way[0][0] <= now:
                self._end(targets)
            free = len(self._under_way) < CONCURRENCY
            taken = self._schedule.take(now) if free and now >= allowed else None
            if taken is not None:
                heapq.heappush(self._under_way, (now + CALL, next(self._order), taken[0], now, taken[1]))
                self.calls += 1
                allowed = now + gap
                continue
            next_due = self._schedule.next_at() if free else None
            moments = [self.until if next_due is None else max(next_due, allowed, now)]
            now = min(chain(moments, (each[0][0] for each in (self._under_way, hints) if each)))

    def _hint(self, target_id: str, now: float) -> None:
        if any(each[-1] == target_id for each in self._under_way):
            self._hinted_again.add(target_id)
        else:
            self._schedule.hasten(target_id, now, Lane.HINTED)

    def _end(self, targets: Mapping[str, Target]) -> None:
        """The next poll ends: take its answer, and plan the following one."""
        now, _, due, begun, target_id = heapq.heappop(self._under_way)
        target, latest = targets[target_id], self.world.shown(target_id, begun + CALL / 2)
        polls, known = self._repositories.polls.get(target_id), None
        if polls is None:
            known = self._compare(target_id, latest, begun, now)
        elif polls.answered(latest, now, datetime_at(now)):
            for each in polls.stacks:
                self._schedule.hasten(each, now, Lane.REPOSITORY_CHANGED)
        if active(known):
            following, lane = begun + target.active_interval, Lane.ACTIVE
        else:
            heard = self.way.hints is not None
            following, lane = self._repositories.due(target, known, now, late=begun - due, heard=heard)
        self._schedule.add(target_id, following, lane)
        if target_id in self._hinted_again:
            self._hinted_again.discard(target_id)
            self._schedule.hasten(target_id, now, Lane.HINTED)

    def _compare(self, target_id: str, latest: Attempt | None, begun: float, now: float) -> Known:
        snapshot = Snapshot(None, latest, None)
        comparison = diff(self._known.get(target_id), snapshot, now=datetime_at(begun), stalled_after=STALLED_AFTER)
        self._known[target_id] = comparison.known
        for change in comparison.changes:
            started = change.attempt.started_at.timestamp()
            self.reported.append(Reported(target_id, started, change.attempt.status == SUCCEEDED, now))
        return comparison.known


def _messages(world: World, targets: Mapping[str, Target], hints: Hints | None) -> list[tuple[float, str]]:
    """When each hint arrives, and which target it names: a heap."""
    if hints is None:
        return []
    chance = Random(11)
    messages = [
        (moment + chance.uniform(hints.earliest, hints.latest), target_id)
        for target_id in targets
        for sync in world.syncs[target_id]
        for moment in sync
        if chance.random() >= hints.lost
    ]
    heapq.heapify(messages)
    return messages
