"""What a configuration asks of AWS, and the interval that is kept when that is too much."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.config.capacity import allowed_rate, kept_interval, load_report

if TYPE_CHECKING:
    from collections.abc import Callable

    from watcher.core.settings import Config


@pytest.mark.parametrize(
    ("intervals", "allowed", "kept"),
    [
        ([60.0], 5, None),
        ([60.0] * 300, 5, None),  # exactly what is allowed
        ([60.0] * 301, 5, 60.2),
        ([60.0] * 1000, 10, 100),
        ([10.0] * 10, 0.5, 20),
        ([1.0], 0.2, 5),
        ([0.1], 1, 1),
        # Ten every 10 s and one every 100 s, at half a call a second: the slow one keeps its own 0.01.
        ([10.0] * 10 + [100.0], 0.5, 10 / 0.49),
        # The slow ones are within the cycle: all of them get it.
        ([1.0] * 10 + [10.0] * 10, 1, 20),
        ([1.0] * 10 + [10.0] * 10, 2, 10),
        ([1.0] * 10 + [10.0] * 10, 4, 10 / 3),
    ],
)
def test_the_cycle_that_is_kept(intervals: list[float], allowed: float, kept: float | None) -> None:
    assert kept_interval(intervals, allowed) == (kept if kept is None else pytest.approx(kept))


@given(st.lists(st.floats(0.1, 86_400), min_size=1, max_size=50), st.floats(0.1, 1000))
def test_the_kept_cycle_asks_for_exactly_what_is_allowed(intervals: list[float], allowed: float) -> None:
    kept = kept_interval(intervals, allowed)
    if kept is None:
        assert sum(1 / each for each in intervals) <= allowed * 1.000001
    else:
        assert sum(1 / max(each, kept) for each in intervals) == pytest.approx(allowed)


@pytest.mark.parametrize(("configured", "kept"), [(0.1, 0.1), (0.9, 0.9), (1, 1), (1.5, 1), (2.999, 2), (1000, 1000)])
def test_above_one_only_whole_calls_a_second_are_let_through(configured: float, kept: float) -> None:
    assert allowed_rate(configured) == kept


def test_each_account_region_and_api_is_reported_for_itself(read: Callable[..., Config]) -> None:
    config = read("""
rate_limit: {requests_per_second: 2.5}
accounts:
  - {name: a, regions: [us-east-1, eu-west-1], rate_limit: {requests_per_second: 0.1}}
  - {name: b, regions: [us-east-1]}
templates: [{name: t, type: SERVICE, version: 1, account: b, interval: 10s}]
stacks:
  - {name: one, account: a, interval: 5s}
  - {name: two, account: a, region: eu-west-1, interval: 20s}
""")
    report = [
        (str(load.endpoint), load.targets, load.asked, load.allowed, load.kept_interval) for load in load_report(config)
    ]
    assert report == [
        ("a/eu-west-1/codeconnections", 2, 0.25, 0.1, 20.0),
        ("a/us-east-1/codeconnections", 1, 0.2, 0.1, 10.0),
        ("b/us-east-1/proton", 1, 0.1, 2.0, None),
    ]
