"""Processor time for one poll of the whole daemon, beside plain loops over the clients as they come."""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.children import Child, once
from tests.benchmarks.figures import markdown, ratio, spread
from tests.benchmarks.worlds import CHANGES_EVERY, HISTORY, Watch, configuration, settled

TARGETS = 200
WATCH = Watch(1000, 0.1, regions=("us-east-1", "us-east-2"), concurrency=5)
"""As many calls a second as may be allowed, twice: more than can be done, so that nothing waits for leave."""
WARM = 2.0
"""Seconds before a loop is measured."""


def bench(*, quick: bool) -> str:
    """Two tables: of a poll, for templates and for stacks, and of a call."""
    return f"{_polls(quick=quick)}\n\n{_calls(quick=quick)}"


def _polls(*, quick: bool) -> str:
    turns, seconds = (1, 1.0) if quick else (4, 3.0)
    rows = []
    for kind in ("template", "stack"):
        job: dict[str, Any] = {"settled": (kind, TARGETS)}
        cost: dict[str, list[float]] = {}
        pace: dict[str, list[float]] = {}
        with Child("server", job) as server:
            url = server.reply()
            for _ in range(turns):
                for name in ("daemon", "gather", "threads"):
                    measuring = job | {"seconds": seconds, "url": url, "loop": name}
                    # The daemon is measured when it has polled every target: it opens clients until then.
                    spent = _daemon(kind, measuring) if name == "daemon" else once("loops", measuring | {"warm": WARM})
                    cost.setdefault(name, []).append(spent["cpu"] / spent["calls"] * 1e6)
                    pace.setdefault(name, []).append(spent["calls"] / spent["wall"])
        rows += [
            [
                f"{kind}s: {what}",
                spread(cost[name], ".0f"),
                ratio(cost["daemon"], cost[name]),
                f"{median(pace[name]):.0f}",
            ]
            for name, what in (
                ("daemon", "the whole daemon"),
                ("gather", "`gather` loop over aiobotocore"),
                ("threads", "boto3 in ten threads"),
            )
        ]
    return (
        f"**Processor time for one poll.** Each program polls {TARGETS} targets as fast as it can, with ten calls at a "
        f"time; the daemon's targets are in two regions, because one region is limited to {WATCH.rate:,.0f} calls a "
        f"second. One answer in {CHANGES_EVERY} is a change, which the daemon commits and delivers. An attempt has "
        f"{len(HISTORY)} sync events. {turns} turns.\n\n"
        + markdown(["", "µs a poll", "daemon's share of it, turn by turn", "polls a second"], rows)
    )


def _calls(*, quick: bool) -> str:
    turns, calls = (2, 100) if quick else (10, 500)
    job = {"settled": ("stack", TARGETS)}
    with Child("server", job) as server:
        spent = once("calls", job | {"url": server.reply(), "turns": turns, "calls": calls})
    rows = [
        [what, spread([each * 1e6 for each in spent[way]], ".0f"), ratio(spent[way], spent["botocore"])]
        for way, what in (
            ("botocore", "made by aiobotocore"),
            ("signed", "signed and sent by watcher"),
            ("aiohttp", "the same request by aiohttp, signed before"),
        )
    ]
    return (
        "**Processor time for one call**, through the client that the daemon polls with, ten at a time, "
        f"{calls} in each of {turns} turns.\n\n"
        + markdown(["", "µs a call", "share of aiobotocore's, turn by turn"], rows)
    )


def _daemon(kind: str, job: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        targets = settled(kind, TARGETS).targets()
        text = configuration(targets, job["url"], Path(folder) / "cpu.db", WATCH)
        return once("daemon", job | {"yaml": text})
