"""A simulated AWS that a test changes while it runs, and what its timelines show."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.support.timelines import advance
from watcher.core.model import SUCCEEDED, Attempt, Snapshot
from watcher.simulator import world
from watcher.simulator.aws_json import key_of
from watcher.simulator.faults import Fault
from watcher.simulator.inventory import ACCOUNT, Place
from watcher.simulator.scenario import ApiCall, FaultWindow, Throttle
from watcher.simulator.subject import Subject
from watcher.simulator.timeline import (
    Scene,
    Stale,
    Timeline,
    Unsynced,
    initial_state,
)
from watcher.simulator.world import CountedWindow, SimulatedTarget

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watcher.core.model import Target
    from watcher.simulator.faults import Reply
    from watcher.simulator.timeline import State

HELD = Timeline((Scene(Unsynced()),))
"""The timeline of a target whose snapshot a test sets."""


class Shown(NamedTuple):
    """A status of an attempt that the world shows from `begin` to `end` (seconds since the start)."""

    begin: float
    end: float
    number: int
    status: str
    attempt: Attempt


class World(world.World):
    """A world that can be changed at any time."""

    def show(self, target: Target, attempt: Attempt | None, *, successful: Attempt | None = None) -> Snapshot:
        """Answer with this attempt from now on; None: the target never synced.

        `latestSuccessfulSync` is `successful`, else the attempt if it succeeded, else the last success shown before.
        """
        held = self._ensured(target)
        if attempt is None:
            return self.show_snapshot(target, Snapshot(held.subject.revision("0" * 40), None, successful))
        before = self._advance(held, self.now()).latest_successful
        kept = attempt if attempt.status == SUCCEEDED else before
        return self.show_snapshot(target, Snapshot(attempt.target_revision, attempt, successful or kept))

    def show_snapshot(self, target: Target, snapshot: Snapshot) -> Snapshot:
        """Answer with exactly this from now on."""
        held = self._ensured(target)
        self._publish(held, held.state.snapshot, snapshot, self.now())
        held.timeline = HELD
        held.state = world.State(0, self.now(), snapshot=snapshot)
        self._schedule(held)
        return snapshot

    def set_timeline(self, target: Target, timeline: Timeline) -> None:
        """Begin this timeline now."""
        held = self._ensured(target)
        held.timeline = timeline
        held.state = initial_state(held.subject, timeline, self._epoch, self.now())
        self._schedule(held)

    def remove(self, target: Target) -> None:
        """Answer that the target is not found from now on."""
        key = key_of(target.kind, target.identity)
        for found in (self._targets, self._timelines):
            for each in [each for each in found if each[0] == key and each[2] in (target.region, None)]:
                del found[each]
        self._inventories.clear()

    def fault(
        self,
        target: Target | None,
        name: str,
        *,
        calls: int | None = None,
        seconds: float | None = None,
        api: str | None = None,
        region: str | None = None,
        account: str | None = None,
        operation: str | None = None,
        page: int | None = None,
        at: str | None = None,
    ) -> None:
        """Strike the polls of `target` (None: all calls) from now on, before every other fault.

        `operation` and `page`: another operation, or one page of a listing.
        """
        window = FaultWindow(
            Fault(name, at) if at else Fault(name),
            key=key_of(target.kind, target.identity) if target else None,
            api=api,
            region=target.region if target else region,
            account=account,
            operation=operation,
            page=page,
            begin=self.now(),
            end=float("inf") if seconds is None else self.now() + seconds,
            calls=calls,
        )
        self.windows.insert(0, CountedWindow(window))

    def clear(self) -> None:
        """End every fault and the throttle."""
        self.windows.clear()
        self.throttle = None

    def limit(self, requests_per_second: float, burst: int | None = None) -> None:
        """Throttle each region and API from now on."""
        self.throttle = Throttle(requests_per_second, burst or max(1, round(requests_per_second)))
        self._buckets.clear()

    def timeline(self, target: Target, until: float) -> list[Shown]:
        """What polls can see of the target up to the moment `until`.

        Without stale answers, and without the time that faults hide; windows of so many calls and the throttle are not
        known beforehand.

        Raises:
            KeyError: the target does not exist.
            ValueError: its scenes last a number of calls, or `show` replaced them.
        """
        place = Place(ACCOUNT, target.region)
        found = self._target(place, key_of(target.kind, target.identity))
        if found is None:
            raise KeyError(target.id)
        if found.timeline is HELD or any(scene.calls is not None for scene in found.timeline.scenes):
            raise ValueError(f"what {target.id} shows does not depend on time alone")
        windows = [each.window for each in self.windows if each.window.calls is None and not each.window.after]
        hidden = [
            (window.begin, window.end)
            for window in windows
            if window.applies_to(ApiCall(place, target.api, target.kind.operation, found.subject.key, is_poll=True))
        ]
        return [
            Shown(a, b, state.number, state.snapshot.latest.status, state.snapshot.latest)
            for begin, end, state in self._course(found.subject, found.timeline, until)
            if state.snapshot.latest
            and not state.fault
            and not isinstance(found.timeline.scenes[state.scene].shows, Stale)
            for a, b in _without(begin, end, hidden)
        ]

    def _course(self, subject: Subject, timeline: Timeline, until: float) -> Iterator[tuple[float, float, State]]:
        state = initial_state(subject, timeline, self._epoch, 0.0)
        while state.since < until:
            seconds = timeline.scenes[state.scene].seconds
            end = until if seconds is None else state.since + seconds
            following = advance(subject, timeline, self._epoch, state, end) if end < until else state
            yield state.since, until if following is state else end, state
            if following is state:
                return
            state = following

    def poll(self, target: Target) -> Reply:
        """The reply to a call for the target's sync status."""
        return self.answer(
            Place(ACCOUNT, target.region), target.api, target.kind.operation, target.kind.request(target)
        )[1]

    def add(self, subject: Subject, timeline: Timeline = HELD) -> None:
        """Add a target, whose timeline begins with the world."""
        self._timelines[subject.key, subject.account, subject.region] = (subject, timeline)
        self._inventories.clear()

    def change(self, target: Target, **fields: Any) -> None:
        """Change fields of the target's `Subject` from now on, such as its `blockers`, `absent` or `branch`."""
        held = self._ensured(target)
        held.subject = replace(held.subject, **fields)
        self.add(held.subject, held.timeline)

    def provide(self, **inventory: Any) -> None:
        """Change the scenario's `connections` or `repositories` from now on."""
        self.scenario = replace(self.scenario, **inventory)
        self._inventories.clear()

    def _ensured(self, target: Target) -> SimulatedTarget:
        place, key = Place(ACCOUNT, target.region), key_of(target.kind, target.identity)
        found = self._target(place, key)
        if found is None:
            self.add(Subject(target.kind, target.identity, target.region))
            found = self._target(place, key)
            assert found is not None
        return found


def _without(begin: float, end: float, hidden: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The parts of a stretch of time that none of the others covers."""
    parts = [(begin, end)]
    for a, b in hidden:
        parts = [part for x, y in parts for part in ((x, min(y, a)), (max(x, b), y)) if part[0] < part[1]]
    return parts
