"""The calls that one endpoint may begin: asyncio-throttle's window, divided so that it is exact, even and quick.

Contract, section 6: never more calls in any one second than allowed, and a backlog uses at least 95 % of that. One
window of a second would let all its calls start at once; many short ones that add up to it spread them. A window lasts
a little longer than its share, so that calls do not arrive closer together than they were begun. Throttling answers
lengthen the windows and good ones shorten them again: additive increase, multiplicative decrease, never above what is
allowed.
"""

from __future__ import annotations

import asyncio
import time
from asyncio import sleep
from collections import deque
from math import floor, inf

from asyncio_throttle import Throttler  # type: ignore[attr-defined]  # it tells no types

MARGIN = 1.022
"""A window's length, as a multiple of its share of a second."""

WASTE = 0.02
"""What dividing a second may cost of its calls; together with `MARGIN` less than the twentieth that is promised."""

FINEST = 0.001
"""Seconds: the shortest sleep that the event loop keeps, and how much too late a window ends."""

EARLY = 0.003
"""Seconds before a window's end from which the throttler looks for it itself: a long sleep may end so much late."""

GLANCE = 0.25
"""Seconds after which one who waits looks whether the rate is another one now."""

DECREASE = 0.5
INCREASE = 0.05
"""Of the allowed rate: what each second without a throttling answer gives back."""
LOWEST = 0.05


def windows(rate: float) -> tuple[int, float]:
    """How many calls a window holds, and its length in seconds, for a rate in calls a second.

    Below one call a second: one call in its period. Above, whole calls count: 2.5 is kept as 2. The second is divided
    as finely as wastes little: a share of calls that does not divide evenly is lost, and so is a millisecond at
    each window's end.
    """
    if rate < 1:
        return 1, MARGIN / rate
    calls = floor(rate)
    finest = max(count for count in range(1, calls + 1) if 1 - calls // count * count / calls + count * FINEST <= WASTE)
    return calls // finest, MARGIN / finest


class RateLimiter:
    """Lets calls begin, in the order they asked, within a rate (in calls a second)."""

    def __init__(self, rate: float) -> None:
        """Begin with all of the rate."""
        self._rate = rate
        calls, self._window = windows(rate)
        self._throttler = Throttler(rate_limit=calls, period=self._window)
        # The throttler wakes each of its waiters again and again: let it have one at a time, when it is time.
        self._turn = asyncio.Lock()
        self._begun: deque[float] = deque(maxlen=calls)
        self._rest_until = -inf
        self._share = 1.0
        self._decreased = -inf
        self._apply()

    @property
    def rate(self) -> float:
        """Calls a second that are let through now."""
        return self._rate * self._share

    @property
    def allowed(self) -> float:
        """Calls a second that are let through while AWS does not throttle."""
        return self._rate

    def resize(self, rate: float) -> None:
        """Allow another rate, after a rest: no second may hold calls of both, since the old ones count in none anew."""
        if rate == self._rate:
            return
        self._rate = rate
        if self._begun:
            self._rest_until = max(self._rest_until, self._begun[-1] + self._longest)
        calls, self._window = windows(rate)
        self._throttler.rate_limit = calls
        self._begun = deque(self._begun, maxlen=calls)
        self._apply()

    def rest(self) -> None:
        """Begin nothing until calls that somebody else began before now count no more."""
        self._rest_until = time.monotonic() + self._longest

    @property
    def _longest(self) -> float:
        """Seconds in which the rate is counted."""
        return max(1.0, 1 / self._rate) * MARGIN

    async def acquire(self) -> None:
        """Wait until a call may begin."""
        async with self._turn:
            while True:
                while (wait := self._wait()) > 0:  # noqa: ASYNC110  nobody tells when it is time
                    await sleep(min(wait, GLANCE))
                await self._throttler.acquire()  # type: ignore[no-untyped-call]  # the same
                if self._rest_until <= time.monotonic():  # the rate was not changed meanwhile
                    break
            self._begun.append(time.monotonic())

    def _wait(self) -> float:
        """Seconds for which it is no use to ask the throttler."""
        now = time.monotonic()
        rest = self._rest_until - now
        if len(self._begun) < (self._begun.maxlen or 0):
            return rest
        return float(max(rest, self._begun[0] + self._throttler.period - now - EARLY))

    def slow_down(self, begun: float) -> None:
        """AWS said that there were too many calls, to one begun at `begun` (seconds, `time.monotonic`).

        A call begun before the last decrease tells nothing of the rate since.
        """
        if begun >= self._decreased:
            self._decreased = time.monotonic()
            self._share = max(LOWEST, self._share * DECREASE)
            self._apply()

    def speed_up(self) -> None:
        """AWS answered."""
        if self._share < 1:
            self._share = min(1.0, self._share + INCREASE / max(1.0, self.rate))
            self._apply()

    def _apply(self) -> None:
        self._throttler.period = self._window / self._share
        self._throttler.retry_interval = max(FINEST, self._throttler.period / 100)
