"""Carries events from the outbox to the sinks: due deliveries -> sink -> settle.

Each sink has a worker of its own, so a slow or dead one delays no other. A delivery is settled only after the sink took
it; between the two a crash makes a repeat, never a loss (contract, section 6).
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import structlog

from watcher.errors import SinkClosed, SinkError, StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.protocols import Clock, Delivery, Sink, Store

log = structlog.get_logger()

BATCH = 100
"""Deliveries in hand at most, for each sink: the rest waits in the store."""

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 300.0
"""Seconds: full jitter up to the first, doubled up to the longest, after each failure in a row."""


class Relay:
    """The workers of all sinks."""

    def __init__(self, store: Store, sinks: Sequence[Sink], clock: Clock) -> None:
        """Nothing is sent before `run`."""
        self._store = store
        self._sinks = sinks
        self._clock = clock
        self._news = {sink.name: asyncio.Event() for sink in sinks}
        self._idle = {sink.name: asyncio.Event() for sink in sinks}
        self.closed = asyncio.Event()
        """Set when a sink will take nothing more in this run."""

    def wake(self) -> None:
        """There may be something due."""
        for sink in self._sinks:
            self._news[sink.name].set()
            self._idle[sink.name].clear()

    async def run(self) -> None:
        """Deliver for ever."""
        async with asyncio.TaskGroup() as workers:
            for sink in self._sinks:
                workers.create_task(self._work(sink), name=f"relay {sink.name}")

    async def drained(self) -> None:
        """Wait until nothing is due for any sink."""
        for idle in self._idle.values():
            await idle.wait()

    async def close(self) -> None:
        """Let go of the sinks; what they did not take stays due."""
        for sink in self._sinks:
            await sink.close()

    async def _work(self, sink: Sink) -> None:
        failures = 0
        news, idle = self._news[sink.name], self._idle[sink.name]
        while True:
            news.clear()
            try:
                sent = await self._pass_on(sink)
            except SinkClosed as error:
                log.warning("sink.closed", sink=sink.name, error=str(error), consequence="undelivered events are kept")
                self.closed.set()
                return
            except (SinkError, StoreError) as error:
                failures += 1
                if failures == 1:
                    log.warning("sink.failed", sink=sink.name, error=str(error))
                await asyncio.sleep(random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures, 20))))  # noqa: S311  jitter
                continue
            if failures and sent:
                log.info("sink.recovered", sink=sink.name, failures=failures)
                failures = 0
            if not sent and not news.is_set():
                idle.set()
                await news.wait()

    async def _pass_on(self, sink: Sink) -> int:
        """Send one batch and settle what was acknowledged; how many that was."""
        due = await self._store.due(sink.name, BATCH)
        if not due:
            return 0
        taken = await sink.send(due)
        await self._settle(sink, taken)
        return len(taken)

    async def _settle(self, sink: Sink, taken: Sequence[Delivery]) -> None:
        """Until the store has it: sending again what the sink took would be a repeat for nothing."""
        pause = FIRST_PAUSE
        while True:
            try:
                await self._store.settle(taken, self._clock.now())
            except StoreError as error:
                log.warning("sink.unsettled", sink=sink.name, events=len(taken), error=str(error))
                await asyncio.sleep(pause)
                pause = min(2 * pause, 30.0)
            else:
                return
