"""A dead sink changes nothing for the others (contract, section 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.acceptance.independence import delivery_times, percentile

if TYPE_CHECKING:
    from pathlib import Path

ROUNDS = 2
SECONDS = 1.0


@pytest.mark.alone
async def test_a_dead_sink_does_not_delay_a_sound_one(tmp_path: Path) -> None:
    """Record to arrival with a sink that hangs beside it, and without, in turns on the same machine."""
    alone: list[float] = []
    beside: list[float] = []
    for _ in range(ROUNDS):
        alone += await delivery_times(tmp_path, dead=False, seconds=SECONDS)
        beside += await delivery_times(tmp_path, dead=True, seconds=SECONDS)
    for name, times in (("alone", alone), ("beside a dead one", beside)):
        print(
            f"{name}: {len(times)} events, median {1000 * percentile(times, 0.5):.1f} ms, "
            f"99th percentile {1000 * percentile(times, 0.99):.1f} ms"
        )
    assert min(len(alone), len(beside)) >= 100, "too few events for a 99th percentile"
    assert percentile(beside, 0.5) <= 3 * percentile(alone, 0.5) + 0.05
    assert percentile(beside, 0.99) <= 3 * percentile(alone, 0.99) + 0.05
