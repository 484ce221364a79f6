"""A week of the daemon in less than two hours: the simulated world and all clients run many times faster than real.

`WATCHER_SOAK_PACE` is how many times faster: 120 unless set, which two cores can keep up with beside other work. At
600, one core is busy all the time, polls are late, and the test may fail, because it demands 80 % of the pace.
`WATCHER_SOAK_MINUTES` is the length in real time: unless set, the time of a simulated week, which is 84 minutes at 120.
Two things do not run faster: the history is pruned each minute, and responses for all readers are made once a second.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
import urllib.request
from statistics import linear_regression, median
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.benchmarks.children import Child as Process
from tests.benchmarks.figures import markdown
from tests.benchmarks.worlds import restless
from tests.support.load_clients import Clients, Receiver, total
from tests.support.process_stats import Footprint, processor_time
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.acceptance.conftest import Places
    from tests.support.installed_command import Child, Site

WEEK = 7 * 86400.0
PACE = float(os.environ.get("WATCHER_SOAK_PACE", "120"))
MINUTES = float(os.environ.get("WATCHER_SOAK_MINUTES", WEEK / PACE / 60))
TARGETS = 100
VOLATILE = "target-0009"
"""How the names of targets begin that come and go."""

INTERVAL, RATE = 60.0, 5.0
RETENTION, RELOAD = 86400.0, 2 * 3600.0
"""Seconds of the world, and calls a second in it: how targets are polled, how long events are kept, between reloads."""

PRUNE_EVERY = 60.0
WARM = RETENTION / PACE + 2 * PRUNE_EVERY
"""Of our seconds: from then on the history is as long as it gets."""

READ_EVERY = 5.0
SAID_EVERY, LINES = 12, 15
"""Of our seconds between readings; one in so many is told at once; lines of the report."""


class Reading(NamedTuple):
    """The daemon at one moment, and what it did so far."""

    at: float
    footprint: Footprint
    database: int
    polls: float
    events: float
    late: float
    waiting: float
    """Polls that began more than 0.1 s after they were due; deliveries that wait."""
    processor: float
    """Seconds of it."""


@pytest.mark.soak
async def test_memory_files_threads_and_database_stay_flat_and_nothing_is_lost(places: Places) -> None:
    length = 60 * MINUTES
    if length < WARM + 120:
        pytest.skip(f"the level shows after {WARM / 60:.1f} minutes; let WATCHER_SOAK_MINUTES be 2 more at least")
    with Process("server", {"restless": (TARGETS, PACE)}) as aws:
        url = aws.reply()
        async with Receiver(PACE, VOLATILE) as receiver:
            site = places()
            edit = _editor(site, url, receiver.url)
            edit(0)
            site.forks = False  # its memory is its own
            child = site.start(out=subprocess.DEVNULL)
            await until(lambda: child.logged("http.started") or not child.running, "the page")
            assert child.running, child.said()
            clients = Clients(child.logged("http.started")[0]["url"], PACE)
            readings = await _watch(site, child, clients, edit, length)
            code = await child.stopped()
            done = clients.done + receiver.done
            print(f"\n{_report(readings, done, child)}\nfailed requests: {dict(clients.failed)}")
    assert code == 0
    assert not receiver.missing
    assert not clients.missing
    assert not clients.failed
    level = [reading for reading in readings if reading.at >= WARM]
    assert len(child.logged("config.rejected")) > 0 < len(child.logged("config.reloaded"))
    assert median(reading.polls / reading.at for reading in level) > 0.8 * TARGETS * PACE / INTERVAL
    _flat(level)


def _flat(level: Sequence[Reading]) -> None:
    """Hold what is to be level against the line through it: what it rises in a week, and how far it lies apart."""
    early, late = level[: len(level) // 3], level[-len(level) // 3 :]
    memory = _in_a_week(level, lambda reading: reading.footprint.resident)
    assert memory < 0.1 * level[0].footprint.resident, f"memory rises by {memory / 1e6:.1f} MB in a week"
    for name, of in (("files", lambda r: r.footprint.files), ("threads", lambda r: r.footprint.threads)):
        assert median(map(of, late)) <= median(map(of, early)) + 1, f"more {name} at the end"
    assert max(r.database for r in late) <= 1.15 * max(r.database for r in early), "the database grows"


def _in_a_week(readings: Sequence[Reading], of: Callable[[Reading], float]) -> float:
    """How much it rises in a week of the world: the least squares' slope."""
    return float(linear_regression([each.at for each in readings], [of(each) for each in readings]).slope * WEEK / PACE)


async def _watch(
    site: Site, child: Child, clients: Clients, edit: Callable[[int], None], length: float
) -> list[Reading]:
    """What was read in so many of our seconds, while everybody uses it."""
    living, reloading = asyncio.create_task(clients.live()), asyncio.create_task(_reload(child, edit))
    began, readings = time.monotonic(), []
    while (at := time.monotonic() - began) < length:
        assert child.running, child.said()
        for task in (living, reloading):
            if task.done():
                task.result()
        readings.append(await asyncio.to_thread(_read, site, child, clients.url, at))
        if len(readings) % SAID_EVERY == 1:
            print(readings[-1], flush=True)
        await asyncio.sleep(READ_EVERY)
    for task in (living, reloading):
        task.cancel()
    await asyncio.wait([living, reloading])
    return readings


async def _reload(child: Child, edit: Callable[[int], None]) -> None:
    number = 0
    while True:
        await asyncio.sleep(RELOAD / PACE)
        number += 1
        edit(number)
        child.signal(signal.SIGHUP)


def _read(site: Site, child: Child, url: str, at: float) -> Reading:
    with urllib.request.urlopen(f"{url}/metrics", timeout=30) as answer:  # noqa: S310  ours
        told = answer.read().decode()
    files = [site.state, site.state.with_name(site.state.name + "-wal")]
    database = sum(file.stat().st_size for file in files if file.exists())
    lag = "watcher_schedule_lag_seconds"
    late = total(told, f"{lag}_count") - total(told, f"{lag}_bucket", 'le="0.1"')
    return Reading(
        at, Footprint.of(child.process.pid), database,
        total(told, "watcher_polls_total"), total(told, "watcher_events_total"), late,
        total(told, "watcher_outbox_pending"), processor_time(child.process.pid),
    )  # fmt: skip


def _editor(site: Site, aws: str, hook: str) -> Callable[[int], None]:
    """Writes the configuration's so manieth edit: every third one is wrong, the others change this and that."""
    targets = restless(TARGETS, PACE).targets()
    some = [target for target in targets if VOLATILE not in target.id]
    site.environment["AWS_ENDPOINT_URL"] = aws

    def edit(number: int) -> None:
        everything = number % 4 != 1
        sinks = [
            "{name: out, type: stdout}",
            f"{{name: hook, type: webhook, url: '{hook}', allow_http: true, allow_private: true, give_up_after: 24h}}",
            f"{{name: lines, type: file, path: '{site.folder / 'lines'}', max_size: 1MiB, keep: {1 + number % 2}}}",
        ]
        site.configure(
            targets if everything else some,
            f"sinks: [{', '.join(sinks)}]" + "]" * (number % 3 == 2),
            "http: {listen: 127.0.0.1:0}",
            f"rate_limit: {{requests_per_second: {min(RATE * PACE, 1000) - number % 5:g}, concurrency: 20}}",
            f"state_retention: {_text(RETENTION)}",
            "retry: {attempts: 2, initial: 10ms, maximum: 50ms}",
            interval=_text(INTERVAL), first="failed",
        )  # fmt: skip

    return edit


def _text(seconds: float) -> str:
    """A duration of the world, as it is written in a configuration of ours; a tenth of a second is the least."""
    return f"{max(100, round(seconds / PACE * 1000))}ms"


def _report(readings: Sequence[Reading], done: dict[str, int], child: Child) -> str:
    """The curve, and what was done beside what a week has."""
    step = max(1, len(readings) // LINES)
    last = readings[-1]
    rows = [
        [
            f"{now.at * PACE / 3600:.0f} h", f"{now.footprint.resident / 1e6:.1f}", now.footprint.files,
            now.footprint.threads, f"{now.database / 1e6:.1f}", f"{now.polls:,.0f}", f"{now.events:,.0f}",
            f"{(now.late - before.late) / max(1, now.polls - before.polls) * 100:.2f}", f"{now.waiting:.0f}",
        ]
        for before, now in zip(readings[::step], readings[step::step], strict=False)
    ]  # fmt: skip
    headings = ["simulated time", "resident memory (MB)", "files", "threads", "database and its log (MB)", "polls",
                "events", "% of polls over 0.1 s late", "pending deliveries"]  # fmt: skip
    rise = _in_a_week([each for each in readings if each.at >= WARM], lambda reading: reading.footprint.resident)
    counts = {
        "polls": round(last.polls),
        "events": round(last.events),
        **done,
        "valid reloads": len(child.logged("config.reloaded")),
        "invalid reloads": len(child.logged("config.rejected")),
    }
    return (
        f"**{last.at * PACE / 86400:.1f} days at {PACE:.0f} times real speed**, {TARGETS} targets\n\n"
        f"{markdown(headings, rows)}\n\n"
        f"It kept {last.polls / last.at / (TARGETS * PACE / INTERVAL):.0%} of that pace, and the daemon used "
        f"{last.processor / last.at:.0%} of one core.\n"
        f"From {WARM * PACE / 3600:.0f} h on, memory rises by {rise / 1e6:+.2f} MB a week; "
        + ", ".join(f"{number:,} {what}" for what, number in counts.items())
    )
