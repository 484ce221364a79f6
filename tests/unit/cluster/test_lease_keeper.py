"""Several watchers share the shards of one table, in time of their own: minutes pass in no time."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

import pytest

from tests.unit.cluster.leasing import SHARDS, SOON, TERM, Careless, Line, Table, Watcher, everything_held, until
from tests.unit.delivery.relaying import in_own_time, passed
from watcher.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from watcher.core.leases import Lease, Seen


@in_own_time
async def test_the_first_watcher_holds_everything_at_once() -> None:
    table = Table()
    a = Watcher(table, "a")
    assert await until(lambda: everything_held(a), SOON) < 0.5
    assert a.keeper.unready() == []
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


@pytest.mark.parametrize("call", ["acquire", "release"])
def test_a_watcher_that_ends_while_it_acquires_or_releases_leaves_no_lease_behind(call: str) -> None:
    """The table did it, or did not, and the end cuts the answer off."""

    @in_own_time
    async def live() -> None:
        table, asked = Table(), asyncio.Event()
        a = Watcher(table, "a")
        known = getattr(a.line, call)

        async def unanswered(*what: object) -> None:
            if call == "acquire":
                await known(*what)
            asked.set()
            await asyncio.Event().wait()

        if call == "release":
            await until(lambda: everything_held(a), SOON)
        setattr(a.line, call, unanswered)
        b = Watcher(table, "b")
        await asked.wait()
        await a.keeper.resign()
        setattr(a.line, call, known)
        a.running.cancel()
        await asyncio.wait([a.running])
        await a.keeper.release_all()
        assert "a" not in {lease.owner for lease in table.leases.values()}
        await until(lambda: everything_held(b), SOON)
        await b.kill()

    live()


@in_own_time
async def test_a_daemon_that_ends_while_it_gains_keeps_renewing_although_the_table_is_silent_for_a_while() -> None:
    table = Table()
    a = Watcher(table, "a")
    a.acting.loading = TERM
    await until(lambda: len(a.may()) == SHARDS, SOON)
    a.line.cut = True
    await a.keeper.resign()
    await asyncio.sleep(TERM / 2)
    assert a.alive
    a.line.cut = False
    await until(lambda: table.watchers["a"].leaving, SOON)
    await asyncio.sleep(2 * TERM)
    assert len(a.may()) == SHARDS, "it has them until it releases them"
    assert a.acting.held == frozenset()
    await a.kill()


@in_own_time
async def test_of_more_watchers_than_shards_those_that_hold_nothing_are_ready_and_take_over_at_once() -> None:
    table = Table()
    crowd = [Watcher(table, f"{number:02}") for number in range(SHARDS + 4)]
    await until(lambda: sorted(len(each.acts()) for each in crowd) == [0] * 4 + [1] * SHARDS, 60.0)
    assert [each.keeper.unready() for each in crowd] == [[]] * len(crowd)
    one = next(each for each in crowd if each.acts())
    await one.sigterm()
    assert await until(lambda: everything_held(*crowd), SOON) <= TERM / 10 + 0.5
    for each in crowd:
        await each.kill()


@in_own_time
async def test_a_table_that_was_created_again_is_shared_again() -> None:
    table = Table()
    a, b = Watcher(table, "a"), Watcher(table, "b")
    await until(lambda: len(a.acts()) == len(b.acts()) == SHARDS // 2, 30.0)
    table.leases.clear()
    table.watchers.clear()
    await until(lambda: not a.may() & b.may() and everything_held(a, b), TERM)
    await until(lambda: len(a.acts()) == len(b.acts()) == SHARDS // 2, 30.0)
    assert a.acts() | b.acts() == {*range(SHARDS)}
    await a.kill()
    await b.kill()


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
    assert "the table does not answer" in a.keeper.unready()[0]
    a.line.cut = False
    await until(lambda: everything_held(a), SOON)
    assert a.keeper.unready() == []
    assert a.acting.history == [("gain", shard) for shard in range(SHARDS)], "no other daemon had it meanwhile"
    await a.kill()


@in_own_time
async def test_a_daemon_that_was_stopped_for_a_term_gives_way_to_those_that_took_its_shards() -> None:
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
    assert b.keeper.unready() == ["it has not read yet what other daemons hold"]
    await until(lambda: not b.keeper.unready(), SOON)
    assert b.acts() == set()
    await a.kill()
    await b.kill()


@in_own_time
async def test_a_shard_that_could_not_be_read_is_tried_again() -> None:
    table = Table()
    a = Watcher(table, "a")
    fails, gain = 3, a.acting.gain

    async def failing(shards: Collection[int]) -> Mapping[int, str]:
        nonlocal fails
        fails -= 1
        if fails >= 0:
            raise StoreError("throttled")
        return await gain(shards)

    a.acting.gain = failing  # type: ignore[method-assign]  # a failure
    await until(lambda: everything_held(a), 3 * SOON)
    assert fails < 0
    await a.kill()


@in_own_time
async def test_a_shard_that_cannot_be_read_delays_no_other_and_is_reported() -> None:
    table = Table()
    a = Watcher(table, "a")
    a.acting.unreadable = frozenset({3})
    await until(lambda: len(a.acts()) == SHARDS - 1, SOON)
    assert a.keeper.unready() == ["shard 3 cannot be loaded: of a later form"]
    a.acting.unreadable = frozenset()
    await until(lambda: everything_held(a), SOON)
    assert a.keeper.unready() == []
    await a.kill()


@in_own_time
async def test_an_operator_s_news_is_seen_to_once() -> None:
    table = Table()
    a = Watcher(table, "a")
    await until(lambda: everything_held(a), SOON)
    table.leases[3] = replace(table.leases[3], news=1)
    await asyncio.sleep(2 * TERM)
    assert [entry for entry in a.acting.history if entry[0] == "refresh"] == [("refresh", 3)]
    await a.kill()


async def _live(seed: int, minutes: float) -> tuple[int, float]:
    """Watchers come, go, are killed, stopped and cut off: how often two acted for one shard, and how often none."""
    chance, table = random.Random(seed), Table()
    watchers = [Watcher(table, f"{n}") for n in range(2)]
    number, twice, unserved, looks = 2, 0, 0, 0
    end, next_event = passed() + 60 * minutes, passed() + TERM
    tasks = []
    while passed() < end:
        await asyncio.sleep(0.1)
        acted = [watcher.may() for watcher in watchers]
        twice += sum(len(one & other) for i, one in enumerate(acted) for other in acted[:i])
        unserved += SHARDS - len(set().union(*acted))
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
    return twice, unserved / looks


@pytest.mark.parametrize("seed", range(4))
def test_no_two_ever_may_act_for_one_shard_whatever_becomes_of_them(seed: int) -> None:
    @in_own_time
    async def live() -> None:
        twice, unserved = await _live(seed, minutes=8)
        assert twice == 0
        assert unserved < 0.5

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
