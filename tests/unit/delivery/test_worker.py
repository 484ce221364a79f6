"""A sink's worker: order within a subject, parallel sends, and that a delivery that fails delays no other subject."""

from __future__ import annotations

import asyncio
import random
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.delivery.relaying import (
    DEADLINE,
    HANGS,
    LANES,
    SUBJECTS,
    Scripted,
    in_own_time,
    lanes,
    number_of,
    passed,
    relaying,
)
from watcher.core.deliveries import Limits, Verdict
from watcher.core.queries import DeliveryQuery
from watcher.core.retry_policy import SPACING_SECONDS
from watcher.errors import SinkError

if TYPE_CHECKING:
    from collections.abc import Callable


@lanes
@in_own_time
async def test_the_order_within_a_subject_is_kept_for_any_response(limits: Limits) -> None:
    chance = random.Random(7)
    verdicts: list[Verdict | Exception | str | None] = [*Verdict, Verdict.TAKEN, SinkError("not now"), None, HANGS]
    sink = Scripted(lambda _: chance.choice(verdicts), limits, takes=0.3)
    async with relaying(sink) as house:
        for number in range(0, 100, 5):
            await house.record_all({subject: range(number, number + 5) for subject in SUBJECTS[:5]})
            await asyncio.sleep(1)
        sink.answer = lambda _: Verdict.TAKEN
        await house.quiet(3600)
        dead = await house.dead()
    assert dead
    for subject in SUBJECTS[:5]:
        arrived = list(dict.fromkeys(sink.taken_of(subject)))  # what it took and did not say comes again
        assert arrived == sorted(arrived)
        assert {*arrived} | {number_of(told) for told in dead if told.event.subject == subject} == {*range(100)}


@in_own_time
async def test_subjects_are_sent_in_parallel_and_events_of_one_subject_one_by_one() -> None:
    sink = Scripted(limits=Limits(parallel=4), takes=1.0)
    async with relaying(sink) as house:
        await house.record_all({subject: [1] for subject in SUBJECTS[:8]})
        await house.quiet(2.5)
        assert sink.most_under_way == 4
        await house.record("a", 1, 2, 3)
        await house.quiet(3.5)
        assert [at for at, delivery in sink.taken if delivery.event.subject == "a"][-1] - passed() < 1
    assert sink.taken_of("a") == [1, 2, 3]


@in_own_time
async def test_batches_are_full_and_have_different_subjects() -> None:
    sink = Scripted(limits=Limits(batch=10, parallel=2), takes=1.0)
    async with relaying(sink) as house:
        await house.record_all({subject: [1, 2] for subject in SUBJECTS})
        await house.quiet(5)
    assert [len(send.deliveries) for send in sink.sends] == [10, 2, 10, 2]


@pytest.mark.parametrize("limits", [each for each in LANES if each.parallel > 1], ids=["4x1", "4x10"])
@in_own_time
async def test_sends_that_hang_take_only_some_of_the_parallel_sends(limits: Limits) -> None:
    """A sink that takes other subjects is not down, and those do not wait for the ones that hang."""
    sink = Scripted(lambda delivery: HANGS if delivery.event.subject in SUBJECTS else Verdict.TAKEN, limits)
    async with relaying(sink) as house:
        await house.record_all({subject: [1] for subject in SUBJECTS})
        await asyncio.sleep(200)
        for number in range(200):
            await house.record("sound", number)
            # At first nothing works, and then a send may still hold them together; after that each goes alone.
            await house.until(partial(_took, sink, number), 2 * (DEADLINE + SPACING_SECONDS) if number < 100 else 0.1)
            await asyncio.sleep(0.25)


def _took(sink: Scripted, number: int) -> bool:
    return number in sink.taken_of("sound")


@in_own_time
async def test_batches_are_full_again_after_a_bug_has_ended() -> None:
    sink = Scripted(lambda _: ValueError("a bug") if len(sink.sends) == 1 else Verdict.TAKEN, Limits(batch=12))
    async with relaying(sink) as house:
        await house.record_all({subject: [1] for subject in SUBJECTS})
        await house.quiet(10)
        await house.record_all({subject: [2] for subject in SUBJECTS})
        await house.quiet(10)
    assert [len(send.deliveries) for send in sink.sends] == [12, *[1] * 12, 12]


@in_own_time
async def test_only_the_first_counts_as_tried_when_a_batch_in_order_fails() -> None:
    sink = Scripted(lambda _: SinkError("full"), Limits(batch=10, in_order=True))
    async with relaying(sink) as house:
        await house.record("a", 1, 2, 3)
        await house.until(lambda: len(sink.sends) == 2, 20)
        assert [told.tries for told in await house.store.deliveries(DeliveryQuery())] == [2, 0, 0]


POISONS: dict[str, Callable[[], Any]] = {
    "refused": lambda: Verdict.NEVER,
    "failing for ever": lambda: Verdict.LATER,
    "hanging": lambda: HANGS,
    "a bug": lambda: ValueError("a bug"),
}


@lanes
@pytest.mark.parametrize("poison", POISONS)
@in_own_time
async def test_a_poison_event_delays_no_other_subject(limits: Limits, poison: str) -> None:
    """Nor, once it is given up, what comes after it in its own."""
    sink = Scripted(lambda delivery: POISONS[poison]() if delivery.event.id == f"{1:032x}" else Verdict.TAKEN, limits)
    async with relaying(sink, give_up_after=90) as house:
        await house.record("p", 1, 2)
        recorded = {}
        for number in range(12):
            await house.record_all({subject: [10 + number] for subject in SUBJECTS})
            recorded[10 + number] = passed()
            await asyncio.sleep(5)
        late = [at - recorded[number_of(delivery)] for at, delivery in sink.taken if delivery.event.subject != "p"]
        assert len(late) == 12 * len(SUBJECTS)
        # It may be alone in the sink's only lane, and at first in a batch with others, which are then tried again.
        assert max(late) < (3 * DEADLINE + 1.5 if limits.batch > 1 or limits.parallel == 1 else 0.1)
        await house.quiet(600)
        assert [number_of(told) for told in await house.dead()] == [1]
    assert sink.taken_of("p") == [2]


@lanes
@in_own_time
async def test_many_that_hang_leave_room_for_one_that_works(limits: Limits) -> None:
    sink = Scripted(lambda delivery: Verdict.TAKEN if delivery.event.subject == "sound" else HANGS, limits)
    async with relaying(sink) as house:
        await house.record_all({subject: [1] for subject in SUBJECTS})
        await house.until(lambda: {*SUBJECTS} == {name for send in sink.sends for name in send.subjects}, 200)
        for number in range(8):
            await house.record("sound", number)
            await house.until(partial(_took, sink, number), 2 * (DEADLINE + SPACING_SECONDS))
            await asyncio.sleep(30)
