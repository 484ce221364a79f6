"""A dead sink changes nothing for the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.acceptance.independence import delivery_times, percentile

if TYPE_CHECKING:
    from pathlib import Path

ROUNDS = 1
EVENTS = 120
TRIES = 3
DELAYS = {0.5: 0.05, 0.99: 0.15}
"""Seconds, by percentile, within which nothing is said of a delay: the dead sink takes 0.3 for each of its tries."""


@pytest.mark.alone
async def test_a_dead_sink_does_not_delay_a_sound_one(tmp_path: Path) -> None:
    """Record to arrival with a sink that hangs beside it, and without, in turns on the same machine."""
    for _ in range(TRIES):  # something else on the machine may have held up one of the two
        alone, beside = await measured(tmp_path)
        if all(percentile(beside, share) <= 3 * percentile(alone, share) + more for share, more in DELAYS.items()):
            return
    pytest.fail(f"the dead sink delays the sound one in each of {TRIES} tries")


async def measured(folder: Path) -> tuple[list[float], list[float]]:
    """Delivery times without the dead sink, and beside it."""
    alone: list[float] = []
    beside: list[float] = []
    for _ in range(ROUNDS):
        alone += await delivery_times(folder, dead=False, events=EVENTS)
        beside += await delivery_times(folder, dead=True, events=EVENTS)
    for name, times in (("alone", alone), ("beside a dead one", beside)):
        print(
            f"{name}: {len(times)} events, median {1000 * percentile(times, 0.5):.1f} ms, "
            f"99th percentile {1000 * percentile(times, 0.99):.1f} ms"
        )
    return alone, beside
