"""How long after a sync starts or ends there is an event, beside round robin at the same rate."""

from __future__ import annotations

import asyncio
import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

from tests.benchmarks.children import Child, once
from tests.benchmarks.commits import Commits, Hints, Run, Way, world
from tests.benchmarks.figures import markdown, percentile
from tests.benchmarks.virtual import CALL, Delays, Reported, World, delays, round_robin, watch
from tests.benchmarks.worlds import REGION, Pattern, Watch, configuration, settled
from watcher.core.queries import EventQuery
from watcher.stores import reader_for

if TYPE_CHECKING:
    from collections.abc import Iterator

EVERY, LENGTH = 7200.0, 60.0
"""Seconds between a target's syncs, and how long they take, on average."""
INTERVAL, ACTIVE_INTERVAL = 10.0, 3.0
"""Seconds: more than the rate allows of settled targets, so that both ways of polling use all of it."""

HOURS = {(100, 5): 24.0, (1000, 10): 6.0, (1000, 50): 3.0}
"""Of virtual time, by how many targets are polled at how many calls a second."""

REGIONS = tuple(f"us-east-{number}" for number in range(1, 21))
OFTEN = 600.0
SHORT = 30.0
"""For the run in real time: as many regions, each with a rate of its own, and busier, so that it shows enough syncs."""


STACKS = 1000
COMMIT_HOURS = {5: 6.0, 10: 4.0, 50: 3.0}
"""Of virtual time, by calls a second, in the world of commits."""

WAYS = {
    "each stack": Way(0),
    "by repository": Way(0, by_repository=True),
    "by repository, with hints": Way(0, by_repository=True, hints=Hints()),
}

HEADINGS = ["", "start, mean", "start, 99th percentile", "end, mean", "end, 99th percentile", "syncs", "never reported"]


def bench(*, quick: bool) -> str:
    """The table in virtual time, and the one that compares it with real time; both are measured at the same time."""
    count, rate = 100, 5
    until = 60.0 if quick else 110.0
    pattern = Pattern(OFTEN, SHORT, count / rate, until)
    how = Watch(rate, INTERVAL, ACTIVE_INTERVAL, REGIONS)
    with ThreadPoolExecutor(1) as beside:
        real = beside.submit(lambda: asyncio.run(_real(count, pattern, how)))
        shorter = 20 if quick else 1
        rows = [row for (many, fast), hours in HOURS.items() for row in _rows(many, fast, hours / shorter)]
        worlds = [World(count, pattern, region) for region in REGIONS]
        syncs = {target_id: each for world in worlds for target_id, each in world.syncs.items()}
        virtual = [reported for world in worlds for reported in watch(world, how)]
        held = [("real time", real.result()), ("virtual time", virtual)]
    return (
        f"**Detection**: delay in seconds from the start and the end of a sync until its event, in virtual time, with "
        f"the real schedule and the real diff. Each target is synced every {EVERY / 3600:g} h for {LENGTH:g} s (both "
        f"vary by half). It is polled every {INTERVAL:g} s, or every {ACTIVE_INTERVAL:g} s while its sync is running, "
        f"as far as the rate allows. A call takes {CALL * 1000:g} ms.\n\n"
        + markdown(HEADINGS, rows)
        + f"\n\n{_by_commits(shorter)}\n\nThe first table's way of polling by the daemon itself against the simulator, "
        f"for {until:.0f} s of real time, beside virtual time over exactly the same world: {len(REGIONS)} regions of "
        f"{count} targets at {rate} calls a second each, synced every {OFTEN / 60:g} min for {SHORT:g} s.\n\n"
        + markdown(HEADINGS, [[name, *_row(delays(syncs, reported, until - count / rate))] for name, reported in held])
    )


def _by_commits(shorter: float) -> str:
    """The table of the ways to poll stacks whose repositories are known."""
    rows = []
    for rate, hours in COMMIT_HOURS.items():
        round_trip = STACKS / rate
        commits = Commits(hours * 3600 / shorter + 4 * round_trip, 2 * round_trip, stacks=STACKS)
        for name, way in WAYS.items():
            found = world(commits, interval=INTERVAL, active_interval=ACTIVE_INTERVAL)
            run = Run(found, way._replace(rate=rate), commits.until)
            run.poll()
            row = _row(delays(found.stack_syncs, run.reported, commits.until - 2 * round_trip))
            rows.append([f"{rate} a second: {name}", *row, f"{run.calls / commits.until:.1f}"])
    hints = Hints()
    return (
        f"The same for {STACKS:,} stacks in {commits.repositories} repositories: a commit starts the sync of "
        f"{commits.synced} stacks up to {commits.delay:g} s later, and a repository is polled every 10 s. Of the "
        f"hints, {hints.lost:.0%} are lost, and the others are {hints.earliest:g} to {hints.latest:g} s late.\n\n"
        + markdown([*HEADINGS, "calls a second"], rows)
    )


def _rows(count: int, rate: int, hours: float) -> Iterator[list[object]]:
    """The same world by both ways of polling."""
    round_trip = count / rate
    until = hours * 3600 + 4 * round_trip
    for name, poll in (("watcher", watch), ("round robin", round_robin)):
        world = World(count, Pattern(EVERY, LENGTH, 2 * round_trip, until), REGION)
        reported = poll(world, Watch(rate, INTERVAL, ACTIVE_INTERVAL))
        yield [f"{count:,} at {rate} a second: {name}", *_row(delays(world.syncs, reported, until - 2 * round_trip))]


def _row(found: Delays) -> list[object]:
    figures = [
        f"{figure:.1f}" for each in (found.starts, found.ends) for figure in (mean(each), percentile(each, 0.99))
    ]
    return [*figures, len(found.ends), found.unreported]


async def _real(count: int, pattern: Pattern, how: Watch) -> list[Reported]:
    """Every event of the daemon, its times as seconds since the world began."""
    with Child("server", {"syncing": (count, pattern, REGIONS)}) as server, tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "detection.db"
        targets = settled("stack", count).targets()
        text = configuration(targets, server.reply(), database, how)
        epoch = server.ask("epoch")
        once("daemon", {"yaml": text, "warm": 0.0, "seconds": pattern.until})
        reader = reader_for(f"sqlite:///{database}")
        await reader.open()
        try:
            events = await reader.events(EventQuery(types=("watcher.sync.*",), limit=1_000_000))
        finally:
            await reader.close()
    reported = []
    for _, event in events:
        data = json.loads(event.body)["data"]
        started, at = (datetime.fromisoformat(time).timestamp() for time in (data["attempt"]["startedAt"], event.time))
        reported.append(Reported(event.subject, started - epoch, data["status"] == "SUCCEEDED", at - epoch))
    return reported
