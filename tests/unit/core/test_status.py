"""One word for each target, worst first; and when a store is kept up to date, by the last mark of a daemon in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.conftest import a_blocker, an_attempt, minute
from watcher.core.state import Known, KnownConnection, Outage, Record
from watcher.core.status import (
    MARK_SECONDS,
    RANKS,
    Liveness,
    Status,
    active,
    connection_standing,
    last_failure,
    moment_of,
    outage_of,
    reason_of,
    reported,
    stalled,
    standing,
    summary,
    urgency,
)

OWN = Outage(minute(0), "ResourceNotFoundException", "no such template", 3)
SHARED = Outage(minute(1), "AccessDeniedException", "not allowed", 3)


def known(status: str | None, *, is_stalled: bool = False) -> Known:
    attempt = None if status is None else an_attempt(1, status)
    return Known(attempt, minute(2), stalled=minute(1) if is_stalled else None)


@pytest.mark.parametrize(
    ("record", "endpoint", "stands"),
    [
        (None, None, Status.NOT_SEEN),
        (Record(), Record(), Status.NOT_SEEN),
        (None, Record(outage=SHARED), Status.UNREADABLE),
        (Record(known("SUCCEEDED")), Record(outage=SHARED), Status.UNREADABLE),
        (Record(known("FAILED"), outage=OWN), None, Status.UNREADABLE),
        (Record(known(None)), None, Status.NEVER_SYNCED),
        (Record(known("FAILED")), Record(), Status.FAILED),
        (Record(known("FAILED", is_stalled=True)), None, Status.FAILED),
        (Record(known("SUCCEEDED", is_stalled=True)), None, Status.SUCCEEDED),
        (Record(known("IN_PROGRESS", is_stalled=True)), None, Status.STALLED),
        (Record(known("INITIATED")), None, Status.ACTIVE),
        (Record(known("IN_PROGRESS")), None, Status.ACTIVE),
        (Record(known("QUEUED")), None, Status.ACTIVE),
        (Record(known("CANCELLED")), None, Status.UNKNOWN),
        (Record(known("")), None, Status.UNKNOWN),
    ],
)
def test_what_must_be_known_first_wins(record: Record | None, endpoint: Record | None, stands: Status) -> None:
    assert standing(record, endpoint) is stands


@pytest.mark.parametrize(
    ("status", "stands"),
    [("AVAILABLE", Status.AVAILABLE), ("PENDING", Status.UNAVAILABLE), ("ERROR", Status.UNAVAILABLE)],
)
def test_the_status_of_a_connection_is_that_of_its_record(status: str, stands: Status) -> None:
    record = Record(connection=KnownConnection(status, minute(2), {status: 1}))
    assert standing(record, None) is stands
    assert standing(record, Record(outage=SHARED)) is Status.UNREADABLE
    assert reported(record) == (status, minute(2))
    assert connection_standing("MOVED") is Status.UNKNOWN


def test_what_aws_reported_of_a_target_is_its_attempts_status_since_it_was_first_observed() -> None:
    assert reported(Record(known("FAILED"))) == ("FAILED", minute(2))
    assert reported(Record(known(None))) == (None, minute(2))
    assert reported(Record()) == reported(None) == (None, None)


@pytest.mark.parametrize(
    ("status", "stands"),
    [("FAILED", Status.FAILED), ("SUCCEEDED", Status.BLOCKED), ("IN_PROGRESS", Status.BLOCKED), (None, Status.BLOCKED)],
)
def test_a_blocked_target_is_blocked_unless_its_sync_failed(status: str | None, stands: Status) -> None:
    record = Record(known(status, is_stalled=True), blockers=(a_blocker(),))
    assert standing(record, None) is stands
    assert standing(replace(record, outage=OWN), None) is Status.UNREADABLE


def test_what_is_wrong_is_why_a_target_failed_and_why_it_is_blocked() -> None:
    failed = an_attempt(1, "FAILED", "no such file")
    assert reason_of(failed, ()) == "no such file"
    unexplained = a_blocker(created_reason=None)
    explained = (unexplained, a_blocker(created_reason="no template"))
    assert reason_of(failed, explained) == "no such file; blocked: no template"
    assert reason_of(None, explained) == "blocked: no template"
    assert reason_of(failed, (a_blocker(created_reason=None),)) == "no such file"
    assert reason_of(None, ()) == ""


def test_without_its_outage_a_target_stands_as_it_was_last_seen() -> None:
    record = Record(known("FAILED"), outage=OWN)
    assert standing(record, None) is Status.UNREADABLE
    assert standing(replace(record, outage=None), None) is Status.FAILED


def test_its_own_outage_is_shown_before_its_endpoints() -> None:
    assert outage_of(Record(outage=OWN), Record(outage=SHARED)) is OWN
    assert outage_of(Record(), Record(outage=SHARED)) is SHARED
    assert outage_of(None, None) is None


def test_ranks_are_in_the_order_in_which_people_are_to_see_them() -> None:
    order = [
        "unreadable", "failed", "blocked", "unavailable", "stalled", "unknown", "never_synced", "not_seen", "active",
        "succeeded", "available",
    ]  # fmt: skip
    assert sorted(Status, key=RANKS.__getitem__) == order


def test_a_target_that_is_retried_with_an_open_incident_comes_after_the_wrong_ones_and_before_the_rest() -> None:
    rows = [(status, incident) for status in Status for incident in (False, True)]
    found = sorted(rows, key=lambda row: urgency(row[0], incident=row[1]))
    calm = ["never_synced", "not_seen", "active", "succeeded", "available"]
    assert [status for status, _ in found[:12:2]] == [each for each in Status if each not in calm]
    assert found[12:] == [(Status(status), incident) for incident in (True, False) for status in calm]


def test_an_attempt_is_stalled_only_by_its_own_beginning() -> None:
    other = replace(known("IN_PROGRESS"), stalled=minute(0))
    assert not stalled(other)
    assert stalled(replace(other, stalled=minute(1)))
    assert not stalled(None)


def test_what_aws_does_not_show_any_more_is_not_active() -> None:
    assert active(known("QUEUED"))
    assert not active(replace(known("QUEUED"), missing=True))
    assert not active(known("SUCCEEDED"))
    assert not active(None)


def test_the_last_text_is_that_of_a_failure_only() -> None:
    assert last_failure(an_attempt(1, "FAILED", "first", "last")) == "last"
    assert last_failure(an_attempt(1, "FAILED", "first", "")) == "first"
    assert last_failure(an_attempt(1, "FAILED")) == ""
    assert last_failure(an_attempt(1, "SUCCEEDED", "fine")) == ""
    assert last_failure(None) == ""


@pytest.mark.parametrize(
    ("standings", "said"),
    [
        ([], "no targets"),
        ([Status.SUCCEEDED] * 10 + [Status.STALLED] + [Status.FAILED] * 2, "2 failed, 1 stalled, 10 succeeded"),
        (
            [Status.SUCCEEDED, Status.ACTIVE, Status.NOT_SEEN, Status.NEVER_SYNCED],
            "1 never synced, 1 not seen, 1 syncing, 1 succeeded",
        ),
        ([Status.UNKNOWN, Status.UNREADABLE], "1 unreadable, 1 with an unknown status"),
    ],
)
def test_a_summary_counts_the_standings_worst_first(standings: list[Status], said: str) -> None:
    assert summary(standings) == said


NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "silent"),
    [(-60, False), (0, False), (3 * MARK_SECONDS, False), (3.1 * MARK_SECONDS, True), (660, True)],
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
