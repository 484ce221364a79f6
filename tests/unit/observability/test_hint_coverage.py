"""Which changes no hint has reported."""

from __future__ import annotations

import pytest

from watcher.observability.hint_coverage import HintCoverage


@pytest.mark.parametrize(
    ("series", "missed"),
    [
        ([], 0),
        (["0 change a"], 1),
        (["0 hint a"], 0),
        (["0 hint a", "2 change a"], 0),
        (["0 change a", "3 hint a"], 0),
        (["0 change a", "60 hint a"], 0),
        (["0 change a", "61 hint a"], 1),
        (["0 hint a", "61 change a"], 1),
        (["0 hint b", "1 change a", "2 hint b"], 1),
        (["0 hint a", "1 change a", "2 change a"], 1),
        (["0 change a", "1 change a", "2 hint a", "3 hint a"], 0),
        (["0 hint a", "1 hint a", "2 change a", "3 change a", "4 change a"], 1),
        (["0 change a", "1 change b", "30 hint b", "70 change a"], 2),
        ([*["0 hint a"] * 40, *["1 change a"] * 40], 24),
    ],
)
def test_a_change_without_a_hint_of_its_own_within_a_minute_is_missed(series: list[str], missed: int) -> None:
    coverage, count, at = HintCoverage(), 0, 0.0
    for each in series:
        moment, what, target = each.split()
        at = float(moment)
        count += coverage.missed(at)
        (coverage.hinted if what == "hint" else coverage.changed)(target, at)
    count += coverage.missed(at + 1000.0)
    assert count == missed
    assert (coverage._hints, [*coverage._changes]) == ({}, [])
