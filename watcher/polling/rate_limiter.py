"""Limits the calls that one endpoint may begin, with short windows of asyncio-throttle.

Two rules hold: never are more calls begun in any second than allowed (for a rate below 1: never two in its period), and
a backlog uses at least 95 % of what is allowed. One window of a second would let all its calls begin at once; many
short ones that add up to it spread them. A window is a little longer than its share, so that calls do not arrive closer
together than they were begun. Throttling answers lengthen the windows, and others shorten them again: additive
increase, multiplicative decrease, never above what is allowed.
"""

import asyncio
import time
from asyncio import sleep
from collections import deque
from math import floor, inf

from asyncio_throttle import Throttler  # type: ignore[attr-defined]  # it has no type hints

MARGIN = 1.022
"""The length of a window, as a multiple of its share of a second."""

MIN_SLEEP_SECONDS = 0.001
"""The shortest sleep that the event loop keeps: each window ends so much too late."""

DECREASE = 0.5
"""The share of the rate that is left after a throttling answer."""

INCREASE = 0.05
"""The share of the allowed rate that each second without a throttling answer restores."""

LOWEST = 0.05
"""The least share of the allowed rate that throttling answers leave."""


def windows(rate: float) -> tuple[int, float]:
    """Return how many calls a window has, and its length in seconds, for a rate in calls a second.

    Below one call a second a window has one call in its period. Above, whole calls count: 2.5 is limited as 2. The
    second is divided as finely as the loss of 2 % of the calls allows (with `MARGIN`, less than the 5 % of the second
    rule): calls that do not divide evenly are lost, and a millisecond at the end of each window.
    """
    if rate < 1:
        return 1, MARGIN / rate
    calls = floor(rate)
    finest = max(
        count for count in range(1, calls + 1) if 1 - calls // count * count / calls + count * MIN_SLEEP_SECONDS <= 0.02
    )
    return calls // finest, MARGIN / finest


class RateLimiter:
    """Lets calls begin within a rate (in calls a second), in the order in which they asked."""

    def __init__(self, rate: float) -> None:
        self.allowed = rate
        """The calls a second that may begin while AWS does not throttle."""
        calls, self._window = windows(rate)
        self._throttler = Throttler(rate_limit=calls, period=self._window)
        # The throttler wakes each of its waiters again and again: only one waits there, and only near the end.
        self._turn = asyncio.Lock()
        self._begun: deque[float] = deque(maxlen=calls)
        self._rest_until = -inf
        self._share = 1.0
        self._decreased = -inf
        self._apply()

    @property
    def rate(self) -> float:
        """The calls a second that may begin now."""
        return self.allowed * self._share

    def set_rate(self, rate: float) -> None:
        """Change the rate, after a rest: calls begun at the previous rate must not count in a second of the new one."""
        if rate == self.allowed:
            return
        self.allowed = rate
        if self._begun:
            self._rest_until = max(self._rest_until, self._begun[-1] + self._longest)
        calls, self._window = windows(rate)
        self._throttler.rate_limit = calls
        self._begun = deque(self._begun, maxlen=calls)
        self._apply()

    def rest(self) -> None:
        """Begin no call until those that another daemon began before now no longer count."""
        self._rest_until = time.monotonic() + self._longest

    @property
    def _longest(self) -> float:
        """The seconds in which calls are counted."""
        return max(1.0, 1 / self.allowed) * MARGIN

    async def acquire(self) -> None:
        """Wait until a call may begin."""
        async with self._turn:
            while True:
                while (wait := self._wait()) > 0:  # noqa: ASYNC110  nothing signals that the time has come
                    await sleep(min(wait, 0.25))  # the rate may change meanwhile
                await self._throttler.acquire()  # type: ignore[no-untyped-call]  # it has no type hints
                if self._rest_until <= time.monotonic():  # the rate has not changed meanwhile
                    break
            self._begun.append(time.monotonic())

    def _wait(self) -> float:
        """Return the seconds for which the throttler need not be asked: those in which it would admit no call.

        The throttler itself waits for the last 3 ms of a window, since a long sleep may end that much too late.
        """
        now = time.monotonic()
        rest = self._rest_until - now
        if len(self._begun) < (self._begun.maxlen or 0):
            return rest
        return float(max(rest, self._begun[0] + self._throttler.period - now - 0.003))

    def slow_down(self, begun: float) -> None:
        """Decrease the rate, since AWS throttled a call that was begun at `begun` (`time.monotonic`).

        A call that was begun before the last decrease says nothing about the rate since.
        """
        if begun >= self._decreased:
            self._decreased = time.monotonic()
            self._share = max(LOWEST, self._share * DECREASE)
            self._apply()

    def speed_up(self) -> None:
        """Increase the rate, since AWS answered without throttling."""
        if self._share < 1:
            self._share = min(1.0, self._share + INCREASE / max(1.0, self.rate))
            self._apply()

    def _apply(self) -> None:
        self._throttler.period = self._window / self._share
        self._throttler.retry_interval = max(MIN_SLEEP_SECONDS, self._throttler.period / 100)
