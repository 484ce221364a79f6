"""How long it takes until one of two daemons on a table polls the endpoints of the other, which gets a signal."""

from __future__ import annotations

import asyncio
import signal
import tempfile
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from tests.benchmarks.parent import Parent
from tests.benchmarks.worlds import Pattern, syncing
from tests.support.dynamodb_tables import address, made
from tests.support.installed_command import Site
from tests.support.simulator import Simulator
from tests.support.waiting import until
from watcher.simulator.scenario import Scenario

if TYPE_CHECKING:
    from tests.support.installed_command import Child

REGIONS = ("us-east-1", "us-east-2", "us-west-2", "eu-west-1", "eu-west-3", "eu-north-1", "ap-south-1", "sa-east-1")
"""One target in each: eight endpoints, of which each is of a shard."""
NEVER = Pattern(1.0, 1.0, 1e9, 0.0)
WAYS = ("SIGTERM", "SIGKILL", "SIGTERM after a crash")
INTERVAL = 0.25
PHASE = 2.5
"""Seconds between signs of life, within which the end comes at any moment."""


class Polls:
    """Who asked last, and since when the one who is awaited does."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.last: dict[str, str] = {}
        """By region, whose access key it was."""
        self.first: dict[tuple[str, str], float] = {}
        """By region and access key, when that was the first time since `forget`."""

    def forget(self) -> None:
        """Begin to wait."""
        self.first.clear()

    def look(self) -> bool:
        """Take in what came; for use in a condition."""
        while self.simulator.calls:
            call = self.simulator.calls.popleft()
            self.last[call.region] = call.access_key
            self.first.setdefault((call.region, call.access_key), call.at)
        return True

    def of(self, child: Child) -> set[str]:
        """The regions that a daemon asked last."""
        self.look()
        return {region for region, key in self.last.items() if key == child.key}


async def pair(url: str, folder: Path, number: int, turns: int) -> dict[str, list[float]]:
    """One daemon after the other on one table, ended so often in each way; the seconds of each turn."""
    chance = Random(number)
    scenario = Scenario("still", tuple(each for region in REGIONS for each in syncing(1, NEVER, region)[0].timelines))
    simulator = Simulator(scenario)
    await simulator.start()
    polls, site = Polls(simulator), Site(folder, simulator, f"pair-{number}")
    table = (await made(address(url, f"takeover-{number}"))).table
    site.configure(
        scenario.targets(region=REGIONS[0])[:1],
        f"state: 'dynamodb://{table}?region={REGIONS[0]}&endpoint_url={url}'",
        f"accounts: [{{name: default, regions: [{', '.join(REGIONS)}]}}]",
        interval=f"{INTERVAL * 1000:.0f}ms",
    )
    took: dict[str, list[float]] = {way: [] for way in WAYS}
    try:
        old = site.start()
        await until(lambda: len(polls.of(old)) == len(REGIONS), lambda: f"all polled; {old.said()}")
        # A crash leaves a sign of life behind; so those that are to know of none come first.
        for way in ["SIGTERM"] * turns + ["SIGKILL", "SIGTERM after a crash"] * turns:
            new = site.start()
            await until(lambda: new.logged("watcher.started"), lambda: f"a start; {new.said()}")  # noqa: B023  awaited at once
            await asyncio.sleep(chance.uniform(0, PHASE))
            took[way].append(await _ended(old, new, polls, signal.Signals[way.partition(" ")[0]]))
            old = new
            await until(lambda: len(polls.of(old)) == len(REGIONS), "all polled")  # noqa: B023  the same
    finally:
        site.end()
        await simulator.stop()
    return took


async def _ended(old: Child, new: Child, polls: Polls, how: signal.Signals) -> float:
    """Seconds from the signal until the new one has asked everywhere where the old one did."""
    had = polls.of(old)
    if not had:
        raise RuntimeError("the daemon that is to end has nothing")
    polls.forget()
    begun = time.monotonic()
    old.signal(how)
    await until(
        lambda: polls.look() and all((region, new.key) in polls.first for region in had), f"a takeover; {new.said()}"
    )
    if await old.ended() not in {0, -how}:
        raise RuntimeError(f"it did not end well: {old.said()}")
    return max(polls.first[region, new.key] for region in had) - begun


async def main() -> None:
    """Let `pairs` of daemons have `turns` of each way, beside each other; all times taken."""
    parent = Parent()
    job = parent.hear()
    with tempfile.TemporaryDirectory() as folder:
        pairs = [pair(job["url"], Path(folder), number, job["turns"]) for number in range(job["pairs"])]
        told = await asyncio.gather(*pairs)
    parent.reply({way: [each for one in told for each in one[way]] for way in told[0]})


if __name__ == "__main__":
    asyncio.run(main())
