"""A timeline: which status of which attempt a target shows at a moment, and after how many calls."""

from __future__ import annotations

from typing import Literal

import pytest

from tests.support.timelines import advance
from watcher.core.model import FAILED, IN_PROGRESS, INITIATED, SUCCEEDED
from watcher.simulator.faults import Fault
from watcher.simulator.subject import Subject
from watcher.simulator.timeline import (
    NewAttempt,
    Scene,
    Stale,
    State,
    Status,
    Timeline,
    Unsynced,
    after_call,
    initial_state,
)
from watcher.sources.proton import TEMPLATE

EPOCH = 1_795_420_800.0
WEB = Subject(TEMPLATE, (("type", "SERVICE"), ("name", "web"), ("version", "2")), repository="org/templates")
NEW = NewAttempt()


def at(timeline: Timeline, moment: float) -> State:
    return advance(WEB, timeline, EPOCH, initial_state(WEB, timeline, EPOCH, 0.0), moment)


def by_calls(timeline: Timeline, calls: int) -> list[State]:
    state, seen = initial_state(WEB, timeline, EPOCH, 0.0), []
    for number in range(calls):
        state = advance(WEB, timeline, EPOCH, state, float(number))
        seen.append(state)
        state = after_call(timeline, state)
    return seen


TIMED = Timeline(
    (
        Scene(Status(INITIATED, NEW), 2),
        Scene(Status(SUCCEEDED), 8),
        Scene(Status(IN_PROGRESS, NEW), 5),
        Scene(Status(FAILED, events=({"type": "ERROR", "event": "Failed to parse"},))),
    )
)


@pytest.mark.parametrize(
    ("moment", "number", "status", "started"),
    [
        (0, 1, INITIATED, 0),
        (1.999, 1, INITIATED, 0),
        (2, 1, SUCCEEDED, 0),
        (10, 2, IN_PROGRESS, 10),
        (15, 2, FAILED, 10),
        (9e6, 2, FAILED, 10),
    ],
)
def test_a_timed_scene_is_shown_at_its_moment(moment: float, number: int, status: str, started: float) -> None:
    state = at(TIMED, moment)
    latest = state.snapshot.latest
    assert latest
    assert (state.number, latest.status, latest.started_at.timestamp() - EPOCH) == (number, status, started)


def test_timed_scenes_do_not_depend_on_calls() -> None:
    often = initial_state(WEB, TIMED, EPOCH, 0.0)
    for tick in range(200):
        often = after_call(TIMED, advance(WEB, TIMED, EPOCH, often, tick / 10))
    assert often == at(TIMED, 19.9)


def test_nothing_new_is_the_same_object() -> None:
    state = at(TIMED, 3)
    assert advance(WEB, TIMED, EPOCH, state, 9.9) is state


def test_a_clock_set_back_moves_nothing() -> None:
    state = at(TIMED, 11)
    assert advance(WEB, TIMED, EPOCH, state, -3600) is state


def test_the_last_success_stays_and_the_commits_follow_each_other() -> None:
    snapshot = at(TIMED, 20).snapshot
    assert snapshot.latest
    assert snapshot.latest_successful
    assert snapshot.latest_successful.status == SUCCEEDED
    assert snapshot.latest.initial_revision == snapshot.latest_successful.target_revision
    assert snapshot.latest.sha != snapshot.latest_successful.sha
    assert [event["time"] for event in snapshot.latest.events] == ["2026-11-23T08:00:15Z"]


def test_a_repeated_timeline_has_new_attempts() -> None:
    timeline = Timeline((Scene(Status(SUCCEEDED, NEW), 10),), repeat=True)
    first, third = at(timeline, 5).snapshot.latest, at(timeline, 25).snapshot.latest
    assert first
    assert third
    assert (third.started_at - first.started_at).total_seconds() == 20
    assert third.sha != first.sha


def test_scenes_of_so_many_calls_end_after_them() -> None:
    timeline = Timeline(
        (Scene(Status(IN_PROGRESS, NEW), calls=2), Scene(Status(FAILED), calls=1), Scene(Status(SUCCEEDED, NEW)))
    )
    statuses = [state.snapshot.latest.status for state in by_calls(timeline, 5) if state.snapshot.latest]
    assert statuses == [IN_PROGRESS, IN_PROGRESS, FAILED, SUCCEEDED, SUCCEEDED]
    assert at(timeline, 9e6).number == 1, "time alone moves nothing"


def test_two_attempts_never_begin_at_once() -> None:
    timeline = Timeline((Scene(Status(FAILED, NEW), calls=1),), repeat=True)
    state, starts = initial_state(WEB, timeline, EPOCH, 0.0), []
    for _ in range(5):
        state = advance(WEB, timeline, EPOCH, state, 0.0)
        assert state.snapshot.latest
        starts.append(state.snapshot.latest.started_at)
        state = after_call(timeline, state)
    assert starts == sorted(set(starts))


def test_a_stale_replica_shows_the_attempt_before() -> None:
    timeline = Timeline(
        (
            Scene(Status(SUCCEEDED, NEW), calls=1),
            Scene(Status(FAILED, NEW), calls=1),
            Scene(Stale(1), calls=2),
            Scene(Status(FAILED)),
        )
    )
    shown = [state.snapshot.latest for state in by_calls(timeline, 5)]
    assert shown[2] == shown[3] == shown[0]
    assert shown[4] == shown[1]


def test_a_recreated_target_has_no_past() -> None:
    again = Scene(Status(IN_PROGRESS, NewAttempt(recreated=True, started=3600)))
    snapshot = at(Timeline((Scene(Status(SUCCEEDED, NEW), 10), again)), 11).snapshot
    assert snapshot.latest
    assert snapshot.latest_successful is None
    assert snapshot.latest.started_at.timestamp() == EPOCH + 10 - 3600


def test_a_fault_in_a_timeline_hides_the_attempt() -> None:
    timeline = Timeline((Scene(Status(SUCCEEDED, NEW), 5), Scene(Fault("hang"), 5), Scene(Status(FAILED, NEW))))
    assert at(timeline, 6).fault == Fault("hang")
    assert at(timeline, 6).snapshot == at(timeline, 4).snapshot
    assert at(timeline, 11).fault is None


def test_a_target_that_never_synced_has_a_desired_state_alone() -> None:
    snapshot = at(Timeline((Scene(Unsynced()),)), 5).snapshot
    assert (snapshot.latest, snapshot.latest_successful) == (None, None)
    assert snapshot.desired_state
    assert snapshot.desired_state["repositoryName"] == "org/templates"


@pytest.mark.parametrize(("choice", "sha"), [("kept", "c2"), ("previous", "c1"), ("absent", None)])
def test_latest_successful_can_be_set(choice: Literal["kept", "previous", "absent"], sha: str | None) -> None:
    second = Scene(Status(SUCCEEDED, NewAttempt("c2"), latest_successful=choice))
    successful = at(Timeline((Scene(Status(SUCCEEDED, NewAttempt("c1")), 5), second)), 6).snapshot.latest_successful
    assert (successful.sha if successful else None) == sha
