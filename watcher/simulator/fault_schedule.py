"""Which fault applies to a call, and whether it exceeds AWS's rate limit. Moments are passed in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from watcher.simulator.faults import Fault
from watcher.simulator.scenario import FaultWindow, Throttle


@dataclass(slots=True)
class CountedWindow:
    """A window, and the calls that it applied to so far."""

    window: FaultWindow
    calls: int = 0


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled: float


class FaultSchedule:
    """The fault windows, of which the first that is active wins, and a token bucket for each region and API."""

    def __init__(self, windows: Iterable[FaultWindow], throttle: Throttle | None) -> None:
        self.windows = [CountedWindow(window) for window in windows]
        self.throttle = throttle
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def fault_for(self, region: str, api: str, key: str, moment: float) -> Fault | None:
        """The fault of this call, which is counted."""
        for each in self.windows:
            window = each.window
            if window.begin <= moment < window.end and window.applies_to(key, api, region):
                each.calls += 1
                if window.strikes(each.calls):
                    return window.fault
        return None

    def exceeds_rate(self, region: str, api: str, moment: float) -> bool:
        """Whether this call is throttled; if not, it takes a token."""
        if self.throttle is None:
            return False
        full = float(self.throttle.burst)
        bucket = self._buckets.setdefault((region, api), _Bucket(full, moment))
        gained = max(0.0, moment - bucket.filled) * self.throttle.requests_per_second
        bucket.tokens, bucket.filled = min(full, bucket.tokens + gained), moment
        if bucket.tokens < 1:
            return True
        bucket.tokens -= 1
        return False
