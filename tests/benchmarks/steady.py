"""What a steady load takes of one core, beside a task for each target with the same libraries."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from tests.benchmarks.children import Child, once
from tests.benchmarks.figures import markdown, ratio, spread
from tests.benchmarks.worlds import Watch, configuration, settled

TARGETS = 1000
INTERVAL = 20.0
PACE = TARGETS / INTERVAL
WARM = 2.0
"""Seconds before a loop is measured; the daemon is measured so long after it has polled every target."""


def bench(*, quick: bool) -> str:
    """The table: 1,000 targets polled every 20 seconds."""
    turns, seconds = (1, 2.0) if quick else (3, 8.0)
    later = 5.0 if quick else INTERVAL + 2
    job: dict[str, Any] = {"settled": ("stack", TARGETS)}
    spent: dict[str, list[dict[str, Any]]] = {}
    with Child("server", job) as server, tempfile.TemporaryDirectory() as folder:
        url, targets = server.reply(), settled(*job["settled"]).targets()

        def daemon(rate: float, seconds: float) -> dict[str, Any]:
            text = configuration(targets, url, Path(folder) / "steady.db", Watch(rate, INTERVAL))
            return once("daemon", {"yaml": text, "seconds": seconds})

        def tasks() -> tuple[dict[str, Any], dict[str, Any]]:
            naive = {"loop": "tasks", "url": url, "interval": INTERVAL, "rate": PACE}
            with Child(
                "loops", job | naive | {"warm": WARM, "seconds": seconds, "again": later - seconds - WARM}
            ) as child:
                return child.reply(), child.reply()

        daemon(20 * PACE, 0.1)  # every target was seen before: what follows is no first look
        for _ in range(turns):
            spent.setdefault("twice", []).append(daemon(2 * PACE, seconds))
            spent.setdefault("just", []).append(daemon(PACE, seconds))
            paced = {"loop": "paced", "url": url, "interval": INTERVAL, "warm": WARM, "seconds": seconds}
            spent.setdefault("paced", []).append(once("loops", job | paced))
            for name, taken in zip(("first", "later"), tasks(), strict=True):
                spent.setdefault(name, []).append(taken)
    share = {name: [each["cpu"] / each["wall"] * 100 for each in taken] for name, taken in spent.items()}
    pace = {name: [each["calls"] / each["wall"] for each in taken] for name, taken in spent.items()}
    names = {
        "twice": f"daemon, {2 * PACE:.0f} calls a second allowed",
        "just": f"daemon, {PACE:.0f} allowed",
        "paced": "plain aiobotocore calls, evenly paced, and nothing else",
        "first": f"a task for each target, `Throttler({PACE:.0f})`, tenacity: in its first {INTERVAL:.0f} s",
        "later": f"the same, later: {PACE:.0f} at once, each second",
    }
    return (
        f"**Share of one core** at {PACE:.0f} polls a second over {TARGETS:,} targets "
        f"(each every {INTERVAL:.0f} s), measured for {seconds:.0f} s. {turns} turns.\n\n"
        + markdown(
            ["", "% of a core", "daemon's share of it, turn by turn", "polls a second"],
            [
                [what, spread(share[name], ".1f"), ratio(share["twice"], share[name]), spread(pace[name], ".1f")]
                for name, what in names.items()
            ],
        )
    )
