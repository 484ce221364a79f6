"""When there is an event: the rules of `core.diff`, one by one.

An answer is written as (number of its attempt, status) or (number, status, number of the latest successful attempt),
or None where nothing ever synced; what is reported of it, as a line such as `failed 2 new failures=1`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.unit.conftest import a_snapshot, an_attempt, minute
from watcher.core.diff import Change, Reason, diff
from watcher.core.model import FAILED, IN_PROGRESS, INITIATED, QUEUED, SUCCEEDED, FirstSeen, Snapshot
from watcher.core.state import Known

if TYPE_CHECKING:
    from collections.abc import Iterable

    from watcher.core.diff import Comparison

    Answer = tuple[float, str] | tuple[float, str, float] | None

NEVER = timedelta(days=1000)
ODD = "SOMETHING_NEW"


def snapshot_of(answer: Answer) -> Snapshot:
    if answer is None:
        return a_snapshot(None)
    success = an_attempt(answer[2]) if len(answer) == 3 else None
    return a_snapshot(an_attempt(answer[0], answer[1]), success)


def line(change: Change) -> str:
    parts = [change.type.removeprefix("sync."), f"{(change.attempt.started_at - minute(0)).total_seconds() / 60:g}"]
    if change.new_attempt:
        parts.append("new")
    if change.reason in (Reason.FIRST_SEEN, Reason.MISSED_SUCCESS, Reason.RECREATED):
        parts.append(change.reason.name.lower())
    if change.recovered:
        parts.append("recovered")
    if change.consecutive_failures:
        parts.append(f"failures={change.consecutive_failures}")
    if change.times != 1:
        parts.append(f"times={change.times}")
    return " ".join(parts)


def outcomes_at(
    polls: Iterable[tuple[float, Answer]],
    stalled_after: timedelta = timedelta(minutes=30),
    on_first_seen: FirstSeen = FirstSeen.FAILED,
) -> list[Comparison]:
    """What comes of the answers, one after the other, each with the minute in which it was given."""
    known: Known | None = None
    results = []
    for at, answer in polls:
        result = diff(
            known, snapshot_of(answer), now=minute(at), on_first_seen=on_first_seen, stalled_after=stalled_after
        )
        results.append(result)
        known = result.known
    return results


def outcomes(*answers: Answer, on_first_seen: FirstSeen = FirstSeen.FAILED) -> list[Comparison]:
    """What comes of the answers, one after the other, of which none is old enough to have stalled."""
    return outcomes_at(enumerate(answers, start=100), NEVER, on_first_seen)


def reported(*answers: Answer, on_first_seen: FirstSeen = FirstSeen.FAILED) -> list[list[str]]:
    """What is reported of each answer."""
    return [list(map(line, each.changes)) for each in outcomes(*answers, on_first_seen=on_first_seen)]


@pytest.mark.parametrize(
    ("on_first_seen", "status", "expected"),
    [
        (FirstSeen.FAILED, FAILED, ["failed 1 first_seen failures=1"]),
        (FirstSeen.FAILED, SUCCEEDED, []),
        (FirstSeen.FAILED, INITIATED, []),
        (FirstSeen.FAILED, IN_PROGRESS, []),
        (FirstSeen.FAILED, QUEUED, []),
        (FirstSeen.FAILED, ODD, []),
        (FirstSeen.ALL, FAILED, ["failed 1 first_seen failures=1"]),
        (FirstSeen.ALL, SUCCEEDED, ["succeeded 1 first_seen"]),
        (FirstSeen.ALL, INITIATED, ["initiated 1 first_seen"]),
        (FirstSeen.ALL, IN_PROGRESS, ["in_progress 1 first_seen"]),
        (FirstSeen.ALL, QUEUED, ["queued 1 first_seen"]),
        (FirstSeen.ALL, ODD, ["unknown 1 first_seen"]),
        (FirstSeen.NONE, FAILED, []),
        (FirstSeen.NONE, SUCCEEDED, []),
        (FirstSeen.NONE, ODD, []),
    ],
)
def test_rule_1_a_first_observation_is_reported_as_configured(
    on_first_seen: FirstSeen, status: str, expected: list[str]
) -> None:
    assert reported((1, status), on_first_seen=on_first_seen) == [expected]


@pytest.mark.parametrize("on_first_seen", list(FirstSeen))
def test_rule_1_what_was_not_reported_at_first_sight_is_known_all_the_same(on_first_seen: FirstSeen) -> None:
    assert reported((1, FAILED), (1, FAILED), (2, SUCCEEDED), on_first_seen=on_first_seen)[1:] == [
        [],
        ["succeeded 2 new recovered"],
    ]


def test_rule_1_an_older_success_beside_the_first_attempt_is_no_news() -> None:
    assert reported((2, FAILED, 1), (2, FAILED, 1), (3, IN_PROGRESS, 1), on_first_seen=FirstSeen.ALL) == [
        ["failed 2 first_seen failures=1"],
        [],
        ["in_progress 3 new"],
    ]


def test_rule_1_the_first_change_has_nothing_before_it() -> None:
    (first,) = outcomes((1, FAILED))
    assert first.changes[0].previous is None
    assert first.changes[0].attempt == an_attempt(1, FAILED)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (INITIATED, IN_PROGRESS, ["in_progress 1"]),
        (INITIATED, QUEUED, ["queued 1"]),
        (QUEUED, INITIATED, ["initiated 1"]),
        (IN_PROGRESS, SUCCEEDED, ["succeeded 1"]),
        (IN_PROGRESS, FAILED, ["failed 1 failures=1"]),
        (IN_PROGRESS, ODD, ["unknown 1"]),
        (ODD, "ANOTHER", ["unknown 1"]),
        (ODD, SUCCEEDED, ["succeeded 1"]),
        (FAILED, SUCCEEDED, ["succeeded 1 recovered"]),
        (SUCCEEDED, FAILED, ["failed 1 failures=1"]),
        (SUCCEEDED, "succeeded", ["unknown 1"]),
        *((status, status, []) for status in (INITIATED, IN_PROGRESS, QUEUED, SUCCEEDED, FAILED, ODD)),
    ],
)
def test_rule_2_another_status_of_the_same_attempt_is_one_event(before: str, after: str, expected: list[str]) -> None:
    first, second = outcomes((1, before), (1, after))
    assert list(map(line, second.changes)) == expected
    assert all(change.previous == first.known.attempt for change in second.changes)


def test_rule_2_a_status_that_comes_back_is_reported_again_and_counted() -> None:
    assert reported(*((1, status) for status in (QUEUED, INITIATED, QUEUED, INITIATED, QUEUED, SUCCEEDED))) == [
        [],
        ["initiated 1"],
        ["queued 1 times=2"],
        ["initiated 1 times=2"],
        ["queued 1 times=3"],
        ["succeeded 1"],
    ]


def test_rule_2_one_attempt_that_fails_twice_is_one_failure() -> None:
    assert reported((1, FAILED), (1, SUCCEEDED), (1, FAILED))[-1] == ["failed 1 failures=1 times=2"]
    assert reported((1, FAILED), (1, IN_PROGRESS), (1, FAILED), (2, FAILED)) == [
        ["failed 1 first_seen failures=1"],
        ["in_progress 1"],
        ["failed 1 failures=1 times=2"],
        ["failed 2 new failures=2"],
    ]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (SUCCEEDED, SUCCEEDED, ["succeeded 2 new"]),
        (FAILED, FAILED, ["failed 2 new failures=2"]),
        (IN_PROGRESS, IN_PROGRESS, ["in_progress 2 new"]),
        (ODD, ODD, ["unknown 2 new"]),
        (SUCCEEDED, INITIATED, ["initiated 2 new"]),
        (SUCCEEDED, FAILED, ["failed 2 new failures=1"]),
        (FAILED, SUCCEEDED, ["succeeded 2 new recovered"]),
    ],
)
def test_rule_3_a_new_attempt_is_one_event_whatever_its_status(before: str, after: str, expected: list[str]) -> None:
    first, second = outcomes((1, before), (2, after))
    assert list(map(line, second.changes)) == expected
    assert second.changes[0].previous == first.known.attempt


def test_rule_3_an_attempt_a_microsecond_later_is_another_one() -> None:
    assert reported((1, SUCCEEDED), (1 + 1 / 60_000_000, SUCCEEDED))[1][0].startswith("succeeded")


def test_rule_3_failures_are_counted_across_attempts_and_recovery_is_reported_once() -> None:
    story = [(1, SUCCEEDED), (2, FAILED), (3, IN_PROGRESS), (3, FAILED), (4, FAILED), (5, QUEUED), (5, SUCCEEDED)]
    assert reported(*story, (6, SUCCEEDED), (7, FAILED)) == [
        [],
        ["failed 2 new failures=1"],
        ["in_progress 3 new"],
        ["failed 3 failures=2"],
        ["failed 4 new failures=3"],
        ["queued 5 new"],
        ["succeeded 5 recovered"],
        ["succeeded 6 new"],
        ["failed 7 new failures=1"],
    ]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([(1, SUCCEEDED), (3, FAILED, 2)], ["succeeded 2 new missed_success", "failed 3 new failures=1"]),
        ([(1, SUCCEEDED), (3, SUCCEEDED, 2)], ["succeeded 2 new missed_success", "succeeded 3 new"]),
        ([(1, FAILED), (3, FAILED, 2)], ["succeeded 2 new missed_success recovered", "failed 3 new failures=1"]),
        ([(1, IN_PROGRESS), (2, IN_PROGRESS, 1)], ["succeeded 1 missed_success", "in_progress 2 new"]),
        ([(1, FAILED), (2, QUEUED, 1)], ["succeeded 1 missed_success recovered", "queued 2 new"]),
        ([None, (2, FAILED, 1)], ["succeeded 1 new missed_success", "failed 2 new failures=1"]),
    ],
    ids=["after", "before-another-success", "after-a-failure", "the-known-one", "the-failed-one", "never-synced"],
)
def test_rule_4_a_success_between_two_polls_is_reported_first(answers: list[Answer], expected: list[str]) -> None:
    assert reported(*answers)[-1] == expected


@pytest.mark.parametrize(
    "answers",
    [
        [(1, SUCCEEDED), (2, FAILED, 1)],
        [(1, IN_PROGRESS), (1, SUCCEEDED), (2, FAILED, 1)],
        [(2, FAILED, 1), (3, IN_PROGRESS, 1)],
        [(1, IN_PROGRESS), (2, SUCCEEDED, 2)],
        [(1, SUCCEEDED), (2, SUCCEEDED, 2), (3, QUEUED, 2)],
        [(1, SUCCEEDED), (3, FAILED, 2), (4, FAILED, 2)],
        [(1, SUCCEEDED), (3, FAILED, 2), (3, SUCCEEDED, 2)],
        [(5, SUCCEEDED), (6, IN_PROGRESS, 2)],
        [(1, IN_PROGRESS), (1, IN_PROGRESS, 1)],
        [(1, IN_PROGRESS, 1), (2, QUEUED, 1)],
        [(1, SUCCEEDED), (2, IN_PROGRESS)],
    ],
)
def test_rule_4_a_success_is_not_reported_twice_nor_while_it_is_the_latest(answers: list[Answer]) -> None:
    assert "missed_success" not in " ".join(reported(*answers)[-1])


def test_rule_4_what_was_known_never_synced_and_had_a_success_then_has_it_still() -> None:
    """An answer of an odd shape: a latest success without a latest attempt."""
    first = diff(None, a_snapshot(None, an_attempt(1)), now=minute(9), stalled_after=NEVER)
    second = diff(first.known, snapshot_of((2, FAILED, 1)), now=minute(9), stalled_after=NEVER)
    assert list(map(line, second.changes)) == ["failed 2 new failures=1"]


@pytest.mark.parametrize("status", [FAILED, IN_PROGRESS, ODD])
def test_rule_4_a_latest_success_that_did_not_succeed_is_not_claimed(status: str) -> None:
    before = outcomes((1, SUCCEEDED))[-1].known
    answer = a_snapshot(an_attempt(3, FAILED), an_attempt(2, status))
    outcome = diff(before, answer, now=minute(100), stalled_after=NEVER)
    assert list(map(line, outcome.changes)) == ["failed 3 new failures=1"]


def test_rule_4_the_attempt_after_a_missed_success_follows_it() -> None:
    missed, latest = outcomes((1, FAILED), (3, FAILED, 2))[-1].changes
    assert missed.previous == an_attempt(1, FAILED)
    assert missed.attempt == latest.previous == an_attempt(2, SUCCEEDED)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([(1, FAILED), (1, FAILED)], [[], []]),
        ([(1, FAILED), (1, FAILED), (1, FAILED)], [[], [], ["failed 1 new recreated failures=1"]]),
        ([(1, FAILED), (1, QUEUED), (1, SUCCEEDED)], [[], [], ["succeeded 1 new recreated"]]),
        ([(1, FAILED), (1, FAILED), (5, SUCCEEDED), (1, FAILED), (1, FAILED)], [[]] * 5),
        ([(1, FAILED), (1, FAILED), (2, FAILED), (1, FAILED), (1, FAILED)], [[]] * 5),
        ([(1, FAILED), (1, FAILED), None, (5, SUCCEEDED), (1, FAILED), (1, FAILED)], [[]] * 6),
        (
            [(1, FAILED), (1, FAILED), (6, FAILED), (1, FAILED), (1, FAILED)],
            [[], [], ["failed 6 new failures=1"], [], []],
        ),
        (
            [(1, ODD), (2, ODD), (2, ODD), (2, ODD), (2, SUCCEEDED), (3, FAILED)],
            [[], [], [], ["unknown 2 new recreated"], ["succeeded 2"], ["failed 3 new failures=1"]],
        ),
    ],
    ids=["two", "three", "whatever-status", "normal", "older", "none", "newer", "goes-on"],
)
def test_rule_5_an_older_answer_is_ignored_until_the_third_in_a_row(
    answers: list[Answer], expected: list[list[str]]
) -> None:
    assert reported((5, SUCCEEDED), *answers)[1:] == expected


def test_rule_5_an_ignored_answer_says_so_and_leaves_what_is_known() -> None:
    first, second, third, believed = outcomes((5, SUCCEEDED), (1, FAILED), (1, FAILED), (1, FAILED))
    assert [each.ignored for each in (first, second, third, believed)] == [False, True, True, False]
    assert third.known.attempt == first.known.attempt
    assert (third.known.since, third.known.failures) == (first.known.since, 0)
    assert believed.changes[0].previous == first.known.attempt


def test_rule_5_an_ignored_answer_tells_no_missed_success() -> None:
    assert reported((5, IN_PROGRESS), (3, FAILED, 2)) == [[], []]


def test_rule_6_a_target_that_never_synced_is_no_event_and_its_first_attempt_is_new() -> None:
    assert reported(None, None, (1, SUCCEEDED), on_first_seen=FirstSeen.ALL) == [[], [], ["succeeded 1 new"]]
    assert reported(None, (1, FAILED), on_first_seen=FirstSeen.NONE) == [[], ["failed 1 new failures=1"]]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([None], [[]]),
        ([None, None], [[], []]),
        ([None, (5, FAILED)], [[], []]),
        ([None, (5, SUCCEEDED)], [[], ["succeeded 5 recovered"]]),
        ([None, (6, FAILED)], [[], ["failed 6 new failures=2"]]),
        # Rule 5 holds here, too: an older attempt may be a replica that lags.
        ([None, *[(2, FAILED)] * 3], [[], [], [], ["failed 2 new recreated failures=2"]]),
        ([None, (7, FAILED, 6)], [[], ["succeeded 6 new missed_success recovered", "failed 7 new failures=1"]]),
    ],
    ids=["once", "twice", "the-same-again", "other-status", "later", "older", "missed-success"],
)
def test_rule_6_an_answer_without_an_attempt_after_there_was_one(
    answers: list[Answer], expected: list[list[str]]
) -> None:
    assert reported((5, FAILED), *answers)[1:] == expected


def test_rule_7_more_events_within_an_attempt_are_kept_and_are_no_event() -> None:
    first = diff(None, a_snapshot(an_attempt(1, IN_PROGRESS)), now=minute(2), stalled_after=NEVER)
    longer = a_snapshot(an_attempt(1, IN_PROGRESS, "cloned"), an_attempt(0))
    second = diff(first.known, longer, now=minute(3), stalled_after=NEVER)
    assert second.changes == ()
    assert second.known.attempt == longer.latest
    assert second.known.latest_successful == an_attempt(0)
    assert second.known.since == minute(2)


@pytest.mark.parametrize(
    ("minutes", "statuses", "expected"),
    [
        ([1, 30], [IN_PROGRESS, IN_PROGRESS], [[], []]),
        ([1, 31], [IN_PROGRESS, IN_PROGRESS], [[], ["stalled 1"]]),
        ([1, 31, 32], [IN_PROGRESS] * 3, [[], ["stalled 1"], []]),
        ([1, 31, 32, 33], [QUEUED, QUEUED, IN_PROGRESS, IN_PROGRESS], [[], ["stalled 1"], ["in_progress 1"], []]),
        ([1, 31], [INITIATED, IN_PROGRESS], [[], ["in_progress 1", "stalled 1"]]),
        ([99, 99], [QUEUED, QUEUED], [[], ["stalled 1"]]),
        ([1, 31], [IN_PROGRESS, FAILED], [[], ["failed 1 failures=1"]]),
        ([1, 31], [SUCCEEDED, SUCCEEDED], [[], []]),
        ([1, 31], [ODD, ODD], [[], []]),
    ],
    ids=["not-yet", "on-the-dot", "once", "once-for-all-statuses", "with-a-change", "not-at-first-sight", "ended",
         "settled", "unknown-status"],
)  # fmt: skip
def test_stalled_is_reported_once_for_each_unfinished_attempt(
    minutes: list[int], statuses: list[str], expected: list[list[str]]
) -> None:
    polls = [(now, (1, status)) for now, status in zip(minutes, statuses, strict=True)]
    assert [list(map(line, outcome.changes)) for outcome in outcomes_at(polls)] == expected


def test_stalled_is_reported_again_of_another_attempt() -> None:
    polls = [(now, (number, QUEUED)) for now, number in ((1, 1), (31, 1), (32, 32), (61, 32), (62, 32), (63, 32))]
    lines = [line(change) for outcome in outcomes_at(polls) for change in outcome.changes]
    assert lines == ["stalled 1", "queued 32 new", "stalled 32"]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([(30, (1, SUCCEEDED))], "succeeded 1 recovered"),
        ([(30, (1, SUCCEEDED)), (31, (2, SUCCEEDED))], "succeeded 2 new"),
        ([(30, (2, SUCCEEDED))], "succeeded 2 new recovered"),
        ([(30, (2, IN_PROGRESS)), (31, (2, SUCCEEDED))], "succeeded 2 recovered"),
        ([(30, (1, FAILED)), (31, (2, SUCCEEDED))], "succeeded 2 new recovered"),
        ([(30, (1, FAILED)), (31, (2, SUCCEEDED)), (32, (3, SUCCEEDED))], "succeeded 3 new"),
        ([(30, (2, IN_PROGRESS)), (60, (2, IN_PROGRESS)), (61, (2, SUCCEEDED))], "succeeded 2 recovered"),
        ([(30, None), (31, (1, SUCCEEDED))], "succeeded 1 recovered"),
        ([(30, (0, SUCCEEDED)), (31, (0, SUCCEEDED)), (32, (0, SUCCEEDED))], "succeeded 0 new recreated recovered"),
        ([(30, (1, SUCCEEDED)), (31, (1, QUEUED)), (90, (1, QUEUED)), (91, (1, SUCCEEDED))], "succeeded 1 times=2"),
    ],
    ids=["itself", "once", "the-next", "the-next-in-two-steps", "failed-first", "failed-first-once", "stalled-twice",
         "never-synced-between", "recreated", "stalled-once-only"],
)  # fmt: skip
def test_the_first_success_after_a_stalled_attempt_has_recovered(
    answers: list[tuple[int, Answer]], expected: str
) -> None:
    stalled: list[tuple[float, Answer]] = [(1, (1, IN_PROGRESS)), (31, (1, IN_PROGRESS))]
    last = outcomes_at([*stalled, *((at + 2, answer) for at, answer in answers)])[-1]
    assert " ".join(map(line, last.changes)) == expected


@pytest.mark.parametrize("missed", [1, 2])
def test_a_success_between_two_polls_after_a_stalled_attempt_has_recovered(missed: int) -> None:
    polls: list[tuple[float, Answer]] = [
        (1, (1, QUEUED)), (31, (1, QUEUED)), (32, (3, QUEUED, missed)), (33, (3, SUCCEEDED, missed))
    ]  # fmt: skip
    recovered = [[change.recovered for change in outcome.changes] for outcome in outcomes_at(polls)]
    assert recovered[2:] == [[True, False], [False]]


def test_stalled_is_not_reported_for_an_answer_that_is_ignored_or_has_no_attempt() -> None:
    known = diff(None, snapshot_of((5, QUEUED)), now=minute(5), stalled_after=timedelta(minutes=30)).known
    for answer in ((1, QUEUED), None):
        assert not diff(known, snapshot_of(answer), now=minute(500), stalled_after=timedelta(minutes=30)).changes


def test_since_is_when_the_status_was_first_seen() -> None:
    stories = outcomes((1, QUEUED), (1, QUEUED), (1, FAILED), (1, FAILED), (2, FAILED), (1, FAILED))
    assert [each.known.since for each in stories] == [minute(100 + n) for n in (0, 0, 2, 2, 4, 4)]


def test_a_change_carries_what_the_answer_reported_beside_its_attempt() -> None:
    change = outcomes((1, SUCCEEDED), (3, FAILED, 2))[-1].changes[-1]
    assert change.desired_state == a_snapshot(None).desired_state
    assert change.latest_successful == an_attempt(2)


def test_the_known_state_has_what_the_last_answer_showed_beside_its_attempt() -> None:
    """Also of an answer that is not a change (rule 7), and of one without an attempt (rule 6)."""
    known: Known | None = None
    for number, latest in enumerate((None, an_attempt(1, QUEUED), an_attempt(1, QUEUED), None, None)):
        answer = Snapshot({"sha": f"desired-{number}"}, latest, an_attempt(0) if number else None)
        known = diff(known, answer, now=minute(9), stalled_after=NEVER).known
        assert known.desired_state == {"sha": f"desired-{number}"}
        assert known.latest_successful == (an_attempt(0) if number else None)


def test_a_target_that_never_synced_is_known_since_its_first_answer() -> None:
    first, second = outcomes(None, None)
    assert first.known == second.known == Known(None, minute(100), a_snapshot(None).desired_state)


@pytest.mark.parametrize("first", [None, (1, SUCCEEDED)])
def test_an_answer_without_an_attempt_is_missing_one_only_if_there_was_one(first: Answer) -> None:
    known = [each.known for each in outcomes(first, None, None, (2, SUCCEEDED))]
    assert [each.missing for each in known] == [False, *[first is not None] * 2, False]


@pytest.mark.parametrize("answer", [None, (5, SUCCEEDED), (5, QUEUED), (6, SUCCEEDED)])
def test_rule_5_any_other_answer_ends_a_series_of_older_ones(answer: Answer) -> None:
    before, after = outcomes((5, SUCCEEDED), (1, FAILED), answer)[1:]
    assert (before.known.older, before.known.older_answers) == (minute(1), 1)
    assert (after.known.older, after.known.older_answers) == (None, 0)


@pytest.mark.parametrize(
    ("answers", "reasons"),
    [
        ([(1, FAILED)], [Reason.FIRST_SEEN]),
        ([(1, QUEUED), (1, FAILED)], [Reason.STATUS]),
        ([(1, FAILED), (2, FAILED)], [Reason.NEW_ATTEMPT]),
        ([(1, FAILED), (3, FAILED, 2)], [Reason.MISSED_SUCCESS, Reason.NEW_ATTEMPT]),
        ([(5, FAILED), (1, FAILED), (1, FAILED), (1, FAILED)], [Reason.RECREATED]),
    ],
)
def test_a_change_names_its_rule_and_the_attempt_is_known_since_then(
    answers: list[Answer], reasons: list[Reason]
) -> None:
    outcome = outcomes(*answers)[-1]
    assert [change.reason for change in outcome.changes] == reasons
    assert outcome.known.since == minute(100 + len(answers) - 1)


def test_a_stalled_change_is_of_the_known_state() -> None:
    queued = Snapshot({"sha": "desired"}, an_attempt(1, QUEUED), an_attempt(0))
    known = diff(None, queued, now=minute(2), stalled_after=NEVER).known
    (change,) = diff(known, queued, now=minute(31), stalled_after=timedelta(minutes=30)).changes
    assert change == Change(
        reason=Reason.STALLED,
        type="sync.stalled",
        attempt=an_attempt(1, QUEUED),
        previous=an_attempt(1, QUEUED),
        times=1,
        consecutive_failures=0,
        recovered=False,
        desired_state={"sha": "desired"},
        latest_successful=an_attempt(0),
    )
