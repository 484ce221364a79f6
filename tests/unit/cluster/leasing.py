"""A table of leases in time of its own, and watchers that share it: they can be killed, stopped and cut off."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tests.unit.delivery.relaying import Clock, passed
from watcher.cluster.lease_keeper import LeaseKeeper, Tenure
from watcher.core.leases import Beat, Lease, Seen
from watcher.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

TERM = 10.0
SHARDS = 16
SOON = 2.0


@dataclass
class Table:
    """Leases, as DynamoDB keeps them: each request takes a while, and is done at one moment of it."""

    leases: dict[int, Lease] = field(default_factory=dict)
    watchers: dict[str, Beat] = field(default_factory=dict)

    async def on_the_way(self) -> None:
        await asyncio.sleep(random.uniform(0.001, 0.02))


@dataclass
class Line:
    """One watcher's way to the table. `cut`: nothing comes through; `stopped`: the process does not go on."""

    table: Table
    me: str
    cut: bool = False
    going: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.going.set()

    async def _there(self) -> None:
        await self.table.on_the_way()
        await self.going.wait()
        if self.cut:
            await asyncio.sleep(1.0)
            raise StoreError("the table does not answer")

    async def _back(self) -> None:
        await self.table.on_the_way()
        await self.going.wait()

    async def renew(self, *, leaving: bool) -> None:
        await self._there()
        known = self.table.watchers.get(self.me, Beat(0))
        self.table.watchers[self.me] = Beat(known.count + 1, leaving)
        await self._back()

    async def read(self) -> Seen:
        await self._there()
        seen = Seen(dict(self.table.leases), dict(self.table.watchers))
        await self._back()
        return seen

    async def acquire(self, shard: int, seen: Lease | None) -> Lease | None:
        await self._there()
        now = self.table.leases.get(shard)
        taken = None
        if now == seen and (now is None or now.owner is None):
            taken = self.table.leases[shard] = Lease(self.me, (now.epoch if now else 0) + 1)
        await self._back()
        return taken

    async def steal(self, owner: str, shards: Collection[int], seen: Seen) -> Mapping[int, Lease]:
        await self._there()
        had = {shard: seen.leases[shard] for shard in shards}
        stolen: dict[int, Lease] = {}
        if self._unmoved(owner, seen) and all(self.table.leases[shard] == lease for shard, lease in had.items()):
            stolen = {shard: Lease(self.me, lease.epoch + 1) for shard, lease in had.items()}
            self.table.leases |= stolen
        await self._back()
        return stolen

    def _unmoved(self, owner: str, seen: Seen) -> bool:
        return self.table.watchers.get(owner) == seen.watchers.get(owner)

    async def release(self, shard: int, mine: Lease) -> None:
        await self._there()
        if self.table.leases[shard] == mine:
            self.table.leases[shard] = replace(mine, owner=None)
        await self._back()

    async def resign(self) -> None:
        await self._there()
        self.table.watchers.pop(self.me, None)


class Careless(Line):
    """Broken: steals whatever its last look showed, whether or not its owner has moved since."""

    def _unmoved(self, owner: str, seen: Seen) -> bool:
        return True


@dataclass
class Acting:
    """What a watcher would poll and deliver for."""

    held: frozenset[int] = frozenset()
    history: list[tuple[str, int]] = field(default_factory=list)
    loading: float = 0.05
    unreadable: frozenset[int] = frozenset()

    async def gain(self, shards: Collection[int]) -> Mapping[int, str]:
        await asyncio.sleep(self.loading)
        gained = {*shards} - self.unreadable
        self.held |= gained
        self.history += [("gain", shard) for shard in gained]
        return dict.fromkeys(self.unreadable & {*shards}, "of a later form")

    async def lose(self, shards: Collection[int]) -> None:
        self.held -= {*shards}
        self.history += [("lose", shard) for shard in shards]

    async def wind_down(self, shard: int) -> None:
        self.held -= {shard}
        await asyncio.sleep(0.2)
        self.history.append(("wind down", shard))

    async def refresh(self, shards: Collection[int]) -> None:
        self.history += [("refresh", shard) for shard in shards]


class Watcher:
    """One that holds what it can, until it ends."""

    def __init__(self, table: Table, name: str, line: type[Line] = Line) -> None:
        self.line = line(table, name)
        self.acting = Acting()
        self.tenure = Tenure(Clock())
        self.keeper = LeaseKeeper(name, self.line, self.acting, self.tenure, count=SHARDS, term=TERM)
        self.running = asyncio.create_task(self.keeper.run())

    @property
    def alive(self) -> bool:
        return not self.running.done()

    def may(self) -> set[int]:
        return {shard for shard in range(SHARDS) if self.alive and self.tenure.covers(shard)}

    def acts(self) -> set[int]:
        """What it acts for, and may."""
        return self.may() & self.acting.held

    async def kill(self) -> None:
        self.line.going.clear()
        self.running.cancel()
        with suppress(asyncio.CancelledError):
            await self.running

    async def sigterm(self) -> None:
        await self.keeper.resign()
        await asyncio.sleep(0.3)
        self.running.cancel()
        with suppress(asyncio.CancelledError):
            await self.running
        await self.keeper.release_all()


def everything_held(*watchers: Watcher) -> bool:
    return sum(len(watcher.acts()) for watcher in watchers) == SHARDS


async def until(condition: Callable[[], bool], within: float) -> float:
    """Seconds until it came true."""
    begun = passed()
    while not condition():
        assert passed() - begun < within, "not in time"
        await asyncio.sleep(0.01)
    return passed() - begun
