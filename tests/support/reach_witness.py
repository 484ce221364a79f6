"""Stands beside the simulator of a `reach_world`, and remembers what each run of the daemon was shown in it."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from tests.support.installed_command import REGION
from tests.support.reach_world import LISTED, LISTED_REPOSITORY
from watcher.core.model import KNOWN_STATUSES
from watcher.simulator.inventory import ACCOUNT, Place
from watcher.sources.codeconnections import STACK

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.support.installed_command import Child
    from tests.support.simulator import Simulator
    from watcher.core.model import Target
    from watcher.simulator.server import Call
    from watcher.simulator.subject import Subject

LONGEST_STEP = 0.05
"""Seconds of the world that one call is worth at most."""

STEP_OF_LISTINGS = 0.6
"""Seconds of the world that a listing of the stacks of each region is worth at most."""

MISSES = 3
"""How many complete listings in a row must miss a target until it is removed."""

STACKS, CONNECTIONS = "ListRepositoryLinks", "ListConnections"
"""The first operation of the listing of stacks, and of that of connections, which has one call."""

PAGES_OF_STACKS = "ListSyncConfigurations"


class PacedClock:
    """A world's clock that runs while calls and listings come: on a slow machine as slowly as they do."""

    def __init__(self) -> None:
        self._epoch, self._passed = time.time(), 0.0
        self._last = time.monotonic()

    def __call__(self) -> float:
        return self._epoch + self._passed

    def turn(self, listings: int) -> None:
        """Go on by the time since the last call; `listings`: how many there were."""
        now = time.monotonic()
        passed = min(self._passed + min(now - self._last, LONGEST_STEP), STEP_OF_LISTINGS * (listings + 1))
        self._passed, self._last = max(self._passed, passed), now


class Sighting(NamedTuple):
    """An answer about a target, at a moment of the world; without a status if it showed none."""

    moment: float
    status: str | None


class Listing(NamedTuple):
    """A listing from its first call to its last, in moments of the world."""

    begin: float
    end: float
    complete: bool


class Seen:
    """What one run was shown."""

    def __init__(self) -> None:
        self.statuses: dict[str, list[Sighting]] = defaultdict(list)
        """By the target's id."""
        self.blockers: dict[str, list[float]] = defaultdict(list)
        """The moments of the answers about a target's blockers, by its id."""
        self.listings: dict[tuple[str, str], list[Listing]] = defaultdict(list)
        """By region and first operation."""
        self.calls = 0
        self.hints = 0
        """How many messages it deleted."""
        self.news = 0
        """How often it was shown another status of a target than before."""
        self.pages = 0
        """How many pages of listings it was shown: after the last of a listing, this is recorded."""
        self.last = 0.0
        """The moment of its last call."""
        self._before: dict[str, str] = {}
        """The operation of its last call for a listing, by region."""

    def status(self, id_: str, moment: float, answer: str) -> None:
        status = answer if answer in KNOWN_STATUSES else None
        seen = self.statuses[id_]
        self.news += not seen or seen[-1].status != status
        seen.append(Sighting(moment, status))

    def listed(self, call: Call, moment: float) -> bool:
        """Note a call for a listing; returns whether it was the first one of a listing of stacks.

        The repositories have several pages, which follow each other.
        """
        self.pages += 1
        begins = call.operation != PAGES_OF_STACKS
        if call.operation == STACKS:
            begins = self._before.get(call.region) != STACKS
        listings = self.listings[call.region, CONNECTIONS if call.operation == CONNECTIONS else STACKS]
        if call.operation != CONNECTIONS:
            self._before[call.region] = call.operation
        if begins or not listings:
            listings.append(Listing(moment, moment, call.answer == "OK"))
        else:
            listings[-1] = Listing(listings[-1].begin, moment, listings[-1].complete and call.answer == "OK")
        return begins and call.operation == STACKS


class ReachWitness:
    """Remembers every answer by the run that it was given to; it turns the clock."""

    def __init__(self, simulator: Simulator, clock: PacedClock, regions: Sequence[str], seconds: float) -> None:
        self.end, self.regions, self.world = seconds, regions, simulator.world
        self.seen: dict[str, Seen] = defaultdict(Seen)
        """By run."""
        self.subjects: dict[str, tuple[Subject, Target]] = {}
        """What is watched and polled at some time, by id."""
        self._clock = clock
        self._begun: Counter[str] = Counter()
        """How many listings of stacks were begun, by region."""
        for region in regions:
            for subject, _ in simulator.world.scenario.timelines:
                if subject.kind is STACK or subject == LISTED or subject.identity == LISTED_REPOSITORY:
                    target = subject.target("default", region)
                    self.subjects[target.id] = subject, target
        simulator.on_call = self._saw

    @property
    def over(self) -> bool:
        return self.world.now() > self.end

    @property
    def so_far(self) -> float:
        """The moment of the world, until it is over: on a slow machine that takes long."""
        return min(self.world.now(), self.end)

    def existed(self, id_: str, begin: float, end: float) -> bool | None:
        """Whether a target was listed from one moment to the other; None: for a part of that time."""
        subject, _ = self.subjects[id_]
        sources = [each for each in self.world.scenario.repositories if each.name == subject.repository]
        for span in (*subject.absent, *(span for each in sources for span in each.absent)):
            if begin in span and end in span:
                return False
            if begin < span.end and end >= span.begin:
                return None
        return True

    def seen_at_the_end(self, runs: Iterable[Child], queue: str, *, times: int) -> bool:
        """Whether a run was shown each target so often, and made all listings, since nothing happens any more.

        Then the queue is empty as well: a message is deleted once its poll was recorded.
        """
        if not self.over or self.world.bus.queues[Place(ACCOUNT, REGION), queue].messages:
            return False
        listings, polls = self._since_the_end(runs)
        return all(any(number > MISSES + times for number in numbers) for numbers in listings.values()) and all(
            any(number >= times for number in numbers) for numbers in polls.values()
        )

    def seen_since(self, runs: Iterable[Child], queue: str) -> str:
        """Return for people what `seen_at_the_end` counts: messages left, and listings and polls of each run."""
        messages = self.world.bus.queues[Place(ACCOUNT, REGION), queue].messages
        listings, polls = self._since_the_end(runs)
        return f"moment {self.world.now():.1f} of {self.end}, messages {messages}, listings {listings}, polls {polls}"

    def _since_the_end(self, runs: Iterable[Child]) -> tuple[dict[tuple[str, str], list[int]], dict[str, list[int]]]:
        """Return how many listings of each kind, and polls of each target, every run has made since the end."""
        now, seen = self.world.now(), [self.seen[run.key] for run in runs]
        listings = {
            (region, first): [sum(each.begin > self.end for each in one.listings[region, first]) for one in seen]
            for region in self.regions
            for first in (STACKS, CONNECTIONS)
        }
        polls = {
            id_: [sum(each.moment > self.end for each in one.statuses[id_]) for one in seen]
            for id_ in self.subjects
            if self.existed(id_, now, now)
        }
        return listings, polls

    def _saw(self, call: Call) -> None:
        moment = self.world.now()
        seen, id_ = self.seen[call.access_key], f"default/{call.region}/{call.target}"
        seen.calls += 1
        seen.last = moment
        if call.operation == "GetSyncBlockerSummary":
            if call.answer == "OK":
                seen.blockers[id_].append(moment)
        elif id_ in self.subjects:
            seen.status(id_, moment, call.answer)
        elif call.operation.startswith("DeleteMessage"):
            seen.hints += 1
        elif call.operation in (STACKS, PAGES_OF_STACKS, CONNECTIONS):
            self._begun[call.region] += seen.listed(call, moment)
        self._clock.turn(min(self._begun[region] for region in self.regions))
