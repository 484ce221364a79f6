"""The rules of `watcher.core.diff`, one by one, and those of outages: with the real client over a real socket."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.integration.conftest import Watch, a_config, a_stack, a_template, at, running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.simulator import Simulator
    from watcher.core.model import Target


@pytest.fixture(params=["template", "stack"])
def target(request: pytest.FixtureRequest) -> Target:
    return a_template() if request.param == "template" else a_stack()


@pytest.fixture
async def watch(simulator: Simulator, target: Target) -> AsyncIterator[Watch]:
    async with running(simulator, a_config(simulator.url, [target])) as made:
        yield made


async def shown(watch: Watch, target: Target, status: str, minute: float, **more: object) -> None:
    """Show an attempt and let the daemon see it."""
    watch.show(target, status, minute, **more)
    await watch.polls(2)


async def test_rule_1_first_observation_is_no_event_unless_it_failed(watch: Watch, target: Target) -> None:
    await shown(watch, target, "FAILED", 1, events=("it broke",))
    (event,) = await watch.events(1)
    assert event["type"] == "watcher.sync.failed"
    assert event["data"]["first_seen"] is True
    assert event["data"]["previous_status"] is None
    assert event["data"]["attempt"]["events"][-1]["event"] == "it broke"
    assert event["subject"] == event["data"]["target"]["id"] == target.id


@pytest.mark.parametrize("status", ["SUCCEEDED", "IN_PROGRESS", "INITIATED"])
async def test_rule_1_first_observation_of_another_status_is_silent(watch: Watch, target: Target, status: str) -> None:
    await shown(watch, target, status, 1)
    assert await watch.events(0) == []


async def test_rule_2_same_attempt_other_status(watch: Watch, target: Target) -> None:
    for status in ("INITIATED", "IN_PROGRESS", "FAILED"):
        await shown(watch, target, status, 1)
    first, second = await watch.events(2)
    assert [first["type"], second["type"]] == ["watcher.sync.in_progress", "watcher.sync.failed"]
    assert second["data"]["previous_status"] == "IN_PROGRESS"
    assert second["data"]["new_attempt"] is False
    assert [first["data"]["sequence"], second["data"]["sequence"]] == [1, 2]


async def test_rule_3_new_attempt_with_the_same_status(watch: Watch, target: Target) -> None:
    await shown(watch, target, "FAILED", 1, sha="a" * 40)
    await shown(watch, target, "FAILED", 2, sha="b" * 40)
    first, second = await watch.events(2)
    assert second["data"]["new_attempt"] is True
    assert [event["data"]["consecutive_failures"] for event in (first, second)] == [1, 2]
    assert second["data"]["previous_attempt"]["sha"] == "a" * 40
    assert first["id"] != second["id"]


async def test_rule_4_success_between_two_polls_of_a_newer_attempt(watch: Watch, target: Target) -> None:
    await shown(watch, target, "FAILED", 1)
    missed = watch.show(target, "SUCCEEDED", 2)
    watch.show(target, "IN_PROGRESS", 3, successful=missed)
    await watch.polls(2)
    _, success, progress = await watch.events(3)
    assert (success["type"], success["data"]["observed"]) == ("watcher.sync.succeeded", False)
    assert success["data"]["recovered"] is True
    assert progress["data"]["previous_status"] == "SUCCEEDED"
    assert [success["data"]["sequence"], progress["data"]["sequence"]] == [2, 3]


async def test_rule_4_success_between_two_polls_of_the_known_attempt(watch: Watch, target: Target) -> None:
    await shown(watch, target, "IN_PROGRESS", 1)
    missed = watch.show(target, "SUCCEEDED", 1)
    watch.show(target, "INITIATED", 2, successful=missed)
    await watch.polls(2)
    success, _ = await watch.events(2)
    assert success["data"]["observed"] is False
    assert success["data"]["new_attempt"] is False
    assert success["data"]["previous_status"] == "IN_PROGRESS"


async def test_rule_5_an_older_answer_is_ignored_twice_and_believed_the_third_time(
    watch: Watch, target: Target
) -> None:
    await shown(watch, target, "SUCCEEDED", 5)
    watch.show(target, "FAILED", 2)
    (event,) = await watch.events(1)
    assert event["data"]["recreated"] is True
    assert event["data"]["attempt"]["startedAt"] == at(2).isoformat().replace("+00:00", "Z")


async def test_rule_6_never_synced_is_no_event_and_its_first_attempt_is_new(watch: Watch, target: Target) -> None:
    watch.simulator.world.show(target, None)
    await watch.polls(2)
    await shown(watch, target, "SUCCEEDED", 1)
    (event,) = await watch.events(1)
    assert event["data"]["new_attempt"] is True
    assert event["data"]["first_seen"] is False


async def test_rule_7_more_events_within_an_attempt_are_kept_and_no_event(watch: Watch, target: Target) -> None:
    await shown(watch, target, "IN_PROGRESS", 1)
    await shown(watch, target, "IN_PROGRESS", 1, events=("began", "going on"))
    assert await watch.events(0) == []
    known = watch.app.recorder.record_of(target.id).known
    assert known is not None
    assert known.attempt is not None
    assert [event["event"] for event in known.attempt.events] == ["began", "going on"]


async def test_an_attempt_with_many_events_is_kept_whole_and_sent_within_bounds(watch: Watch, target: Target) -> None:
    lines = [f"{number} {'x' * 900}" for number in range(400)]
    watch.show(target, "FAILED", 1, events=lines)
    (event,) = await watch.events(1)
    attempt = event["data"]["attempt"]
    assert len(json.dumps(event)) <= 200 * 1024
    assert len(attempt["events"]) + attempt["events_omitted"] == 400
    assert [attempt["events"][index]["event"] for index in (0, -1)] == [lines[0], lines[-1]]
    known = watch.app.recorder.record_of(target.id).known
    assert known is not None
    assert known.attempt is not None
    assert [each["event"] for each in known.attempt.events] == lines


async def test_an_unreadable_endpoint_is_one_event_for_any_number_of_targets(simulator: Simulator) -> None:
    targets = [a_stack(f"stack-{number}") for number in range(20)]
    config = a_config(simulator.url, targets)
    async with running(simulator, config) as watch:
        for target in targets:
            watch.show(target, "SUCCEEDED", 1)
        await watch.polls(1)
        simulator.world.fault(None, "access_denied")
        await watch.until(lambda: len(watch.caught.events) == 1)
        assert watch.caught.events[0]["subject"] == "default/us-east-1/codeconnections"
        assert watch.caught.events[0]["data"]["error"]["code"] == "AccessDeniedException"
        # Probed by one target at a time, and yet at least once in ten intervals.
        begun, seen = simulator.world.now(), len(simulator.calls)
        await watch.until(lambda: simulator.world.now() >= begun + 2)
        probes = len(simulator.calls) - seen
        assert 2 <= probes <= 2 / 0.1 + 11  # those under way at first, then one in each interval at most
        simulator.world.clear()
        watch.show(targets[3], "FAILED", 2)
        await watch.until(lambda: len(watch.caught.events) == 3)
        assert watch.kinds() == ["endpoint.unreadable", "endpoint.readable", "sync.failed"]
        first, second = watch.caught.events[:2]
        assert second["data"]["since"] == first["data"]["error"]["since"]
        assert [first["data"]["sequence"], second["data"]["sequence"]] == [1, 2]
        seen = len(simulator.calls)
        await watch.polls(2)
        assert len({call.target for call in list(simulator.calls)[seen:]}) == 20


async def test_the_state_of_a_removed_target_is_deleted(simulator: Simulator, tmp_path: Path) -> None:
    one, other = a_stack("one"), a_stack("other")
    config = a_config(simulator.url, [one, other], state=f"sqlite:///{tmp_path / 'state.db'}")
    async with running(simulator, config) as watch:
        watch.show(one, "FAILED", 1)
        watch.show(other, "SUCCEEDED", 1)
        (first,) = await watch.events(1)
    async with running(simulator, replace(config, targets=(other,))) as watch:
        await watch.events(1)
        assert watch.kinds() == ["target.removed"]
    async with running(simulator, config) as watch:
        (again,) = await watch.events(1)
    assert again["id"] == first["id"]
    assert again["data"]["first_seen"] is True


async def test_rule_8_stalled_is_one_event_for_each_attempt(simulator: Simulator, target: Target) -> None:
    impatient = replace(target, stalled_after=60.0)
    async with running(simulator, a_config(simulator.url, [impatient])) as watch:
        await shown(watch, impatient, "IN_PROGRESS", 1)
        (event,) = await watch.events(1)
        assert event["type"] == "watcher.sync.stalled"
        await shown(watch, impatient, "SUCCEEDED", 1)
        await shown(watch, impatient, "INITIATED", 2)
        assert [kind for kind in watch.kinds() if kind == "sync.stalled"] == ["sync.stalled"] * 2
        await watch.polls(3)
        assert len(watch.caught.events) == 4
        assert [event["data"]["recovered"] for event in watch.caught.events] == [False, True, False, False]


async def test_an_unknown_status_is_reported_unchanged(watch: Watch, target: Target) -> None:
    await shown(watch, target, "SUCCEEDED", 1)
    await shown(watch, target, "PAUSED_BY_AWS", 2)
    (event,) = await watch.events(1)
    assert (event["type"], event["data"]["status"]) == ("watcher.sync.unknown", "PAUSED_BY_AWS")


async def test_a_restart_repeats_no_event_and_finds_changes_made_meanwhile(
    simulator: Simulator, target: Target, tmp_path: Path
) -> None:
    config = a_config(simulator.url, [target], state=f"sqlite:///{tmp_path / 'state.db'}")
    async with running(simulator, config) as watch:
        await shown(watch, target, "FAILED", 1)
        await watch.events(1)
    watch.show(target, "SUCCEEDED", 2)
    async with running(simulator, config) as watch:
        (event,) = await watch.events(1)
    assert event["data"]["recovered"] is True
    assert event["data"]["sequence"] == 2


async def test_a_daemon_without_its_state_sends_the_same_change_with_the_same_id(
    simulator: Simulator, target: Target
) -> None:
    ids = []
    for _ in range(2):
        async with running(simulator, a_config(simulator.url, [target])) as watch:
            watch.show(target, "FAILED", 1)
            (event,) = await watch.events(1)
            ids.append(event["id"])
    assert ids[0] == ids[1]
