"""Queues of hints, read by the installed command: killed, stopped, and with two daemons on one table."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tests.support.simulator import Simulator, attempt
from tests.support.waiting import until
from watcher.simulator.git_events import QueueSettings
from watcher.simulator.inventory import ACCOUNT, Place
from watcher.simulator.scenario import Scenario
from watcher.sources.codeconnections import stack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.acceptance.conftest import Places
    from tests.support.dynamodb_tables import Tables
    from tests.support.installed_command import Child, Site
    from watcher.simulator.queues import Queue

REGIONS = ("us-east-1", "eu-west-1")
DATA, API = (stack("default", region, name) for region, name in zip(REGIONS, ("data", "api"), strict=True))
"""By their names, both are polled in the first second after a start."""


@asynccontextmanager
async def with_queue() -> AsyncIterator[tuple[Simulator, Queue]]:
    simulator = Simulator(Scenario("test", queues=(QueueSettings("git-sync"),)))
    await simulator.start()
    try:
        for target in (DATA, API):
            simulator.world.show(target, None)
        yield simulator, simulator.world.bus.queues[Place(ACCOUNT, REGIONS[0]), "git-sync"]
    finally:
        await simulator.stop()


def configure(site: Site, state: str | None = None) -> None:
    """Poll each hour, and read the queue."""
    assert site.simulator
    site.configure(
        [],
        f"state: '{state or f'sqlite:///{site.state}'}'",
        f"accounts: [{{name: default, regions: [{', '.join(REGIONS)}], endpoint_url: '{site.simulator.url}'}}]",
        "stacks: [{name: data, region: us-east-1}, {name: api, region: eu-west-1}]",
        f"hints: [{{queue: 'https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/git-sync'}}]",
        interval="1h",
    )


async def polling(places: Places, simulator: Simulator) -> tuple[Site, Child]:
    """A site and its daemon, which has polled both targets."""
    site = places(simulator)
    configure(site)
    child = site.start()
    await site.polled(child, 2)
    return site, child


def events(*children: Child) -> list[dict[str, Any]]:
    return [json.loads(line) for child in children for line in child.delivered().splitlines()]


def recover(simulator: Simulator, queue: Queue) -> None:
    """End every fault, and show the messages of a dead reader, before their time."""
    simulator.world.clear()
    for message in [*queue.messages.values()]:
        queue.change_visibility(message.receipt, 0.0, simulator.world.now())


async def test_a_message_is_deleted_after_the_commit_and_comes_again_after_a_kill_before(places: Places) -> None:
    async with with_queue() as (simulator, queue):
        site, killed = await polling(places, simulator)
        simulator.world.fault(None, "hang", api="sqs", operation="DeleteMessage")
        simulator.world.show(DATA, attempt(DATA, "FAILED", 1000.0))
        await until(
            lambda: any(call.operation == "DeleteMessage" for call in simulator.calls),
            lambda: f"a deletion; it said {killed.said()}",
        )
        (recorded,) = site.kept()
        assert recorded["type"] == "watcher.sync.failed"
        killed.end()
        assert len(queue.messages) == 1
        recover(simulator, queue)
        child = site.start()
        await until(lambda: not queue.messages, lambda: f"an empty queue; it said {child.said()}")
        assert await child.stopped() == 0, child.said()
        assert site.kept() == [recorded]


async def test_a_kill_while_the_poll_is_under_way_leaves_the_message_in_the_queue(places: Places) -> None:
    async with with_queue() as (simulator, queue):
        site, killed = await polling(places, simulator)
        simulator.world.fault(DATA, "hang")
        simulator.world.show(DATA, attempt(DATA, "FAILED", 1000.0))
        await site.polled(killed)
        killed.end()
        assert len(queue.messages) == 1
        assert site.kept() == []
        recover(simulator, queue)
        child = site.start()
        await until(lambda: not queue.messages and site.kept(), lambda: f"an event; it said {child.said()}")
        assert await child.stopped() == 0, child.said()
        assert [event["type"] for event in site.kept()] == ["watcher.sync.failed"]


async def test_a_stop_lets_messages_under_way_come_again_at_once(places: Places) -> None:
    async with with_queue() as (simulator, queue):
        site, child = await polling(places, simulator)
        simulator.world.fault(DATA, "hang")
        simulator.world.show(DATA, attempt(DATA, "FAILED", 1000.0))
        await site.polled(child)
        assert await child.stopped() == 0, child.said()
        (message,) = queue.messages.values()
        assert message.visible <= simulator.world.now()


async def test_each_message_reaches_the_daemon_that_polls_its_target(places: Places, tables: Tables) -> None:
    table = await tables()
    state = f"dynamodb://{table.table}?region=us-east-1&endpoint_url={table.endpoint_url}&term=3s"
    async with with_queue() as (simulator, queue):
        sites = [places(simulator, name) for name in ("one", "two")]
        for site in sites:
            configure(site, state)
        children = [site.start() for site in sites]
        await until(lambda: len({call.region for call in simulator.calls if call.target.startswith("stack/")}) == 2)
        for number in range(1, 6):
            for target in (DATA, API):
                simulator.world.show(target, attempt(target, "FAILED", 1000.0 + number))
            await until(
                lambda count=2 * number: len(events(*children)) >= count and not queue.messages,
                lambda: f"events; they said {[child.said() for child in children]}",
            )
        ended = await asyncio.gather(*(child.stopped() for child in children))
        assert ended == [0, 0], [child.said() for child in children]
    sequences = {target.id: [] for target in (DATA, API)}
    for event in events(*children):
        sequences[event["subject"]].append(event["data"]["sequence"])
    # A target may have moved from one daemon to the other meanwhile: the order is not that of the two outputs.
    assert {subject: sorted(found) for subject, found in sequences.items()} == {
        target.id: [*range(1, 6)] for target in (DATA, API)
    }
