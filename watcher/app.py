"""The only wiring: `build` puts the rooms together, `run` lives in them until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import structlog

from watcher.clock import SystemClock
from watcher.endpoint import Endpoint
from watcher.errors import StoreError
from watcher.poller import Poller
from watcher.recorder import Recorder
from watcher.relay import Relay
from watcher.reminders import wishes
from watcher.routing import wants_recorded
from watcher.sessions import Sessions
from watcher.sinks import SinkContext, sink_for
from watcher.stores import store_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from watcher.config.settings import Config
    from watcher.model import EndpointKey, Target
    from watcher.protocols import Clock, Sink
    from watcher.stores.memory import MemoryStore
    from watcher.stores.sqlite import SqliteStore

log = structlog.get_logger()

PRUNE_EVERY = 60.0
PRUNE_STEP = 500
"""Every minute, this many old events at a time, so that no commit waits long."""

REMIND_EVERY = 30.0
"""Seconds between looks at what a sink is to be reminded of, at most."""

CLOSING = 5.0
"""Seconds beyond the grace time for closing what is open."""


@dataclass(slots=True)
class App:
    """Everything that runs."""

    config: Config
    clock: Clock
    store: SqliteStore | MemoryStore
    recorder: Recorder
    relay: Relay
    endpoints: Mapping[EndpointKey, Endpoint]
    pollers: Sequence[Poller]

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until `stop` is set or every sink is closed for good; then deliver what is due within the grace time.

        Raises:
            StoreError: the store cannot be used, at the start or with changes in hand at the end.
        """
        await self.store.open()
        try:
            await self.recorder.load([*(target.id for target in self.config.targets), *map(str, self.endpoints)])
            await self._enlist()
            self.relay.wake()
            log.info("watcher.started", targets=len(self.config.targets), endpoints=len(self.endpoints))
            await self._live(stop)
        finally:
            await self._close()

    async def _live(self, stop: asyncio.Event) -> None:
        recording = asyncio.create_task(self.recorder.run(), name="recorder")
        relaying = asyncio.create_task(self.relay.run(), name="relay")
        pruning = asyncio.create_task(self._prune(), name="prune")
        reminding = asyncio.create_task(self._remind(), name="remind")
        polling = asyncio.create_task(_all(poller.run() for poller in self.pollers), name="pollers")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        everything = (recording, relaying, pruning, reminding, polling, stopping)
        try:
            done, _ = await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # only a stop, or the last sink's end, ends one without an error
            log.info("watcher.stopping", grace=self.config.shutdown_grace)
            await _cancel(polling)
            await _cancel(reminding)
            await self._drain()
        finally:
            for task in everything:
                await _cancel(task)

    async def _drain(self) -> None:
        """Commit what was seen and deliver what is due, within the grace time."""
        try:
            async with asyncio.timeout(self.config.shutdown_grace):
                await self.recorder.drained()
                await self.relay.drain(self.config.shutdown_grace)
        except TimeoutError:
            if self.recorder.pending:
                raise StoreError(
                    f"{self.config.state}: changes that were seen could not be kept before the grace time was over; "
                    "what AWS tells at the next start is compared with what was kept"
                ) from None
        waiting = await self.store.waiting()
        log.info("watcher.stopped", undelivered=sum(waiting.values()))

    async def _prune(self) -> None:
        """Keep the history within `state_retention`."""
        while True:
            await asyncio.sleep(PRUNE_EVERY)
            before = self.clock.now() - timedelta(seconds=self.config.state_retention)
            try:
                pruned = PRUNE_STEP
                while pruned == PRUNE_STEP:
                    pruned = await self.store.prune(before, PRUNE_STEP)
                    await asyncio.sleep(0.1)
            except StoreError as error:
                log.warning("store.not_pruned", error=str(error))

    async def _enlist(self) -> None:
        """Take up the configured sinks: a new one gets the history it asked for, a removed one leaves dead letters."""
        now = self.clock.now()
        known = await self.store.enlisted()
        for sink in self.config.sinks:
            if sink.name not in known and sink.replay_from is not None:
                replayed = await self.store.replay(sink.name, sink.replay_from, partial(wants_recorded, sink))
                log.info("sink.replays", sink=sink.name, events=replayed)
        if buried := await self.store.enlist([sink.name for sink in self.config.sinks], now):
            log.warning("sinks.removed", dead_letters=buried, remedy="`watcher deliveries --dead` shows them")

    async def _remind(self) -> None:
        """Let sinks that ask for it have their reminders, and call off what is no longer to be reminded of."""
        every = [sink.remind_every for sink in self.config.sinks if sink.remind_every is not None]
        if not every:
            await asyncio.Event().wait()
        while True:
            await asyncio.sleep(min(REMIND_EVERY, min(every) / 20))
            now, gone = self.clock.now(), self.relay.gone()
            wanted = [wish for wish in wishes(self.config, self.recorder.records, now) if wish.sink not in gone]
            try:
                if await self.store.remind(wanted, now):
                    self.relay.wake()
            except StoreError as error:
                log.warning("store.not_reminded", error=str(error))

    async def _close(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSING):
                await self.relay.close()
                for endpoint in self.endpoints.values():
                    await endpoint.close()
                await self.store.close()


def build(
    config: Config,
    *,
    clock: Clock | None = None,
    sinks: Sequence[Sink] | None = None,
    on_poll: Callable[[Target, float, float], None] | None = None,
) -> App:
    """Put a daemon together from a configuration. Nothing is opened yet.

    Args:
        config: what to watch and how.
        clock: what time it is; the machine's own by default.
        sinks: where events go; those of the configuration by default.
        on_poll: see `Poller`.
    """
    clock = clock or SystemClock()
    sessions = Sessions()
    context = SinkContext(sessions)
    sinks = sinks if sinks is not None else [sink_for(settings, context) for settings in config.sinks]
    store = store_for(config.state)
    relay = Relay(store, sinks, clock, {settings.name: settings.give_up_after for settings in config.sinks})
    recorder = Recorder(store, clock, relay.wake)
    endpoints = {key: Endpoint(key, config.accounts[key.account], sessions, config.retry) for key in config.endpoints()}
    pollers = [
        Poller(endpoints[key], targets, config, recorder, clock, on_poll) for key, targets in config.endpoints().items()
    ]
    return App(config, clock, store, recorder, relay, endpoints, pollers)


async def _all(works: Any) -> None:
    async with asyncio.TaskGroup() as group:
        for work in works:
            group.create_task(work)


async def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.wait([task])
