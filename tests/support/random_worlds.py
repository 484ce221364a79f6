"""Random worlds told in time, and the witness that knows what each run of the daemon was shown in them."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from tests.support.event_oracle import Fact, in_order_of_world, judge, same_as_kept, same_as_rows, whole_lines
from tests.support.installed_command import REGION
from tests.support.simulator import is_poll
from tests.support.waiting import until
from watcher.core.model import FAILED, IN_PROGRESS, INITIATED, QUEUED, SUCCEEDED, rfc3339
from watcher.simulator.scenario import Scenario
from watcher.simulator.subject import Subject
from watcher.simulator.timeline import NewAttempt, Scene, Status, Timeline, Unsynced
from watcher.sources.codeconnections import STACK
from watcher.sources.proton import TEMPLATE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.installed_command import Child, Site
    from tests.support.simulated_world import Shown
    from tests.support.simulator import Simulator
    from watcher.simulator.server import Call

FINISHED = frozenset({SUCCEEDED, FAILED})

LONG_ENOUGH = 3.0
"""Seconds: thirty intervals. What is shown for that long while a run polls cannot be missed."""


def random_world(seed: int, *, seconds: float, stacks: int = 3, templates: int = 2) -> Scenario:
    """Targets whose attempts come and go, some faster than any poll, for so many seconds; then they stand still."""
    chance = Random(seed)
    subjects = [Subject(STACK, (("name", f"stack-{n}"),)) for n in range(stacks)]
    subjects += [
        Subject(TEMPLATE, (("type", "SERVICE"), ("name", f"template-{n}"), ("version", "1"))) for n in range(templates)
    ]
    timelines = tuple((subject, Timeline(tuple(_scenes(chance, seconds)))) for subject in subjects)
    return Scenario(f"random {seed}", timelines)


def _scenes(chance: Random, seconds: float) -> Iterator[Scene]:
    left = seconds
    if chance.random() < 0.3:
        first = chance.uniform(0.5, 3)
        left -= first
        yield Scene(Unsynced(), first)
    while left > 0:
        way = [status for status in (QUEUED, INITIATED) if chance.random() < 0.4]
        way += [IN_PROGRESS, chance.choice((SUCCEEDED, FAILED))]
        for place, status in enumerate(way):
            longest = 4.0 if status in FINISHED else 0.6
            lasts = min(longest, chance.expovariate(3 / longest) + 0.02)
            left -= lasts
            yield Scene(Status(status, NewAttempt() if place == 0 else None), lasts)
    yield Scene(Status(IN_PROGRESS, NewAttempt()), 0.5)
    yield Scene(Status(chance.choice((SUCCEEDED, FAILED))))


class Sighting(NamedTuple):
    """One answer that a run was given, at a moment of the world; None for a target that never synced."""

    moment: float
    subject: str
    fact: Fact | None


class CallClock:
    """A world's clock that is turned by calls, so that a slow machine sees as much of it as a fast one."""

    def __init__(self, calls_per_second: float = 20.0) -> None:
        self.calls = 0
        self._epoch = time.time()
        self._rate = calls_per_second

    def __call__(self) -> float:
        return self._epoch + self.calls / self._rate


class Witness:
    """Stands beside the stand-in for AWS and remembers which run was shown what; it turns the clock, if given one."""

    def __init__(self, simulator: Simulator, clock: CallClock | None = None) -> None:
        self._clock = clock
        self.sightings: dict[str, list[Sighting]] = defaultdict(list)
        self.news: dict[str, int] = defaultdict(int)
        self._simulator = simulator
        self._last: dict[tuple[str, str], str] = {}
        self._targets = {target.id: target for target in simulator.world.scenario.targets(region=REGION)}
        timelines = (timeline for _, timeline in simulator.world.scenario.timelines)
        self._end = max(sum(scene.seconds or 0 for scene in timeline.scenes) for timeline in timelines)
        simulator.on_call = self._saw

    @property
    def over(self) -> bool:
        """Whether every timeline has come to its end."""
        return self._simulator.world.now() > self._end

    async def quiet(self, child: Child) -> None:
        """Wait until the world stands still, and the run has seen it."""
        await until(
            lambda: self.seen_at_the_end(child) or not child.running,
            lambda: f"every target seen at its end; {child.said()}",
        )

    def seen_at_the_end(self, child: Child) -> bool:
        """Whether the run has seen every target twice since the world stood still."""
        end = self._end
        since = Counter(sighting.subject for sighting in self.sightings[child.key] if sighting.moment > end)
        return all(since[target] >= 2 for target in self._targets)

    def _saw(self, call: Call) -> None:
        if not is_poll(call):
            return
        subject = f"default/{call.region}/{call.target}"
        # Which attempt it was is looked up in the end; that the status is right makes a race at its edges harmless.
        fact = None if call.answer == "UNSYNCED" else Fact(subject, "", call.answer)
        self.sightings[call.access_key].append(Sighting(self._simulator.world.now(), subject, fact))
        if self._last.get((call.access_key, subject)) != call.answer:
            self._last[call.access_key, subject] = call.answer
            self.news[call.access_key] += 1
        if self._clock:
            self._clock.calls += 1

    def must(self, run: str) -> set[Fact]:
        """What a run was shown of a target before it asked for it again: the poll between was over, and kept."""
        shown = self._shown()
        given = defaultdict(list)
        for moment, subject, seen in self.sightings[run]:
            given[subject].append(None if seen is None else _fact(subject, _at(shown[subject], moment, seen.status)))
        known = {fact for facts in given.values() for fact in facts[:-1] if fact}
        assert self._unmissable(run, shown) <= known, "the run did not poll at its intervals"
        return known

    def _unmissable(self, run: str, shown: dict[str, list[Shown]]) -> set[Fact]:
        """The outcomes that the world showed for long enough while the run polled."""
        moments = [sighting.moment for sighting in self.sightings[run]]
        if not moments:
            return set()
        return {
            _fact(subject, each)
            for subject, showings in shown.items()
            for each in showings
            if each.status in FINISHED and min(each.end, moments[-1]) - max(each.begin, moments[0]) >= LONG_ENOUGH
        }

    def judge(self, site: Site, output: bytes, *, only: str = "") -> None:
        """Hold what all runs of a site wrote, one after the other, against the world.

        `only`: how the subjects begin that are of this world, where a site watches more.
        """
        shown = self._shown()
        facts = {subject: [_fact(subject, each) for each in showings] for subject, showings in shown.items()}
        must = set().union(*(self.must(child.key) for child in site.children))
        assert len(must) > len(facts), "nothing happened but the ends: too little for a judgement"
        assert {showings[-1] for showings in facts.values()} <= must, "the last run saw the end of every timeline"
        arrived = [event for event in whole_lines(output) if event["subject"].startswith(only)]
        first = judge(arrived, must=must, shown={fact for each in facts.values() for fact in each})
        in_order_of_world(first, facts)
        kept = [event for event in site.kept() if event["subject"].startswith(only)]
        same_as_kept(first, kept)
        same_as_rows(kept, [row for row in site.rows() if row.subject.startswith(only)])

    def _shown(self) -> dict[str, list[Shown]]:
        now = self._simulator.world.now()
        return {id_: self._simulator.world.timeline(target, now) for id_, target in self._targets.items()}


def _fact(subject: str, shown: Shown) -> Fact:
    return Fact(subject, rfc3339(shown.attempt.started_at), shown.status)


def _at(showings: list[Shown], moment: float, status: str) -> Shown:
    """What was shown at about a moment, by its status: no status follows itself."""
    return next(each for each in reversed(showings) if each.begin <= moment and each.status == status)
