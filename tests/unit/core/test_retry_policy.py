"""What a sink's response means for a delivery."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.delivery.relaying import an_event
from watcher.core.deliveries import Delivery, DeliveryState, SendOutcome, Verdict
from watcher.core.retry_policy import (
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    OVER,
    REMOVED,
    REPLAYED,
    after_try,
    longest_pause,
    longest_series,
    seconds_until,
)

DAY = 86400.0


def answer(verdict: Verdict = Verdict.LATER, subject: str = "a", **delivery: Any) -> SendOutcome:
    return SendOutcome(Delivery(1, "x", an_event(1, subject), **delivery), verdict, "503 Service Unavailable")


@pytest.mark.parametrize(
    ("failures", "pause"), [(0, 1.0), (1, 2.0), (2, 4.0), (8, 256.0), (9, 300.0), (20, 300.0), (10**9, 300.0)]
)
def test_pauses_double_from_the_first_to_the_longest(failures: int, pause: float) -> None:
    assert longest_pause(failures) == pause
    assert FIRST_PAUSE_SECONDS <= pause <= LONGEST_PAUSE_SECONDS


@pytest.mark.parametrize(
    ("next_try", "seconds"),
    [
        (0.0, 0.0),
        (90.0, 0.0),
        (100.0, 0.0),
        (100.5, 0.5),
        (3700.0, 3600.0),
        (3700.5, 0.0),  # it was planned before the clock was set back
    ],
)
def test_a_lane_is_due_at_its_next_try_unless_that_is_too_far_away(next_try: float, seconds: float) -> None:
    assert seconds_until(next_try, 100.0) == seconds


def test_the_answers_that_stores_keep_never_change() -> None:
    """A store of an earlier version has them, and is searched for the deliveries of a removed sink."""
    assert REMOVED == "the sink is no longer in the configuration"
    assert REPLAYED == "queued by `replay_from`"
    assert OVER == "the reminder is no longer needed"


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_pause_is_a_share_of_the_longest_pause(share: float) -> None:
    result = after_try(answer(failures=3, failing_since=0.0), now=10.0, share=share, give_up_after=DAY)
    assert (result.state, result.pause, result.failing) == (DeliveryState.WAITING, share * 8.0, True)
    assert result.answer == "503 Service Unavailable"


def test_a_taken_delivery_is_sent_however_late() -> None:
    result = after_try(answer(Verdict.TAKEN, failures=9, failing_since=0.0), now=9 * DAY, share=1.0, give_up_after=DAY)
    assert (result.state, result.pause, result.failing) == (DeliveryState.SENT, 0.0, False)


def test_a_delivery_refused_for_good_is_dead_at_once() -> None:
    result = after_try(answer(Verdict.NEVER), now=0.0, share=1.0, give_up_after=DAY)
    assert (result.state, result.pause, result.failing) == (DeliveryState.DEAD, 0.0, False)
    assert result.answer == "permanently refused: 503 Service Unavailable"


@pytest.mark.parametrize(
    ("recorded", "since", "now", "dead"),
    [
        (0.0, None, 10 * DAY, False),  # its first try may come late
        (0.0, 100.0, DAY + 99, False),
        (0.0, 100.0, DAY + 100, True),
        (500.0, 100.0, DAY + 499, False),  # recorded while its subject was failing: it has its own time
        (500.0, 100.0, DAY + 500, True),
        (500.0, 100.0, 0.0, False),  # the clock was set back
    ],
)
def test_a_delivery_is_given_up_after_it_could_have_been_sent_for_long_enough(
    recorded: float, since: float | None, now: float, *, dead: bool
) -> None:
    tried = answer(recorded=recorded, failing_since=since, failures=5)
    result = after_try(tried, now=now, share=1.0, give_up_after=DAY)
    assert result.state is (DeliveryState.DEAD if dead else DeliveryState.WAITING)
    assert result.failing
    assert result.pause == (0.0 if dead else 32.0)  # what follows a dead letter has its turn at once
    if dead:
        assert result.answer == "given up after 1d: 503 Service Unavailable"


def test_a_correction_of_the_clock_gives_nothing_up() -> None:
    tried = answer(recorded=0.0, failing_since=1.0, failures=2)
    longest = longest_series(2, deadline=10.0)
    result = after_try(tried, now=1e9, share=1.0, give_up_after=longest + 1, deadline=10.0)
    assert result.state is DeliveryState.WAITING
    assert after_try(tried, now=1e9, share=1.0, give_up_after=longest, deadline=10.0).state is DeliveryState.DEAD
    assert 1 + 2 + 2 * 10 <= longest < 1 + 2 + 2 * 20


@pytest.mark.parametrize(
    ("verdict", "now", "state", "text"),
    [
        (Verdict.TAKEN, 1.0, DeliveryState.SENT, "503 Service Unavailable"),
        (Verdict.NEVER, 1.0, DeliveryState.DEAD, "permanently refused: 503 Service Unavailable"),
        (Verdict.LATER, 1.0, DeliveryState.WAITING, "503 Service Unavailable"),
        (Verdict.LATER, DAY, DeliveryState.DEAD, "given up after 1d: 503 Service Unavailable"),
    ],
)
def test_an_outcome_has_its_delivery_and_the_text_of_the_response(
    verdict: Verdict, now: float, state: DeliveryState, text: str
) -> None:
    sent = answer(verdict, failing_since=0.0, failures=9)
    result = after_try(sent, now=now, share=1.0, give_up_after=DAY)
    assert (result.delivery, result.state, result.answer) == (sent.delivery, state, text)


def test_a_pause_is_at_least_as_long_as_the_sink_asked_for() -> None:
    assert after_try(answer(), now=0.0, share=0.0, give_up_after=DAY, at_least=30.0).pause == 30.0
