"""Runs what stays until a signal stops it, and the pace of a world."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from math import isnan
from time import monotonic
from typing import TYPE_CHECKING, Any

import click

from watcher.aws.credential_process import kill_all

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

SAME_SIGNAL = 0.5
"""Seconds in which a second signal is the first one told twice: `timeout` tells its child and then the whole group."""


class Pace(click.FloatRange):
    """A factor of real speed; refuses `nan`, which click accepts as a number in every range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See `click.ParamType`."""
        found: float = super().convert(value, param, ctx)
        if isnan(found):
            self.fail(f"{value!r} is not a number", param, ctx)
        return found


def until_stopped(work: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> int:
    """Run `work` with an event that SIGTERM and SIGINT set; a second signal ends the process at once."""

    async def supervised() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        first: float | None = None

        def stopping(*_: object) -> None:
            nonlocal first
            if first is None:
                first = monotonic()
                with contextlib.suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(stop.set)
            elif monotonic() - first >= SAME_SIGNAL:
                # Everything that was seen is in the store already: there is nothing to save.
                kill_all()
                os._exit(0)

        # Not by asyncio: it removes its handlers with the loop, and a signal would kill the process again.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stopping)
        await work(stop)

    asyncio.run(supervised())
    return 0
