"""A receiver that was sent a problem is sent its end, whatever happens to daemons and their configuration."""

from __future__ import annotations

import os
import time
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.acceptance.consumers import Consumer
from tests.support.alerting_life import AlertingLife
from tests.support.cluster_fixture import term_here
from tests.support.cluster_fleet import Fleet, Post, Proxy
from tests.support.dynamodb_tables import address, made
from tests.support.simulator import Simulator
from watcher.simulator.scenario import Scenario

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.acceptance.conftest import Places
    from tests.support.emulators import Emulator

pytestmark = pytest.mark.usefixtures("aws_credentials")

SOAK_MINUTES = float(os.environ.get("WATCHER_SOAK_MINUTES", "10"))
SOAK_SEED = int(os.environ.get("WATCHER_SOAK_SEED", "1"))


@asynccontextmanager
async def life(places: Places, seed: int, ministack: Emulator | None = None) -> AsyncIterator[AlertingLife]:
    """One daemon with a state file, or two on a table of `ministack`; they run."""
    chance, simulator = Random(seed), Simulator(Scenario("ends"))
    await simulator.start()
    try:
        name = f"ends-{seed}"
        if ministack is None:
            posts = [Post(places(simulator, name), Proxy(simulator.url))]
            states, regions = [f"sqlite:///{posts[0].site.state}"], ["us-east-1"]
        else:
            posts = [Post(places(simulator, f"{name}-{number}"), Proxy(ministack.url)) for number in range(2)]
            states, regions = [], ["us-east-1", "eu-west-1"]
        async with Fleet(posts, Consumer("unused")) as fleet:
            if ministack is not None:
                fleet.term = await term_here(ministack.url)
                table = (await made(address(ministack.url, ministack.name()))).table
                ways = [quote(post.proxy.url, safe=":/") for post in posts]
                how = f"dynamodb://{table}?region=us-east-1&term={fleet.term:g}s&endpoint_url="
                states = [how + way for way in ways]
            async with AlertingLife(chance, simulator, fleet, states, regions) as made_life:
                await made_life.start()
                yield made_life
    finally:
        await simulator.stop()


async def lives(places: Places, seed: int, steps: int, ministack: Emulator | None = None) -> None:
    async with life(places, seed, ministack) as lived:
        begun = time.monotonic()
        for _ in range(steps):
            await lived.go_on()
        await lived.calm_down()
        counts = await lived.judge()
        print(f"seed {seed}, {steps} steps, {time.monotonic() - begun:.0f} s: {counts}", flush=True)


@pytest.mark.soak
async def test_each_receiver_shows_the_open_incidents_that_a_daemon_sent_it(places: Places) -> None:
    end, seed = time.monotonic() + 60 * SOAK_MINUTES, SOAK_SEED
    while time.monotonic() < end:
        await lives(places, seed, 120)
        seed += 1


@pytest.mark.soak
async def test_each_receiver_shows_the_open_incidents_that_two_daemons_of_a_table_sent_it(
    places: Places, ministack: Emulator
) -> None:
    end, seed = time.monotonic() + 60 * SOAK_MINUTES, SOAK_SEED
    while time.monotonic() < end:
        await lives(places, seed, 60, ministack)
        seed += 1
