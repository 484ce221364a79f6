"""Blockers of stacks and service instances, from the real client over a real socket to the events."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from tests.integration.conftest import FAST, a_config, a_stack, a_template, at, running
from tests.support.simulator import attempt
from watcher.core.status import Status, standing
from watcher.polling.check import CheckResult, check_all
from watcher.simulator.subject import Blocker, Span
from watcher.sources.proton import SERVICE_INSTANCE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.simulator import Simulator
    from watcher.core.model import Target

BLOCKED = Blocker(Span(), "no such template", (("pull-request", "42"),))
RESOLVED = replace(BLOCKED, active=Span(0.0, 0.001), resolved_reason="added it")
OTHER = Blocker(Span(), "no such parameter")


def an_instance(**watching: Any) -> Target:
    identity = {"service": "shop", "name": "shop-prod"}
    return SERVICE_INSTANCE.target("default", "us-east-1", identity, **FAST | watching)


@pytest.fixture(params=["stack", "service-instance"])
def target(request: pytest.FixtureRequest) -> Target:
    return a_stack() if request.param == "stack" else an_instance()


def asked(simulator: Simulator, answer: str | None = None) -> int:
    """How often blockers were asked for, with that answer."""
    return sum("Blocker" in call.operation and answer in (None, call.answer) for call in simulator.calls)


async def test_a_blocker_that_begins_is_reported_with_the_sync_as_it_is(simulator: Simulator, target: Target) -> None:
    async with running(simulator, a_config(simulator.url, [target])) as watch:
        watch.show(target, "FAILED", 1, events=("it broke",))
        simulator.world.change(target, blockers=(BLOCKED,))
        failed, blocked = await watch.events(2)
    assert [failed["type"], blocked["type"]] == ["watcher.sync.failed", "watcher.sync.blocked"]
    assert [failed["data"]["sequence"], blocked["data"]["sequence"]] == [1, 2]
    blocker = blocked["data"]["blocker"]
    assert (blocker["status"], blocker["created_reason"]) == ("ACTIVE", "no such template")
    assert blocker["contexts"] == {"pull-request": "42"}
    assert blocked["data"]["attempt"] == failed["data"]["attempt"]
    assert blocked["subject"] == target.id


async def test_a_blocker_that_is_resolved_is_reported_once(simulator: Simulator, target: Target) -> None:
    async with running(simulator, a_config(simulator.url, [target])) as watch:
        watch.show(target, "FAILED", 1)
        simulator.world.change(target, blockers=(BLOCKED,))
        await watch.events(2)
        simulator.world.change(target, blockers=(RESOLVED,))
        *_, unblocked = await watch.events(3)
    assert unblocked["type"] == "watcher.sync.unblocked"
    assert (unblocked["data"]["blocker"]["status"], unblocked["data"]["blocker"]["resolved_reason"]) == (
        "RESOLVED",
        "added it",
    )
    assert unblocked["data"]["sequence"] == 3


async def test_a_blocker_that_is_no_longer_listed_has_ended(simulator: Simulator, target: Target) -> None:
    async with running(simulator, a_config(simulator.url, [target])) as watch:
        watch.show(target, "FAILED", 1)
        simulator.world.change(target, blockers=(BLOCKED, OTHER))
        await watch.events(3)
        simulator.world.change(target, blockers=())
        *_, first, second = await watch.events(5)
    assert [first["type"], second["type"]] == ["watcher.sync.unblocked"] * 2
    assert [each["data"]["blocker"]["resolved_at"] for each in (first, second)] == [None, None]
    assert [event["data"]["sequence"] for event in watch.caught.events] == [1, 2, 3, 4, 5]


async def test_a_blocker_is_seen_although_nothing_else_is_wrong_and_so_is_its_end(simulator: Simulator) -> None:
    target = a_stack()
    async with running(simulator, a_config(simulator.url, [target])) as watch:
        watch.show(target, "SUCCEEDED", 1)
        simulator.world.change(target, blockers=(BLOCKED,))
        await watch.events(1)
        record = watch.app.recorder.record_of(target.id)
        assert standing(record, None) is Status.BLOCKED
        simulator.world.change(target, blockers=(RESOLVED,))
        await watch.events(2)
    assert watch.kinds() == ["sync.blocked", "sync.unblocked"]


async def test_a_target_that_never_synced_can_be_blocked(simulator: Simulator) -> None:
    target = a_stack()
    async with running(simulator, a_config(simulator.url, [target])) as watch:
        simulator.world.show(target, None)
        simulator.world.change(target, blockers=(BLOCKED,))
        (blocked,) = await watch.events(1)
    assert (blocked["data"]["status"], blocked["data"]["attempt"]) == (None, None)


async def test_blockers_are_asked_for_at_every_tenth_poll_while_all_is_well(simulator: Simulator) -> None:
    target = a_stack()
    async with running(simulator, a_config(simulator.url, [target])) as watch:
        watch.show(target, "SUCCEEDED", 1)
        await watch.until(lambda: asked(simulator) >= 4)
    calls = [call.operation for call in simulator.calls]
    places = [place for place, name in enumerate(calls) if "Blocker" in name]
    assert {later - earlier for earlier, later in pairwise(places)} == {11}  # with the ten polls
    assert places[0] <= 10


async def test_other_kinds_have_no_blockers(simulator: Simulator) -> None:
    target = a_template()
    async with running(simulator, a_config(simulator.url, [target])) as watch:
        watch.show(target, "FAILED", 1)
        await watch.polls(12)
    assert asked(simulator) == 0


async def test_a_blocker_stays_known_over_a_restart_and_its_end_is_reported_after_it(
    simulator: Simulator, tmp_path: Path
) -> None:
    target = a_stack()
    config = a_config(simulator.url, [target], state=f"sqlite:///{tmp_path / 'watcher.db'}")
    async with running(simulator, config) as watch:
        watch.show(target, "FAILED", 1)
        simulator.world.change(target, blockers=(BLOCKED,))
        _, blocked = await watch.events(2)
    before = asked(simulator)
    async with running(simulator, config) as watch:
        await watch.until(lambda: asked(simulator) > before)
        assert await watch.events(0) == []
        simulator.world.change(target, blockers=())
        (unblocked,) = await watch.events(1)
    assert unblocked["data"]["sequence"] == blocked["data"]["sequence"] + 1
    assert unblocked["data"]["blocker"] == blocked["data"]["blocker"]


async def test_a_blocker_has_the_same_id_for_a_daemon_that_lost_its_state(simulator: Simulator) -> None:
    target = a_stack()
    simulator.world.change(target, blockers=(BLOCKED,))
    ids = []
    for _ in range(2):
        async with running(simulator, a_config(simulator.url, [target])) as watch:
            watch.show(target, "SUCCEEDED", 1)
            ids += [event["id"] for event in await watch.events(1)]
    assert ids[0] == ids[1]


@pytest.mark.parametrize(
    ("fault", "tries"),
    [("access_denied", 1), ("not_found", 1), ("server_error", 2), ("not_an_object", 2), ("throttling", 2)],
)
async def test_what_cannot_be_read_is_one_warning_no_event_and_no_outage(
    simulator: Simulator, fault: str, tries: int
) -> None:
    target = a_stack()
    with capture_logs() as lines:
        async with running(simulator, a_config(simulator.url, [target])) as watch:
            simulator.world.fault(None, fault, operation="GetSyncBlockerSummary")
            watch.show(target, "FAILED", 1)
            await watch.polls(25)
            assert watch.kinds() == ["sync.failed"]
            assert not any(record.outage for record in watch.app.recorder.records.values())
            assert asked(simulator) == tries
            assert [line["log_level"] for line in lines if line["event"] == "blockers.failed"] == ["warning"]
            assert not [line for line in lines if line["event"] == "poll.failed"]
            # A reload asks again.
            simulator.world.clear()
            simulator.world.change(target, blockers=(BLOCKED,))
            await watch.app.apply(a_config(simulator.url, [target]))
            await watch.events(2)
    assert watch.kinds() == ["sync.failed", "sync.blocked"]


async def test_an_answer_that_cannot_be_read_does_not_end_a_blocker(simulator: Simulator) -> None:
    target = a_stack()
    async with running(simulator, a_config(simulator.url, [target])) as watch:
        watch.show(target, "FAILED", 1)
        simulator.world.change(target, blockers=(BLOCKED,))
        await watch.events(2)
        simulator.world.fault(None, "access_denied", operation="GetSyncBlockerSummary")
        simulator.world.change(target, blockers=())
        await watch.polls(5)
        # Polls are recorded as before.
        watch.show(target, "SUCCEEDED", 2)
        await watch.events(3)
        assert watch.kinds() == ["sync.failed", "sync.blocked", "sync.succeeded"]
        assert len(watch.app.recorder.record_of(target.id).blockers) == 1


async def test_a_call_that_fails_for_one_target_holds_no_other_up(simulator: Simulator) -> None:
    lost, other = a_stack("lost"), a_stack("other")
    async with running(simulator, a_config(simulator.url, [lost, other])) as watch:
        simulator.world.fault(lost, "not_found", operation="GetSyncBlockerSummary")
        for target in (lost, other):
            watch.show(target, "FAILED", 1)
            simulator.world.change(target, blockers=(BLOCKED,))
        await watch.events(3)
    assert [event["subject"] for event in watch.caught.events if event["type"] == "watcher.sync.blocked"] == [other.id]


@pytest.mark.parametrize(
    ("status", "blockers", "result", "stands"),
    [
        ("SUCCEEDED", [BLOCKED], CheckResult.WARNING, Status.BLOCKED),
        ("SUCCEEDED", [RESOLVED], CheckResult.OK, Status.SUCCEEDED),
        ("SUCCEEDED", [], CheckResult.OK, Status.SUCCEEDED),
        ("FAILED", [BLOCKED], CheckResult.CRITICAL, Status.FAILED),
    ],
)
async def test_a_check_warns_of_a_blocked_target(
    simulator: Simulator, target: Target, status: str, blockers: list[Blocker], result: CheckResult, stands: Status
) -> None:
    simulator.world.show(target, attempt(target, status, at(1)))
    simulator.world.change(target, blockers=tuple(blockers))
    config = a_config(simulator.url, [target])
    (finding,) = (await check_all(config, datetime.now(UTC))).findings
    assert (finding.result, finding.status) == (result, stands)
    assert [blocker.created_reason for blocker in finding.blockers] == [
        each.reason for each in blockers if each is not RESOLVED
    ]


async def test_a_check_counts_a_target_as_well_whose_blockers_cannot_be_read_and_reports_its_progress(
    simulator: Simulator,
) -> None:
    targets = [a_stack(f"stack-{number}") for number in range(5)]
    for target in targets:
        simulator.world.show(target, attempt(target, "SUCCEEDED", at(1)))
    simulator.world.fault(None, "access_denied", operation="GetSyncBlockerSummary")
    progress: list[tuple[int, int]] = []
    with capture_logs() as lines:
        checked = await check_all(
            a_config(simulator.url, targets), datetime.now(UTC), lambda *now: progress.append(now)
        )
    assert {finding.result for finding in checked.findings} == {CheckResult.OK}
    assert progress == [(done, 5) for done in range(1, 6)]
    assert [line["event"] for line in lines if line["log_level"] == "warning"] == ["blockers.failed"]
