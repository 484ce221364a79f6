"""The periodic tasks of a daemon besides watching.

They prune what is old, turn what waits for removed sinks into dead letters, mark the store as alive, send reminders,
and repeat alerts.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog

from watcher.core.history import RETENTION_SECONDS
from watcher.core.ports import Store
from watcher.core.reminders import reminder_requests
from watcher.core.retry_policy import REMOVED
from watcher.core.status import MARK_SECONDS
from watcher.delivery.relay import Relay
from watcher.delivery.resender import Resender
from watcher.errors import StoreError
from watcher.observability.daemon_view import DaemonView

log = structlog.get_logger()

PRUNE_STEP = 500
"""Events and forgotten subjects, or rows of the history, in one transaction, so that no commit waits long."""

UNREADY_SECONDS = 1.0
"""Seconds between two looks whether every endpoint is polled, while one is not."""


class Maintenance:
    """Each task runs for ever, and reads the configuration in force each time."""

    def __init__(self, daemon: DaemonView, store: Store, relay: Relay) -> None:
        self._daemon = daemon
        self._store = store
        self._relay = relay

    async def prune(self) -> None:
        """Delete once a minute what is too old."""
        while True:
            await asyncio.sleep(60)
            await self.dead_letter_removed()
            await self.prune_once()

    async def prune_once(self) -> None:
        """Delete events that are older than `state_retention`, and history that is older than `RETENTION_SECONDS`."""
        try:
            await self._prune(self._store.prune, self._daemon.config.state_retention)
            await self._prune(self._store.prune_history, RETENTION_SECONDS)
        except StoreError as error:
            log.warning("store.prune_failed", error=str(error))

    async def _prune(self, prune: Callable[[datetime, int], Awaitable[int]], seconds: float) -> None:
        before = self._daemon.clock.now() - timedelta(seconds=seconds)
        while await prune(before, PRUNE_STEP) == PRUNE_STEP:  # noqa: ASYNC110  there is nothing to wait for
            await asyncio.sleep(0.1)

    async def dead_letter_removed(self) -> None:
        """Turn what waits for sinks that are not configured into dead letters; a table's store does it by itself."""
        if self._store.shards is not None or self._relay.is_changing:
            return
        now, configured = self._daemon.clock.now(), {sink.name for sink in self._daemon.config.sinks}
        try:
            for sink in (await self._store.waiting()).keys() - configured:
                if count := await self._store.dead_letter(sink, REMOVED, now):
                    log.warning(
                        "sink.removed",
                        sink=sink,
                        dead_letters=count,
                        remedy="list them with `watcher deliveries --dead`",
                    )
        except StoreError as error:
            log.warning("store.dead_letter_failed", error=str(error))

    async def mark_alive(self) -> None:
        """Mark the store as up to date while every endpoint is polled."""
        while True:
            if self._daemon.stuck() or self._daemon.unready():
                await asyncio.sleep(UNREADY_SECONDS)
                continue
            try:
                await self._store.mark_alive(self._daemon.clock.now())
            except StoreError as error:
                consequence = "`watcher status` shows the state as older than it is"
                log.warning("store.mark_failed", error=str(error), consequence=consequence)
            await asyncio.sleep(MARK_SECONDS)

    async def remind(self) -> None:
        """Add reminders to the outbox for sinks with `remind_every`, and cancel those that are no longer needed."""
        while True:
            every = [sink.remind_every for sink in self._daemon.config.sinks if sink.remind_every is not None]
            await asyncio.sleep(min([30.0, *(each / 20 for each in every)]))
            now, gone = self._daemon.clock.now(), self._relay.gone()
            daemon = self._daemon
            requests = reminder_requests(daemon.config, daemon.records, now, daemon.by_hand)
            wanted = [request for request in requests if request.sink not in gone]
            try:
                if await self._store.remind(wanted, now):
                    self._relay.wake()
            except StoreError as error:
                log.warning("store.remind_failed", error=str(error))

    async def resend(self) -> None:
        """Repeat open alerts to the sinks whose receivers forget them."""
        await Resender(self._store, self._daemon.clock).run(lambda: self._daemon.records, self._relay.sinks)
