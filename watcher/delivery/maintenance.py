"""The periodic tasks of a daemon besides watching: prune the history, mark the store as alive, send reminders."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from watcher.core.liveness import MARK_SECONDS
from watcher.core.reminders import wishes
from watcher.errors import StoreError

if TYPE_CHECKING:
    from watcher.core.ports import Store
    from watcher.delivery.relay import Relay
    from watcher.observability.daemon_view import DaemonView

log = structlog.get_logger()

PRUNE_EVERY = 60.0
PRUNE_STEP = 500
"""Every minute, this many old events at a time, so that no commit waits long."""

REMIND_EVERY = 30.0
"""Seconds between looks at what a sink is to be reminded of, at most."""


LOOK_AGAIN = 0.1
"""Seconds between two checks of whether every endpoint is polled, until all are."""


class Maintenance:
    """Looks at the configuration anew each time: it may be replaced."""

    def __init__(self, inside: DaemonView, store: Store, relay: Relay) -> None:
        """Nothing is done before `prune` and `remind`."""
        self._inside = inside
        self._store = store
        self._relay = relay

    async def prune(self) -> None:
        """Keep the history within `state_retention`, for ever."""
        while True:
            await asyncio.sleep(PRUNE_EVERY)
            before = self._inside.clock.now() - timedelta(seconds=self._inside.config.state_retention)
            try:
                pruned = PRUNE_STEP
                while pruned == PRUNE_STEP:
                    pruned = await self._store.prune(before, PRUNE_STEP)
                    await asyncio.sleep(0.1)
            except StoreError as error:
                log.warning("store.prune_failed", error=str(error))

    async def mark_alive(self) -> None:
        """Mark the store as up to date, for ever, while every endpoint is polled."""
        while True:
            if self._inside.stuck() or self._inside.unready():
                await asyncio.sleep(LOOK_AGAIN)
                continue
            try:
                await self._store.mark_alive(self._inside.clock.now())
            except StoreError as error:
                consequence = "`watcher status` shows the state as older than it is"
                log.warning("store.mark_failed", error=str(error), consequence=consequence)
            await asyncio.sleep(MARK_SECONDS)

    async def remind(self) -> None:
        """Let sinks that ask for it have their reminders, and call off those that are over, for ever."""
        while True:
            config = self._inside.config
            every = [sink.remind_every for sink in config.sinks if sink.remind_every is not None]
            await asyncio.sleep(min(REMIND_EVERY, *(each / 20 for each in every)) if every else REMIND_EVERY)
            config, now, gone = self._inside.config, self._inside.clock.now(), self._relay.gone()
            wanted = [wish for wish in wishes(config, self._inside.records, now) if wish.sink not in gone]
            try:
                if await self._store.remind(wanted, now):
                    self._relay.wake()
            except StoreError as error:
                log.warning("store.remind_failed", error=str(error))
