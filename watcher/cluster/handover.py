"""Begins and ends polling, recording and delivering for the shards that the daemon gains and loses.

A gained shard is read before its targets are polled; a lost one is polled no more before it is forgotten. One
endpoint's targets are all of one shard, so one daemon at a time polls an endpoint, with all of its rate.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

import structlog

from watcher.core.model import EndpointKey
from watcher.core.ports import Sharded
from watcher.core.settings import Config
from watcher.core.state import Record
from watcher.delivery.relay import Relay
from watcher.errors import StoreError
from watcher.polling.manager import PollerManager
from watcher.polling.recorder import Recorder

log = structlog.get_logger()

SENDING_SECONDS = 5.0
"""How long deliveries under way are waited for before their shard is released: after that they are repeated."""


class Handover:
    """Acts for the held shards; `config` returns the configuration in force."""

    def __init__(
        self, shards: Sharded, config: Callable[[], Config], polling: PollerManager, recorder: Recorder, relay: Relay
    ) -> None:
        self.held: frozenset[int] = frozenset()
        self._shards = shards
        self._config = config
        self._polling = polling
        self._recorder = recorder
        self._relay = relay

    def mine(self, subjects: Iterable[str]) -> list[str]:
        """Return the subjects that belong to a held shard."""
        return [subject for subject in subjects if self._shards.shard_of(subject) in self.held]

    def restricted(self, config: Config) -> Config:
        """Return `config` with only the targets of the held shards."""
        keys = {key for key in config.endpoints if self._shards.shard_of(str(key)) in self.held}
        return replace(config, targets=tuple(target for target in config.targets if target.endpoint in keys))

    async def gain(self, shards: Collection[int]) -> Mapping[int, str]:
        found = await asyncio.gather(*map(self._shards.load, shards), return_exceptions=True)
        loaded: dict[int, dict[str, Record]] = {}
        unread: dict[int, str] = {}
        for shard, records in zip(shards, found, strict=True):
            if isinstance(records, StoreError):
                unread[shard] = str(records)
            elif isinstance(records, BaseException):
                raise records
            else:
                loaded[shard] = records
        if not loaded:
            return unread
        known = {subject: record for each in loaded.values() for subject, record in each.items()}
        gone = known.keys() - _subjects(self._config())
        if gone:
            # The state of a target that is no longer configured is deleted.
            await self._recorder.forget(gone)
            log.info("state.forgotten", subjects=len(gone))
        self._recorder.adopt({subject: record for subject, record in known.items() if subject not in gone})
        self.held |= loaded.keys()
        self._polling.reconfigure(self.restricted(self._config()), taken_over=True)
        self._relay.wake()
        return unread

    async def lose(self, shards: Collection[int]) -> None:
        self._stop_polling(shards)
        await self._unload(shards)

    async def wind_down(self, shard: int) -> None:
        await self._polling.quiet(self._stop_polling([shard]))
        await self._unload([shard])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SENDING_SECONDS):
                await self._relay.quiet(lambda subject: self._shards.shard_of(subject) == shard)

    async def refresh(self, shards: Collection[int]) -> None:
        await asyncio.gather(*map(self._shards.refresh, shards))
        self._relay.wake()

    def _stop_polling(self, shards: Collection[int]) -> Collection[EndpointKey]:
        """Stop polling for these shards; returns their endpoints."""
        before = self.restricted(self._config()).endpoints.keys()
        self.held -= {*shards}
        config = self.restricted(self._config())
        self._polling.reconfigure(config)
        return before - config.endpoints.keys()

    async def _unload(self, shards: Collection[int]) -> None:
        """Drop these shards from memory once what was observed of them is recorded."""
        gone = [subject for subject in _subjects(self._config()) if self._shards.shard_of(subject) in shards]
        await self._recorder.drop(gone)
        for shard in shards:
            self._shards.unload(shard)


def _subjects(config: Config) -> set[str]:
    return {*(target.id for target in config.targets), *map(str, config.endpoints)}
