"""Carries events from the outbox to the sinks: due deliveries -> sink -> settle.

Each sink has a worker of its own, so a slow or dead one delays no other. A delivery is settled only after the sink
answered; between the two a crash makes a repeat, never a loss (contract, section 6).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from watcher.config.settings import GIVE_UP_AFTER
from watcher.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from watcher.protocols import Clock, Sink, Store


class Relay:
    """The workers of all sinks."""

    def __init__(
        self, store: Store, sinks: Sequence[Sink], clock: Clock, give_up_after: Mapping[str, float] | None = None
    ) -> None:
        """`give_up_after`: seconds, by sink; a day where there is none. Nothing is sent before `run`."""
        patience = give_up_after or {}
        self._workers = [Worker(sink, store, clock, patience.get(sink.name, GIVE_UP_AFTER)) for sink in sinks]

    def wake(self) -> None:
        """There may be something due."""
        for worker in self._workers:
            worker.wake()

    def gone(self) -> set[str]:
        """The sinks whose receivers want nothing more."""
        return {worker.sink.name for worker in self._workers if worker.gone}

    async def run(self) -> None:
        """Deliver, until no sink takes anything more in this run."""
        async with asyncio.TaskGroup() as group:
            for worker in self._workers:
                group.create_task(worker.run(), name=f"relay {worker.sink.name}")

    async def drain(self, grace: float) -> None:
        """Wait until nothing waits for any sink but what is to be tried again only after `grace` seconds."""
        for worker in self._workers:
            worker.finish(grace)
        for worker in self._workers:
            await worker.idle.wait()

    async def close(self) -> None:
        """Let go of the sinks; what they did not take stays due."""
        for worker in self._workers:
            await worker.sink.close()
