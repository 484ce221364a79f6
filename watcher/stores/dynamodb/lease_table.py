"""The leases in the table: `L`/`S#<shard>` has a shard's owner, `L`/`W#<watcher>` a daemon's counter.

A lease's item is written only when it changes hands. A shard is stolen in one transaction with the check that its
owner's counter has still not moved; so an owner that renews, and then reads, has seen every earlier theft.
"""

import contextlib
import time
from collections.abc import Collection, Iterable, Mapping

from watcher.core.leases import Beat, Lease, Seen
from watcher.stores.dynamodb.client import ConditionFailedError
from watcher.stores.dynamodb.items import Item, Key, Value
from watcher.stores.dynamodb.table import ABSENT, ConditionCheck, Delete, Table, Update

LEASES = "L"  # the partition of leases and counters
SHARD, WATCHER = "S#", "W#"
EXPIRY_SECONDS = 86400  # after this DynamoDB deletes the counter of a daemon that was killed


class LeaseTable:
    """The leases, for one daemon."""

    def __init__(self, table: Table, me: str) -> None:
        """`table`: one for these calls alone; `me`: a name of this run."""
        self._table = table
        self._me = me

    async def renew(self, *, leaving: bool) -> None:
        """Increase the counter; it is never set, so that a renewal that arrives late moves it, too."""
        values = {":one": 1, ":leaving": int(leaving), ":ttl": int(time.time()) + EXPIRY_SECONDS}
        renewal = "SET leaving = :leaving, #ttl = :ttl ADD #n :one"
        await self._table.write(Update(counter_key(self._me), "", values, renewal))

    async def read(self) -> Seen:
        return seen_in(await self._table.query(LEASES))

    async def acquire(self, shard: int, seen: Lease | None) -> Lease | None:
        seen = seen or Lease(None, 0)
        try:
            await self._table.write(self._taking(shard, seen))
        except ConditionFailedError:
            return None
        return self._taken(seen)

    async def steal(self, owner: str, shards: Collection[int], seen: Seen) -> Mapping[int, Lease]:
        thefts = [self._taking(shard, seen.leases[shard]) for shard in shards]
        beat = seen.watchers.get(owner)
        unmoved = ("#n = :n", {":n": beat.count}) if beat else (ABSENT,)
        stolen = await self._table.try_transact([ConditionCheck(counter_key(owner), *unmoved), *thefts])
        return {shard: self._taken(seen.leases[shard]) for shard in shards} if stolen else {}

    async def release(self, shard: int, mine: Lease) -> None:
        """Release a lease; one that was stolen meanwhile stays as it is."""
        with contextlib.suppress(ConditionFailedError):
            await self._table.write(Update(lease_key(shard), *_unchanged(mine), "REMOVE #owner"))

    async def resign(self) -> None:
        await self._table.write(Delete(counter_key(self._me)))

    def _taking(self, shard: int, seen: Lease) -> Update:
        unchanged, values = _unchanged(seen)
        values |= {":me": self._me, ":next": seen.epoch + 1}
        return Update(lease_key(shard), unchanged, values, "SET #owner = :me, epoch = :next")

    def _taken(self, seen: Lease) -> Lease:
        return Lease(self._me, seen.epoch + 1, seen.news)


def lease_key(shard: int) -> Key:
    """Return the key of a shard's lease."""
    return Key(LEASES, f"{SHARD}{shard}")


def counter_key(watcher: str) -> Key:
    """Return the key of a daemon's counter."""
    return Key(LEASES, f"{WATCHER}{watcher}")


def seen_in(items: Iterable[Item]) -> Seen:
    """Return the leases and the counters in the items of the partition."""
    leases: dict[int, Lease] = {}
    watchers: dict[str, Beat] = {}
    for item in items:
        sort, owner = str(item["s"]), item.get("owner")
        if sort.startswith(SHARD):
            known = None if owner is None else str(owner)
            leases[int(sort.removeprefix(SHARD))] = Lease(known, _number(item, "epoch"), _number(item, "news"))
        elif sort.startswith(WATCHER):
            watchers[sort.removeprefix(WATCHER)] = Beat(_number(item, "n"), bool(item.get("leaving")))
    return Seen(leases, watchers)


def _unchanged(seen: Lease) -> tuple[str, dict[str, Value]]:
    """Return the condition that a lease is as it was seen; one that never had an owner has no epoch, but maybe news."""
    owner = "#owner = :owner" if seen.owner else "attribute_not_exists(#owner)"
    epoch = "epoch = :epoch" if seen.epoch else "attribute_not_exists(epoch)"
    values = {":owner": seen.owner, ":epoch": seen.epoch}
    return f"{owner} AND {epoch}", {name: value for name, value in values.items() if value}


def _number(item: Item, name: str) -> int:
    value = item.get(name, 0)
    return int(value) if isinstance(value, (int, float)) else 0
