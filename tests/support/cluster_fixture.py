"""A world in several regions, and the daemons of one table that watch it."""

from __future__ import annotations

import json
import time
from contextlib import asynccontextmanager
from math import ceil
from typing import TYPE_CHECKING

from tests.acceptance.consumers import Consumer
from tests.support.cluster_fleet import Fleet, Post, Proxy, Watched
from tests.support.dynamodb_tables import address, made
from tests.support.event_oracle import none_missing
from tests.support.simulator import Simulator
from watcher.core.queries import DeliveryQuery
from watcher.stores.dynamodb.reader import DynamoReader
from watcher.stores.dynamodb.table import Table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.acceptance.conftest import Places
    from tests.support.emulators import Emulator
    from tests.support.random_worlds import CallClock
    from watcher.core.model import Target
    from watcher.core.state_url import Address
    from watcher.simulator.scenario import Scenario

REGIONS = ("us-east-1", "us-east-2", "eu-west-1")
TERM = 2.0
"""Seconds: a fifth of the usual, so that a test has time for it."""

CALLS_PER_TERM = 8
"""How many of the slowest calls measured fit into a term, so that a busy machine loses no lease by being slow."""


async def term_here(url: str) -> float:
    """Return a term in seconds that fits this machine's load: `TERM`, or more where calls of a table take long."""
    table, longest = Table(await made(address(url))), 0.0
    try:
        for _ in range(20):
            begun = time.monotonic()
            await table.query("nothing")
            longest = max(longest, time.monotonic() - begun)
    finally:
        await table.close()
    return max(TERM, ceil(CALLS_PER_TERM * longest))


class Field:
    """A world, the daemons that watch it, and who knows what they saw."""

    def __init__(self, simulator: Simulator, fleet: Fleet, watched: Watched, table: Address) -> None:
        self.simulator, self.fleet, self.watched, self._table = simulator, fleet, watched, table

    async def judge(self, *, sure: int) -> int:
        """Hold what arrived against the world and against the table."""
        consumer = self.fleet.consumer
        assert not consumer.forged, consumer.forged
        arrived, kept = [json.loads(arrival.body) for arrival in consumer.arrived], await self.fleet.kept()
        none_missing({event["id"] for event in arrived}, kept, await self._states())
        return self.watched.judge(arrived, kept, sure=sure)

    async def _states(self) -> dict[str, str]:
        """The states of the deliveries in the table, by the ids of their events."""
        reader = DynamoReader(self._table)
        await reader.open()
        try:
            found = await reader.deliveries(DeliveryQuery(limit=1_000_000))
        finally:
            await reader.close()
        return {record.event.id: str(record.state) for record in found}

    def said(self) -> str:
        return "\n".join(f"{child.key}: {child.said()}" for post in self.fleet.posts for child in post.site.children)


@asynccontextmanager
async def field(
    places: Places,
    ministack: Emulator,
    world: Scenario,
    *,
    posts: int,
    how: str,
    more: tuple[str, ...] = (),
    interval: str,
    store: str | None = None,
    clock: CallClock | None = None,
) -> AsyncIterator[Field]:
    """A world in several regions, and a fleet on a new table, of which nothing runs yet.

    `how`: more of the table's address; `more`: lines of the configuration; `store`: one that is broken
    (`broken_tables`); `clock`: the world's, if not that of the machine.
    """
    simulator = Simulator(world, clock=clock) if clock else Simulator(world)
    await simulator.start()
    try:
        targets: list[Target] = [target for region in REGIONS for target in world.targets(region=region)]
        table = await made(address(ministack.url, ministack.name()))
        made_posts = [Post(places(simulator, f"{table.table}-{n}"), Proxy(ministack.url), store) for n in range(posts)]
        async with Fleet(made_posts, Consumer("hook")) as fleet:
            fleet.configure(targets, table.table, how, *more, interval=interval)
            yield Field(simulator, fleet, Watched(simulator, targets, clock), table)
    finally:
        await simulator.stop()
