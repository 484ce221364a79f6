"""A control for what is measured in time: how late this machine wakes, beside what is measured."""

from __future__ import annotations

import asyncio
import time


async def share_slept(period: float, seconds: float) -> float:
    """Of the periods (in seconds) that fit into a time, the share that a bare sleeper has, one after the other."""
    begun, count = time.monotonic(), 0
    while time.monotonic() - begun < seconds:
        await asyncio.sleep(period)
        count += 1
    return min(1.0, count * period / (time.monotonic() - begun))
