"""Nothing is lost: random worlds, and a daemon that is killed again and again."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.support.event_oracle import NotConservedError
from tests.support.installed_command import SECRET, Site
from tests.support.random_worlds import CallClock, Witness, random_world
from tests.support.simulator import Simulator
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.acceptance.conftest import Places
    from tests.support.installed_command import Child

SIDE_BY_SIDE = 4
KILLS = 5
SOAK_MINUTES = float(os.environ.get("WATCHER_SOAK_MINUTES", "10"))


async def test_nothing_is_lost_when_the_daemon_is_killed_at_random_moments(places: Places) -> None:
    """Four daemons with a state file each, five SIGKILLs each."""
    assert SIDE_BY_SIDE * KILLS >= 20
    await conserve(places, seed=2026, seconds=5.0, kills=KILLS)


@pytest.mark.soak
async def test_nothing_is_lost_in_a_long_run_of_random_kills(places: Places) -> None:
    """The same in one world after another, for WATCHER_SOAK_MINUTES."""
    end = time.monotonic() + 60 * SOAK_MINUTES
    seed = int(os.environ.get("WATCHER_SOAK_SEED", "1"))
    while time.monotonic() < end:
        await conserve(places, seed=seed, seconds=40.0, kills=18)
        seed += 1


async def conserve(places: Places, *, seed: int, seconds: float, kills: int) -> None:
    world = random_world(seed, seconds=seconds)
    clock = CallClock(10 * SIDE_BY_SIDE * len(world.targets()))
    simulator = Simulator(world, clock=clock)
    await simulator.start()
    try:
        witness = Witness(simulator, clock)
        sites = [places(simulator, f"seed-{seed}-{number}") for number in range(SIDE_BY_SIDE)]
        async with asyncio.TaskGroup() as lives:
            for number, site in enumerate(sites):
                start = _into_a_pipe if number % 2 else Site.start
                lives.create_task(_live_and_die(site, start, witness, Random(f"{seed} {number}"), kills))
        for site in sites:
            witness.judge(site, b"".join(child.delivered() for child in site.children))
            _holds_no_secret(site)
    finally:
        await simulator.stop()


def _into_a_pipe(site: Site) -> Child:
    return site.start(out=subprocess.PIPE).read()


async def _live_and_die(
    site: Site, start: Callable[[Site], Child], witness: Witness, chance: Random, kills: int
) -> None:
    assert site.simulator
    site.configure(site.simulator.world.scenario.targets())
    for _ in range(kills):
        await _killed(start(site), witness, chance)
    last = start(site)
    await witness.quiet(last)
    assert await last.stopped() == 0
    assert site.undelivered() == 0


async def _killed(child: Child, witness: Witness, chance: Random) -> None:
    """Kill it after some calls, mostly just after it was told something new: while it commits, or delivers."""
    calls = chance.randint(1, 60)
    await until(lambda: len(witness.sightings[child.key]) >= calls or not child.running, f"{calls} calls")
    if chance.random() < 0.7:
        news = witness.news[child.key]
        await until(lambda: witness.news[child.key] > news or witness.over, "something new")
        await asyncio.sleep(chance.uniform(0, 0.03))
    assert child.running, child.said()
    child.process.kill()
    child.process.wait()


def _holds_no_secret(site: Site) -> None:
    for file in site.folder.iterdir():
        assert SECRET.encode() not in file.read_bytes(), file


PLACES = ("commit begins", "commit is done", "deliveries are due", "settling begins", "settling is done")


async def _crash(site: Site, witness: Witness, store: str, place: str) -> None:
    """Three runs that end themselves at a place of their store, and one that does not; then the oracle."""
    assert site.simulator
    site.configure(site.simulator.world.scenario.targets())
    for count in (2, 1, 3):
        child = site.start(change=store, environment={"CRASH_AT": f"{place}:{count}"})
        assert await child.ended() == -signal.SIGKILL, child.said()
    last = site.start(change=store)
    await witness.quiet(last)
    assert await last.stopped() == 0
    witness.judge(site, b"".join(child.delivered() for child in site.children))


async def test_the_oracle_passes_the_daemon_killed_at_each_place_of_a_commit_and_a_delivery(places: Places) -> None:
    async with asyncio.TaskGroup() as group:
        for place in PLACES:
            group.create_task(_crash_in_a_world_of_its_own(places, "sound", place))


CAUGHT = {
    "state first": "sequences arrived as|shown, but never told",
    "events first": "no repeat",
    "settle first": "sequences arrived as|shown, but never told",
}


@pytest.mark.soak
async def test_the_oracle_catches_every_broken_order_of_commits(places: Places) -> None:
    """The same crashes, on stores that do first what must come last."""
    works = (_crash_in_a_world_of_its_own(places, store, "between") for store in CAUGHT)
    verdicts = await asyncio.gather(*works, return_exceptions=True)
    for words, verdict in zip(CAUGHT.values(), verdicts, strict=True):
        with pytest.raises(NotConservedError, match=words):
            raise verdict if isinstance(verdict, BaseException) else AssertionError("the oracle was content")


async def _crash_in_a_world_of_its_own(places: Places, store: str, place: str) -> None:
    clock = CallClock()
    simulator = Simulator(random_world(7, seconds=6.0, stacks=3, templates=1), clock=clock)
    await simulator.start()
    try:
        witness = Witness(simulator, clock)
        await _crash(places(simulator, f"{store} {place}".replace(" ", "-")), witness, store, place)
    finally:
        await simulator.stop()
