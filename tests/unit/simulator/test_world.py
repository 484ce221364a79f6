"""The world: which faults hide a timeline, what throttles calls, and which statuses are known beforehand."""

from __future__ import annotations

import json

import pytest

from tests.support.simulated_world import World
from tests.support.simulator import attempt
from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED
from watcher.simulator.faults import Fault
from watcher.simulator.generator import generate
from watcher.simulator.inventory import ACCOUNT, Place
from watcher.simulator.scenario import FaultWindow, Scenario, Throttle
from watcher.simulator.subject import Span, Subject
from watcher.simulator.timeline import NewAttempt, Scene, Status, Timeline
from watcher.sources.codeconnections import REPOSITORY, STACK, stack
from watcher.sources.proton import TEMPLATE

REGION = "us-east-1"
NET = stack("default", REGION, "net")
NEW = NewAttempt()
TIMELINE = Timeline((Scene(Status(IN_PROGRESS, NEW), 10), Scene(Status(SUCCEEDED), 10), Scene(Status(FAILED, NEW))))


class Clock:
    def __init__(self) -> None:
        self.now = 1_795_420_800.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def world(
    clock: Clock, *windows: FaultWindow, throttle: Throttle | None = None, timeline: Timeline = TIMELINE
) -> World:
    made = World(Scenario("test", ((Subject(STACK, NET.identity), timeline),), windows, throttle), clock)
    made.start()
    return made


def ask(world: World, region: str = REGION) -> str:
    return world.poll(stack("default", region, "net")).kind


def test_a_timeline_begins_when_the_world_starts(clock: Clock) -> None:
    made = World(Scenario("test", ((Subject(STACK, NET.identity), TIMELINE),)), clock)
    clock.now += 500
    made.start()
    assert ask(made) == IN_PROGRESS
    clock.now += 10
    made.start()
    assert ask(made) == SUCCEEDED


def test_a_fault_holds_for_its_time(clock: Clock) -> None:
    made = world(clock, FaultWindow(Fault("http_503"), begin=5, end=15))
    seen = []
    for _ in range(4):
        seen.append(ask(made))
        clock.now += 5
    assert seen == [IN_PROGRESS, "http_503", "http_503", SUCCEEDED]


def test_a_fault_spares_calls_and_then_strikes_some(clock: Clock) -> None:
    made = world(clock, FaultWindow(Fault("hang"), key="stack/net", after=1, calls=2))
    assert [ask(made) for _ in range(4)] == [IN_PROGRESS, "hang", "hang", IN_PROGRESS]


@pytest.mark.parametrize(
    "window",
    [
        FaultWindow(Fault("hang"), api="proton"),
        FaultWindow(Fault("hang"), region="eu-west-1"),
        FaultWindow(Fault("hang"), key="stack/other"),
    ],
)
def test_a_fault_strikes_only_its_key_api_and_region(clock: Clock, window: FaultWindow) -> None:
    assert ask(world(clock, window)) == IN_PROGRESS


def test_the_latest_fault_wins_and_clear_ends_them(clock: Clock) -> None:
    made = world(clock)
    made.fault(None, "http_500")
    made.fault(NET, "reset", calls=1)
    made.fault(NET, "hang", seconds=5)
    assert ask(made) == "hang"
    clock.now += 5
    assert [ask(made), ask(made)] == ["reset", "http_500"]
    made.clear()
    assert ask(made) == IN_PROGRESS


def test_an_unknown_fault_is_named_with_the_known(clock: Clock) -> None:
    with pytest.raises(ValueError, match="no fault 'hangs'; known: server_error"):
        world(clock).fault(None, "hangs")


def test_the_throttle_is_a_bucket_for_each_region_and_api(clock: Clock) -> None:
    made = world(clock, throttle=Throttle(2, 4))
    assert [ask(made) for _ in range(6)] == [IN_PROGRESS] * 4 + ["ThrottlingException"] * 2
    assert ask(made, "eu-west-1") == IN_PROGRESS
    clock.now += 0.5
    assert [ask(made), ask(made)] == [IN_PROGRESS, "ThrottlingException"]


def test_a_shown_attempt_stays_until_a_timeline_is_set(clock: Clock) -> None:
    made = world(clock)
    made.show(NET, attempt(NET, FAILED, clock.now, "c1"))
    clock.now += 500
    assert ask(made) == FAILED
    made.set_timeline(NET, TIMELINE)
    assert ask(made) == IN_PROGRESS
    clock.now += 10
    assert ask(made) == SUCCEEDED


def test_showing_nothing_is_a_target_that_never_synced(clock: Clock) -> None:
    made = world(clock)
    made.show(NET, None)
    assert set(json.loads(made.poll(NET).body)) == {"DesiredState"}


def test_the_expected_statuses_are_what_polls_see(clock: Clock) -> None:
    scenario = generate(7)
    target = scenario.targets()[0]
    made = World(scenario, clock)
    made.start()
    start, expected = clock.now, made.timeline(target, 1500)
    assert len({shown.number for shown in expected}) > 3
    for shown in expected:
        clock.now = start + (shown.begin + shown.end) / 2
        latest = json.loads(made.poll(target).body)["latestSync"]
        assert (latest["status"], latest["startedAt"]) == (shown.status, shown.attempt.started_at.timestamp())


def test_the_expected_statuses_leave_out_what_faults_hide(clock: Clock) -> None:
    made = world(clock, FaultWindow(Fault("hang"), begin=4, end=6), FaultWindow(Fault("empty"), begin=18, end=22))
    assert [(shown.begin, shown.end, shown.number, shown.status) for shown in made.timeline(NET, 30)] == [
        (0, 4, 1, IN_PROGRESS),
        (6, 10, 1, IN_PROGRESS),
        (10, 18, 1, SUCCEEDED),
        (22, 30, 2, FAILED),
    ]


def test_what_depends_on_calls_cannot_be_known_beforehand(clock: Clock) -> None:
    made = world(clock, timeline=Timeline((Scene(Status(FAILED, NewAttempt()), calls=1),), repeat=True))
    with pytest.raises(ValueError, match="does not depend on time"):
        made.timeline(NET, 10)


def test_a_seed_returns_the_same_scenario_at_every_pace() -> None:
    assert generate(3) == generate(3)
    assert generate(3) != generate(4)
    slow, fast = generate(3), generate(3, pace=10)
    assert [each.scenes[0].shows for _, each in slow.timelines] == [each.scenes[0].shows for _, each in fast.timelines]
    assert slow.timelines[0][1].scenes[0].seconds == pytest.approx(10 * (fast.timelines[0][1].scenes[0].seconds or 0))


def test_a_random_scenario_has_every_kind_of_trouble(clock: Clock) -> None:
    scenario = generate(1)
    made = World(scenario, clock)
    shown = [each for target in scenario.targets() for each in made.timeline(target, 3600)]
    assert len(scenario.targets()) == 14
    assert {target.kind for target in scenario.targets()} == {TEMPLATE, STACK}
    assert {each.status for each in shown} >= {IN_PROGRESS, SUCCEEDED, FAILED}
    assert any(each.end - each.begin > 1800 for each in shown if each.status == IN_PROGRESS), "one stalls"
    assert any("Failed to parse" in event["event"] for each in shown for event in each.attempt.events)


def test_a_repository_without_a_timeline_shows_the_latest_of_its_stacks(clock: Clock) -> None:
    made = World(Scenario("test"), clock)
    made.start()
    other = stack("default", REGION, "other")
    made.show(NET, attempt(NET, SUCCEEDED, clock.now - 100))
    made.show(other, attempt(other, IN_PROGRESS, clock.now - 50))
    (link,) = made.inventory(Place(ACCOUNT, REGION)).links
    repository = REPOSITORY.target("default", REGION, {"link": link, "branch": "main"})
    latest = json.loads(made.poll(repository).body)["LatestSync"]
    assert set(latest) == {"StartedAt", "Status", "Events"}
    assert (latest["Status"], latest["StartedAt"]) == (IN_PROGRESS, clock.now - 50)
    made.change(other, branch="release")
    assert made.poll(repository).kind == SUCCEEDED
    made.change(NET, absent=(Span(),))
    assert made.poll(repository).kind == "ResourceNotFoundException"
    assert ask(made) == "ResourceNotFoundException"


def test_a_fault_of_a_target_strikes_its_polls_unless_it_names_an_operation(clock: Clock) -> None:
    def blockers(made: World) -> str:
        request = {"SyncType": "CFN_STACK_SYNC", "ResourceName": "net"}
        return made.answer(Place(ACCOUNT, REGION), "codeconnections", "GetSyncBlockerSummary", request)[1].kind

    of_poll = world(clock, FaultWindow(Fault("access_denied"), key="stack/net"))
    assert (ask(of_poll), blockers(of_poll)) == ("access_denied", "OK")
    window = FaultWindow(Fault("access_denied"), key="stack/net", operation="GetSyncBlockerSummary")
    of_blockers = world(clock, window)
    assert (ask(of_blockers), blockers(of_blockers)) == (IN_PROGRESS, "access_denied")
    assert blockers(world(clock, FaultWindow(Fault("access_denied")))) == "access_denied"
