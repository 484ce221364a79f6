"""How long an event takes from its record to a sound sink, alone and with a dead one beside it."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from tests.acceptance.consumers import HOOK_SECRET, SOON, Consumer, hanging
from tests.support.delivery_oracle import Wants
from tests.support.installed_command import REGION, Site
from tests.support.simulator import Simulator, attempt
from tests.support.waiting import PATIENCE, until
from watcher.core.model import FAILED, SUCCEEDED
from watcher.simulator.scenario import Scenario
from watcher.sources.codeconnections import stack

if TYPE_CHECKING:
    from pathlib import Path

    from watcher.core.model import Target

TARGETS = [stack("default", REGION, f"stack-{number}") for number in range(20)]
T = 1_795_420_800.0
PACE = 0.25
"""Seconds between attempts of one target."""


async def delivery_times(folder: Path, *, dead: bool, events: int) -> list[float]:
    """Seconds from record to arrival of so many events, or a few more, at a sound webhook.

    The installed daemon watches 20 targets, each of which begins an attempt four times a second. With `dead` there is
    a webhook beside the sound one that is to have the same events and hangs until its timeout, 300 ms. `folder` gets a
    folder of this run's own.
    """
    sound, beside = Consumer("sound"), Consumer("dead", hanging, Wants(), SOON)
    consumers = [sound, beside] if dead else [sound]
    async with AsyncExitStack() as open_:
        simulator = Simulator(Scenario("independence"))
        await simulator.start()
        open_.push_async_callback(simulator.stop)
        for consumer in consumers:
            await consumer.receiver.start()
            open_.push_async_callback(consumer.receiver.stop)
        site = Site(folder, simulator, f"{'beside' if dead else 'alone'}-{time.monotonic_ns()}")
        open_.callback(site.end)
        site.environment["HOOK_SECRET"] = HOOK_SECRET
        _show(simulator, TARGETS, 0)
        site.configure(TARGETS, "sinks:", *(each.line() for each in consumers), "shutdown_grace: 1s")
        child = site.start()
        await until(
            lambda: len(sound.arrived) >= len(TARGETS) or not child.running, lambda: f"the start; {child.said()}"
        )
        if dead:
            await until(lambda: beside.requests, "a try of the dead one")
        begun = len(sound.arrived)
        end, number = time.monotonic() + PATIENCE, 0
        while len(sound.arrived) < begun + events:  # a part of them at a time, so that they do not come in one burst
            assert time.monotonic() < end, child.said()
            number += 1
            _show(simulator, TARGETS[number % 4 :: 4], number)
            await asyncio.sleep(PACE / 4)
        await until(
            lambda: site.undelivered("sound") == 0 or not child.running, lambda: f"all delivered; {child.said()}"
        )
        assert await child.stopped() == 0
        recorded = dict(site.query("SELECT id, recorded FROM event"))
    arrived = zip(sound.arrived[begun:], sound.times[begun:], strict=True)
    return [moment - recorded[json.loads(arrival.body)["id"]] for arrival, moment in arrived]


def percentile(times: list[float], share: float) -> float:
    """The value that this share of all does not exceed."""
    return sorted(times)[min(len(times) - 1, int(share * len(times)))]


def _show(simulator: Simulator, targets: list[Target], number: int) -> None:
    for target in targets:
        status = FAILED if number % 2 else SUCCEEDED
        simulator.world.show(target, attempt(target, status, T + number))
