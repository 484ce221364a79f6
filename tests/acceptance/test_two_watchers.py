"""Two watchers and more on one table: nothing is lost, nothing reordered, and AWS asked no more than allowed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING

import pytest
from aiohttp import ClientSession

from tests.acceptance.consumers import Consumer
from tests.acceptance.fleet import Fleet, Post, Proxy, Watched, crowds, gaps
from tests.acceptance.place import PATIENCE, until
from tests.acceptance.witness import random_world
from tests.dynamodb import address, made
from watcher.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.acceptance.conftest import Places
    from tests.acceptance.place import Child
    from tests.edge.emulators import Emulator
    from watcher.model import Target
    from watcher.simulator import Scenario

pytest_plugins = ["tests.edge.emulators"]

SOAK_MINUTES = float(os.environ.get("WATCHER_SOAK_MINUTES", "10"))
REGIONS = ("us-east-1", "us-east-2", "eu-west-1")
TERM = 2.0
"""Seconds: a fifth of the usual, so that a test has time for it."""

ON_THE_WAY = 0.1
"""Seconds by which a call may arrive closer to the one before than it was begun, since that one opened a connection."""

PACE = 0.75
"""Times as fast as the other random worlds go, so that several polls see the same."""


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test-secret")


class Field:
    """A world, the daemons that watch it, and who knows what they saw."""

    def __init__(self, simulator: Simulator, fleet: Fleet, watched: Watched) -> None:
        self.simulator, self.fleet, self.watched = simulator, fleet, watched

    async def judge(self, *, sure: int) -> int:
        """Hold what arrived against the world and against the table."""
        consumer = self.fleet.consumer
        assert not consumer.forged, consumer.forged
        arrived = [json.loads(arrival.body) for arrival in consumer.arrived]
        return self.watched.judge(arrived, await self.fleet.kept(), sure=sure)

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
) -> AsyncIterator[Field]:
    """A world in several regions, and a fleet on a new table, of which nothing runs yet."""
    simulator = Simulator(world)
    await simulator.start()
    try:
        targets: list[Target] = [target for region in REGIONS for target in world.targets(region=region)]
        table = await made(address(ministack.url, ministack.name()))
        made_posts = [Post(places(simulator, f"{table.table}-{n}"), Proxy(ministack.url)) for n in range(posts)]
        async with Fleet(made_posts, Consumer("hook")) as fleet:
            fleet.configure(targets, table.table, how, *more, interval=interval)
            yield Field(simulator, fleet, Watched(simulator, targets))
    finally:
        await simulator.stop()


async def kill(post: Post, _: Fleet) -> None:
    """SIGKILL, and another one in its place."""
    assert post.child
    post.child.process.kill()
    post.child.process.wait()
    post.start()
    await post.started()


async def stop_and_go(post: Post, fleet: Fleet) -> None:
    """SIGSTOP until after its term, and SIGCONT."""
    await fleet.sigstop(post, 1.6 * TERM)


async def cut_off(post: Post, fleet: Fleet) -> None:
    """No way to the table until after its term."""
    await fleet.cut_off(post, 1.6 * TERM)


async def replace(post: Post, _: Fleet) -> None:
    """SIGTERM, and another one in its place."""
    assert post.child
    assert await post.child.stopped() == 0, post.child.said()
    post.start()
    await post.started()


BLOWS: tuple[Callable[[Post, Fleet], object], ...] = (kill, stop_and_go, cut_off, replace)


async def conserve(
    places: Places, ministack: Emulator, *, seed: int, posts: int, leases: bool, seconds: float
) -> tuple[int, int]:
    """A life of blows on several daemons, each by itself; returns how much had to be told, and the repeats."""
    chance = Random(f"{seed} {posts} {leases}")
    how = f"&term={TERM:g}s" if leases else "&leases=off"
    world = random_world(seed, seconds=seconds * PACE, stacks=3, templates=1).at_pace(PACE)
    async with field(places, ministack, world, posts=posts, how=how, interval="200ms") as field_:
        fleet, watched = field_.fleet, field_.watched
        for post in fleet.posts:
            post.start()
        for post in fleet.posts:
            await post.started()

        async def live(post: Post, blows: list[Callable[[Post, Fleet], object]]) -> None:
            for blow in blows:
                await asyncio.sleep(chance.uniform(0.2, 2 * TERM))
                if watched.over:
                    return
                await blow(post, fleet)  # type: ignore[misc]  # a coroutine

        lives = [[*BLOWS] * max(1, round(seconds / 10)) for _ in fleet.posts]
        for blows in lives:
            chance.shuffle(blows)
        await asyncio.gather(*(live(post, blows) for post, blows in zip(fleet.posts, lives, strict=True)))
        await watched.quiet(sure=3)
        for post in fleet.posts:
            assert post.child
            assert await post.child.stopped() == 0, post.child.said()
        told = await field_.judge(sure=3)
        arrived = fleet.consumer.arrived
        print(f"{told} had to be told, {len(dict(arrived))} arrived, {len(arrived) - len(dict(arrived))} again")
        return told, len(arrived) - len(dict(arrived))


async def test_nothing_is_lost_by_several_daemons_that_are_killed_stopped_and_cut_off(
    places: Places, ministack: Emulator
) -> None:
    """Three that share a table by leases, and beside them two that do without."""
    async with asyncio.TaskGroup() as group:
        group.create_task(conserve(places, ministack, seed=2026, posts=3, leases=True, seconds=14.0))
        group.create_task(conserve(places, ministack, seed=2026, posts=2, leases=False, seconds=14.0))


@pytest.mark.soak
async def test_nothing_is_lost_in_a_long_run_of_several_daemons(places: Places, ministack: Emulator) -> None:
    """One world after another, for WATCHER_SOAK_MINUTES."""
    end = time.monotonic() + 60 * SOAK_MINUTES
    seed, total, again = int(os.environ.get("WATCHER_SOAK_SEED", "1")), 0, 0
    while time.monotonic() < end:
        told, repeats = await conserve(
            places, ministack, seed=seed, posts=2 + seed % 2, leases=bool(seed % 3), seconds=30.0
        )
        total, again, seed = total + told, again + repeats, seed + 1
    print(f"{total} had to be told and were; {again} repeats, each by its id")


async def roll(places: Places, ministack: Emulator, *, seed: int, rolls: int) -> None:
    """Start a new daemon, SIGTERM the old one, again and again; the leases' term is the usual one."""
    chance, interval, rate = Random(seed), 5.0, 1
    world = random_world(seed, seconds=5.0 * rolls / interval, stacks=2, templates=2).at_pace(1 / interval)
    more = (f"rate_limit: {{requests_per_second: {rate}}}",)
    async with field(places, ministack, world, posts=1, how="", more=more, interval=f"{interval:g}s") as field_:
        (post,), watched, calls = field_.fleet.posts, field_.watched, field_.simulator.calls
        old = post.start()
        await post.started()
        await all_polled_by(field_, old.key, since=0)
        steady = time.monotonic()
        for _ in range(rolls):
            new = post.start()
            await post.started()
            await asyncio.sleep(chance.uniform(0, 2))
            since = len(calls)
            assert await old.stopped() == 0, old.said()
            await all_polled_by(field_, new.key, since=since)
            old = new
        settled = time.monotonic()
        await watched.quiet(sure=2)
        assert await old.stopped() == 0
        await field_.judge(sure=2)
    between = [call for call in calls if steady <= call.at <= settled]
    longest = max(gaps(between).values())
    assert len(gaps(between)) == 4 * len(REGIONS)
    assert longest <= 2 * interval, f"a target was not polled for {longest:.1f} s"
    close = crowds(calls, rate, seconds=1.0)
    print(f"calls within a second: {close}")
    assert [crowd for crowd in close if crowd.seconds < 1.0 - ON_THE_WAY] == []
    arrived = field_.fleet.consumer.arrived
    print(f"{rolls} rolls: unpolled for {longest:.1f} s at most; {len(arrived) - len(dict(arrived))} repeats")


async def all_polled_by(field_: Field, key: str, *, since: int) -> None:
    """Wait until one run has polled every target."""
    calls, count = field_.simulator.calls, 4 * len(REGIONS)

    def polled() -> bool:
        return len({(call.region, call.target) for call in [*calls][since:] if call.access_key == key}) == count

    await until(polled, f"every target polled by {key}")


async def test_a_rolling_deployment_loses_nothing_and_leaves_no_target_alone(
    places: Places, ministack: Emulator
) -> None:
    await roll(places, ministack, seed=7, rolls=5)


@pytest.mark.soak
async def test_a_hundred_rolling_deployments_lose_nothing_and_leave_no_target_alone(
    places: Places, ministack: Emulator
) -> None:
    """Two at a time."""
    async with asyncio.TaskGroup() as group:
        for seed in range(2):
            group.create_task(roll(places, ministack, seed=seed, rolls=50))


async def test_what_a_killed_daemon_held_is_polled_by_another_after_a_term(places: Places, ministack: Emulator) -> None:
    world = random_world(3, seconds=1.0, stacks=1, templates=1)
    how = f"&term={TERM:g}s"
    async with field(places, ministack, world, posts=2, how=how, interval="200ms") as field_:
        first, second = field_.fleet.posts
        first.start()
        await first.started()
        await until(lambda: field_.watched.sightings, "polls")
        second.start()
        await second.started()
        assert first.child
        assert second.child
        first.child.signal(signal.SIGKILL)
        killed = time.monotonic()
        await all_of(field_, second.child.key)
        took = time.monotonic() - killed
        print(f"taken over after {took:.1f} s")
        assert TERM / 2 < took < 5 * TERM
        assert await second.child.stopped() == 0


async def all_of(field_: Field, key: str) -> None:
    """Wait until one run polls everything."""
    seen = field_.watched.sightings

    def polls() -> bool:
        return len(seen) == 2 * len(REGIONS) and all(key in {each.run for each in some} for some in seen.values())

    await until(polls, f"everything polled by {key}; {field_.said()}")


async def test_one_that_cannot_reach_the_table_polls_nothing_and_says_so_while_the_other_goes_on(
    places: Places, ministack: Emulator
) -> None:
    world = random_world(4, seconds=1.0, stacks=1, templates=1)
    how, more = f"&term={TERM:g}s", ("http: {listen: 127.0.0.1:0}",)
    async with field(places, ministack, world, posts=2, how=how, more=more, interval="200ms") as field_:
        first, second = field_.fleet.posts
        children = [first.start(), second.start()]
        for post in (first, second):
            await post.started()
        for child in children:
            await until_ready(child)
        first.proxy.cut()
        await until_unready(children[0], "the leases in the state table cannot be kept")
        await all_of(field_, children[1].key)
        await until_ready(children[1])
        calls = len(field_.simulator.calls)
        await until(lambda: len(field_.simulator.calls) > calls + 50, "polls of the other one")
        assert {call.access_key for call in [*field_.simulator.calls][calls:]} == {children[1].key}
        first.proxy.mend()
        await until_ready(children[0])
        for child in children:
            assert await child.stopped() == 0


async def until_ready(child: Child) -> None:
    """Wait until a daemon says that it is ready."""
    await until_said(child, 200, "")


async def until_unready(child: Child, why: str) -> None:
    """Wait until a daemon says that it is not ready, and why."""
    await until_said(child, 503, why)


async def until_said(child: Child, status: int, text: str) -> None:
    url = child.logged("http.listening")[0]["url"]
    async with ClientSession() as session, asyncio.timeout(PATIENCE):
        while True:
            async with session.get(f"{url}/readyz") as answer:
                said = await answer.text()
                if answer.status == status and text in said:
                    return
            await asyncio.sleep(0.05)
