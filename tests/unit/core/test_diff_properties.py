"""What holds of `diff` for any sequence of answers, however odd."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.conftest import a_snapshot, an_attempt, minute
from watcher.core.diff import Comparison, Reason, diff
from watcher.core.model import FAILED, IN_PROGRESS, INITIATED, QUEUED, SUCCEEDED, FirstSeen
from watcher.core.state import Record
from watcher.core.state_json import dump, load
from watcher.core.sync_events import sync_event
from watcher.sources.codeconnections import stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watcher.core.model import Snapshot
    from watcher.core.state import Known

STALLED_AFTER = timedelta(minutes=10)

attempts = st.builds(
    an_attempt,
    st.integers(0, 4),
    st.sampled_from([INITIATED, IN_PROGRESS, QUEUED, SUCCEEDED, FAILED, "SOMETHING_NEW"]),
    st.sampled_from(["", "cloned"]),
)
# Replicas that lag and resources that come back show the same few attempts in every order.
answers = st.lists(st.builds(a_snapshot, st.none() | attempts, st.none() | attempts), min_size=1, max_size=25)
policies = st.sampled_from(FirstSeen)


def after(known: Known | None, answer: Snapshot, number: int, policy: FirstSeen) -> Comparison:
    """What comes of the answer `number`, two minutes after the one before."""
    return diff(known, answer, now=minute(2 * number), on_first_seen=policy, stalled_after=STALLED_AFTER)


def run(answers: list[Snapshot], policy: FirstSeen) -> Iterator[tuple[int, Snapshot, Known | None, Comparison]]:
    """Yield for each answer its number, the answer, what was known before, and the outcome."""
    known: Known | None = None
    for number, answer in enumerate(answers):
        outcome = after(known, answer, number, policy)
        yield number, answer, known, outcome
        known = outcome.known


@given(answers, policies)
def test_the_same_answer_again_is_no_news(answers: list[Snapshot], policy: FirstSeen) -> None:
    for number, answer, known, outcome in run(answers, policy):
        again = after(outcome.known, answer, number, policy)
        if not outcome.ignored:
            # A first observation is never said to have stalled; the second look is free to.
            assert known is None or not again.changes
            assert all(change.reason is Reason.STALLED for change in again.changes)
            assert not after(again.known, answer, number, policy).changes


@given(answers, policies)
def test_an_older_answer_is_believed_the_third_time_at_the_latest(answers: list[Snapshot], policy: FirstSeen) -> None:
    for number, answer, _, outcome in run(answers, policy):
        if outcome.ignored:
            second = after(outcome.known, answer, number, policy)
            third = after(second.known, answer, number, policy)
            assert not third.ignored
            assert third.known.attempt == answer.latest


@given(answers, policies)
def test_every_event_of_a_run_has_an_id_of_its_own(answers: list[Snapshot], policy: FirstSeen) -> None:
    ids = [
        sync_event(stack("a", "r", "s"), change, sequence=1, now=minute(number)).id
        for number, _, _, outcome in run(answers, policy)
        for change in outcome.changes
    ]
    assert len(set(ids)) == len(ids)


@given(answers, policies)
def test_what_is_known_survives_the_store_at_every_step(answers: list[Snapshot], policy: FirstSeen) -> None:
    known: Known | None = None
    for number, answer in enumerate(answers):
        outcome = after(known, answer, number, policy)
        kept = load(dump(Record(outcome.known, number)))
        assert kept == Record(outcome.known, number)
        known = kept.known


@given(answers, policies)
def test_the_attempt_that_is_known_is_the_last_that_was_believed(answers: list[Snapshot], policy: FirstSeen) -> None:
    """And a status is never taken in silence after the first observation."""
    for _, answer, known, outcome in run(answers, policy):
        before = known.attempt if known else None
        now = outcome.known.attempt
        if answer.latest is not None and not outcome.ignored:
            assert now == answer.latest
        else:
            assert now == before
        if known is not None and now is not None:
            same = before is not None and (before.started_at, before.status) == (now.started_at, now.status)
            assert same == all(change.reason is Reason.STALLED for change in outcome.changes)


@given(answers, policies)
def test_failures_in_a_row_are_counted_of_failures_alone(answers: list[Snapshot], policy: FirstSeen) -> None:
    for _, _, _, outcome in run(answers, policy):
        for change in outcome.changes:
            assert (change.consecutive_failures > 0) == (change.attempt.status == FAILED)
            assert not change.recovered or change.attempt.status == SUCCEEDED
