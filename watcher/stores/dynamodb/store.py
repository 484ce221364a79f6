"""State in one DynamoDB table, for any number of daemons at once.

Correctness does not depend on leases: every state is written on condition that it is still the one that this daemon
knows, in one transaction with the events that it caused and their deliveries. Leases only save calls.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection
from datetime import datetime

import structlog

from watcher.aws.sessions import Sessions
from watcher.core.ports import Sharded
from watcher.core.retry_policy import REMOVED
from watcher.core.state_url import Address
from watcher.stores.dynamodb import codec, items, schema
from watcher.stores.dynamodb.committer import Committer
from watcher.stores.dynamodb.event_cache import EventCache
from watcher.stores.dynamodb.items import SHARDS
from watcher.stores.dynamodb.reader import DynamoReader
from watcher.stores.dynamodb.retention import Retention
from watcher.stores.dynamodb.shard_lanes import ShardLanes
from watcher.stores.dynamodb.shard_outbox import ShardOutbox
from watcher.stores.dynamodb.shards import Shards
from watcher.stores.dynamodb.sink_registry import SinkRegistry
from watcher.stores.dynamodb.table import Table, gather

log = structlog.get_logger()

REFRESH_SECONDS, REFRESH_WITHOUT_LEASES_SECONDS = 60.0, 5.0
"""Between reads of all that waits: an operator, or a daemon that held the shard before, may change it."""


class DynamoStore(DynamoReader):
    """The store of one daemon; each part implements some of the methods of the port."""

    prepares = True

    def __init__(
        self,
        address: Address,
        sessions: Sessions | None = None,
        *,
        may_deliver: Callable[[int], bool] | None = None,
        table: Table | None = None,
    ) -> None:
        """Create it without access to the table.

        Args:
            address: the table's.
            sessions: the AWS sessions shared with other clients.
            may_deliver: whether the lease of a shard is good; by default, and without leases, a loaded shard's is.
            table: one to use in place of an own one.
        """
        super().__init__(address, sessions, table)
        self._leases = address.leases
        self._sinks = SinkRegistry(self.contents)
        self._lanes = ShardLanes(self.table)
        # With leases no other daemon settles what was read.
        trusted = REFRESH_SECONDS if address.leases else 0.0
        may = may_deliver if address.leases else None
        self._outbox = outbox = ShardOutbox(
            self._lanes, EventCache(self.contents), may or self._lanes.held.__contains__, trusted
        )
        retention = Retention(self.contents, self._lanes, outbox, self._sinks)
        committer = Committer(self.contents, self._lanes, outbox, self._sinks, retention)
        self.loaded = Shards(self._lanes, committer, outbox, self._sinks)
        self.shards: Sharded | None = self.loaded if address.leases else None
        self._refreshing: asyncio.Task[None] | None = None
        self.commit, self.reload, self.forget = committer.commit, committer.reload, committer.forget
        self.due, self.lane_heads, self.next_try = outbox.due, outbox.lane_heads, outbox.next_try
        self.settle, self.retry_now, self.waiting = outbox.settle, outbox.retry_now, outbox.waiting
        self.dead_letter = outbox.dead_letter
        self.replay, self.remind, self.prune = retention.replay, retention.remind, retention.prune

    async def open(self) -> None:
        """Check the table, and begin to keep what is held up to date.

        Raises:
            StoreError: there is no table, or it is not as it must be.
        """
        await super().open()
        try:
            if await schema.missing_ttl(self.table):
                log.warning("store.ttl_disabled", table=self.table.address.table,
                            remedy="turn it on with `watcher state init`",
                            consequence="membership items of daemons that were killed stay in the table")  # fmt: skip
            if not self._leases:
                log.warning("store.leases_disabled", remedy="remove leases=off from `state`: it is only for tests",
                            consequence="every daemon polls every target, beyond the rate limit")  # fmt: skip
                await gather(map(self.loaded.load, range(SHARDS)))
        except BaseException:
            await self.table.close()
            raise
        seconds = REFRESH_SECONDS if self._leases else REFRESH_WITHOUT_LEASES_SECONDS
        self._refreshing = asyncio.create_task(self.loaded.keep_refreshed(seconds), name="store refresh")

    async def close(self) -> None:
        if self._refreshing is not None:
            self._refreshing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([self._refreshing])
        await super().close()

    async def register_sinks(self, sinks: Collection[str], now: datetime) -> int:
        await self._sinks.register(sinks)
        removed = [sink for sink in self._lanes.index.sinks() if sink not in sinks]
        return sum([await self._outbox.dead_letter(sink, REMOVED, now) for sink in removed])

    async def mark_alive(self, now: datetime) -> None:
        await self.table.put(codec.at(items.ALIVE, {"at": now.timestamp()}))
