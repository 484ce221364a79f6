"""Wakes the loop of a poller when something is due, or has changed."""

import asyncio
from math import inf

from watcher.core.ports import Clock


class WakeUp:
    """Sleeps until a time, and is woken earlier when there is a reason to look again."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._reason = asyncio.Event()
        self._until = -inf

    def reset(self) -> None:
        """Forget the reasons until now: the loop looks now."""
        self._reason.clear()

    def now(self) -> None:
        """Let the loop look again at once, or not sleep when it has looked."""
        self._reason.set()

    def before(self, due: float | None) -> None:
        """Note that something is `due` (monotonic seconds); it need not wake the loop if that is when it wakes anyway.

        None: nothing is due any more, which the loop has to know.
        """
        if due is None or due < self._until:
            self.now()

    async def sleep(self, until: float | None) -> None:
        """Sleep `until` a time (monotonic seconds; None: for ever), unless there was a reason since `reset`."""
        self._until = inf if until is None else until
        # `asyncio.timeout` would end the wait by an exception, which takes longer than all the rest of it.
        timer = None
        if until is not None:
            timer = asyncio.get_running_loop().call_later(until - self._clock.monotonic(), self._reason.set)
        try:
            await self._reason.wait()
        finally:
            self._until = -inf
            if timer is not None:
                timer.cancel()
