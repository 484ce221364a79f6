"""What a report counts, by hand and beside a plain count of the same history."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.conftest import EIGHT, minute
from watcher.core.attempts import SeenAttempt
from watcher.core.history import AttemptRow, HistoryRow, IncidentRow
from watcher.core.report import Report, group_to_json, grouping
from watcher.core.state import Incident

A, B = "prod/us-east-1/stack/a", "prod/us-east-1/stack/b"
ENDPOINT = "prod/us-east-1/codeconnections"
TEAM = {"team": "platform"}
NOW = datetime(2026, 11, 30, tzinfo=UTC)


def attempt(subject: str, number: float, status: str, duration: float | None = None, **labels: str) -> AttemptRow:
    return AttemptRow(subject, SeenAttempt(minute(number), status, duration), labels)


def incident(subject: str, opened: float, closed: float, *, removed: bool = False, **labels: str) -> IncidentRow:
    return IncidentRow(subject, "7", minute(opened), minute(closed), removed, labels)


def figures(by: str, rows: list[HistoryRow], **still_open: float) -> list[dict[str, Any]]:
    """The report of a history, and of incidents that are open since that minute, by the names of stacks."""
    report = Report(grouping(by))
    for row in rows:
        report.add(row)
    for name, opened in still_open.items():
        report.add_open(f"prod/us-east-1/stack/{name}", Incident("8", minute(opened), ("failed",), TEAM), minute(100))
    return [group_to_json(group) for group in report.groups()]


def group(name: str | None, *counts: float | None) -> dict[str, Any]:
    syncs, failed, rate, sync50, sync90, restore50, restore90, longest = counts
    return {
        "group": name, "syncs": syncs, "failed": failed, "failure_rate": rate,
        "duration_seconds": {"p50": sync50, "p90": sync90}, "restore_seconds": {"p50": restore50, "p90": restore90},
        "longest_open_seconds": longest,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], []),
        ([attempt(A, 1, "IN_PROGRESS"), attempt(A, 2, "QUEUED"), attempt(A, 3, "ROLLED_BACK")], []),
        ([attempt(A, 1, "SUCCEEDED", 10)], [group(A, 1, 0, 0, 10, 10, None, None, None)]),
        ([attempt(A, 1, "FAILED")], [group(A, 1, 1, 1, None, None, None, None, None)]),
        ([attempt(A, number, "SUCCEEDED", number) for number in range(10, 0, -1)],
         [group(A, 10, 0, 0, 5, 9, None, None, None)]),
        ([attempt(A, number, "SUCCEEDED", number) for number in range(1, 20)],
         [group(A, 19, 0, 0, 10, 18, None, None, None)]),
        ([attempt(A, 1, "FAILED"), attempt(A, 2, "SUCCEEDED", 4)], [group(A, 2, 1, 0.5, 4, 4, None, None, None)]),
        ([attempt(A, number, "SUCCEEDED", number) for number in range(1, 12)],
         [group(A, 11, 0, 0, 6, 10, None, None, None)]),
        ([attempt(B, 1, "FAILED", 4), attempt(A, 1, "SUCCEEDED", 2), attempt(B, 2, "SUCCEEDED", 8.5)],
         [group(A, 1, 0, 0, 2, 2, None, None, None), group(B, 2, 1, 0.5, 4, 8.5, None, None, None)]),
        ([incident(A, 1, 3), incident(A, 4, 5)], [group(A, 0, 0, None, None, None, 60, 120, 120)]),
        ([incident(A, 1, 9, removed=True)], [group(A, 0, 0, None, None, None, None, None, 480)]),
        ([incident(A, 3, 2.99)], [group(A, 0, 0, None, None, None, 0, 0, 0)]),
        ([attempt(A, 1, "SUCCEEDED", 1.23456)], [group(A, 1, 0, 0, 1.235, 1.235, None, None, None)]),
        ([incident(ENDPOINT, 1, 9)], []),
    ],
    ids=["nothing", "no end", "one", "failed, duration unknown", "ten", "nineteen",
         "one duration unknown", "eleven", "two targets", "restored",
         "removed", "ended by a clock that was set back", "milliseconds", "an endpoint"],
)  # fmt: skip
def test_figures_by_target(rows: list[HistoryRow], expected: list[dict[str, Any]]) -> None:
    assert figures("target", rows) == expected


def test_an_open_incident_counts_up_to_now_and_is_not_restored() -> None:
    rows: list[HistoryRow] = [incident(A, 1, 3), attempt(B, 1, "FAILED", 4)]
    assert figures("target", rows, a=99, b=10) == [
        group(A, 0, 0, None, None, None, 120, 120, 120),
        group(B, 1, 1, 1, 4, 4, None, None, 5400),
    ]


def test_an_open_incident_counts_if_it_is_a_targets_and_never_less_than_nothing() -> None:
    report = Report(grouping("target"))
    report.add_open(ENDPOINT, Incident("8", minute(1), ("unreadable",)), minute(9))
    assert report.groups() == []
    report.add_open(A, Incident("7", minute(9.01), ("failed",)), minute(9))
    assert [group_to_json(each) for each in report.groups()] == [group(A, 0, 0, None, None, None, None, None, 0)]


def test_groups_by_label_have_the_targets_that_had_it_at_the_time_and_the_others_are_last() -> None:
    rows: list[HistoryRow] = [
        attempt(A, 1, "FAILED", 4), attempt(A, 2, "SUCCEEDED", 6, **TEAM), attempt(B, 1, "FAILED", 9, **TEAM),
        incident(A, 1, 2), incident(B, 3, 5, **TEAM), attempt(B, 7, "SUCCEEDED", 1, team="apps", stage="prod"),
    ]  # fmt: skip
    assert figures("label:team", rows, b=70) == [
        group("apps", 1, 0, 0, 1, 1, None, None, None),
        group("platform", 2, 1, 0.5, 6, 9, 120, 120, 1800),
        group(None, 1, 1, 1, 4, 4, 60, 60, 60),
    ]


def test_the_key_of_a_label_may_have_a_colon() -> None:
    assert grouping("label:team:eu")(A, {"team:eu": "platform"}) == "platform"


@pytest.mark.parametrize("by", ["", "targets", "label", "label:", "team", "target:x"])
def test_another_grouping_is_refused(by: str) -> None:
    with pytest.raises(ValueError, match=r"^write target, or label:KEY"):
        grouping(by)


seconds = st.integers(0, 10**7).map(lambda thousandths: thousandths / 1000)
histories = st.lists(
    st.builds(
        AttemptRow,
        st.sampled_from([A, B]),
        st.builds(SeenAttempt, st.just(EIGHT), st.sampled_from(["SUCCEEDED", "FAILED", "QUEUED"]), st.none() | seconds),
        st.sampled_from([{}, TEAM, {"team": "apps"}]),
    )
    | st.builds(
        lambda subject, opened, lasted, removed: IncidentRow(
            subject, "7", EIGHT + timedelta(seconds=opened), EIGHT + timedelta(seconds=opened + lasted), removed, TEAM
        ),
        st.sampled_from([A, B]), seconds, seconds, st.booleans(),
    ),
    max_size=40,
)  # fmt: skip


def _rank(values: list[float], share: float) -> float | None:
    """The first of the ordered values at which at least this share of all is reached."""
    ordered = sorted(values)
    reached = (value for count, value in enumerate(ordered, 1) if count / len(ordered) >= share)
    return next(reached, None)


@settings(max_examples=40)
@given(histories, st.sampled_from(["target", "label:team"]))
def test_any_history_gives_the_figures_of_a_plain_count(rows: list[HistoryRow], by: str) -> None:
    def name(row: HistoryRow) -> str | None:
        return row.subject if by == "target" else row.labels.get("team")

    for found in figures(by, rows):
        mine = [row for row in rows if name(row) == found["group"]]
        ended = [each.attempt for each in mine if isinstance(each, AttemptRow) and each.attempt.status != "QUEUED"]
        closed = [each for each in mine if isinstance(each, IncidentRow)]
        lasted = [(each.closed_at - each.opened_at).total_seconds() for each in closed]
        restored = [each for each, row in zip(lasted, closed, strict=True) if not row.removed]
        took = [each.duration for each in ended if each.duration is not None]
        assert found["syncs"] == len(ended)
        assert found["failed"] == [each.status for each in ended].count("FAILED")
        assert found["failure_rate"] is None or math.isclose(found["failure_rate"], found["failed"] / len(ended))
        assert found["duration_seconds"] == {"p50": _rank(took, 0.5), "p90": _rank(took, 0.9)}
        assert found["restore_seconds"] == {"p50": _rank(restored, 0.5), "p90": _rank(restored, 0.9)}
        assert found["longest_open_seconds"] == max(lasted, default=None)
    counted = sum(found["syncs"] for found in figures(by, rows))
    assert counted == sum(isinstance(row, AttemptRow) and row.attempt.status != "QUEUED" for row in rows)
