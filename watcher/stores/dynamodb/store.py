"""State in one DynamoDB table, for any number of daemons at once.

Correctness does not depend on leases: every state is written on condition that it is still the one that this daemon
knows, in one transaction with the events that it caused and their deliveries. Leases only save calls.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection
from datetime import UTC, datetime

import structlog

from watcher.aws.sessions import Sessions
from watcher.core.retry_policy import REMOVED
from watcher.core.shards import Sharded
from watcher.core.state import Record
from watcher.core.state_url import Address
from watcher.errors import StoreError
from watcher.stores.dynamodb import codec, items, schema
from watcher.stores.dynamodb.commit import Committer
from watcher.stores.dynamodb.contents import SinkRegistry
from watcher.stores.dynamodb.items import SHARDS, shard_of
from watcher.stores.dynamodb.lease_table import LeaseTable
from watcher.stores.dynamodb.reader import DynamoReader
from watcher.stores.dynamodb.retention import Retention
from watcher.stores.dynamodb.shard_lanes import ShardLanes
from watcher.stores.dynamodb.shard_outbox import ShardOutbox
from watcher.stores.dynamodb.table import Put, Table, gather

log = structlog.get_logger()

REFRESH_SECONDS, REFRESH_WITHOUT_LEASES_SECONDS = 60.0, 5.0
"""Between reads of all that waits: an operator, or a daemon that held the shard before, may change it."""


class DynamoStore(DynamoReader):
    """The store of one daemon; each part implements some of the methods of the port."""

    def __init__(
        self, address: Address, sessions: Sessions | None = None, *, may_deliver: Callable[[int], bool] | None = None,
        table: Table | None = None,
    ) -> None:  # fmt: skip
        """Create it without access to the table.

        Args:
            address: the table's.
            sessions: the AWS sessions shared with other clients.
            may_deliver: whether the lease of a shard is good; by default, and without leases, a loaded shard's is.
            table: one to use in place of an own one.
        """
        super().__init__(address, sessions, table)
        self._sinks = sinks = SinkRegistry(self.contents)
        self._lanes = lanes = ShardLanes(self.contents)
        may = may_deliver if address.leases and may_deliver else lanes.held.__contains__
        # With leases no other daemon settles what was read.
        trusted_seconds = REFRESH_SECONDS if address.leases else 0.0
        self._outbox = outbox = ShardOutbox(lanes, may, trusted_seconds)
        retention = Retention(lanes, outbox, sinks)
        committer = Committer(lanes, outbox, sinks, retention)
        self.loaded = Shards(lanes, committer, outbox, sinks)
        self.shards: Sharded | None = self.loaded if address.leases else None
        self._refreshing: asyncio.Task[None] | None = None
        self.commit, self.reload, self.forget = committer.commit, committer.reload, committer.forget
        self.due, self.lane_heads, self.next_try = outbox.due, outbox.lane_heads, outbox.next_try
        self.may_deliver = outbox.may_deliver
        self.settle, self.retry_now, self.waiting = outbox.settle, outbox.retry_now, outbox.waiting
        self.dead_letter, self.requeue = outbox.dead_letter, outbox.requeue
        self.keep_listing, self.forget_listings = self._listings.keep, self._listings.forget
        self.replay, self.remind, self._prune_events = retention.replay, retention.remind, retention.prune
        self.prune_history = self._history_items.prune
        self.add_mute, self.end_mute = self._hand.add_mute, self._hand.end_mute
        self.acknowledge = self._hand.acknowledge

    async def _prepare(self) -> None:
        """Check the table, and begin to keep what is held up to date."""
        await schema.check(self.table, preparing=True)
        if await schema.missing_ttl(self.table):
            log.warning("store.ttl_disabled", table=self.table.address.table,
                        remedy="turn it on with `watcher state init`",
                        consequence="membership items of daemons that were killed stay in the table")  # fmt: skip
        if self.shards is None:
            log.warning("store.leases_disabled", remedy="remove leases=off from `state`: it is only for tests",
                        consequence="every daemon polls every target, beyond the rate limit")  # fmt: skip
            await gather(map(self.loaded.load, range(SHARDS)))
        seconds = REFRESH_SECONDS if self.shards else REFRESH_WITHOUT_LEASES_SECONDS
        self._refreshing = asyncio.create_task(self.loaded.keep_refreshed(seconds), name="store refresh")

    async def close(self) -> None:
        if self._refreshing is not None:
            self._refreshing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([self._refreshing])
        await super().close()

    async def set_sinks(self, sinks: Collection[str], now: datetime) -> int:
        await self._sinks.register(sinks)
        removed = [sink for sink in self._lanes.index.sinks() if sink not in sinks]
        return sum([await self._outbox.dead_letter(sink, REMOVED, now) for sink in removed])

    async def prune(self, before: datetime, limit: int) -> int:
        await self._hand.prune(before.timestamp())
        return await self._prune_events(before, limit)

    async def mark_alive(self, now: datetime) -> None:
        await self.table.write(Put(codec.at(items.ALIVE, {"at": now.timestamp()})))


class Shards:
    """The shards in memory. With leases nothing is held until `load`; without, everything from the start."""

    count, shard_of = SHARDS, staticmethod(shard_of)

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
        shared = self._lanes.table
        return LeaseTable(Table(shared.address, shared.caller), me)

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
        for sink in await self._sinks.removed(self._lanes.index.sinks()):
            count = await self._outbox.dead_letter(sink, REMOVED, datetime.now(UTC))
            log.warning("sink.removed", dead_letters=count, sink=sink)
