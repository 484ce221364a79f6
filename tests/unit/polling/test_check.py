"""The result of a check for an answer, and its exit code."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest

from tests.unit.conftest import a_snapshot, an_attempt, minute
from watcher.core.model import FAILED, IN_PROGRESS, INITIATED, QUEUED, SUCCEEDED, Snapshot
from watcher.core.status import Status
from watcher.polling.check import CheckResult, judge, judge_listed, worst
from watcher.sources.codeconnections import connection, stack

NETWORK = stack("default", "us-east-1", "network", stalled_after=1800)


@pytest.mark.parametrize(
    ("status", "age", "result", "stands"),
    [
        (SUCCEEDED, 1, CheckResult.OK, Status.SUCCEEDED),
        (SUCCEEDED, 9999, CheckResult.OK, Status.SUCCEEDED),
        (FAILED, 1, CheckResult.CRITICAL, Status.FAILED),
        (FAILED, 9999, CheckResult.CRITICAL, Status.FAILED),
        (INITIATED, 29.9, CheckResult.OK, Status.ACTIVE),
        (IN_PROGRESS, 0, CheckResult.OK, Status.ACTIVE),
        (IN_PROGRESS, -5, CheckResult.OK, Status.ACTIVE),
        (IN_PROGRESS, 30, CheckResult.WARNING, Status.STALLED),
        (QUEUED, 9999, CheckResult.WARNING, Status.STALLED),
        ("PONDERING", 1, CheckResult.UNKNOWN, Status.UNKNOWN),
        ("PONDERING", 9999, CheckResult.UNKNOWN, Status.UNKNOWN),
        ("failed", 1, CheckResult.UNKNOWN, Status.UNKNOWN),
    ],
)
def test_an_attempt_is_judged_by_its_status_and_its_minutes(
    status: str, age: float, result: CheckResult, stands: Status
) -> None:
    answer = a_snapshot(an_attempt(0, status))
    finding = judge(NETWORK, answer, minute(age))
    assert (finding.result, finding.status) == (result, stands)
    assert (finding.target, finding.snapshot, finding.error) == (NETWORK, answer, None)


def test_a_target_that_never_synced_is_well() -> None:
    finding = judge(NETWORK, a_snapshot(None), minute(0))
    assert (finding.result, finding.status) == (CheckResult.OK, Status.NEVER_SYNCED)


@pytest.mark.parametrize(("theirs", "ours", "stands"), [(31, 1, Status.STALLED), (1, 31, Status.ACTIVE)])
def test_the_age_of_an_attempt_is_told_by_the_clock_that_stamped_it(theirs: int, ours: int, stands: Status) -> None:
    answer = Snapshot(None, an_attempt(0, IN_PROGRESS), None, at=minute(theirs))
    assert judge(NETWORK, answer, minute(ours)).status is stands


@pytest.mark.parametrize(
    ("status", "result"),
    [
        ("AVAILABLE", CheckResult.OK),
        ("PENDING", CheckResult.WARNING),
        ("ERROR", CheckResult.WARNING),
        ("MOVED", CheckResult.UNKNOWN),
    ],
)
def test_a_connection_that_is_not_available_is_a_warning(status: str, result: CheckResult) -> None:
    found = connection("default", "us-east-1", "arn:aws:c:connection/1", name="github", status=status)
    assert judge_listed(found).result is result
    assert judge_listed(found).status_of_connection == status


def test_a_target_has_its_own_patience() -> None:
    patient = stack("default", "us-east-1", "network", stalled_after=timedelta(days=1).total_seconds())
    assert judge(patient, a_snapshot(an_attempt(0, QUEUED)), minute(60)).result is CheckResult.OK


@pytest.mark.parametrize(
    ("results", "code"),
    [
        ([], 0),
        ([CheckResult.OK], 0),
        ([CheckResult.OK, CheckResult.WARNING], 1),
        ([CheckResult.WARNING, CheckResult.UNKNOWN], 3),
        ([CheckResult.UNKNOWN, CheckResult.CRITICAL, CheckResult.WARNING, CheckResult.OK], 2),
    ],
)
def test_the_worst_is_told_where_2_beats_3_beats_1(results: list[CheckResult], code: int) -> None:
    assert worst(results) == code


def test_the_order_of_the_findings_does_not_matter() -> None:
    for first, second in product(CheckResult, repeat=2):
        assert worst([first, second]) == worst([second, first])
