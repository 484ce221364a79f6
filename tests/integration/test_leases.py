"""The leases in a real table: every write holds only for what was seen."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.support.incidents import FAILED_EVENT
from tests.support.tasks import running
from tests.support.waiting import PATIENCE, until
from tests.unit.cluster.leasing import Acting
from tests.unit.delivery.relaying import Scripted
from watcher.cluster.lease_keeper import LeaseKeeper, Tenure
from watcher.core.leases import Beat, Lease, Seen
from watcher.core.ports import Entry
from watcher.core.state import Record
from watcher.core.state_url import Address
from watcher.delivery.relay import Relay
from watcher.stores.dynamodb.items import SHARDS, shard_of
from watcher.stores.dynamodb.lease_table import LeaseTable, lease_key
from watcher.stores.dynamodb.schema import init
from watcher.stores.dynamodb.shard_outbox import LEASE_PAUSE_SECONDS
from watcher.stores.dynamodb.store import DynamoStore
from watcher.stores.dynamodb.table import Table, Update
from watcher.util.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.emulators import Emulator


TERM = 2.0


@pytest.fixture
async def table(ministack: Emulator) -> AsyncIterator[Table]:
    made = Table(Address(ministack.name(), "us-east-1", ministack.url))
    await init(made)
    yield made
    await made.close()


@pytest.fixture
def a(table: Table) -> LeaseTable:
    return LeaseTable(table, "a")


@pytest.fixture
def b(table: Table) -> LeaseTable:
    return LeaseTable(table, "b")


async def test_a_beat_moves_the_counter_and_tells_who_leaves(a: LeaseTable, b: LeaseTable) -> None:
    for _ in range(3):
        await a.renew(leaving=False)
    await b.renew(leaving=True)
    assert await a.read() == Seen({}, {"a": Beat(3), "b": Beat(1, leaving=True)})
    await a.resign()
    assert (await b.read()).watchers.keys() == {"b"}


async def test_one_of_many_acquires_a_shard_without_an_owner(table: Table) -> None:
    crowd = [LeaseTable(table, str(number)) for number in range(8)]
    taken = await asyncio.gather(*(each.acquire(3, None) for each in crowd))
    winners = [had for had in taken if had is not None]
    assert len(winners) == 1
    assert (await crowd[0].read()).leases == {3: winners[0]}


async def test_a_released_shard_is_acquired_with_the_next_epoch(a: LeaseTable, b: LeaseTable) -> None:
    first = await a.acquire(3, None)
    assert first == Lease("a", 1)
    assert await b.acquire(3, None) is None
    await a.release(3, first)
    seen = (await b.read()).leases[3]
    assert seen == Lease(None, 1)
    assert await b.acquire(3, seen) == Lease("b", 2)
    assert await a.acquire(3, seen) is None, "what was seen then is not so any more"
    await a.release(3, first)
    assert (await a.read()).leases == {3: Lease("b", 2)}, "no daemon releases what another one has"


async def test_a_shard_of_which_only_an_operator_s_news_is_known_can_be_taken(table: Table, a: LeaseTable) -> None:
    await table.write(Update(lease_key(3), "", {":one": 1}, "ADD news :one"))
    seen = (await a.read()).leases[3]
    assert seen == Lease(None, 0, 1)
    assert await a.acquire(3, seen) == Lease("a", 1, 1)
    await table.write(Update(lease_key(3), "", {":one": 1}, "ADD news :one"))
    assert (await a.read()).leases == {3: Lease("a", 1, 2)}


async def test_shards_of_one_that_has_not_moved_are_stolen_together(a: LeaseTable, b: LeaseTable) -> None:
    await a.renew(leaving=False)
    for shard in (1, 2, 5):
        await a.acquire(shard, None)
    seen = await b.read()
    assert await b.steal("a", (1, 5), seen) == {1: Lease("b", 2), 5: Lease("b", 2)}
    assert (await b.read()).leases == {1: Lease("b", 2), 2: Lease("a", 1), 5: Lease("b", 2)}
    assert await b.steal("a", (1, 2), seen) == {}, "all of them, or none"
    assert (await b.read()).leases[2] == Lease("a", 1)


async def test_nothing_is_stolen_from_one_that_has_moved(a: LeaseTable, b: LeaseTable) -> None:
    await a.acquire(1, None)
    unheard = await b.read()
    await a.renew(leaving=False)
    assert await b.steal("a", (1,), unheard) == {}
    heard = await b.read()
    await a.renew(leaving=False)
    assert await b.steal("a", (1,), heard) == {}
    assert (await b.read()).leases == {1: Lease("a", 1)}


async def test_of_two_thieves_one_succeeds(table: Table, a: LeaseTable) -> None:
    for shard in range(4):
        await a.acquire(shard, None)
    seen = await a.read()
    thieves = [LeaseTable(table, name) for name in "bcdef"]
    stolen = await asyncio.gather(*(thief.steal("a", (0, 1, 2, 3), seen) for thief in thieves))
    assert sorted(map(len, stolen)) == [0, 0, 0, 0, 4]


class Watcher:
    """One with a term that a test has time for."""

    def __init__(self, table: Table, name: str) -> None:
        self.acting = Acting(loading=0.0)
        leases = LeaseTable(Table(table.address, table.caller), name)
        self.tenure = Tenure(SystemClock())
        self.keeper = LeaseKeeper(name, leases, self.acting, self.tenure, count=SHARDS, term=TERM)
        self.running = asyncio.create_task(self.keeper.run())

    def acts(self) -> set[int]:
        return {shard for shard in self.acting.held if self.tenure.covers(shard)}

    async def kill(self) -> None:
        self.running.cancel()
        await asyncio.wait([self.running])


async def test_three_watchers_share_a_table_through_a_release_and_a_kill(table: Table) -> None:
    a = Watcher(table, "a")
    await until(lambda: len(a.acts()) == SHARDS)
    b, c = Watcher(table, "b"), Watcher(table, "c")
    await until(lambda: sorted(len(each.acts()) for each in (a, b, c)) in ([4, 6, 6], [5, 5, 6]))
    assert not a.acts() & b.acts() | a.acts() & c.acts() | b.acts() & c.acts()
    await a.keeper.resign()
    await a.kill()
    await a.keeper.release_all()
    assert a.acts() == set()
    await until(lambda: len(b.acts()) == len(c.acts()) == SHARDS // 2)
    await b.kill()
    await until(lambda: len(c.acts()) == SHARDS)
    await c.kill()


async def test_a_daemon_that_stops_waits_for_a_lease_that_is_uncertain_and_then_delivers(table: Table) -> None:
    subject, good, clock, sink = FAILED_EVENT.subject, set[int](), SystemClock(), Scripted()
    store = DynamoStore(replace(table.address, leases=True), may_deliver=good.__contains__)
    await store.open()
    relay = Relay(store, [sink], clock)
    try:
        await store.loaded.load(shard_of(subject))
        await store.commit([Entry(subject, Record(sequence=1), [(FAILED_EVENT, [sink.name])])], clock.now())
        async with running(relay.run()):
            draining = asyncio.create_task(relay.drain(PATIENCE))
            done, _ = await asyncio.wait([draining], timeout=3 * LEASE_PAUSE_SECONDS)
            assert (done, sink.sends) == (set(), [])
            good.add(shard_of(subject))
            await draining
            assert [send.subjects for send in sink.sends] == [[subject]]
            assert await store.waiting() == {}
    finally:
        await store.close()
