"""What a configuration asks of AWS, and the interval that is kept when that is too much."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.core.capacity import EndpointLoad, allowed_rate, endpoint_load, kept_interval, load_to_json, trail_dollars
from watcher.core.model import EndpointKey, Repository
from watcher.sources.codeconnections import REPOSITORY, stack

if TYPE_CHECKING:
    from watcher.core.model import Target


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


SHOP = Repository("6053346f", "main")


def stacks(count: int, **watching: Any) -> list[Target]:
    return [stack("a", "us-east-1", f"s{number}", repository=SHOP, **watching) for number in range(count)]


ENDPOINT = EndpointKey("a", "us-east-1", "codeconnections")
OWN_PACE = {"interval": 10.0, "backstop_interval": 90.0, "repository_interval": 5.0}
OTHER = stack("a", "us-east-1", "other")
LISTED = REPOSITORY.target("a", "us-east-1", {"link": SHOP.link, "branch": SHOP.branch})


@pytest.mark.parametrize(
    ("targets", "asked", "without", "repositories"),
    [
        pytest.param(stacks(90), 0.1 + 90 / 900, 90 / 60, 1, id="one repository"),
        pytest.param(stacks(1), 1 / 60, 1 / 60, 0, id="of one stack"),
        pytest.param(stacks(9, **OWN_PACE), 0.3, 0.9, 1, id="its own pace"),
        pytest.param([*stacks(9), OTHER], 0.1 + 0.01 + 1 / 60, 10 / 60, 1, id="another stack"),
        pytest.param([*stacks(9), LISTED], 0.1 + 0.01, 10 / 60, 1, id="a repository that is a target, too"),
    ],
)
def test_a_repository_that_is_polled_for_its_stacks_asks_for_fewer_calls(
    targets: list[Target], asked: float, without: float, repositories: int
) -> None:
    load = endpoint_load(ENDPOINT, targets, 5.0)
    assert (load.asked, load.asked_without) == (pytest.approx(asked), pytest.approx(without))
    assert (load.targets, load.repositories) == (len(targets), repositories)


def test_a_load_of_more_calls_than_are_allowed_has_the_interval_that_is_kept() -> None:
    targets = [stack("a", "us-east-1", name, interval=1.0) for name in "abc"]
    assert endpoint_load(ENDPOINT, targets, 2.5) == EndpointLoad(ENDPOINT, 3, 3.0, 2.0, 1.5, 0, 3.0)


def test_a_load_in_json_has_rounded_figures_and_the_price_of_its_calls() -> None:
    load = EndpointLoad(ENDPOINT, 90, 0.12345678, 5.0, 60.20049, repositories=1, asked_without=1.23456789)
    form = {
        "requests_per_second": 0.123457,
        "requests_per_second_without_repositories": 1.234568,
        "repositories": 1,
        "trail_dollars_a_month": 6.49,
        "trail_dollars_a_month_without_repositories": 64.93,
        "allowed": 5.0,
        "kept_interval_seconds": 60.2,
    }
    assert load_to_json(load) == form
    assert load_to_json(replace(load, kept_interval=None)) == {**form, "kept_interval_seconds": None}


def test_a_call_a_second_costs_52_dollars_a_month_in_each_further_trail() -> None:
    assert trail_dollars(1.0) == pytest.approx(52.596)
