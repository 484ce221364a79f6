"""When failed polls become an event, and whose fault they are."""

from __future__ import annotations

import pytest

from tests.unit.conftest import minute
from watcher.core.outages import ALONE, OWN, FailureStreak, is_answer, lengthen, lengthen_target
from watcher.core.state import Outage
from watcher.errors import EndpointUnreadable, PollFailed, TargetUnreadable

NOT_FOUND = TargetUnreadable("ResourceNotFoundException", "no such template")
REFUSED = EndpointUnreadable("ConnectionFailed", "refused", passing=True)
THROTTLED = EndpointUnreadable("ThrottlingException", "slow down", passing=True, throttled=True)


def test_a_streak_keeps_when_it_began_and_tells_its_last_failure() -> None:
    assert lengthen(None, REFUSED, minute(1)) == FailureStreak(minute(1), "ConnectionFailed", "refused", 1, OWN, 0)
    assert lengthen(None, REFUSED, minute(1)).outage() == Outage(minute(1), "ConnectionFailed", "refused", 1)
    streak = lengthen(lengthen(lengthen(None, REFUSED, minute(1)), REFUSED, minute(2)), THROTTLED, minute(3))
    assert streak.outage() == Outage(minute(1), "ThrottlingException", "slow down", 3)


def test_what_hits_one_target_alone_lasts_three_times_as_long_as_its_own_errors_to_count_as_much() -> None:
    assert (OWN, ALONE) == (3, 1)


@pytest.mark.parametrize(
    ("failures", "own"),
    [
        ([(NOT_FOUND, 1)], OWN),
        ([(NOT_FOUND, 1), (NOT_FOUND, 2), (NOT_FOUND, 3)], 3 * OWN),
        # Nobody else is answered: the endpoint's trouble.
        ([(REFUSED, 0), (REFUSED, 0), (REFUSED, 0)], 0),
        ([(REFUSED, 7), (REFUSED, 7)], 0),
        # Others are, meanwhile: its own, from the second failure on, since the first may be the outage's begin.
        ([(REFUSED, 7), (REFUSED, 8), (REFUSED, 20)], 2 * ALONE),
        ([(REFUSED, 7), (REFUSED, 8), (REFUSED, 8)], ALONE),
        # Who is throttled while others are answered has bad luck, and no trouble.
        ([(THROTTLED, 7), (THROTTLED, 8), (THROTTLED, 9)], 0),
        # Its own answer is no other's.
        ([(NOT_FOUND, 5), (REFUSED, 5), (REFUSED, 5)], OWN),
        ([(NOT_FOUND, 5), (REFUSED, 6)], OWN + ALONE),
    ],
)
def test_a_failure_is_the_targets_own_when_it_says_so_or_when_others_are_answered(
    failures: list[tuple[PollFailed, int]], own: int
) -> None:
    streak: FailureStreak | None = None
    for number, (error, answers) in enumerate(failures):
        streak = lengthen_target(streak, error, minute(number), answers=answers)
    assert streak is not None
    assert streak.own == own
    assert streak.failures == len(failures)
    assert streak.since == minute(0)


@pytest.mark.parametrize(("error", "answered"), [(NOT_FOUND, True), (REFUSED, False), (THROTTLED, False)])
def test_an_endpoint_that_knows_no_such_target_has_answered(error: PollFailed, *, answered: bool) -> None:
    assert is_answer(error) is answered
