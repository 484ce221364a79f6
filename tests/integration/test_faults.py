"""Every fault of the simulator, as a target's first answer and later: no event is wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.integration.conftest import HANGING, a_config, a_stack, a_template, running
from watcher.core.settings import Retry
from watcher.simulator.faults import FAULTS

if TYPE_CHECKING:
    from tests.support.simulator import Simulator
    from watcher.core.state import Known

pytestmark = pytest.mark.usefixtures("way_in_soak")

TARGETS_OWN = {
    "not_found": "ResourceNotFoundException",
    "validation": None,  # each service has its own name for it
    "missing_field": "MalformedAnswer",
    "wrong_type": "MalformedAnswer",
}
ENDPOINTS = {
    "server_error": "InternalServerException",
    "http_500": "500",
    "http_502": "502",
    "http_503": "503",
    "http_429": "429",
    "throttling": "ThrottlingException",
    "html": "MalformedAnswer",
    "half_json": "MalformedAnswer",
    "empty": "MalformedAnswer",
    "not_an_object": "MalformedAnswer",
    "cut": "ConnectionFailed",
    "reset": "ConnectionFailed",
    "hang": "Timeout",
    "drip": "Timeout",
    "huge": "AnswerTooLong",
    "expired_credentials": "ExpiredTokenException",
    "access_denied": "AccessDeniedException",
    "skewed_clock": None,
    "retired": None,
}
HARMLESS = {"unknown_status"}


def test_every_fault_is_tried() -> None:
    assert set(TARGETS_OWN) | set(ENDPOINTS) | HARMLESS == set(FAULTS)


@pytest.mark.parametrize("when", ["first", "later"])
@pytest.mark.parametrize("fault", sorted(set(TARGETS_OWN) | set(ENDPOINTS)))
async def test_a_fault_changes_no_state_and_is_reported_once(simulator: Simulator, fault: str, when: str) -> None:
    timeout = HANGING.get(fault, 30.0)
    targets = [a_template(timeout=timeout), a_stack(timeout=timeout)]
    whose = "target" if fault in TARGETS_OWN else "endpoint"
    subjects = {target.id if whose == "target" else str(target.endpoint) for target in targets}
    if when == "first":
        simulator.world.fault(None, fault)
    async with running(simulator, a_config(simulator.url, targets, retry=Retry(1, 0.01, 0.02))) as watch:
        for target in targets:
            watch.show(target, "SUCCEEDED", 1)

        def known() -> list[Known | None]:
            return [watch.app.recorder.record_of(target.id).known for target in targets]

        if when == "later":
            await watch.until(lambda: None not in known())
            simulator.world.fault(None, fault)
        before = known()
        await watch.until(lambda: len(watch.caught.events) == 2)
        assert {event["subject"] for event in watch.caught.events} == subjects
        for event in watch.caught.events:
            assert event["type"] == f"watcher.{whose}.unreadable"
            code = (TARGETS_OWN | ENDPOINTS)[fault]
            assert code is None or event["data"]["error"]["code"] == code
            assert event["data"]["error"]["attempts"] >= 3
            assert "test-secret" not in json.dumps(event)
        assert known() == before
        simulator.world.clear()
        for target in targets:
            watch.show(target, "FAILED", 2)
        await watch.events(6)
        for target in targets:
            told = [event for event in watch.caught.events if event["subject"] in (target.id, str(target.endpoint))]
            assert [event["type"].removeprefix("watcher.") for event in told] == [
                f"{whose}.unreadable", f"{whose}.readable", "sync.failed",
            ]  # fmt: skip
            assert told[2]["data"]["first_seen"] is (when == "first")


@pytest.mark.parametrize("fault", ["missing_field", "wrong_type"])
@pytest.mark.parametrize("member", ["events", "target", "targetRevision"])
async def test_a_failed_attempt_is_reported_whatever_else_is_wrong_in_it_which_is_logged_once(
    simulator: Simulator, capsys: pytest.CaptureFixture[str], fault: str, member: str
) -> None:
    targets = [a_template(), a_stack()]
    for target in targets:
        simulator.world.fault(target, fault, at=f"latestSync.{member}")
    async with running(simulator, a_config(simulator.url, targets)) as watch:
        for target in targets:
            watch.show(target, "FAILED", 1)
        for event in await watch.events(2):
            assert event["type"] == "watcher.sync.failed"
            assert event["data"]["attempt"][member] == ([] if member == "events" else None)
        simulator.world.clear()
        for target in targets:
            watch.show(target, "SUCCEEDED", 2)
        await watch.events(4)
    logged = "".join(capsys.readouterr())
    assert (logged.count("answer.parts_ignored"), logged.count("answer.recovered")) == (2, 2)


@pytest.mark.parametrize("fault", ["access_denied", "hang", "http_500", "html"])
async def test_a_target_that_fails_while_others_are_answered_is_unreadable_by_itself(
    simulator: Simulator, fault: str
) -> None:
    """Otherwise there would be no event: the endpoint as a whole is readable."""
    bad, good = a_stack("bad", timeout=HANGING.get(fault, 30.0)), a_stack("good")
    async with running(simulator, a_config(simulator.url, [bad, good], retry=Retry(1, 0.01, 0.02))) as watch:
        watch.show(bad, "SUCCEEDED", 1)
        watch.show(good, "SUCCEEDED", 1)
        simulator.world.fault(bad, fault)
        await watch.until(lambda: len(watch.caught.events) >= 1)
        assert [(event["type"], event["subject"]) for event in watch.caught.events] == [
            ("watcher.target.unreadable", bad.id)
        ]


async def test_a_short_fault_is_no_event(simulator: Simulator) -> None:
    target = a_stack()
    async with running(simulator, a_config(simulator.url, [target])) as watch:
        watch.show(target, "SUCCEEDED", 1)
        await watch.polls(1)
        simulator.world.fault(target, "server_error", calls=3)  # with two tries, one poll and a half
        await watch.polls(6)
        assert watch.caught.events == []


async def test_what_cannot_pass_is_not_tried_again(simulator: Simulator) -> None:
    target = a_stack("data", interval=60.0)  # by its name, it is polled in the first second
    config = a_config(simulator.url, [target], retry=Retry(4, 0.01, 0.02), unreadable_after=1)
    for fault, calls in (("access_denied", 1), ("not_found", 1), ("validation", 1), ("server_error", 4), ("reset", 4)):
        simulator.calls.clear()
        simulator.world.clear()
        simulator.world.fault(None, fault)
        async with running(simulator, config) as watch:
            await watch.until(lambda: len(watch.caught.events) == 1)
            assert len(simulator.calls) == calls, fault
