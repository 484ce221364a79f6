"""Several watchers share the shards of one table, in time of their own: minutes pass in no time."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

import pytest

from tests.unit.relaying import Clock, in_own_time, passed
from watcher.errors import StoreError
from watcher.holding import Holding
from watcher.stores.dynamodb.leases import Beat, Lease, Seen

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

    async def beat(self, *, leaving: bool) -> None:
        await self._there()
        known = self.table.watchers.get(self.me, Beat(0))
        self.table.watchers[self.me] = Beat(known.count + 1, leaving)
        await self._back()

    async def look(self) -> Seen:
        await self._there()
        seen = Seen(dict(self.table.leases), dict(self.table.watchers))
        await self._back()
        return seen

    async def take(self, shard: int, seen: Lease | None) -> Lease | None:
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

    async def give(self, shard: int, mine: Lease) -> None:
        await self._there()
        if self.table.leases[shard] == mine:
            self.table.leases[shard] = replace(mine, owner=None)
        await self._back()

    async def leave(self) -> None:
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

    async def gain(self, shards: Collection[int]) -> None:
        await asyncio.sleep(self.loading)
        self.held |= {*shards}
        self.history += [("gain", shard) for shard in shards]

    async def lose(self, shards: Collection[int]) -> None:
        self.held -= {*shards}
        self.history += [("lose", shard) for shard in shards]

    async def wind_down(self, shard: int) -> None:
        self.held -= {shard}
        await asyncio.sleep(0.2)
        self.history.append(("wind down", shard))

    async def look_again(self, shards: Collection[int]) -> None:
        self.history += [("look again", shard) for shard in shards]


class Watcher:
    """One that holds what it can, until it ends."""

    def __init__(self, table: Table, name: str, line: type[Line] = Line) -> None:
        self.line = line(table, name)
        self.acting = Acting()
        self.holding = Holding(name, self.line, self.acting, Clock(), count=SHARDS, term=TERM)
        self.running = asyncio.create_task(self.holding.run())

    @property
    def alive(self) -> bool:
        return not self.running.done()

    def may(self) -> set[int]:
        return {shard for shard in range(SHARDS) if self.alive and self.holding.may(shard)}

    def acts(self) -> set[int]:
        """What it acts for, and may."""
        return self.may() & self.acting.held

    async def kill(self) -> None:
        self.line.going.clear()
        self.running.cancel()
        with suppress(asyncio.CancelledError):
            await self.running

    async def sigterm(self) -> None:
        await self.holding.leave()
        await asyncio.sleep(0.3)
        self.running.cancel()
        with suppress(asyncio.CancelledError):
            await self.running
        await self.holding.release()


def everything_held(*watchers: Watcher) -> bool:
    return sum(len(watcher.acts()) for watcher in watchers) == SHARDS


async def until(condition: Callable[[], bool], within: float) -> float:
    """Seconds until it came true."""
    begun = passed()
    while not condition():
        assert passed() - begun < within, "not in time"
        await asyncio.sleep(0.01)
    return passed() - begun


@in_own_time
async def test_the_first_watcher_holds_everything_at_once() -> None:
    table = Table()
    a = Watcher(table, "a")
    assert await until(lambda: everything_held(a), SOON) < 0.5
    assert a.holding.unready() == []
    await a.kill()


@in_own_time
async def test_two_hold_half_each_soon_and_then_leave_it_at_that() -> None:
    table = Table()
    a = Watcher(table, "a")
    await until(lambda: everything_held(a), SOON)
    b = Watcher(table, "b")
    await until(lambda: len(a.acts()) == len(b.acts()) == SHARDS // 2, 30.0)
    changes = len(a.acting.history) + len(b.acting.history)
    await asyncio.sleep(300)
    assert len(a.acting.history) + len(b.acting.history) == changes
    assert ("lose", 0) not in a.acting.history, "what is given was wound down, not lost"
    await a.kill()
    await b.kill()


@in_own_time
async def test_what_is_released_is_held_by_others_within_two_seconds() -> None:
    table, times = Table(), []
    a = Watcher(table, "0")
    await until(lambda: everything_held(a), SOON)
    for number in range(1, 31):
        b = Watcher(table, str(number))
        await asyncio.sleep(random.uniform(0.1, 20))
        await a.sigterm()
        times.append(await until(partial(everything_held, b), SOON))
        a = b
    assert median(times) < 1.0
    await a.kill()


@in_own_time
async def test_what_a_killed_watcher_held_is_held_by_others_after_a_term() -> None:
    table, times = Table(), []
    for number in range(20):
        a = Watcher(table, f"a{number}")
        await until(partial(everything_held, a), 3 * TERM)
        b = Watcher(table, f"b{number}")
        await asyncio.sleep(random.uniform(TERM, 3 * TERM))
        await a.kill()
        times.append(await until(partial(everything_held, b), 2 * TERM))
        await b.kill()
    assert min(times) >= TERM * 3 / 4
    assert max(times) <= TERM + SOON


@in_own_time
async def test_one_that_cannot_reach_the_table_holds_nothing_after_its_term_and_says_why() -> None:
    table = Table()
    a = Watcher(table, "a")
    await until(lambda: everything_held(a), SOON)
    a.line.cut = True
    await asyncio.sleep(TERM + 0.1)
    assert a.may() == set()
    assert "the table does not answer" in a.holding.unready()[0]
    a.line.cut = False
    await until(lambda: everything_held(a), SOON)
    assert a.holding.unready() == []
    assert a.acting.history == [("gain", shard) for shard in range(SHARDS)], "nobody else had it meanwhile"
    await a.kill()


@in_own_time
async def test_one_that_was_stopped_past_its_term_gives_way_to_whoever_took_its_shards() -> None:
    table = Table()
    a, b = Watcher(table, "a"), Watcher(table, "b")
    await until(lambda: everything_held(a, b), 30.0)
    a.line.going.clear()
    await until(lambda: everything_held(b), TERM + SOON)
    assert a.may() == set()
    a.line.going.set()
    await until(lambda: any(what == "lose" for what, _ in a.acting.history), SOON)
    await until(lambda: len(a.acts()) == len(b.acts()) == SHARDS // 2, 30.0)
    await a.kill()
    await b.kill()


@in_own_time
async def test_one_that_holds_nothing_is_ready_while_another_lives_and_not_before_it_has_looked() -> None:
    table = Table()
    a = Watcher(table, "a")
    await until(lambda: everything_held(a), SOON)
    b = Watcher(table, "b")
    assert b.holding.unready() == ["it has not read yet what other watchers hold"]
    await until(lambda: not b.holding.unready(), SOON)
    assert b.acts() == set()
    await a.kill()
    await b.kill()


@in_own_time
async def test_a_shard_that_could_not_be_read_is_tried_again() -> None:
    table = Table()
    a = Watcher(table, "a")
    fails, gain = 3, a.acting.gain

    async def failing(shards: Collection[int]) -> None:
        nonlocal fails
        fails -= 1
        if fails >= 0:
            raise StoreError("throttled")
        await gain(shards)

    a.acting.gain = failing  # type: ignore[method-assign]  # a failure
    await until(lambda: everything_held(a), 3 * SOON)
    assert fails < 0
    await a.kill()


@in_own_time
async def test_an_operator_s_news_is_seen_to_once() -> None:
    table = Table()
    a = Watcher(table, "a")
    await until(lambda: everything_held(a), SOON)
    table.leases[3] = replace(table.leases[3], news=1)
    await asyncio.sleep(2 * TERM)
    assert [entry for entry in a.acting.history if entry[0] == "look again"] == [("look again", 3)]
    await a.kill()


async def _live(seed: int, minutes: float) -> tuple[int, float]:
    """Watchers come, go, are killed, stopped and cut off: how often two acted for one shard, and how often nobody."""
    chance, table = random.Random(seed), Table()
    watchers = [Watcher(table, f"{n}") for n in range(2)]
    number, twice, nobody, looks = 2, 0, 0, 0
    end, next_event = passed() + 60 * minutes, passed() + TERM
    tasks = []
    while passed() < end:
        await asyncio.sleep(0.1)
        acted = [watcher.may() for watcher in watchers]
        twice += sum(len(one & other) for i, one in enumerate(acted) for other in acted[:i])
        nobody += SHARDS - len(set().union(*acted))
        looks += SHARDS
        if passed() < next_event:
            continue
        next_event = passed() + chance.expovariate(1 / TERM)
        alive = [watcher for watcher in watchers if watcher.alive]
        if len(alive) < 2 or (len(alive) < 4 and chance.random() < 0.3):
            watchers.append(Watcher(table, str(number)))
            number += 1
            continue
        one = chance.choice(alive)
        match chance.randrange(4):
            case 0:
                await one.kill()
            case 1:
                tasks.append(asyncio.create_task(one.sigterm()))
            case 2:
                one.line.going.clear()
                asyncio.get_running_loop().call_later(chance.uniform(0.1, 2 * TERM), one.line.going.set)
            case _:
                one.line.cut = not one.line.cut
    for watcher in watchers:
        watcher.line.going.set()
        watcher.line.cut = False
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(2 * TERM)
    alive = [watcher for watcher in watchers if watcher.alive]
    assert not alive or everything_held(*alive), "in the end everything is held"
    for watcher in alive:
        await watcher.kill()
    return twice, nobody / looks


@pytest.mark.parametrize("seed", range(4))
def test_no_two_ever_may_act_for_one_shard_whatever_becomes_of_them(seed: int) -> None:
    @in_own_time
    async def live() -> None:
        twice, nobody = await _live(seed, minutes=8)
        assert twice == 0
        assert nobody < 0.5

    live()


@pytest.mark.parametrize(("line", "twice"), [(Line, False), (Careless, True)])
def test_a_theft_that_comes_late_is_none_since_the_owner_s_counter_has_moved(line: type[Line], *, twice: bool) -> None:
    """A thief is stopped just before it steals, and the owner comes back; without the check both act for a while."""

    @in_own_time
    async def live() -> None:
        table = Table()
        a = Watcher(table, "a")
        await until(lambda: everything_held(a), SOON)
        b = Watcher(table, "b", line)
        await until(lambda: len(a.acts()) == len(b.acts()) == SHARDS // 2, 30.0)
        steal, coming = b.line.steal, asyncio.Event()

        async def late(owner: str, shards: Collection[int], seen: Seen) -> Mapping[int, Lease]:
            coming.set()
            await until(lambda: len(a.may()) == SHARDS // 2, TERM)
            return await steal(owner, shards, seen)

        b.line.steal = late  # type: ignore[method-assign]  # a stop in its way
        a.line.cut = True
        await coming.wait()
        a.line.cut = False
        seen_twice = False
        for _ in range(300):
            await asyncio.sleep(0.01)
            seen_twice = seen_twice or bool(a.may() & b.may())
        assert seen_twice is twice
        await a.kill()
        await b.kill()

    live()
