"""Connections: which statuses are events, and how often each was taken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from watcher.core.connections import AVAILABLE, ERROR, PENDING, compare
from watcher.core.state import KnownConnection

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
GONE, BACK = "connection.unavailable", "connection.available"


@pytest.mark.parametrize(
    ("shown", "events"),
    [
        ([AVAILABLE, AVAILABLE], []),
        ([PENDING, PENDING], [(GONE, PENDING, None, 1)]),
        ([ERROR], [(GONE, ERROR, None, 1)]),
        ([AVAILABLE, ERROR, AVAILABLE], [(GONE, ERROR, AVAILABLE, 1), (BACK, AVAILABLE, ERROR, 2)]),
        ([PENDING, AVAILABLE], [(GONE, PENDING, None, 1), (BACK, AVAILABLE, PENDING, 1)]),
        ([PENDING, ERROR, PENDING], [(GONE, PENDING, None, 1), (GONE, ERROR, PENDING, 1), (GONE, PENDING, ERROR, 2)]),
        ([AVAILABLE, "MOVED", AVAILABLE], []),
        ([PENDING, "MOVED", PENDING], [(GONE, PENDING, None, 1)]),
        (["MOVED", "", AVAILABLE, ERROR], [(GONE, ERROR, AVAILABLE, 1)]),
    ],
)
def test_a_status_is_an_event_when_the_connection_takes_it(
    shown: list[str], events: list[tuple[str, str, str | None, int]]
) -> None:
    known: KnownConnection | None = None
    found = []
    for status in shown:
        known, change = compare(known, status, NOW)
        if change is not None:
            found.append((change.type, change.status, change.previous, change.times))
    assert found == events


def test_what_is_known_has_the_time_of_the_first_observation_of_its_status() -> None:
    known, _ = compare(None, PENDING, NOW)
    same, _ = compare(known, PENDING, NOW + timedelta(1))
    assert same is known
    assert known == KnownConnection(PENDING, NOW, {PENDING: 1})
    taken, _ = compare(known, ERROR, NOW + timedelta(2))
    assert taken == KnownConnection(ERROR, NOW + timedelta(2), {PENDING: 1, ERROR: 1})
