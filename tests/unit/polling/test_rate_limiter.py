"""The rate limit holds, and is used. Most of it in virtual time, some against the real clock."""

from __future__ import annotations

import asyncio
import math
import random
import time
from typing import TYPE_CHECKING

import asyncio_throttle.throttler
import pytest

from tests.support.sleeper import share_slept
from watcher.polling import rate_limiter
from watcher.polling.rate_limiter import DECREASE, INCREASE, LOWEST, MARGIN, RateLimiter, windows

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

WHOLE = range(1, 1001)
SOME = [*WHOLE[:50], *WHOLE[50::19]]
BELOW_ONE = [number / 100 for number in range(10, 100)]


class VirtualTime:
    """A clock that sleeping moves on, in the steps and with the lateness of a real event loop."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._lateness = random.Random(1)

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += math.ceil(seconds * 1000 - 1e-6) / 1000 + self._lateness.uniform(0.00005, 0.0003)


@pytest.fixture
def virtual(monkeypatch: pytest.MonkeyPatch) -> VirtualTime:
    """Virtual time for the limiter, and for the library below it."""
    clock = VirtualTime()
    monkeypatch.setattr(asyncio_throttle.throttler, "time", clock)
    monkeypatch.setattr(asyncio_throttle.throttler, "asyncio", clock)
    monkeypatch.setattr(rate_limiter, "time", clock)
    monkeypatch.setattr(rate_limiter, "sleep", clock.sleep)
    return clock


async def begun(limiter: RateLimiter, seconds: float, now: Callable[[], float]) -> list[float]:
    """When calls were let through by a backlog of so many seconds."""
    starts = []
    end = now() + seconds
    while now() < end:
        await limiter.acquire()
        starts.append(now())
    return starts


def most_within(starts: Sequence[float], seconds: float) -> int:
    """The most calls begun within any span of so many seconds."""
    most, first = 0, 0
    for last, start in enumerate(starts):
        while start - starts[first] >= seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


def share_used(starts: Sequence[float], rate: float) -> float:
    """Of the calls that the rate allows from the first window's start to the last's, how many were made."""
    heads = starts[:: windows(rate)[0]]
    return windows(rate)[0] * (len(heads) - 1) / (heads[-1] - heads[0]) / rate


@pytest.mark.parametrize(
    ("rate", "calls", "count"),
    [
        (1, 1, 1),
        (2, 1, 2),
        (5, 1, 5),
        (2.5, 1, 2),
        (7.99, 1, 7),
        (10, 1, 10),
        (59, 29, 2),
        (200, 10, 20),
        (1000, 50, 20),
    ],
)
def test_a_second_is_divided_into_windows(rate: float, calls: int, count: int) -> None:
    held, length = windows(rate)
    assert held == calls
    assert length == pytest.approx(MARGIN / count)


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.5, 0.99])
def test_below_one_call_a_second_a_window_is_one_call_in_its_period(rate: float) -> None:
    calls, length = windows(rate)
    assert calls == 1
    assert length >= 1 / rate


def test_the_windows_of_a_second_never_hold_more_calls_than_allowed() -> None:
    for rate in WHOLE:
        calls, length = windows(rate)
        # A span of a second touches so many windows in which calls may begin.
        assert math.ceil(1 / length) * calls <= rate
        # And most of the rate is left even where it does not divide evenly.
        assert calls / length >= 0.95 * rate


@pytest.mark.parametrize("rates", [SOME, pytest.param(WHOLE, marks=pytest.mark.soak)], ids=["some", "all"])
async def test_the_rate_holds_and_is_used_for_every_whole_rate(virtual: VirtualTime, rates: Sequence[int]) -> None:
    for rate in rates:
        starts = await begun(RateLimiter(rate), 6 if rate < 20 else 1.5, virtual.monotonic)
        assert most_within(starts, 1) <= rate, rate
        assert share_used(starts, rate) >= 0.95, rate


async def test_below_one_call_a_second_no_two_begin_within_a_period(virtual: VirtualTime) -> None:
    for rate in BELOW_ONE:
        starts = await begun(RateLimiter(rate), 20 / rate, virtual.monotonic)
        assert most_within(starts, 1 / rate) == 1, rate
        assert share_used(starts, rate) >= 0.95, rate


@pytest.mark.alone
@pytest.mark.parametrize(("rate", "seconds"), [(5, 2.0), (20, 1.2), (200, 1.2), (1000, 1.2)])
async def test_the_rate_holds_and_is_used_in_real_time(rate: float, seconds: float) -> None:
    # A busy machine wakes sleepers late, and that costs calls: beside it, one that only sleeps shows how many.
    starts, slept = await asyncio.gather(
        begun(RateLimiter(rate), seconds, time.monotonic), share_slept(windows(rate)[1], seconds)
    )
    assert most_within(starts, 1) <= rate
    assert share_used(starts, rate) >= 0.95 * slept


async def test_calls_begin_in_the_order_they_asked(virtual: VirtualTime) -> None:
    limiter = RateLimiter(20)
    order = []

    async def call(number: int) -> None:
        await limiter.acquire()
        order.append(number)

    waiting: list[Awaitable[None]] = [call(number) for number in range(50)]
    await asyncio.gather(*waiting)
    assert order == list(range(50))


async def test_one_who_gives_up_waiting_costs_no_call_and_holds_nobody_up(virtual: VirtualTime) -> None:
    limiter = RateLimiter(1)
    await limiter.acquire()
    async with limiter._turn:
        impatient = asyncio.create_task(limiter.acquire())
        await asyncio.sleep(0)
        impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    before = virtual.now
    await limiter.acquire()
    assert virtual.now - before == pytest.approx(MARGIN, abs=0.02)


def test_a_burst_of_throttling_answers_halves_the_rate_once(virtual: VirtualTime) -> None:
    limiter = RateLimiter(100)
    sent = virtual.now
    for _ in range(20):
        virtual.now += 0.01
        limiter.slow_down(sent)
    assert limiter.rate == pytest.approx(100 * DECREASE)


async def test_a_lower_rate_holds_and_climbs_back(virtual: VirtualTime) -> None:
    limiter = RateLimiter(100)
    limiter.slow_down(virtual.now)
    starts = await begun(limiter, 4, virtual.monotonic)
    assert 0.95 * 50 / 100 <= share_used(starts, 100) <= 50 / 100

    # A call that was begun since is throttled too: half of the half.
    limiter.slow_down(virtual.now)
    assert limiter.rate == pytest.approx(25)

    # Each second of good answers gives back a part of what is allowed.
    for _ in range(25):
        limiter.speed_up()
    assert limiter.rate == pytest.approx(25 + 100 * INCREASE, rel=0.1)


async def test_the_rate_climbs_back_to_what_is_allowed_and_never_above(virtual: VirtualTime) -> None:
    limiter = RateLimiter(20)
    limiter.slow_down(virtual.now)
    starts = []
    end = virtual.now + 15
    while virtual.now < end:
        await limiter.acquire()
        starts.append(virtual.now)
        limiter.speed_up()
        assert limiter.rate <= 20
    assert limiter.rate == 20
    assert most_within(starts, 1) <= 20
    assert most_within(starts[:10], 1) <= 11


def test_however_often_it_is_throttled_some_of_the_rate_is_left(virtual: VirtualTime) -> None:
    limiter = RateLimiter(100)
    for _ in range(50):
        virtual.now += 1
        limiter.slow_down(virtual.now)
    assert limiter.rate == pytest.approx(100 * LOWEST)


@pytest.mark.parametrize(("before", "after"), [(20, 5), (5, 20), (1000, 1), (1, 1000), (5, 0.2), (0.2, 5), (7, 59)])
async def test_a_rate_that_is_changed_has_no_second_that_neither_would_allow(
    virtual: VirtualTime, before: float, after: float
) -> None:
    for moment in (0.3, 0.5, 1.1, 5.05):
        limiter = RateLimiter(before)
        starts = await begun(limiter, moment, virtual.monotonic)
        limiter.set_rate(after)
        assert (limiter.allowed, limiter.rate) == (after, after)
        following = await begun(limiter, max(3.0, 4 / after), virtual.monotonic)
        assert following[0] - starts[-1] >= max(1.0, 1 / after)
        assert most_within(following, 1) <= max(after, 1)
        assert share_used(following, after) >= 0.9


async def test_what_aws_throttles_stays_throttled_when_the_rate_is_changed(virtual: VirtualTime) -> None:
    limiter = RateLimiter(100)
    limiter.slow_down(virtual.monotonic())
    limiter.set_rate(10)
    assert limiter.rate == 10 * DECREASE


@pytest.mark.parametrize("rate", [0.5, 1, 3, 50])
async def test_after_a_rest_no_call_counts_in_one_second_with_one_that_another_watcher_began_before(
    virtual: VirtualTime, rate: float
) -> None:
    limiter = RateLimiter(rate)
    limiter.rest()
    rested = virtual.now
    starts = await begun(limiter, 10 / rate, virtual.monotonic)
    assert starts[0] - rested >= max(1.0, 1 / rate)
    assert starts[0] - rested <= max(1.0, 1 / rate) * 1.05


async def test_who_waits_for_a_low_rate_has_a_higher_one_at_once(virtual: VirtualTime) -> None:
    limiter = RateLimiter(0.05)
    await limiter.acquire()
    begun = virtual.monotonic()
    sleep, slept = virtual.sleep, 0

    async def raised(seconds: float) -> None:
        nonlocal slept
        slept += 1
        if slept == 2:
            limiter.set_rate(5)
        await sleep(seconds)

    rate_limiter.sleep = raised  # type: ignore[attr-defined]
    await limiter.acquire()
    assert virtual.monotonic() - begun < 2.0
