"""How time to start, memory, lateness and processor time grow with the number of targets on one endpoint."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.benchmarks.children import Child, once, wait_for_even_polls
from tests.benchmarks.figures import markdown, percentile
from tests.benchmarks.worlds import Watch, configuration, settled

if TYPE_CHECKING:
    from watcher.core.model import Target

PACE = 50.0
"""Polls a second at every size: half of what is allowed."""
WARM = 3.0
STARTING = WARM + 3
"""Seconds until the measuring begins, at most."""
SELDOM = 30 * 86400.0
"""An interval that does not come round while we look."""


def bench(*, quick: bool) -> str:
    """The table: for each size a first look and then idleness, and then half the allowed rate."""
    seconds, sizes = (2.0, (100, 1000)) if quick else (8.0, (100, 1000, 10000))
    rows = []
    with Child("server", {"settled": ("stack", sizes[-1])}) as server, tempfile.TemporaryDirectory() as folder:
        url, targets = server.reply(), settled("stack", sizes[-1]).targets()

        def daemon(chosen: list[Target], rate: float, interval: float, seconds: float, **more: float) -> dict[str, Any]:
            database = Path(folder) / f"scale-{len(chosen)}.db"
            text = configuration(chosen, url, database, Watch(rate, interval))
            return once("daemon", {"yaml": text, "seconds": seconds, **more})

        for size in sizes:
            first = daemon(targets[:size], 1000, SELDOM, seconds / 2)
            interval = size / PACE
            wait_for_even_polls(interval, STARTING + seconds)
            rows.append(_row(size, first, daemon(targets[:size], 2 * PACE, interval, seconds, warm=WARM)))
    return (
        f"**Growth**: one endpoint, {PACE:.0f} polls a second where {2 * PACE:.0f} are allowed, measured for "
        f'{seconds:.0f} s. The idle share is measured after the first poll of every target. "Late" is the time from '
        "when a poll was due until it began.\n\n"
        + markdown(
            [
                "targets",
                "start to first poll, no state (s)",
                "with state (s)",
                "resident memory (MB)",
                "late, median (ms)",
                "late, 99th percentile (ms)",
                "polls a second",
                "% of a core",
                "% of a core when idle",
            ],
            rows,
        )
    )


def _row(size: int, first: dict[str, Any], then: dict[str, Any]) -> list[str]:
    return [
        f"{size:,}",
        f"{_to_first_poll(first):.2f}",
        f"{_to_first_poll(then):.2f}",
        f"{then['memory'] / 1e6:.0f}",
        f"{percentile(then['late'], 0.5) * 1000:.1f}",
        f"{percentile(then['late'], 0.99) * 1000:.1f}",
        f"{then['calls'] / then['wall']:.0f}",
        f"{then['cpu'] / then['wall'] * 100:.1f}",
        f"{first['cpu'] / first['wall'] * 100:.2f}",
    ]


def _to_first_poll(turn: dict[str, Any]) -> float:
    return float(min(turn["begun"]) - turn["started"])
