"""The shards that this daemon has in memory: loaded, refreshed, unloaded."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import structlog

from watcher.core.retry_policy import REMOVED
from watcher.core.state import Record
from watcher.errors import StoreError
from watcher.stores.dynamodb.committer import Committer
from watcher.stores.dynamodb.items import SHARDS, shard_of
from watcher.stores.dynamodb.lease_table import LeaseTable
from watcher.stores.dynamodb.shard_lanes import ShardLanes
from watcher.stores.dynamodb.shard_outbox import ShardOutbox
from watcher.stores.dynamodb.sink_registry import SinkRegistry
from watcher.stores.dynamodb.table import Table

log = structlog.get_logger()


class Shards:
    """With leases nothing is held until `load`; without, everything from the start."""

    count = SHARDS

    def __init__(self, lanes: ShardLanes, committer: Committer, outbox: ShardOutbox, sinks: SinkRegistry) -> None:
        self._lanes = lanes
        self._committer = committer
        self._outbox = outbox
        self._sinks = sinks

    @property
    def term(self) -> float:
        """Seconds of silence after which a daemon's leases are free."""
        return self._lanes.table.address.term

    def leases(self, me: str) -> LeaseTable:
        """Return the leases for the daemon `me`; their calls do not wait behind the store's."""
        return LeaseTable(Table(self._lanes.table.address, self._lanes.table.caller), me)

    @staticmethod
    def shard_of(subject: str) -> int:
        return shard_of(subject)

    async def load(self, shard: int) -> dict[str, Record]:
        records = await self._committer.load(shard)
        self._lanes.held.add(shard)
        await self._dead_letter_removed()
        return records

    def unload(self, shard: int) -> None:
        """Drop a shard from memory; what is under way still ends as it may."""
        self._lanes.held.discard(shard)
        self._lanes.index.drop(lambda place: shard_of(place.subject) == shard)
        self._committer.unload(shard)

    async def refresh(self, shard: int) -> None:
        if shard in self._lanes.held:
            await self._lanes.read(shard)
        await self._dead_letter_removed()

    async def keep_refreshed(self, seconds: float) -> None:
        """Refresh the held shards every so many seconds, until cancelled."""
        while True:
            await asyncio.sleep(seconds)
            for shard in list(self._lanes.held):
                try:
                    await self.refresh(shard)
                except StoreError as error:  # whatever needs the table reports the error itself
                    log.debug("store.refresh_failed", error=str(error))

    async def _dead_letter_removed(self) -> None:
        """Give up the deliveries for removed sinks, which a daemon with another configuration may have left."""
        index = self._lanes.index
        if not self._sinks.may_lack(index.sinks()):
            return
        known = await self._sinks.known()
        for sink in [sink for sink in index.sinks() if sink not in known]:
            count = await self._outbox.dead_letter(sink, REMOVED, datetime.now(UTC))
            log.warning("sink.removed", dead_letters=count, sink=sink)
