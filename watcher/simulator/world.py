"""The world as it stands: every target's life, the faults that lie over them, and the rate that AWS allows.

`scenario` says what will happen and `life` how; here is what has happened so far. Time comes in through one clock, so
that a test can own it. Besides answering, the world can be changed while it runs: `show`, `set_life`, `fault`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from watcher.core.model import SUCCEEDED, Api, Attempt, Snapshot, rfc3339
from watcher.simulator import aws_json
from watcher.simulator.fault_schedule import FaultSchedule
from watcher.simulator.faults import Fault, Reply, error
from watcher.simulator.scenario import Scenario, Spell, Throttle
from watcher.simulator.timeline import Stale, State, Subject, Timeline, advance, begin, key_of, looked_at, moment_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from watcher.core.model import SyncEvent, Target


class Shown(NamedTuple):
    """A status of an attempt that the world showed from `begin` to `end` (seconds since it began)."""

    begin: float
    end: float
    number: int
    status: str
    attempt: Attempt


@dataclass(slots=True)
class _Story:
    """A target of one region: its life and where that stands, or the one snapshot that it is held at."""

    subject: Subject
    life: Timeline | None = None
    begun: float = 0.0
    state: State | None = None
    held: Snapshot | None = None
    sent: tuple[Snapshot, Reply] | None = None


class World:
    """What is answered, and the means to change it. `clock` gives seconds since 1970."""

    def __init__(self, scenario: Scenario, clock: Callable[[], float] = time.time) -> None:
        self.scenario = scenario
        self._weather = FaultSchedule(scenario.spells, scenario.throttle)
        self._clock = clock
        self._epoch = clock()
        self._begun = False
        self._stories: dict[tuple[str, str], _Story] = {}
        self._subjects = {(subject.key, subject.region): (subject, life) for subject, life in scenario.lives}

    def begin(self) -> None:
        """Let moment 0 be now, unless it has been before; lives begin then."""
        if not self._begun:
            self._epoch, self._begun = self._clock(), True

    def now(self) -> float:
        """Seconds since the world began."""
        return self._clock() - self._epoch if self._begun else 0.0

    # What is answered

    def answer(self, region: str, api: Api, key: str) -> Reply:
        """The reply to one call for a target, which counts as seen by it."""
        moment = self.now()
        if self._weather.over_rate(region, api, moment):
            return error(api, "ThrottlingException", "Rate exceeded")
        struck = self._weather.struck(region, api, key, moment)
        story = self._story(region, key)
        if struck:
            # A life told by calls goes on only by calls that see it.
            return struck.applied(api, lambda: aws_json.answer(self._snapshot(story, moment)) if story else {})
        if story is None:
            name = key.rsplit("/", 1)[-1] if api is Api.CODECONNECTIONS else key.split("/")[2]
            return error(api, "ResourceNotFoundException", f"The resource {name} was not found.")
        snapshot = self._snapshot(story, moment)
        if story.life and story.state and story.held is None:
            story.state = looked_at(story.life, story.state)
            if story.state.fault:
                return story.state.fault.applied(api, lambda: aws_json.answer(snapshot))
        if story.sent is None or story.sent[0] is not snapshot:
            status = snapshot.latest.status if snapshot.latest else "UNSYNCED"
            story.sent = (snapshot, Reply(status, aws_json.encode(api, aws_json.answer(snapshot))))
        return story.sent[1]

    def timeline(self, target: Target, until: float) -> list[Shown]:
        """What the target's life shows up to the moment `until`, told in time, without what faults hide.

        Left out are stale answers, and the time of spells that are told in time; spells told by calls and the
        throttle are not known beforehand.

        Raises:
            KeyError: the world does not know the target.
            ValueError: its life goes on by calls, or was replaced by `show`.
        """
        story = self._story(target.region, key_of(target.kind, target.identity))
        if story is None:
            raise KeyError(target.id)
        if story.held or story.life is None or not story.life.told_in_time:
            raise ValueError(f"the life of {target.id} is not told in time")
        hidden = self._weather.hidden(story.subject.key, target.api, target.region)
        shown: list[Shown] = []
        for start, end, state in self._course(story.subject, story.life, story.begun, until):
            latest = state.snapshot.latest
            if latest is None or state.fault or isinstance(story.life.scenes[state.scene].shows, Stale):
                continue
            shown += [Shown(a, b, state.number, latest.status, latest) for a, b in _without(start, end, hidden)]
        return shown

    def _course(self, subject: Subject, life: Timeline, begun: float, until: float) -> list[tuple[float, float, State]]:
        course, state = [], begin(subject, life, self._epoch, begun)
        while state.since < until:
            seconds = life.scenes[state.scene].seconds
            end = until if seconds is None else state.since + seconds
            following = advance(subject, life, self._epoch, state, end) if end < until else state
            course.append((state.since, until if following is state else end, state))
            if following is state:
                break
            state = following
        return course

    # How it is changed

    def show(self, target: Target, attempt: Attempt | None, *, successful: Attempt | None = None) -> Snapshot:
        """From now on answer for `target` with this attempt, until told otherwise; None: it never synced.

        `latestSuccessfulSync` is `successful`, else the attempt if it succeeded, else the last success shown before.
        """
        story = self._ensured(target)
        if attempt is None:
            return self.show_snapshot(target, Snapshot(story.subject.revision("0" * 40), None, successful))
        known = self._snapshot(story, self.now()).latest_successful if story.held or story.life else None
        kept = attempt if attempt.status == SUCCEEDED else known
        return self.show_snapshot(target, Snapshot(attempt.target_revision, attempt, successful or kept))

    def show_snapshot(self, target: Target, snapshot: Snapshot) -> Snapshot:
        """From now on answer for `target` with exactly this, until told otherwise."""
        self._ensured(target).held = snapshot
        return snapshot

    def set_life(self, target: Target, life: Timeline) -> None:
        """Let `target` live this life from now on."""
        story = self._ensured(target)
        story.life, story.held, story.begun = life, None, self.now()
        story.state = begin(story.subject, life, self._epoch, story.begun)

    def remove(self, target: Target) -> None:
        """Let AWS know nothing of `target`: it is not found."""
        key = key_of(target.kind, target.identity)
        self._stories.pop((target.region, key), None)
        self._subjects.pop((key, target.region), None)
        self._subjects.pop((key, None), None)

    def fault(
        self,
        target: Target | None,
        name: str,
        *,
        calls: int | None = None,
        seconds: float | None = None,
        api: Api | None = None,
        region: str | None = None,
        at: str | None = None,
    ) -> None:
        """From now on strike the calls for `target` (None: for any) with a fault of the table in `faults`.

        For so many `calls` or `seconds`, or until `clear`. The latest spell goes first. `at` names the field that is
        missing or wrong.

        Raises:
            ValueError: there is no such fault.
        """
        now = self.now()
        spell = Spell(
            Fault(name, at) if at else Fault(name),
            key=key_of(target.kind, target.identity) if target else None,
            api=api,
            region=target.region if target else region,
            begin=now,
            end=float("inf") if seconds is None else now + seconds,
            calls=calls,
        )
        self._weather.add(spell)

    def clear(self, target: Target | None = None) -> None:
        """End the faults that lie over `target`; without one, every fault, and the throttle."""
        self._weather.clear(key_of(target.kind, target.identity) if target else None)

    def limit(self, requests_per_second: float, burst: int | None = None) -> None:
        """From now on throttle each region and API above so many calls a second."""
        self._weather.limit(Throttle(requests_per_second, burst or max(1, round(requests_per_second))))

    # Within

    def _story(self, region: str, key: str) -> _Story | None:
        story = self._stories.get((region, key))
        if story is None:
            found = self._subjects.get((key, region)) or self._subjects.get((key, None))
            if found is None:
                return None
            subject, life = found
            story = _Story(subject, life, state=begin(subject, life, self._epoch, 0.0))
            self._stories[region, key] = story
        return story

    def _ensured(self, target: Target) -> _Story:
        key = key_of(target.kind, target.identity)
        return self._story(target.region, key) or self._stories.setdefault(
            (target.region, key), _Story(Subject.of(target))
        )

    def _snapshot(self, story: _Story, moment: float) -> Snapshot:
        if story.held:
            return story.held
        assert story.life  # noqa: S101  a story without a life is held
        assert story.state  # noqa: S101
        story.state = advance(story.subject, story.life, self._epoch, story.state, moment)
        return story.state.snapshot


def _without(begin: float, end: float, hidden: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The parts of a stretch of time that none of the others covers."""
    parts = [(begin, end)]
    for a, b in hidden:
        parts = [part for x, y in parts for part in ((x, min(y, a)), (max(x, b), y)) if part[0] < part[1]]
    return parts


def attempt(
    target: Target,
    status: str,
    started_at: datetime | float,
    sha: str = "",
    *,
    events: tuple[SyncEvent | str, ...] = (),
    initial_sha: str = "0" * 40,
    **revision: Any,
) -> Attempt:
    """An attempt of `target` for `World.show`, its revisions as the target's API spells them.

    `started_at` may be seconds since 1970. An event given as text has the type `INFO` and the attempt's time.
    `revision`: another `branch` or `repository`.
    """
    subject = Subject.of(target)
    started = moment_of(started_at if isinstance(started_at, float | int) else started_at.timestamp())
    told = tuple(
        {"type": "INFO", "event": event, "time": rfc3339(started)} if isinstance(event, str) else event
        for event in events
    )
    sha = sha or f"{int(started.timestamp() * 1000):040x}"
    return Attempt(
        started,
        status,
        subject.shown_as,
        subject.revision(initial_sha, **revision),
        subject.revision(sha, **revision),
        told,
    )
