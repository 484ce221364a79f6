"""What it means for the daemon that it holds some shards and not others: what it polls, records and delivers.

Gaining: read what was kept, then poll. Losing: poll no more, then forget what was read. One endpoint's targets are all
of one shard, so an endpoint is polled by one watcher at a time, with all of its rate.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import structlog

from watcher.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from watcher.core.model import EndpointKey
    from watcher.core.settings import Config
    from watcher.core.state import Record
    from watcher.delivery.relay import Relay
    from watcher.polling.manager import PollerManager
    from watcher.polling.recorder import Recorder

log = structlog.get_logger()

SENDING = 5.0
"""Seconds that deliveries under way may take to be answered before their shard is given back: then they are repeats."""


class Sharded(Protocol):
    """A store whose subjects are spread over shards; it acts for those that were loaded."""

    def shard_of(self, subject: str) -> int:
        """Of a target's id or an endpoint's key (as text)."""

    async def load(self, shard: int) -> dict[str, Record]:
        """Take up a shard, and what waits in it: its subjects' records."""

    async def refresh(self, shard: int) -> None:
        """Look anew at what waits in a shard."""

    def unload(self, shard: int) -> None:
        """Hand out nothing of a shard any more."""


class Handover:
    """See `holding.Shards`."""

    def __init__(
        self, store: Sharded, config: Callable[[], Config], polling: PollerManager, recorder: Recorder, relay: Relay
    ) -> None:
        """Nothing is held yet. `config`: the one in force."""
        self.held: frozenset[int] = frozenset()
        self._store = store
        self._config = config
        self._polling = polling
        self._recorder = recorder
        self._relay = relay

    def mine(self, subjects: Iterable[str]) -> list[str]:
        """Those of `subjects` that are of a shard that is held."""
        return [subject for subject in subjects if self._store.shard_of(subject) in self.held]

    def restricted(self, config: Config) -> Config:
        """`config` without the targets that others poll."""
        return restricted(config, self._store, self.held)

    async def gain(self, shards: Collection[int]) -> Mapping[int, str]:
        told = await asyncio.gather(*map(self._store.load, shards), return_exceptions=True)
        loaded: dict[int, dict[str, Record]] = {}
        unread: dict[int, str] = {}
        for shard, found in zip(shards, told, strict=True):
            if isinstance(found, StoreError):
                unread[shard] = str(found)
            elif isinstance(found, BaseException):
                raise found
            else:
                loaded[shard] = found
        if not loaded:
            return unread
        records = {subject: record for each in loaded.values() for subject, record in each.items()}
        gone = records.keys() - _subjects(self._config())
        if gone:
            # Contract, section 5, rule 9: a target that is configured no more is forgotten.
            await self._recorder.forget(gone)
            log.info("state.forgotten", subjects=len(gone))
        self._recorder.adopt({subject: record for subject, record in records.items() if subject not in gone})
        self.held |= loaded.keys()
        self._polling.reconfigure(self.restricted(self._config()), taken_over=True)
        self._relay.wake()
        return unread

    async def lose(self, shards: Collection[int]) -> None:
        self._let_go(shards)
        await self._forget(shards)

    async def wind_down(self, shard: int) -> None:
        await self._polling.left(self._let_go([shard]))
        await self._forget([shard])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SENDING):
                await self._relay.quiet(lambda subject: self._store.shard_of(subject) == shard)

    async def refresh(self, shards: Collection[int]) -> None:
        await asyncio.gather(*map(self._store.refresh, shards))
        self._relay.wake()

    def _let_go(self, shards: Collection[int]) -> Collection[EndpointKey]:
        """Poll nothing of these shards any more; returns their endpoints."""
        before = self.restricted(self._config()).endpoints().keys()
        self.held -= {*shards}
        config = self.restricted(self._config())
        self._polling.reconfigure(config)
        return before - config.endpoints().keys()

    async def _forget(self, shards: Collection[int]) -> None:
        """Know nothing of these shards any more, once what was seen of them is kept."""
        gone = [subject for subject in _subjects(self._config()) if self._store.shard_of(subject) in shards]
        await self._recorder.drop(gone)
        for shard in shards:
            self._store.unload(shard)


def restricted(config: Config, store: Sharded, held: Collection[int]) -> Config:
    """`config` with the targets only whose endpoint is of a shard that is held."""
    keys = {key for key in config.endpoints() if store.shard_of(str(key)) in held}
    return replace(config, targets=tuple(target for target in config.targets if target.endpoint in keys))


def _subjects(config: Config) -> set[str]:
    return {*(target.id for target in config.targets), *map(str, config.endpoints())}
