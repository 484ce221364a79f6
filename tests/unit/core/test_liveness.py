"""When a store is kept up to date, by the last mark of a daemon in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from watcher.core.liveness import MARK_SECONDS, Liveness, moment_of

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "silent"),
    [(-60, False), (0, False), (2.9 * MARK_SECONDS, False), (3.1 * MARK_SECONDS, True), (660, True)],
)
def test_a_store_is_silent_when_three_marks_are_missing(seconds: float, *, silent: bool) -> None:
    assert Liveness(NOW - timedelta(seconds=seconds), NOW).silent is silent


def test_a_store_that_was_never_marked_is_silent() -> None:
    assert Liveness(None, NOW).silent


@pytest.mark.parametrize(
    ("mark", "moment"),
    [
        (NOW.timestamp(), NOW),
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (0.5, datetime(1970, 1, 1, 0, 0, 0, 500_000, UTC)),
        *((mark, None) for mark in (None, "soon", "0", b"1", -1, -1.0, 1e11, 1e300, float("nan"), float("inf"))),
    ],
)
def test_a_mark_is_a_time_if_it_is_a_possible_number_of_seconds(mark: object, moment: datetime | None) -> None:
    assert moment_of(mark) == moment
