"""When the loop of a poller looks again."""

from __future__ import annotations

import asyncio

import pytest

from tests.unit.delivery.relaying import Clock, in_own_time
from watcher.polling.wake_up import WakeUp

LATER = 100.0


@in_own_time
async def test_it_sleeps_until_the_time() -> None:
    clock = Clock()
    begun = clock.monotonic()
    await WakeUp(clock).sleep(begun + LATER)
    assert clock.monotonic() - begun == pytest.approx(LATER, abs=0.01)


@in_own_time
async def test_a_reason_since_the_last_look_lets_it_not_sleep() -> None:
    clock = Clock()
    wake_up = WakeUp(clock)
    wake_up.now()
    await wake_up.sleep(None)
    wake_up.reset()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(LATER):
            await wake_up.sleep(None)


@pytest.mark.parametrize(
    ("until", "due", "wakes"),
    [
        pytest.param(LATER, LATER - 1, True, id="earlier than it wakes anyway"),
        pytest.param(LATER, LATER, False, id="when it wakes anyway"),
        pytest.param(LATER, LATER + 1, False, id="later"),
        pytest.param(None, LATER, True, id="while it sleeps for ever"),
        pytest.param(LATER, None, True, id="nothing is due any more"),
    ],
)
@in_own_time
async def test_what_is_due_wakes_it_only_if_it_would_oversleep(
    *, until: float | None, due: float | None, wakes: bool
) -> None:
    clock = Clock()
    begun = clock.monotonic()
    wake_up = WakeUp(clock)
    sleeping = asyncio.create_task(wake_up.sleep(None if until is None else begun + until))
    await asyncio.sleep(1)
    wake_up.before(None if due is None else begun + due)
    await asyncio.sleep(1)
    assert sleeping.done() is wakes
    sleeping.cancel()


@in_own_time
async def test_the_timer_of_a_sleep_that_was_ended_does_not_end_the_next_one() -> None:
    clock = Clock()
    wake_up = WakeUp(clock)
    sleeping = asyncio.create_task(wake_up.sleep(clock.monotonic() + LATER))
    await asyncio.sleep(1)
    wake_up.now()
    await sleeping
    wake_up.reset()
    begun = clock.monotonic()
    await wake_up.sleep(begun + 2 * LATER)
    assert clock.monotonic() - begun == pytest.approx(2 * LATER, abs=0.01)
