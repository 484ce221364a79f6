"""Judges what arrived from a `reach_world` by what its witness knows: nothing is lost, made up, or reordered.

A run has surely kept an answer if it asked for the same again, since what it asked before was over by then. Where
several daemons watch, another one may have been quicker; that is over when the answer was the same several times.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.support.event_oracle import REMOVED, Fact, NotConservedError, facts_of, judge, same_as_kept
from tests.support.random_worlds import FINISHED, _at, _fact
from tests.support.reach_witness import CONNECTIONS, MISSES, STACKS
from watcher.core.connections import AVAILABLE
from watcher.core.model import ACTIVE
from watcher.simulator.inventory import ACCOUNT, Place
from watcher.sources.codeconnections import STACK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tests.support.installed_command import Child
    from tests.support.reach_witness import Listing, ReachWitness, Seen

    Event = Mapping[str, Any]

LONG_ENOUGH = 4.0
"""Seconds: what a target shows for that long while a run watches it cannot be missed. It is polled once a second."""

DISCOVERED = "watcher.target.discovered"

FOUND_WITHIN = 3.0
"""Seconds until a target that exists is found."""


def reported(events: Iterable[Event]) -> Iterator[Fact]:
    """What events say, in their order: of syncs, of blockers, of connections, and of what discovery found."""
    for event in events:
        subject, data, word = event["subject"], event["data"], event["type"].rpartition(".")[2]
        if event["type"] in (DISCOVERED, REMOVED):
            yield Fact(subject, "discovery", word)
        elif "blocker" in data:
            yield Fact(subject, data["blocker"]["id"], word)
        elif "connection" in data:
            yield Fact(subject, "connection", data["connection"]["status"])
        else:
            yield from facts_of([event])


class ReachOracle:
    """What the world showed, and what of that these runs have surely kept. `alone`: one at a time."""

    def __init__(self, witness: ReachWitness, runs: Iterable[Child], *, alone: bool) -> None:
        self._witness, self._world = witness, witness.world
        self._seen = {run.key: witness.seen[run.key] for run in runs}
        self._again = 1 if alone else 3
        """How often a run must have asked again."""
        now = self._world.now()
        self._shown = {id_: self._world.timeline(target, now) for id_, (_, target) in witness.subjects.items()}
        self._connections = {
            f"default/{region}/connection/{each.arn(Place(ACCOUNT, region)).rpartition('/')[2]}": each
            for region in witness.regions
            for each in self._world.scenario.connections
        }

    def judge(self, arrived: Sequence[Event], kept: Sequence[Event]) -> int:
        """Hold all that arrived against the world and the history in the store; returns how much had to be reported.

        Raises:
            NotConservedError: the promise was broken.
        """
        synced = set(self._synced())
        if self._again == 1:
            self._hold_to_intervals(synced)
        must = {*synced, *self._blocked(), *self._discovered(), *self._connected()}
        courses = {id_: [*self._courses(id_)] for id_ in (*self._shown, *self._connections)}
        shown = {fact for each in courses.values() for course in each for fact in course}
        first = judge(arrived, must=must, shown=shown, facts=reported)
        for subject, events in first.items():
            for course in courses.get(subject, ()):
                _in_order(subject, events, course)
        same_as_kept(first, kept)
        found = Counter(event["id"] for event in kept if event["type"] in (DISCOVERED, REMOVED))
        if repeated := [id_ for id_, times in found.items() if times > 1]:
            raise NotConservedError(f"what a listing found was recorded more than once: {repeated}")
        return len(must)

    def kinds(self) -> set[str]:
        """What else than syncs had to be reported."""
        return {fact.status for fact in (*self._blocked(), *self._discovered(), *self._connected())}

    def _courses(self, id_: str) -> Iterator[list[Fact]]:
        """What can be reported of a subject: each list in its order."""
        if connection := self._connections.get(id_):
            facts = [Fact(id_, "connection", status) for _, status in connection.statuses]
            yield facts[1:] if facts[0].status == AVAILABLE else facts
            return
        subject, _ = self._witness.subjects[id_]
        yield [_fact(id_, each) for each in self._shown[id_]]
        yield [
            Fact(id_, "discovery", word)
            for word, exists in (("removed", False), ("discovered", True))
            if subject.kind is STACK and any(self._witness.existed(id_, m, m) is exists for m in self._turns(id_))
        ]
        for blocker in subject.blockers:
            found = self._blockers_at(id_, blocker.active.begin)
            yield from ([Fact(id_, each, "blocked"), Fact(id_, each, "unblocked")] for each in found)

    def _turns(self, id_: str) -> list[float]:
        """The moments at which a target begins or ends to exist, but for the first."""
        subject, _ = self._witness.subjects[id_]
        sources = [each for each in self._world.scenario.repositories if each.name == subject.repository]
        spans = (*subject.absent, *(span for each in sources for span in each.absent))
        return [moment for span in spans for moment in (span.begin, span.end) if 0 < moment < self._witness.end]

    def _synced(self) -> Iterator[Fact]:
        for seen in self._seen.values():
            for id_, sightings in seen.statuses.items():
                for place, (moment, status) in enumerate(sightings):
                    window = sightings[place : place + self._again + 1]
                    if status is None or len(window) <= self._again:
                        continue
                    same = self._again == 1 or {each.status for each in window} == {status}
                    if same and self._witness.existed(id_, moment, window[-1].moment):
                        yield _fact(id_, _at(self._shown[id_], moment, status))

    def _hold_to_intervals(self, known: set[Fact]) -> None:
        """Demand that each run saw what it cannot have missed by the intervals at which it polls."""
        for run, seen in self._seen.items():
            for id_, sightings in seen.statuses.items():
                for each in self._shown[id_]:
                    begin, end = max(each.begin, sightings[0].moment), min(each.end, seen.last)
                    watched = end - begin >= LONG_ENOUGH and self._witness.existed(id_, begin - FOUND_WITHIN, end)
                    if watched and each.status in FINISHED and _fact(id_, each) not in known:
                        raise NotConservedError(f"{run} did not poll {id_} from {begin} to {end}: {each}")

    def _blocked(self) -> Iterator[Fact]:
        for id_, (subject, _) in self._witness.subjects.items():
            if not subject.blockers:
                continue
            moments = sorted(moment for seen in self._seen.values() for moment in self._asked(seen, id_))
            active: set[str] = set()
            for moment in moments:
                now = {each for each, status in self._blockers_at(id_, moment).items() if status == ACTIVE}
                yield from (Fact(id_, each, "blocked") for each in now - active)
                yield from (Fact(id_, each, "unblocked") for each in active - now)
                active = now

    def _asked(self, seen: Seen, id_: str) -> Iterator[float]:
        """When a run asked for a target's blockers, and has surely kept the answer: it polled the target again."""
        polls = [each.moment for each in seen.statuses[id_]]
        return (each for each in seen.blockers[id_] if sum(moment > each for moment in polls) >= self._again)

    def _blockers_at(self, id_: str, moment: float) -> dict[str, str]:
        subject, target = self._witness.subjects[id_]
        epoch = self._world.inventory(Place(ACCOUNT, target.region)).epoch
        return {each["id"]: each["status"] for each in subject.blockers_at(epoch, moment)}

    def _discovered(self) -> Iterator[Fact]:
        for id_, (subject, target) in self._witness.subjects.items():
            if subject.kind is not STACK:
                continue
            is_known, misses = None, 0
            for listing in self._kept(target.region, STACKS):
                exists = self._witness.existed(id_, listing.begin, listing.end)
                if exists is None:
                    continue
                misses = 0 if exists else misses + 1
                if exists:
                    if is_known is False:
                        yield Fact(id_, "discovery", "discovered")
                    is_known = True
                elif is_known is None:
                    is_known = False
                elif is_known and misses == MISSES:
                    yield Fact(id_, "discovery", "removed")
                    is_known = False

    def _connected(self) -> Iterator[Fact]:
        for id_, connection in self._connections.items():
            known = None
            for listing in self._kept(id_.split("/")[1], CONNECTIONS):
                status = connection.status_at(listing.begin)
                if status != known and (known or status != AVAILABLE):
                    yield Fact(id_, "connection", status)
                known = status

    def _kept(self, region: str, first: str) -> list[Listing]:
        """The complete listings that were surely kept, in their order."""
        return sorted(
            listing
            for seen in self._seen.values()
            for listing in seen.listings[region, first][: -self._again]
            if listing.complete
        )


def _in_order(subject: str, events: Iterable[Event], course: Sequence[Fact]) -> None:
    """Hold what arrived of a subject against the order in which it happened.

    The last state of a target that was removed and found again may be reported twice in a row.
    """
    last, again = -1, False
    for event in events:
        again = again or event["type"] in (DISCOVERED, REMOVED)
        for fact in reported([event]):
            if fact in course:
                place = course.index(fact)
                if place < last or (place == last and not again):
                    raise NotConservedError(f"{subject}: {fact} was reported after {course[last]}")
                last, again = place, False
