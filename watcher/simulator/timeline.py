"""What happens to one target, as a pure fold: from a timeline, its state and a moment to its state at that moment.

A timeline is a row of scenes. A scene lasts for some seconds, or until some calls saw it, or for ever; then the next
one begins. It shows a status of an attempt, an earlier attempt (a stale replica), no attempt at all, or a fault.
Moments are seconds since the start.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha1
from typing import Literal

from watcher.core.model import SUCCEEDED, Attempt, Snapshot, SyncEvent, rfc3339
from watcher.simulator.faults import Fault
from watcher.simulator.subject import Subject

MAX_ATTEMPTS = 8
"""Attempts that are kept for stale replicas."""


@dataclass(frozen=True, slots=True)
class NewAttempt:
    """How a new attempt begins. The defaults are the subject's own, and a commit derived from the attempt's number.

    `started`: its `startedAt`, in seconds before the attempt is first shown. With `recreated`, earlier attempts are
    forgotten, as when a stack is deleted and created again. `pushed`: how many seconds before the attempt its commit
    was pushed; the commit is then derived from the repository and that moment, so that all attempts of one push have
    the same.
    """

    commit: str | None = None
    branch: str | None = None
    repository: str | None = None
    started: float = 0.0
    recreated: bool = False
    pushed: float | None = None

    def at_pace(self, pace: float) -> NewAttempt:
        return self if self.pushed is None else replace(self, pushed=self.pushed / pace)


@dataclass(frozen=True, slots=True)
class Status:
    """The current attempt, or `new_attempt` if there is one, gets a status. `events` are added to those that it has.

    `latest_successful` is what `latestSuccessfulSync` has: `kept` as AWS keeps it, `absent`, or the `previous` one.
    """

    status: str
    new_attempt: NewAttempt | None = None
    events: tuple[SyncEvent, ...] = ()
    latest_successful: Literal["kept", "absent", "previous"] = "kept"

    def at_pace(self, pace: float) -> Status:
        return replace(self, new_attempt=self.new_attempt.at_pace(pace)) if self.new_attempt else self


def sync_events(text: str, kind: str = "INFO") -> tuple[SyncEvent, ...]:
    """The one event of an attempt that says `text`."""
    return ({"type": kind, "event": text},)


@dataclass(frozen=True, slots=True)
class Unsynced:
    """The target exists and never synced: it has no `latestSync`."""


@dataclass(frozen=True, slots=True)
class Stale:
    """A replica that lags: the attempt shown is `back` attempts before the latest one."""

    back: int = 1


@dataclass(frozen=True, slots=True)
class Scene:
    """A part of a timeline that lasts `seconds`, or a number of `calls`; with neither, for ever."""

    shows: Status | Unsynced | Stale | Fault
    seconds: float | None = None
    calls: int | None = None

    def at_pace(self, pace: float) -> Scene:
        shows = self.shows.at_pace(pace) if isinstance(self.shows, Status) else self.shows
        return replace(self, shows=shows, seconds=self.seconds and self.seconds / pace)


@dataclass(frozen=True, slots=True)
class Timeline:
    """The scenes of one target, once or with `repeat` over and over. Without it, the last scene never ends."""

    scenes: tuple[Scene, ...]
    repeat: bool = False

    def at_pace(self, pace: float) -> Timeline:
        return replace(self, scenes=tuple(scene.at_pace(pace) for scene in self.scenes))


@dataclass(frozen=True, slots=True)
class State:
    """The index of the current scene, the moment it began, the `calls` that saw it, and what it shows.

    `number` counts the attempts from 1.
    """

    scene: int
    since: float
    calls: int = 0
    number: int = 0
    attempts: tuple[Attempt, ...] = ()
    successes: tuple[Attempt, ...] = ()
    snapshot: Snapshot = field(default_factory=lambda: Snapshot(None, None, None))
    fault: Fault | None = None


def initial_state(subject: Subject, timeline: Timeline, epoch: float, moment: float) -> State:
    """The state at the beginning of the first scene. `epoch`: moment 0, in seconds since 1970."""
    first = subject.revision(_sha(subject, 0))
    return _enter(subject, timeline, epoch, State(0, moment, snapshot=Snapshot(first, None, None)))


def steps(subject: Subject, timeline: Timeline, epoch: float, state: State, moment: float) -> Iterator[State]:
    """The states that follow `state` up to `moment`: one at the beginning of each scene."""
    while True:
        scene = timeline.scenes[state.scene]
        if scene.seconds is not None and moment >= state.since + scene.seconds:
            since = state.since + scene.seconds
        elif scene.calls is not None and state.calls >= scene.calls:
            since = moment
        else:
            return
        index = state.scene + 1
        if index == len(timeline.scenes):
            if not timeline.repeat:
                return
            index = 0
        state = _enter(subject, timeline, epoch, replace(state, scene=index, since=since, calls=0, fault=None))
        yield state


def next_change(timeline: Timeline, state: State) -> float | None:
    """The moment at which the next scene begins; None if time alone does not begin it."""
    seconds = timeline.scenes[state.scene].seconds
    is_last = not timeline.repeat and state.scene + 1 == len(timeline.scenes)
    return None if seconds is None or is_last else state.since + seconds


def after_call(timeline: Timeline, state: State) -> State:
    """The state after one more call saw it."""
    return state if timeline.scenes[state.scene].calls is None else replace(state, calls=state.calls + 1)


def _enter(subject: Subject, timeline: Timeline, epoch: float, state: State) -> State:
    shows = timeline.scenes[state.scene].shows
    if isinstance(shows, Status):
        return _take_status(subject, shows, state, epoch + state.since)
    if isinstance(shows, Unsynced):
        return replace(state, snapshot=replace(state.snapshot, latest=None, latest_successful=None))
    if isinstance(shows, Stale):
        old = state.attempts[max(0, len(state.attempts) - 1 - shows.back)] if state.attempts else None
        before = [attempt for attempt in state.successes if old and attempt.started_at <= old.started_at]
        successful = before[-1] if before else None
        return replace(state, snapshot=Snapshot(old.target_revision if old else None, old, successful))
    return replace(state, fault=shows)


def _take_status(subject: Subject, shows: Status, state: State, now: float) -> State:
    attempts = state.attempts
    if shows.new_attempt or not attempts:
        plan = shows.new_attempt or NewAttempt()
        if plan.recreated:
            state = replace(state, attempts=(), successes=())
        state = replace(state, number=state.number + 1)
        attempts = (*state.attempts, _new_attempt(subject, plan, state, now))[-MAX_ATTEMPTS:]
    events = tuple({**event, "time": event.get("time") or rfc3339(datetime_at(now))} for event in shows.events)
    latest = replace(attempts[-1], status=shows.status, events=attempts[-1].events + events)
    successes = (*state.successes, latest)[-MAX_ATTEMPTS:] if shows.status == SUCCEEDED else state.successes
    back = {"kept": 1, "previous": 2, "absent": len(successes) + 1}[shows.latest_successful]
    successful = successes[-back] if back <= len(successes) and subject.kind.has_revisions else None
    snapshot = Snapshot(latest.target_revision, latest, successful)
    return replace(state, attempts=(*attempts[:-1], latest), successes=successes, snapshot=snapshot)


def _new_attempt(subject: Subject, plan: NewAttempt, state: State, now: float) -> Attempt:
    if plan.pushed is None:
        sha = plan.commit or _sha(subject, state.number)
    else:
        sha = plan.commit or _digest(f"{subject.repository} {subject.branch} {round(state.since - plan.pushed, 3)}")
    branch = plan.branch or subject.branch_at(state.since)
    target_revision = subject.revision(sha, branch=branch, repository=plan.repository)
    started = datetime_at(now - plan.started)
    if state.attempts:
        initial = state.attempts[-1].target_revision
        if not plan.started:  # AWS never starts two attempts of a target at once
            started = max(started, datetime_at(state.attempts[-1].started_at.timestamp() + 0.001))
    else:
        initial = subject.revision(_sha(subject, 0), branch=branch, repository=plan.repository)
    return Attempt(started, "", subject.attempt_target, initial, target_revision)


def datetime_at(epoch: float) -> datetime:
    """Seconds since 1970 as a time in UTC, in milliseconds as AWS returns it."""
    return datetime.fromtimestamp(round(epoch, 3), UTC)


def _sha(subject: Subject, number: int) -> str:
    return _digest(f"{subject.key} {number}")


def _digest(text: str) -> str:
    return sha1(text.encode(), usedforsecurity=False).hexdigest()
