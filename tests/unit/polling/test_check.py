"""How bad an answer is, by the exit code that tells it: contract, section 2."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest

from tests.unit.conftest import a_snapshot, an_attempt, minute
from watcher.core.model import FAILED, IN_PROGRESS, INITIATED, QUEUED, SUCCEEDED, Snapshot, stack
from watcher.core.status import Standing
from watcher.polling.check import Result, judge, worst

NETWORK = stack("default", "us-east-1", "network", stalled_after=1800)


@pytest.mark.parametrize(
    ("status", "age", "result", "stands"),
    [
        (SUCCEEDED, 1, Result.OK, Standing.SUCCEEDED),
        (SUCCEEDED, 9999, Result.OK, Standing.SUCCEEDED),
        (FAILED, 1, Result.CRITICAL, Standing.FAILED),
        (FAILED, 9999, Result.CRITICAL, Standing.FAILED),
        (INITIATED, 29.9, Result.OK, Standing.ACTIVE),
        (IN_PROGRESS, 0, Result.OK, Standing.ACTIVE),
        (IN_PROGRESS, -5, Result.OK, Standing.ACTIVE),
        (IN_PROGRESS, 30, Result.WARNING, Standing.STALLED),
        (QUEUED, 9999, Result.WARNING, Standing.STALLED),
        ("PONDERING", 1, Result.UNKNOWN, Standing.UNKNOWN),
        ("PONDERING", 9999, Result.UNKNOWN, Standing.UNKNOWN),
        ("failed", 1, Result.UNKNOWN, Standing.UNKNOWN),
    ],
)
def test_an_attempt_is_judged_by_its_status_and_its_minutes(
    status: str, age: float, result: Result, stands: Standing
) -> None:
    answer = a_snapshot(an_attempt(0, status))
    finding = judge(NETWORK, answer, minute(age))
    assert (finding.result, finding.standing) == (result, stands)
    assert (finding.target, finding.snapshot, finding.error) == (NETWORK, answer, None)


def test_a_target_that_never_synced_is_well() -> None:
    finding = judge(NETWORK, a_snapshot(None), minute(0))
    assert (finding.result, finding.standing) == (Result.OK, Standing.NEVER_SYNCED)


@pytest.mark.parametrize(("theirs", "ours", "stands"), [(31, 1, Standing.STALLED), (1, 31, Standing.ACTIVE)])
def test_the_age_of_an_attempt_is_told_by_the_clock_that_stamped_it(theirs: int, ours: int, stands: Standing) -> None:
    answer = Snapshot(None, an_attempt(0, IN_PROGRESS), None, at=minute(theirs))
    assert judge(NETWORK, answer, minute(ours)).standing is stands


def test_a_target_has_its_own_patience() -> None:
    patient = stack("default", "us-east-1", "network", stalled_after=timedelta(days=1).total_seconds())
    assert judge(patient, a_snapshot(an_attempt(0, QUEUED)), minute(60)).result is Result.OK


@pytest.mark.parametrize(
    ("results", "code"),
    [
        ([], 0),
        ([Result.OK], 0),
        ([Result.OK, Result.WARNING], 1),
        ([Result.WARNING, Result.UNKNOWN], 3),
        ([Result.UNKNOWN, Result.CRITICAL, Result.WARNING, Result.OK], 2),
    ],
)
def test_the_worst_is_told_where_2_beats_3_beats_1(results: list[Result], code: int) -> None:
    assert worst(results) == code


def test_the_order_of_the_findings_does_not_matter() -> None:
    for first, second in product(Result, repeat=2):
        assert worst([first, second]) == worst([second, first])
