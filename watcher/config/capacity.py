"""What a configuration asks of AWS, beside what it allows, and the interval that is kept when that is too much."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, fsum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from watcher.core.model import EndpointKey
    from watcher.core.settings import Config


@dataclass(frozen=True, slots=True)
class EndpointLoad:
    """Calls a second that one account, region and API is asked for and allowed.

    `kept_interval` is None when all intervals can be kept; otherwise the seconds between two polls of a target that
    asks for less than that. Only settled polls are counted: there are more while syncs are active.
    """

    endpoint: EndpointKey
    targets: int
    asked: float
    allowed: float
    kept_interval: float | None


def load_report(config: Config) -> list[EndpointLoad]:
    """The load of each endpoint, in the order of their names."""
    report = []
    for key, targets in sorted(config.endpoints().items(), key=lambda item: str(item[0])):
        intervals = [target.interval for target in targets]
        allowed = allowed_rate(config.accounts[key.account].rate_limit.requests_per_second)
        asked = fsum(1 / interval for interval in intervals)
        report.append(EndpointLoad(key, len(intervals), asked, allowed, kept_interval(intervals, allowed)))
    return report


def allowed_rate(requests_per_second: float) -> float:
    """The calls a second that the limiter lets through: it keeps whole calls in each second, so 2.5 is 2."""
    return requests_per_second if requests_per_second < 1 else float(floor(requests_per_second))


def kept_interval(intervals: Iterable[float], allowed: float) -> float | None:
    """The cycle T with sum(1 / max(interval, T)) = `allowed`, or None when the intervals ask for no more than that.

    Overdue targets are served in turn, so those that ask for less than T all get T; slower ones keep their own.
    """
    slowest_first = sorted(intervals, reverse=True)
    if fsum(1 / interval for interval in slowest_first) <= allowed * (1 + 1e-9):
        return None
    left = allowed
    for index, interval in enumerate(slowest_first):
        cycle = (len(slowest_first) - index) / left
        if interval <= cycle:  # this one and all faster ones share what is left
            return cycle
        left -= 1 / interval
    raise AssertionError("an asked rate above the allowed one has a cycle")  # pragma: no cover
