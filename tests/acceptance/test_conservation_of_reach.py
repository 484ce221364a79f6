"""Nothing is lost of what discovery, polling by repository and hints find, by daemons that are killed again and again.

What is watched is found by listings of a random world, in which stacks come, go and move to another branch.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.consumers import Consumer
from tests.support.cluster_blows import BLOWS, kill, stop_and_go
from tests.support.cluster_fixture import term_here
from tests.support.cluster_fleet import Fleet, Post, Proxy
from tests.support.dynamodb_tables import address, made
from tests.support.event_oracle import whole_lines
from tests.support.installed_command import REGION
from tests.support.reach_oracle import ReachOracle
from tests.support.reach_witness import PacedClock, ReachWitness
from tests.support.reach_world import LISTED, reach_world, watching
from tests.support.simulator import Simulator
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tests.acceptance.conftest import Places
    from tests.support.cluster_blows import Blow
    from tests.support.emulators import Emulator
    from tests.support.installed_command import Child, Site

pytestmark = pytest.mark.usefixtures("aws_credentials")

SIDE_BY_SIDE = 2
KILLS = 5
"""Of each daemon."""
SOAK_MINUTES = float(os.environ.get("WATCHER_SOAK_MINUTES", "10"))
REGIONS = (REGION, "eu-west-1")

REPORTED = {"discovered", "removed", "blocked", "unblocked", "PENDING", "ERROR", "AVAILABLE"}

QUEUE = "git-sync"


@pytest.mark.soak
async def test_nothing_is_lost_of_what_is_discovered_when_the_daemon_is_killed(places: Places) -> None:
    """Two daemons with a state file each, five SIGKILLs each."""
    await conserve(places, seed=2026, seconds=12.0, kills=KILLS)


@pytest.mark.soak
async def test_nothing_is_lost_of_what_is_discovered_in_a_long_run_of_kills(places: Places) -> None:
    """The same in one world after another, for WATCHER_SOAK_MINUTES."""
    end, seed = time.monotonic() + 60 * SOAK_MINUTES, int(os.environ.get("WATCHER_SOAK_SEED", "1"))
    while time.monotonic() < end:
        await conserve(places, seed=seed, seconds=40.0, kills=18)
        seed += 1


async def conserve(places: Places, *, seed: int, seconds: float, kills: int) -> None:
    clock = PacedClock()
    names = [f"reach-{seed}-{number}" for number in range(SIDE_BY_SIDE)]
    simulator = Simulator(reach_world(seed, seconds=seconds, queues=names), clock=clock)
    await simulator.start()
    try:
        witness = ReachWitness(simulator, clock, [REGION], seconds)
        sites = [places(simulator, name) for name in names]
        async with asyncio.TaskGroup() as lives:
            for number, site in enumerate(sites):
                lives.create_task(_live_and_die(site, witness, Random(f"{seed} {number}"), kills))
        for site in sites:
            oracle = ReachOracle(witness, site.children, alone=True)
            oracle.judge(whole_lines(b"".join(child.delivered() for child in site.children)), site.kept())
            assert oracle.kinds() >= REPORTED
            assert sum(witness.seen[child.key].hints for child in site.children) > 10
    finally:
        await simulator.stop()


@pytest.mark.soak
async def test_nothing_is_lost_of_what_is_discovered_by_two_daemons_on_a_table(
    places: Places, ministack: Emulator
) -> None:
    """Two that share two regions by leases, and are killed and stopped."""
    await conserve_in_a_table(places, ministack, seed=2026, seconds=10.0, blows=(kill, stop_and_go))


@pytest.mark.soak
async def test_nothing_is_lost_of_what_is_discovered_in_a_long_run_of_two_daemons_on_a_table(
    places: Places, ministack: Emulator
) -> None:
    """The same in one world after another, for WATCHER_SOAK_MINUTES."""
    end, seed = time.monotonic() + 60 * SOAK_MINUTES, int(os.environ.get("WATCHER_SOAK_SEED", "1"))
    while time.monotonic() < end:
        await conserve_in_a_table(places, ministack, seed=seed, seconds=40.0, blows=BLOWS * 2)
        seed += 1


async def conserve_in_a_table(
    places: Places, ministack: Emulator, *, seed: int, seconds: float, blows: Sequence[Blow]
) -> None:
    """Let each of two daemons suffer all blows, at random moments."""
    chance, clock = Random(seed), PacedClock()
    simulator = Simulator(reach_world(seed, seconds=seconds, queues=[QUEUE]), clock=clock)
    await simulator.start()
    try:
        witness = ReachWitness(simulator, clock, REGIONS, seconds)
        term = await term_here(ministack.url)
        async with _fleet(places, ministack, simulator, term) as fleet:
            for post in fleet.posts:
                post.start()
            for post in fleet.posts:
                await post.started()

            async def live(post: Post) -> None:
                for blow in chance.sample(blows, len(blows)):
                    await asyncio.sleep(chance.uniform(0.2, seconds / len(blows)))
                    if not witness.over:
                        await blow(post, fleet)

            await asyncio.gather(*map(live, fleet.posts))
            last = [post.child for post in fleet.posts if post.child]
            await until(
                lambda: witness.seen_at_the_end(last, QUEUE, times=4),
                lambda: f"everything seen at its end: {witness.seen_since(last, QUEUE)}",
                progress=lambda: witness.so_far,
            )
            await fleet.delivered()
            for child in last:
                assert await child.stopped() == 0, child.said()
            runs = [child for post in fleet.posts for child in post.site.children]
            oracle = ReachOracle(witness, runs, alone=False)
            assert not fleet.consumer.forged
            oracle.judge([json.loads(each.body) for each in fleet.consumer.arrived], await fleet.kept())
            assert oracle.kinds() >= REPORTED
    finally:
        await simulator.stop()


@asynccontextmanager
async def _fleet(places: Places, ministack: Emulator, simulator: Simulator, term: float) -> AsyncIterator[Fleet]:
    table = await made(address(ministack.url, ministack.name()))
    posts = [Post(places(simulator, f"{table.table}-{number}"), Proxy(ministack.url)) for number in range(2)]
    async with Fleet(posts, Consumer("hook")) as fleet:
        fleet.term = term
        listed = [LISTED.target("default", region) for region in REGIONS]
        fleet.configure(listed, table.table, f"&term={term:g}s", *watching(QUEUE), interval="300ms")
        yield fleet


async def _live_and_die(site: Site, witness: ReachWitness, chance: Random, kills: int) -> None:
    site.configure([LISTED.target("default", REGION)], *watching(site.name))
    for _ in range(kills):
        await _killed(site.start(), witness, chance)
    last = site.start()
    await until(
        lambda: witness.seen_at_the_end([last], site.name, times=2) or not last.running,
        lambda: f"everything seen at its end; {last.said()}",
        progress=lambda: witness.so_far,
    )
    assert await last.stopped() == 0
    assert site.undelivered() == 0


async def _killed(child: Child, witness: ReachWitness, chance: Random) -> None:
    """Kill it after some calls, mostly after something new or a page of a listing: while it commits, or delivers."""
    calls, seen = chance.randint(1, 120), witness.seen[child.key]
    await until(lambda: seen.calls >= calls or not child.running, f"{calls} calls")
    (aim,) = chance.choices(("news", "pages", "calls"), (4, 4, 2))
    if aim != "calls":
        before = getattr(seen, aim)
        await until(lambda: getattr(seen, aim) > before or witness.over or not child.running, f"more {aim}")
        await asyncio.sleep(chance.uniform(0, 0.03))
    assert child.running, child.said()
    child.process.kill()
    child.process.wait()
