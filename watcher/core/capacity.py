"""The load of a configuration: calls per second that it asks for and allows, and the interval that is kept. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from math import floor, fsum
from typing import TYPE_CHECKING, Any

from watcher.core.repositories import source_repositories

if TYPE_CHECKING:
    from watcher.core.model import EndpointKey, Target

TRAIL_DOLLARS = 2.0 / 100_000
"""The price of one call in each CloudTrail trail beyond the first copy, which is free
(https://aws.amazon.com/cloudtrail/pricing/, management events)."""

MONTH_SECONDS = 86400 * 365.25 / 12


@dataclass(frozen=True, slots=True)
class EndpointLoad:
    """The calls per second to one endpoint, asked for and allowed.

    `kept_interval` is None if all intervals can be kept, else the seconds between two polls of a target whose interval
    is shorter. Only polls of settled targets are counted: there are more while syncs are active, and stacks and service
    instances need a tenth more, to ask for blockers.
    """

    endpoint: EndpointKey
    targets: int
    asked: float
    allowed: float
    kept_interval: float | None
    repositories: int = 0
    """How many repositories are polled for their stacks."""
    asked_without: float = 0.0
    """The calls per second if each stack were polled by itself."""


def endpoint_load(endpoint: EndpointKey, targets: Collection[Target], requests_per_second: float) -> EndpointLoad:
    """Return the load of an endpoint with these targets."""
    intervals = {target.id: target.interval for target in targets}
    without = fsum(1 / interval for interval in intervals.values())
    sources = source_repositories(targets)
    for repository_id, source in sources.items():
        intervals[repository_id] = source.target.interval
        intervals |= {stack.id: stack.backstop_interval for stack in source.stacks}
    asked = fsum(1 / interval for interval in intervals.values())
    allowed = allowed_rate(requests_per_second)
    kept = kept_interval(intervals.values(), allowed)
    return EndpointLoad(endpoint, len(targets), asked, allowed, kept, len(sources), without)


def load_to_json(load: EndpointLoad) -> dict[str, Any]:
    """Return the load as `validate --json` prints it and the API returns it."""
    return {
        "requests_per_second": round(load.asked, 6),
        "requests_per_second_without_repositories": round(load.asked_without, 6),
        "repositories": load.repositories,
        "trail_dollars_a_month": round(trail_dollars(load.asked), 2),
        "trail_dollars_a_month_without_repositories": round(trail_dollars(load.asked_without), 2),
        "allowed": load.allowed,
        "kept_interval_seconds": None if load.kept_interval is None else round(load.kept_interval, 3),
    }


def trail_dollars(calls_per_second: float) -> float:
    """Return what each further CloudTrail trail costs a month for so many calls."""
    return calls_per_second * MONTH_SECONDS * TRAIL_DOLLARS


def allowed_rate(requests_per_second: float) -> float:
    """Return the calls per second that the rate limiter allows: whole calls in each second, so 2 for 2.5."""
    return requests_per_second if requests_per_second < 1 else float(floor(requests_per_second))


def kept_interval(intervals: Iterable[float], allowed: float) -> float | None:
    """Return the T with sum(1 / max(interval, T)) = `allowed`, or None if the intervals ask for no more than that.

    Overdue targets are polled in turn, so those with an interval below T are polled every T seconds.
    """
    fastest_first = sorted(intervals)
    if fsum(1 / interval for interval in fastest_first) <= allowed * (1 + 1e-9):
        return None
    left, kept = allowed, len(fastest_first) / allowed
    while fastest_first[-1] > kept:  # this one has its own interval; all faster ones share what is left
        left -= 1 / fastest_first.pop()
        kept = len(fastest_first) / left
    return kept
