"""A life: which status of which attempt a target shows at a moment, and after how many calls."""

from __future__ import annotations

from typing import Literal

import pytest

from watcher.core.model import FAILED, IN_PROGRESS, INITIATED, SUCCEEDED, Kind
from watcher.simulator import Fault, Life, Plan, Scene, Stale, Status, Subject, Unsynced
from watcher.simulator.timeline import State, advance, begin, looked_at

EPOCH = 1_795_420_800.0
WEB = Subject(Kind.TEMPLATE, (("type", "SERVICE"), ("name", "web"), ("version", "2")), repository="org/templates")
NEW = Plan()


def at(life: Life, moment: float) -> State:
    return advance(WEB, life, EPOCH, begin(WEB, life, EPOCH, 0.0), moment)


def by_calls(life: Life, calls: int) -> list[State]:
    state, seen = begin(WEB, life, EPOCH, 0.0), []
    for number in range(calls):
        state = advance(WEB, life, EPOCH, state, float(number))
        seen.append(state)
        state = looked_at(life, state)
    return seen


TIMED = Life(
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
def test_a_life_in_time_shows_by_the_moment(moment: float, number: int, status: str, started: float) -> None:
    state = at(TIMED, moment)
    latest = state.snapshot.latest
    assert latest
    assert (state.number, latest.status, latest.started_at.timestamp() - EPOCH) == (number, status, started)


def test_a_life_in_time_is_the_same_however_often_it_is_looked_at() -> None:
    often = begin(WEB, TIMED, EPOCH, 0.0)
    for tick in range(200):
        often = looked_at(TIMED, advance(WEB, TIMED, EPOCH, often, tick / 10))
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


def test_a_repeated_life_makes_new_attempts() -> None:
    life = Life((Scene(Status(SUCCEEDED, NEW), 10),), repeat=True)
    first, third = at(life, 5).snapshot.latest, at(life, 25).snapshot.latest
    assert first
    assert third
    assert (third.started_at - first.started_at).total_seconds() == 20
    assert third.sha != first.sha


def test_a_life_by_calls_goes_on_when_it_is_looked_at() -> None:
    life = Life(
        (Scene(Status(IN_PROGRESS, NEW), calls=2), Scene(Status(FAILED), calls=1), Scene(Status(SUCCEEDED, NEW)))
    )
    statuses = [state.snapshot.latest.status for state in by_calls(life, 5) if state.snapshot.latest]
    assert statuses == [IN_PROGRESS, IN_PROGRESS, FAILED, SUCCEEDED, SUCCEEDED]
    assert at(life, 9e6).number == 1, "time alone moves nothing"


def test_two_attempts_never_begin_at_once() -> None:
    life = Life((Scene(Status(FAILED, NEW), calls=1),), repeat=True)
    state, starts = begin(WEB, life, EPOCH, 0.0), []
    for _ in range(5):
        state = advance(WEB, life, EPOCH, state, 0.0)
        assert state.snapshot.latest
        starts.append(state.snapshot.latest.started_at)
        state = looked_at(life, state)
    assert starts == sorted(set(starts))


def test_a_stale_replica_shows_the_attempt_before() -> None:
    life = Life(
        (
            Scene(Status(SUCCEEDED, NEW), calls=1),
            Scene(Status(FAILED, NEW), calls=1),
            Scene(Stale(1), calls=2),
            Scene(Status(FAILED)),
        )
    )
    shown = [state.snapshot.latest for state in by_calls(life, 5)]
    assert shown[2] == shown[3] == shown[0]
    assert shown[4] == shown[1]


def test_a_recreated_target_has_no_past() -> None:
    again = Scene(Status(IN_PROGRESS, Plan(recreated=True, started=3600)))
    snapshot = at(Life((Scene(Status(SUCCEEDED, NEW), 10), again)), 11).snapshot
    assert snapshot.latest
    assert snapshot.latest_successful is None
    assert snapshot.latest.started_at.timestamp() == EPOCH + 10 - 3600


def test_a_fault_in_a_life_hides_what_lies_beneath() -> None:
    life = Life((Scene(Status(SUCCEEDED, NEW), 5), Scene(Fault("hang"), 5), Scene(Status(FAILED, NEW))))
    assert at(life, 6).fault == Fault("hang")
    assert at(life, 6).snapshot == at(life, 4).snapshot
    assert at(life, 11).fault is None


def test_a_target_that_never_synced_has_a_desired_state_alone() -> None:
    snapshot = at(Life((Scene(Unsynced()),)), 5).snapshot
    assert (snapshot.latest, snapshot.latest_successful) == (None, None)
    assert snapshot.desired_state
    assert snapshot.desired_state["repositoryName"] == "org/templates"


@pytest.mark.parametrize(("choice", "sha"), [("kept", "c2"), ("previous", "c1"), ("absent", None)])
def test_the_last_success_can_be_told_otherwise(choice: Literal["kept", "previous", "absent"], sha: str | None) -> None:
    second = Scene(Status(SUCCEEDED, Plan("c2"), latest_successful=choice))
    successful = at(Life((Scene(Status(SUCCEEDED, Plan("c1")), 5), second)), 6).snapshot.latest_successful
    assert (successful.sha if successful else None) == sha
