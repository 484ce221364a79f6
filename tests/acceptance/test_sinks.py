"""What the daemon does with its sinks' deliveries when it ends, when sinks come and go, and what is not to be sent."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.conftest import NETWORK, WEB
from tests.acceptance.consumers import HOOK_SECRET, Consumer, hanging, sound
from tests.support.delivery_oracle import Wants
from tests.support.event_oracle import whole_lines
from tests.support.installed_command import REGION
from tests.support.simulator import attempt
from tests.support.waiting import SLACK, until
from watcher.core.model import FAILED, SUCCEEDED
from watcher.core.retry_policy import REMOVED
from watcher.sources.codeconnections import stack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from tests.support.installed_command import Child, Site
    from tests.support.simulator import Simulator
    from watcher.core.model import Target

    Consumers = Callable[..., Awaitable[Consumer]]

T = 1_795_420_800.0
GRACE = 1.0
QUIET = 1.0
"""Seconds: more than three reminders' time. The absence of something takes time."""


@pytest.fixture
async def consumers() -> AsyncIterator[Consumers]:
    """Makes receivers that listen, and ends them."""
    made: list[Consumer] = []

    async def consumer(name: str, *how: Any) -> Consumer:
        made.append(Consumer(name, *how))
        await made[-1].receiver.start()
        return made[-1]

    yield consumer
    for each in made:
        await each.receiver.stop()


def show(simulator: Simulator, target: Target, status: str, number: int = 0) -> None:
    simulator.world.show(target, attempt(target, status, T + number))


def configure(site: Site, targets: Sequence[Target], *consumers: Consumer, more: str = "shutdown_grace: 1s") -> None:
    site.environment["HOOK_SECRET"] = HOOK_SECRET
    lines = ["sinks:", "  - {name: out, type: stdout}", *(consumer.line() for consumer in consumers)]
    site.configure(targets, *lines, more)


async def started(site: Site) -> Child:
    child = site.start()
    await until_told(child, lambda: child.logged("watcher.started"), "the start")
    return child


async def until_told(child: Child, condition: Callable[[], object], what: str) -> None:
    await until(lambda: condition() or not child.running, lambda: f"{what}; {child.said()}")
    assert child.running, child.said()


async def test_what_a_hanging_webhook_did_not_take_before_the_end_is_delivered_by_the_next_run(
    site: Site, simulator: Simulator, consumers: Consumers
) -> None:
    """50 deliveries are pending; the run still ends within its grace time, and none is lost."""
    targets = [stack("default", REGION, f"stack-{number}") for number in range(50)]
    for target in targets:
        show(simulator, target, SUCCEEDED)
    hook = await consumers("hook", hanging)
    configure(site, targets, hook)
    child = await started(site)
    await until_told(child, lambda: len(site.kept()) == 50, "50 events")
    await until_told(child, lambda: hook.requests, "a try")
    begun = time.monotonic()
    assert await child.stopped() == 0
    assert time.monotonic() - begun < GRACE + SLACK
    assert site.undelivered("hook") == 50
    assert child.logged("watcher.stopped")[0]["undelivered"] == 50

    hook.temper = sound
    child = site.start()
    await until_told(child, lambda: site.undelivered() == 0, "the rest")
    assert await child.stopped() == 0
    assert {event["subject"] for event in hook.events()} == {target.id for target in targets}
    assert len(site.kept()) == 50


async def test_what_waits_for_a_sink_that_was_removed_becomes_dead_letters_that_say_so(
    site: Site, simulator: Simulator, consumers: Consumers
) -> None:
    for target in (NETWORK, WEB):
        show(simulator, target, FAILED)
    hook = await consumers("hook", hanging)
    configure(site, (NETWORK, WEB), hook)
    child = site.start()
    await until_told(child, lambda: len(hook.requests) == 2, "a try of each")
    assert await child.stopped() == 0
    assert site.undelivered("hook") == 2

    configure(site, (NETWORK, WEB))
    child = await started(site)
    assert await child.stopped() == 0
    assert site.query("SELECT state, answer FROM delivery WHERE sink = 'hook'") == 2 * [("dead", REMOVED)]
    assert site.undelivered() == 0


async def test_a_new_sink_has_the_history_that_it_asks_for_and_another_has_none(
    site: Site, simulator: Simulator, consumers: Consumers
) -> None:
    configure(site, [NETWORK])
    child = await started(site)
    for number in range(3):
        show(simulator, NETWORK, FAILED, number)
        await until_told(child, lambda: len(site.kept()) > number, "an event")  # noqa: B023  it is awaited
    assert await child.stopped() == 0

    replayed = await consumers("replayed", sound, Wants(), "replay_from: 1h")
    fresh = await consumers("fresh")
    configure(site, [NETWORK], replayed, fresh)
    child = site.start()
    await until_told(child, lambda: len(replayed.arrived) == 3, "the history")
    show(simulator, NETWORK, SUCCEEDED, 3)
    await until_told(child, lambda: len(replayed.arrived) == 4 and len(fresh.arrived) == 1, "a new event")
    assert await child.stopped() == 0
    assert sequences(replayed) == [1, 2, 3, 4]
    assert sequences(fresh) == [4]

    child = site.start()  # it is not new any more
    show(simulator, NETWORK, FAILED, 4)
    await until_told(child, lambda: len(fresh.arrived) == 2 and len(replayed.arrived) == 5, "another event")
    assert await child.stopped() == 0
    assert sequences(replayed) == [1, 2, 3, 4, 5]


def sequences(consumer: Consumer) -> list[int]:
    return [event["data"]["sequence"] for event in consumer.events()]


async def test_reminders_are_counted_across_a_restart_until_it_is_over(
    site: Site, simulator: Simulator, consumers: Consumers
) -> None:
    show(simulator, NETWORK, FAILED)
    hook = await consumers("hook", sound, Wants(), "remind_every: 300ms")
    configure(site, [NETWORK], hook)
    child = site.start()
    await until_told(child, lambda: len(hook.arrived) >= 4, "three reminders")
    assert await child.stopped() == 0
    before = len(hook.arrived)
    child = site.start()
    await until_told(child, lambda: len(hook.arrived) >= before + 2, "two more")
    show(simulator, NETWORK, SUCCEEDED, 1)
    await until_told(child, lambda: hook.events()[-1]["type"] == "watcher.sync.succeeded", "its end")
    await asyncio.sleep(QUIET)
    assert await child.stopped() == 0
    event, *reminders, end = hook.events()
    assert "reminder" not in event
    assert "reminder" not in end
    assert [each.pop("reminder") for each in reminders] == list(range(1, len(reminders) + 1))
    assert all(each == event for each in reminders)
    ids = [arrival.id for arrival in hook.arrived]
    assert ids == [event["id"], *(f"{event['id']}-reminder-{n + 1}" for n in range(len(reminders))), end["id"]]


async def test_a_muted_event_is_recorded_and_marked_and_not_sent(
    site: Site, simulator: Simulator, consumers: Consumers
) -> None:
    hook = await consumers("hook")
    mute = f"mute: [{{targets: '{NETWORK.id}', events: watcher.sync.failed, reason: planned}}]"
    configure(site, [NETWORK], hook, more=mute)
    show(simulator, NETWORK, FAILED)
    child = await started(site)
    await until_told(child, site.kept, "the muted event")
    show(simulator, NETWORK, SUCCEEDED, 1)
    await until_told(child, lambda: hook.arrived, "the next one")
    assert await child.stopped() == 0
    muted, sent = site.kept()
    assert muted["data"]["muted"] == {"reason": "planned", "until": None}
    assert hook.events() == [sent]
    assert [line["id"] for line in whole_lines(child.delivered())] == [sent["id"]]
    assert site.query("SELECT DISTINCT id FROM delivery JOIN event USING (number)") == [(sent["id"],)]


async def test_a_sink_for_errors_gets_errors_and_the_end_of_each_incident_if_it_wants_that(
    site: Site, simulator: Simulator, consumers: Consumers
) -> None:
    everything = await consumers("everything")
    errors = await consumers("errors", sound, Wants(), "min_severity: error")
    only_errors = await consumers("only-errors", sound, Wants(), "min_severity: error, send_resolved: false")
    configure(site, [NETWORK], everything, errors, only_errors)
    child = await started(site)
    for number, status in enumerate((FAILED, SUCCEEDED, FAILED)):
        show(simulator, NETWORK, status, number)
        await until_told(child, lambda: len(everything.arrived) > number, "an event")  # noqa: B023  it is awaited
    await until_told(child, lambda: site.undelivered() == 0, "all delivered")
    assert await child.stopped() == 0
    assert types(everything) == ["watcher.sync.failed", "watcher.sync.succeeded", "watcher.sync.failed"]
    assert types(errors) == types(everything)
    assert types(only_errors) == ["watcher.sync.failed", "watcher.sync.failed"]


def types(consumer: Consumer) -> list[str]:
    return [event["type"] for event in consumer.events()]
