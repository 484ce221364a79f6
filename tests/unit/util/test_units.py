"""Durations: which are accepted, which are refused and why, and how they are formatted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.util.units import format_duration, parse_duration

ONE_MILLISECOND_TO_TEN_YEARS = st.integers(1, 3650 * 86_400_000)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1ms", 0.001),
        ("500ms", 0.5),
        ("30s", 30),
        ("5m", 300),
        ("1h30m", 5400),
        ("30d", 2_592_000),
        ("1d2h3m4s5ms", 93_784.005),
        ("90m", 5400),
        ("3650d", 315_360_000),
        ("0h1s", 1),
    ],
)
def test_a_duration_is_whole_numbers_with_units(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("60", "60 has no unit; write 60s"),
        ("1.5", "1.5 has no unit"),
        ("", "'' is not a valid duration"),
        ("1.5h", "'1.5h' is not a valid duration"),
        ("-5s", "'-5s' is not a valid duration"),
        ("+5s", "'+5s' is not a valid duration"),
        ("5 s", "'5 s' is not a valid duration"),
        ("30m1h", "'30m1h' is not a valid duration"),
        ("1s1s", "'1s1s' is not a valid duration"),
        ("5S", "'5S' is not a valid duration"),
        ("5w", "'5w' is not a valid duration"),
        ("s", "'s' is not a valid duration"),
        ("5s\n", "is not a valid duration"),
        ("\u0665s", "is not a valid duration"),
        ("9" * 5000 + "s", "is not a valid duration"),
        ("0s", "0s is too short"),
        ("3651d", "3651d is too long"),
    ],
)
def test_anything_else_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r"duration|unit|short|long") as refused:
        parse_duration(text)
    assert why in str(refused.value)


def test_zero_is_a_duration_only_where_it_is_allowed() -> None:
    assert parse_duration("0s", zero=True) == 0


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (0.5, "500ms"), (60, "1m"), (5400, "1h30m"), (13 + 1 / 3, "13s333ms")]
)
def test_seconds_are_written_with_the_longest_units(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(ONE_MILLISECOND_TO_TEN_YEARS)
def test_what_is_written_is_read_back(milliseconds: int) -> None:
    assert parse_duration(format_duration(milliseconds / 1000)) == milliseconds / 1000
