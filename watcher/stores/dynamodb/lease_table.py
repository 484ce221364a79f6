"""The leases in the table: `L`/`S#<shard>` has a shard's owner, `L`/`W#<watcher>` a daemon's counter.

A lease's item is written only when it changes hands. A shard is stolen in one transaction with the check that its
owner's counter has still not moved; so an owner that renews, and then reads, has seen every earlier theft.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping

from watcher.core.leases import Beat, Lease, Seen
from watcher.stores.dynamodb.client import RefusedError
from watcher.stores.dynamodb.items import Item, Key, Value
from watcher.stores.dynamodb.table import ConditionCheck, Table, Update

Values = dict[str, Value]

LEASES = "L"
"""The partition of leases and counters."""

SHARD, WATCHER = "S#", "W#"

EXPIRY_SECONDS = 86400
"""After this DynamoDB deletes the counter of a daemon that was killed."""

_TAKING = "SET #owner = :me, epoch = :next"
_UNCHANGED = "#owner = :owner AND epoch = :epoch"


class LeaseTable:
    """The leases, for one daemon."""

    def __init__(self, table: Table, me: str) -> None:
        """`table`: one for these calls alone; `me`: a name of this run."""
        self._table = table
        self._me = me

    async def renew(self, *, leaving: bool) -> None:
        """Increase the counter; it is never set, so that a renewal that arrives late moves it, too."""
        values: Values = {":one": 1, ":leaving": int(leaving), ":ttl": int(time.time()) + EXPIRY_SECONDS}
        await self._table.update(life(self._me), "SET leaving = :leaving, #ttl = :ttl ADD #n :one", values)

    async def read(self) -> Seen:
        return seen_in(await self._table.query(LEASES))

    async def acquire(self, shard: int, seen: Lease | None) -> Lease | None:
        """Acquire a lease; one that never had an owner has no epoch, though it may have news."""
        epoch, news = (0, 0) if seen is None else (seen.epoch, seen.news)
        values: Values = {":me": self._me, ":next": epoch + 1}
        if epoch:
            values[":epoch"] = epoch
        unchanged = f"attribute_not_exists(#owner) AND {'epoch = :epoch' if epoch else 'attribute_not_exists(epoch)'}"
        try:
            await self._table.update(lease(shard), _TAKING, values, unchanged)
        except RefusedError:
            return None
        return Lease(self._me, epoch + 1, news)

    async def steal(self, owner: str, shards: Collection[int], seen: Seen) -> Mapping[int, Lease]:
        wanted = {shard: seen.leases[shard] for shard in shards}
        thefts = [
            Update(
                lease(shard),
                _TAKING,
                {":me": self._me, ":next": each.epoch + 1, ":owner": owner, ":epoch": each.epoch},
                _UNCHANGED,
            )
            for shard, each in wanted.items()
        ]
        beat = seen.watchers.get(owner)
        unmoved = (
            ConditionCheck(life(owner), "attribute_not_exists(k)")
            if beat is None
            else ConditionCheck(life(owner), "#n = :n", {":n": beat.count})
        )
        try:
            await self._table.transact([unmoved, *thefts])
        except RefusedError:
            return {}
        return {shard: Lease(self._me, each.epoch + 1, each.news) for shard, each in wanted.items()}

    async def release(self, shard: int, mine: Lease) -> None:
        """Release a lease; one that was stolen meanwhile stays as it is."""
        values: Values = {":owner": self._me, ":epoch": mine.epoch}
        try:
            await self._table.update(lease(shard), "REMOVE #owner", values, _UNCHANGED)
        except RefusedError:
            return

    async def resign(self) -> None:
        await self._table.delete(life(self._me))


def lease(shard: int) -> Key:
    """Return the key of a shard's lease."""
    return Key(LEASES, f"{SHARD}{shard}")


def life(watcher: str) -> Key:
    """Return the key of a daemon's counter."""
    return Key(LEASES, f"{WATCHER}{watcher}")


def seen_in(items: Iterable[Item]) -> Seen:
    """Return the leases and the counters in the items of the partition."""
    leases: dict[int, Lease] = {}
    watchers: dict[str, Beat] = {}
    for item in items:
        sort = str(item["s"])
        if sort.startswith(SHARD):
            owner = item.get("owner")
            known = None if owner is None else str(owner)
            leases[int(sort.removeprefix(SHARD))] = Lease(known, _number(item, "epoch"), _number(item, "news"))
        elif sort.startswith(WATCHER):
            watchers[sort.removeprefix(WATCHER)] = Beat(_number(item, "n"), bool(item.get("leaving")))
    return Seen(leases, watchers)


def _number(item: Item, name: str) -> int:
    value = item.get(name, 0)
    return int(value) if isinstance(value, (int, float)) else 0
