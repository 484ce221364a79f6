"""Events that a sink never takes delay no other subject, and are given up in time."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.delivery.relaying import HANGS, SUBJECTS, House, Scripted, in_own_time, passed, relaying
from watcher.core.deliveries import Limits, Verdict
from watcher.errors import SinkError
from watcher.stores.memory import MemoryStore
from watcher.stores.sqlite.store import SqliteOutbox

if TYPE_CHECKING:
    from watcher.core.deliveries import Delivery

WEBHOOK = Limits(parallel=8, deadline=10.0)
SLACK = Limits(parallel=2, deadline=10.0)
NOTIFY = Limits(deadline=10.0)
BUS = Limits(batch=10, parallel=4, deadline=10.0)

ASKS = SinkError("503 Service Unavailable", retry_after=30)


def poisoned(fault: Any, limits: Limits) -> Scripted:
    return Scripted(lambda delivery: fault if delivery.event.subject.startswith("p") else Verdict.TAKEN, limits)


async def delays(house: House, sink: Scripted, poison: int, seconds: float) -> list[float]:
    """How late sound events were, of which one comes every third of a second beside so many poisoned subjects."""
    await house.record_all({f"p{i}": [1] for i in range(poison)})
    recorded: dict[str, float] = {}
    number = 0
    while passed() < seconds:
        await asyncio.sleep(0.33)
        number += 1
        subject = f"s{number % 6}"
        await house.record(subject, number)
        recorded[f"{number:032x}"] = passed()
    await house.until(lambda: len(sink.taken) == number, 60)
    return [at - recorded[delivery.event.id] for at, delivery in sink.taken]


async def requeue(house: House) -> None:
    """Requeue all dead letters, as an operator does beside the daemon: without a wake-up."""
    assert isinstance(house.store, MemoryStore)
    outbox = SqliteOutbox(Path())
    outbox.database = house.store.database
    await house.store.set_sinks(house.sinks, house.clock.now())
    await outbox.requeue([], None, house.clock.now())


def tries_of(sink: Scripted, subject: str) -> int:
    return sum(subject in send.subjects for send in sink.sends)


@pytest.mark.parametrize("poison", [*(pytest.param(few, marks=pytest.mark.soak) for few in (1, 4)), 12])
@pytest.mark.parametrize("limits", [WEBHOOK, SLACK, NOTIFY, BUS], ids=["webhook", "slack", "notify", "bus"])
@in_own_time
async def test_events_that_are_refused_for_good_delay_no_other_subject(limits: Limits, poison: int) -> None:
    sink = poisoned(Verdict.LATER, limits)
    async with relaying(sink) as house:
        late = await delays(house, sink, poison, 300)
    # Only when it is new may it look as if the sink were down.
    assert sum(each > 1 for each in late) < 40
    assert max(late) < 15
    assert median(late) < 0.1
    # Each try of its own is as far from the last as its failures tell: 1 s, 2 s, 4 s … at most.
    assert all(5 <= tries_of(sink, f"p{i}") < 25 for i in range(poison))


@pytest.mark.parametrize(
    ("limits", "poison"),
    [
        pytest.param(WEBHOOK, 4, marks=pytest.mark.soak),
        (WEBHOOK, 12),
        pytest.param(SLACK, 2, marks=pytest.mark.soak),
        (SLACK, 4),
    ],
    ids=lambda value: str(value)[:20],
)
@in_own_time
async def test_events_that_hang_delay_others_only_at_first(limits: Limits, poison: int) -> None:
    sink = poisoned(HANGS, limits)
    async with relaying(sink) as house:
        late = await delays(house, sink, poison, 400)
    assert median(late) < 0.1
    # Each that hangs takes a deadline, once, before it is known.
    assert max(late) < 10.0 * (poison / limits.parallel + 2)
    assert sum(late[len(late) // 2 :]) < 1


@pytest.mark.parametrize("limits", [WEBHOOK, SLACK, NOTIFY], ids=["webhook", "slack", "notify"])
@in_own_time
async def test_a_retry_after_for_one_failing_subject_pauses_only_that_subject(limits: Limits) -> None:
    sink = poisoned(ASKS, limits)
    async with relaying(sink) as house:
        late = await delays(house, sink, 1, 300)
    assert max(late) < 30 + 6  # heeded for all, once
    assert sum(late[len(late) // 3 :]) < 1
    tries = [send.at for send in sink.sends if send.subjects == ["p0"]]
    assert len(tries) > 2
    assert all(later - earlier > 29.99 for earlier, later in pairwise(tries)), tries


@pytest.mark.parametrize(
    "limits", [WEBHOOK, SLACK, BUS, Limits(batch=100, in_order=True)], ids=["webhook", "slack", "bus", "in order"]
)
@in_own_time
async def test_everything_pending_for_a_dead_sink_is_given_up_in_time(limits: Limits) -> None:
    sink = Scripted(lambda _: SinkError("no route"), limits)
    async with relaying(sink, give_up_after=60) as house:
        await house.record_all({f"s{i}": range(5) for i in range(300)})
        await asyncio.sleep(50)
        assert not await house.dead()
        await asyncio.sleep(30)
        assert not await house.store.waiting()
        assert {told.answer for told in await house.dead()} == {"given up after 1m: no route"}
        await house.record("s0", 9)
        await asyncio.sleep(20)
        assert dict(await house.store.waiting()) == {"x": 1}  # it has its own time
        sink.answer = lambda _: Verdict.TAKEN
        await house.quiet(60)
    assert sink.taken_of("s0") == [9]


@pytest.mark.parametrize("limits", [WEBHOOK, SLACK, BUS], ids=["webhook", "slack", "bus"])
@in_own_time
async def test_deliveries_requeued_to_a_sink_that_was_down_for_too_long_are_tried(limits: Limits) -> None:
    sink = Scripted(lambda _: SinkError("no route"), limits)
    async with relaying(sink, give_up_after=60) as house:
        await house.record_all({subject: [1, 2] for subject in SUBJECTS})
        await asyncio.sleep(600)
        assert len(await house.dead()) == 24
        sink.answer = lambda _: Verdict.TAKEN
        await requeue(house)
        await house.until(lambda: len(sink.taken) == 24, 60)
        assert not await house.dead()


@in_own_time
async def test_deliveries_requeued_to_a_sink_that_is_still_down_are_given_up_again() -> None:
    sink = Scripted(lambda _: SinkError("no route"), WEBHOOK)
    async with relaying(sink, give_up_after=60) as house:
        await house.record_all({subject: [1, 2] for subject in SUBJECTS})
        await asyncio.sleep(600)
        before = len(sink.sends)
        await requeue(house)
        await asyncio.sleep(30)
        assert len(await house.dead()) == 24
        assert len(sink.sends) == before + 1


@in_own_time
async def test_a_sink_that_takes_anything_gives_up_only_what_it_does_not_take() -> None:
    def answer(delivery: Delivery) -> Verdict:
        return Verdict.LATER if delivery.event.subject != "s0" else Verdict.TAKEN

    sink = Scripted(answer, WEBHOOK)
    async with relaying(sink, give_up_after=60) as house:
        await house.record_all({subject: [1, 2] for subject in SUBJECTS})
        for number in range(3, 30):
            await asyncio.sleep(10)
            await house.record("s0", number)
        await house.until(lambda: len(sink.taken) == 29, 1)
        dead = await house.dead()
        assert {told.event.subject for told in dead} == {*SUBJECTS} - {"s0"}
        # Each was tried: the one behind what failed may have been what the sink takes.
        assert all(told.tries for told in dead)
    assert sink.taken_of("s0") == [*range(1, 30)]


@in_own_time
async def test_a_given_up_delivery_has_the_sinks_last_response_as_reason() -> None:
    sink = Scripted(lambda _: SinkError("no route"), WEBHOOK)
    async with relaying(sink, give_up_after=5) as house:
        for number in range(20):
            await house.record_all({subject: [number] for subject in SUBJECTS})
            await asyncio.sleep(2)
        await house.quiet(30)
        assert {told.answer for told in await house.dead()} == {"given up after 5s: no route"}
