"""Runs a command that goes on until a signal stops it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any

from watcher.aws.credential_process import kill_all

REPEATED_SIGNAL_SECONDS = 0.5
"""A second signal within this time repeats the first: `timeout` signals its child and then the whole process group."""


def until_stopped(work: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> int:
    """Run `work` with an event that SIGTERM and SIGINT set; a second signal ends the process at once."""

    async def supervised() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        first: float | None = None

        def handle(*_: object) -> None:
            nonlocal first
            if first is None:
                first = monotonic()
                with contextlib.suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(stop.set)
            elif monotonic() - first >= REPEATED_SIGNAL_SECONDS:
                # Every observation is in the store already: there is nothing to save.
                kill_all()
                os._exit(0)

        # Not by asyncio: it removes its handlers with the loop, and a signal would kill the process again.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, handle)
        await work(stop)

    asyncio.run(supervised())
    return 0
