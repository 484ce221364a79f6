"""The load of a configuration: calls per second that it asks for and allows, and the interval that can be kept."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import floor, fsum

from watcher.core.model import EndpointKey
from watcher.core.settings import Config


@dataclass(frozen=True, slots=True)
class EndpointLoad:
    """The calls per second to one endpoint, asked for and allowed.

    `kept_interval` is None if all intervals can be kept, else the seconds between two polls of a target whose interval
    is shorter. Only polls of settled targets are counted: there are more while syncs are active.
    """

    endpoint: EndpointKey
    targets: int
    asked: float
    allowed: float
    kept_interval: float | None


def load_report(config: Config) -> list[EndpointLoad]:
    """Return the load of each endpoint, in the order of their names."""
    report = []
    for key, targets in sorted(config.endpoints.items(), key=lambda item: str(item[0])):
        intervals = [target.interval for target in targets]
        allowed = allowed_rate(config.accounts[key.account].rate_limit.requests_per_second)
        asked = fsum(1 / interval for interval in intervals)
        report.append(EndpointLoad(key, len(intervals), asked, allowed, kept_interval(intervals, allowed)))
    return report


def allowed_rate(requests_per_second: float) -> float:
    """Return the calls per second that the rate limiter allows: whole calls in each second, so 2 for 2.5."""
    return requests_per_second if requests_per_second < 1 else float(floor(requests_per_second))


def kept_interval(intervals: Iterable[float], allowed: float) -> float | None:
    """Return the T with sum(1 / max(interval, T)) = `allowed`, or None if the intervals ask for no more than that.

    Overdue targets are polled in turn, so those with an interval below T are polled every T seconds.
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
