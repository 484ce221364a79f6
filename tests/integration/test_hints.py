"""Hints: messages of a queue make their targets due, with the real client against the simulated SQS."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from tests.integration.conftest import Watch, a_config, a_stack, running
from tests.integration.test_discovery import a_subject, names, rule, simulated, stacks
from tests.support.simulator import Simulator
from tests.support.waiting import SLACK, until
from watcher.core.settings import HintQueue
from watcher.polling import hint_reader, planner, schedule
from watcher.simulator.git_events import QueueSettings
from watcher.simulator.inventory import ACCOUNT, Place
from watcher.simulator.scenario import Scenario
from watcher.simulator.subject import Span

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from watcher.core.settings import Config
    from watcher.simulator.queues import Queue

EAST = "us-east-1"
SLOW = {"interval": 3600.0, "active_interval": 3600.0}


class Hinted(Watch):
    """A daemon that reads a queue, and watches a stack that is polled each hour."""

    @property
    def queue(self) -> Queue:
        return self.simulator.world.bus.queues[Place(ACCOUNT, EAST), "git-sync"]

    def send(self, body: str) -> None:
        self.queue.send(body, self.simulator.world.now())

    def send_hint(self, name: str, account: str = ACCOUNT) -> None:
        """Send an event about a stack."""
        detail = {"syncTarget": f"arn:aws:cloudformation:{EAST}:{account}:stack/{name}/1"}
        kind = "Git Sync Resource Sync Status Change"
        self.send(json.dumps({"detail-type": kind, "account": account, "region": EAST, "detail": detail}))

    def polls_of(self, name: str) -> int:
        return sum(call.target == f"stack/{name}" for call in self.simulator.calls)

    async def is_empty(self) -> None:
        await until(lambda: not self.queue.messages, "the queue is empty")


def with_queue(config: Config, url: str) -> Config:
    return replace(config, hints=(HintQueue(f"{url}/{ACCOUNT}/git-sync", config.accounts["default"], EAST),))


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test wait for first polls and probes."""
    monkeypatch.setattr(schedule, "FIRST_POLLS_SECONDS", 0.1)
    monkeypatch.setattr(planner, "HINTED_PROBE_SECONDS", 0.2)


@asynccontextmanager
async def hinted(*targets: Any, **changes: Any) -> AsyncIterator[Hinted]:
    simulator = Simulator(Scenario("test", queues=(QueueSettings("git-sync"),)))
    await simulator.start()
    try:
        config = with_queue(a_config(simulator.url, targets or [a_stack(**SLOW)], **changes), simulator.url)
        for target in config.targets:
            simulator.world.show(target, None)
        async with running(simulator, config) as watch:
            made = Hinted(watch.simulator, watch.app, watch.caught)
            await until(lambda: all(made.polls_of(target.name) for target in config.targets), "first polls")
            yield made
    finally:
        await simulator.stop()


async def test_a_change_is_an_event_long_before_its_interval_has_passed_and_its_message_is_deleted_then() -> None:
    target = a_stack(**SLOW)
    async with hinted(target) as watch:
        begun = time.monotonic()
        watch.show(target, "IN_PROGRESS", 1)
        await watch.until(lambda: watch.kinds() == ["sync.in_progress"])
        assert time.monotonic() - begun < SLACK
        await watch.is_empty()
        watch.show(target, "FAILED", 1)
        await watch.until(lambda: watch.kinds() == ["sync.in_progress", "sync.failed"])
        await watch.is_empty()
        (status,) = watch.app.view.hint_queues().values()
        assert (status.readable, status.messages, status.error) == (True, 2, "")
        assert {*status.heard} == {target.endpoint}


async def test_malformed_messages_are_deleted_with_one_log_line() -> None:
    with structlog.testing.capture_logs() as logs:
        async with hinted() as watch:
            for body in ("", "{", "[]", "[" * 10_000, json.dumps({"detail-type": "Other"}), '"\\ud800"'):
                watch.send(body)
            await watch.is_empty()
    (line,) = (each for each in logs if each["event"] == "hint.malformed")
    assert line["reason"]


async def test_a_message_about_what_is_not_watched_starts_a_discovery_and_is_deleted() -> None:
    async with hinted() as watch:
        discoveries: list[float] = []
        watch.app.view.hints._discover = lambda: discoveries.append(time.monotonic())
        for name in ("new", "newer"):
            watch.send_hint(name)
        await watch.is_empty()
        await watch.until(lambda: len(discoveries) == 1)
        watch.send_hint("newest")
        await watch.is_empty()
        assert len(discoveries) == 1
        assert watch.app.view.hints._discovery is not None  # the next one, a minute after the first


@pytest.mark.parametrize("fault", ["access_denied", "hang"])
async def test_targets_are_polled_as_without_hints_while_the_queue_cannot_be_read(
    fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watcher.aws.queue.WAIT_SECONDS", 1)
    target = a_stack(interval=0.2, active_interval=0.2, backstop_interval=3600.0)
    with structlog.testing.capture_logs() as logs:
        async with hinted(target) as watch:
            watch.send_hint(target.name)
            await watch.is_empty()
            await until(watch.app.view.hints.statuses, "a status")
            polls = watch.polls_of(target.name)
            await asyncio.sleep(1.0)
            assert watch.polls_of(target.name) <= polls + 1  # each hour: hints report its changes
            with monkeypatch.context() as patched:  # calls that are to succeed keep their time limit
                patched.setattr("watcher.aws.queue.CALL_SECONDS", 0.2)
                watch.simulator.world.fault(None, fault, api="sqs")
                await until(lambda: watch.polls_of(target.name) >= polls + 5, "polls each interval")
                assert [each["event"] for each in logs].count("hints.failed") == 1
            watch.simulator.world.clear()
            await until(lambda: "hints.recovered" in [each["event"] for each in logs], "it recovers")
            watch.send_hint(target.name)
            await watch.is_empty()
    assert [each["event"] for each in logs].count("hints.failed") == 1


async def test_a_message_comes_again_until_its_endpoint_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hint_reader, "REPEAT_SECONDS", 1)
    target = a_stack(**SLOW)
    async with hinted(target, unreadable_after=1) as watch:
        watch.simulator.world.fault(None, "access_denied", api="codeconnections")
        watch.send_hint(target.name)
        await watch.until(lambda: watch.kinds() == ["endpoint.unreadable"])
        await until(lambda: watch.polls_of(target.name) >= 3, "probes that the message asks for")
        assert len(watch.queue.messages) == 1
        watch.simulator.world.clear()
        await watch.until(lambda: watch.kinds() == ["endpoint.unreadable", "endpoint.readable"])
        await watch.is_empty()


async def test_a_message_stays_hidden_while_its_poll_is_under_way_and_comes_again_after_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hint_reader, "PROLONG_SECONDS", 1.0)
    target = a_stack(**SLOW, timeout=600.0)
    async with hinted(target) as watch:
        watch.simulator.world.fault(target, "hang")
        watch.send_hint(target.name)
        await until(lambda: watch.polls_of(target.name) == 2, "the poll begins")
        (message,) = watch.queue.messages.values()
        first = message.visible
        await until(lambda: message.visible >= first + 2.5, "its time is prolonged")
        assert message.receives == 1
    assert message.visible <= watch.simulator.world.now()


async def test_a_reload_begins_and_ends_the_reading_of_a_queue() -> None:
    target = a_stack(**SLOW)
    async with hinted(target) as watch:
        config = watch.app.view.config
        await watch.app.apply(replace(config, hints=()))
        assert watch.app.view.hint_queues() == {}
        await asyncio.sleep(0.2)
        watch.send_hint(target.name)
        await asyncio.sleep(0.5)
        assert len(watch.queue.messages) == 1
        await watch.app.apply(config)
        await watch.is_empty()
        assert watch.polls_of(target.name) == 2


async def test_messages_that_another_daemon_handles_are_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hint_reader, "MAX_VISITS", 4)
    target = a_stack(**SLOW)
    async with hinted(target) as watch:
        monkeypatch.setattr(watch.app.view.polling, "hint", lambda _: None)
        watch.send_hint(target.name)
        (message,) = watch.queue.messages.values()
        await watch.is_empty()
        assert message.receives == 4
        assert watch.polls_of(target.name) == 1


async def test_no_more_than_ten_messages_are_under_way() -> None:
    targets = [a_stack(f"s{number}", **SLOW, timeout=600.0) for number in range(12)]
    async with hinted(*targets) as watch:
        for target in targets:
            watch.simulator.world.fault(target, "hang")
        for target in targets:
            watch.send_hint(target.name)
        await until(lambda: sum(each.receives for each in watch.queue.messages.values()) == 10, "ten messages")
        await asyncio.sleep(0.5)
        assert sum(each.receives for each in watch.queue.messages.values()) == 10


async def test_a_new_stack_is_discovered_when_its_first_event_arrives() -> None:
    late = a_subject("late", absent=(Span(0, 10),))
    scenario = stacks("a", late, queues=(QueueSettings("git-sync"),))
    async with simulated(scenario) as house:
        rules = house.config(replace(rule(), every=3600.0))
        async with running(house.simulator, with_queue(rules, house.simulator.url)) as watch:
            await watch.until(lambda: names(watch) == {"a"})
            house.moment[0] = 10
            made = Hinted(watch.simulator, watch.app, watch.caught)
            made.send_hint("late")
            await watch.until(lambda: names(watch) == {"a", "late"})
            await made.is_empty()
            assert watch.kinds() == ["target.discovered"]
