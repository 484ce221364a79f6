"""Whether a sink is down or failing, by its responses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.delivery.relaying import an_event
from watcher.core.deliveries import Delivery, DeliveryRecord, DeliveryState, SendOutcome, Verdict
from watcher.delivery.sink_health import SUSPICIOUS_FAILURES, SinkHealth
from watcher.observability.daemon_view import Backlog, SinkStatus

SENT, DEAD, WAITING = DeliveryState.SENT, DeliveryState.DEAD, DeliveryState.WAITING


def answer(verdict: Verdict = Verdict.LATER, subject: str = "a", **delivery: Any) -> SendOutcome:
    return SendOutcome(Delivery(1, "x", an_event(1, subject), **delivery), verdict, "503 Service Unavailable")


def test_a_sink_is_down_when_it_reports_so_itself() -> None:
    health = SinkHealth()
    health.update_ended([DEAD])
    assert health.update([answer()], sink_error=True, now=1.0)
    assert health.down
    assert not health.update([answer()], sink_error=True, now=1.0)
    assert health.state == "down"


def test_a_sink_is_not_down_when_only_one_subject_fails() -> None:
    health = SinkHealth()
    assert not any(health.update([answer()], now=1.0) for _ in range(100))
    assert not health.down


def test_a_sink_is_down_when_several_subjects_fail_one_after_the_other() -> None:
    health = SinkHealth()
    told = [health.update([answer(subject=str(i))], now=1.0) for i in range(SUSPICIOUS_FAILURES)]
    assert told == [False] * (SUSPICIOUS_FAILURES - 1) + [True]
    assert health.down


def test_several_failures_in_one_send_count_once() -> None:
    health = SinkHealth()
    assert not health.update([answer(subject=str(i)) for i in range(10)], now=1.0)


@pytest.mark.parametrize("verdict", [Verdict.TAKEN, Verdict.NEVER])
def test_a_sink_is_up_again_when_it_takes_or_refuses_a_delivery(verdict: Verdict) -> None:
    health = SinkHealth()
    for i in range(SUSPICIOUS_FAILURES - 1):
        health.update([answer(subject=str(i))], now=1.0)
    assert not health.update([answer(subject="c"), answer(verdict, "d")], now=1.0)
    assert not health.update([answer(subject="e")], now=1.0)  # the count begins anew
    health.update([answer()], sink_error=True, now=1.0)
    assert health.down
    assert health.update([answer(verdict)], now=1.0)
    assert not health.down


@pytest.mark.parametrize(
    ("sends", "state"),
    [
        ([], "up"),
        ([[SENT]], "up"),
        ([[DEAD]], "failing"),
        ([[DEAD], [WAITING]], "failing"),
        ([[DEAD], [SENT]], "up"),
        ([[SENT], [DEAD, DEAD]], "failing"),
        ([[DEAD, SENT]], "up"),
        ([[SENT], [WAITING, DEAD]], "failing"),
    ],
)
def test_a_sink_is_failing_while_what_ended_last_are_dead_letters(sends: list[list[DeliveryState]], state: str) -> None:
    health = SinkHealth()
    for states in sends:
        health.update_ended(states)
    assert health.state == state


def test_a_sink_is_failing_when_one_subject_fails_several_times_in_a_row_and_nothing_gets_through() -> None:
    health, states = SinkHealth(), []
    for failures in range(SUSPICIOUS_FAILURES):
        health.update([answer(failures=failures, failing_since=1.0 if failures else None)], now=1.0)
        states.append(health.state)
    assert states == ["up"] * (SUSPICIOUS_FAILURES - 1) + ["failing"]
    health.update_ended([SENT])
    health.update([answer(Verdict.TAKEN, "b")], now=2.0)
    health.update([answer(failures=SUSPICIOUS_FAILURES, failing_since=1.0)], now=3.0)  # it alone is at fault
    assert health.state == "up"


@pytest.mark.parametrize(
    ("state", "backlog", "shown"),
    [
        ("failing", Backlog(waiting=0, dead=1), "failing"),
        ("failing", Backlog(waiting=1, dead=0), "failing"),
        ("failing", Backlog(waiting=0, dead=0), "up"),
        ("failing", None, "up"),
        ("down", None, "down"),
        ("up", Backlog(waiting=0, dead=1), "up"),
    ],
)
def test_a_sink_is_failing_no_longer_when_all_that_failed_was_dropped(
    state: str, backlog: Backlog | None, shown: str
) -> None:
    look = SinkStatus("webhook", state, "415")
    assert look.corrected_by(backlog) == (look if shown == state else SinkStatus("webhook", shown, ""))


def test_failures_of_a_subject_do_not_count_while_others_get_through() -> None:
    health = SinkHealth()
    health.update([answer(Verdict.TAKEN)], now=50.0)
    old = [answer(subject=str(i), failing_since=40.0) for i in range(10)]
    assert not any(health.update([each], now=60.0, sink_error=True) for each in old)
    assert all(health.is_own_failure(each.delivery) for each in old)
    assert health.update([answer(subject="new")], now=61.0, sink_error=True)


def test_the_third_subject_that_fails_makes_a_sink_down_and_the_third_failure_of_one_makes_it_failing() -> None:
    health = SinkHealth()
    assert [health.update([answer(subject=subject)], now=1.0) for subject in "abc"] == [False, False, True]
    one = SinkHealth()
    states = [str(one.update([answer(failures=failures)], now=1.0) or one.state) for failures in range(3)]
    assert states == ["up", "up", "failing"]


def test_a_failure_since_the_moment_of_the_last_response_is_not_the_deliverys_own() -> None:
    health = SinkHealth()
    health.update([answer(Verdict.TAKEN)], now=50.0)
    owns = [health.is_own_failure(answer(failing_since=since).delivery) for since in (49.0, 50.0, 51.0)]
    assert owns == [True, False, False]


@pytest.mark.parametrize(("recorded", "tries", "state"), [(50.0, 3, "up"), (51.0, 3, "failing"), (51.0, 2, "up")])
def test_a_waiting_delivery_of_an_earlier_run_makes_a_sink_failing_if_it_was_recorded_after_the_last_success(
    recorded: float, tries: int, state: str
) -> None:
    health = SinkHealth()
    for ended, earlier, its_tries in ((50.0, SENT, 1), (None, WAITING, tries)):
        at = 1.0 if ended else recorded
        health.restore(DeliveryRecord(an_event(1, "a"), "x", earlier, 0, at, its_tries, at, ended, "503"))
    assert health.state == state
