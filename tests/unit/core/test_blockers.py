"""When blockers are asked for, and which changes an answer about them causes."""

from __future__ import annotations

import pytest

from tests.unit.conftest import a_blocker, an_attempt, minute
from watcher.core.blockers import MAX_BLOCKERS, BlockerChange, compare, is_due
from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED, Blocker
from watcher.core.state import Known, Record

ONE, TWO = a_blocker("1"), a_blocker("2", created_at=minute(3))
ONE_RESOLVED = a_blocker("1", status="RESOLVED", resolved_reason="added it", resolved_at=minute(9))
ONE_ODD = a_blocker("1", status="SUSPENDED")
ONE_LATER = a_blocker("1", contexts={"pull-request": "43"})


def blocked(blocker: Blocker) -> BlockerChange:
    return BlockerChange("sync.blocked", blocker)


def unblocked(blocker: Blocker) -> BlockerChange:
    return BlockerChange("sync.unblocked", blocker)


@pytest.mark.parametrize(
    ("known", "answer", "active", "changes"),
    [
        pytest.param([], [], [], [], id="there is none"),
        pytest.param([], [ONE], [ONE], [blocked(ONE)], id="one at first sight"),
        pytest.param([ONE], [ONE], [ONE], [], id="it stays"),
        pytest.param([ONE], [ONE_LATER], [ONE_LATER], [], id="it stays with other contexts"),
        pytest.param([ONE], [ONE_RESOLVED], [], [unblocked(ONE_RESOLVED)], id="it is resolved"),
        pytest.param([ONE], [], [], [unblocked(ONE)], id="it is no longer listed"),
        pytest.param([], [ONE_RESOLVED], [], [], id="it was resolved before it was seen"),
        pytest.param([ONE], [ONE, TWO], [ONE, TWO], [blocked(TWO)], id="another one"),
        pytest.param([], [TWO, ONE], [ONE, TWO], [blocked(ONE), blocked(TWO)], id="two, the older one first"),
        pytest.param([ONE], [TWO], [TWO], [unblocked(ONE), blocked(TWO)], id="the end of one before another one"),
        pytest.param([ONE, TWO], [], [], [unblocked(ONE), unblocked(TWO)], id="both ended"),
        pytest.param([], [ONE, ONE_RESOLVED], [], [], id="listed as active and as resolved"),
        pytest.param([ONE], [ONE_RESOLVED, ONE], [], [unblocked(ONE_RESOLVED)], id="listed as resolved and as active"),
        pytest.param([], [ONE, ONE], [ONE], [blocked(ONE)], id="listed twice"),
        pytest.param([], [ONE_ODD], [], [], id="an unknown status"),
        pytest.param([ONE], [ONE_ODD], [ONE], [], id="an unknown status of one that was active"),
        pytest.param([ONE_ODD], [ONE], [ONE], [], id="active again"),
    ],
)
def test_an_answer_causes_a_change_for_each_blocker_that_began_or_ended(
    known: list[Blocker], answer: list[Blocker], active: list[Blocker], changes: list[BlockerChange]
) -> None:
    assert compare(known, answer) == (tuple(active), tuple(changes))


def test_a_blocker_without_a_time_comes_after_those_that_have_one() -> None:
    timeless = a_blocker("0", created_at=None)
    assert compare([], [timeless, TWO, ONE]) == ((ONE, TWO, timeless), (blocked(ONE), blocked(TWO), blocked(timeless)))


def test_more_blockers_than_are_kept_are_reported_once_others_ended() -> None:
    found = [a_blocker(str(number), created_at=minute(number)) for number in range(MAX_BLOCKERS + 2)]
    known, changes = compare([], found)
    assert known == tuple(found[:MAX_BLOCKERS])
    assert changes == tuple(map(blocked, found[:MAX_BLOCKERS]))
    assert compare(known, found) == (known, ())
    assert compare(known, found[1:]) == (
        (*found[1:MAX_BLOCKERS], found[MAX_BLOCKERS]),
        (unblocked(found[0]), blocked(found[MAX_BLOCKERS])),
    )


def known(status: str | None, *, is_stalled: bool = False) -> Record:
    attempt = None if status is None else an_attempt(1, status)
    return Record(Known(attempt, minute(1), stalled=minute(1) if is_stalled else None))


@pytest.mark.parametrize(
    ("record", "always"),
    [
        (known(FAILED), True),
        (known(IN_PROGRESS, is_stalled=True), True),
        (known(SUCCEEDED, is_stalled=True), False),  # it has ended since
        (known(IN_PROGRESS), False),
        (known(SUCCEEDED), False),
        (known("ODD"), False),
        (known(None), False),
        (Record(), False),
        (Record(known(SUCCEEDED).known, blockers=(ONE,)), True),
    ],
)
def test_blockers_are_asked_for_if_something_is_wrong_and_at_every_tenth_poll(record: Record, *, always: bool) -> None:
    assert [is_due(record, polls) for polls in range(21)] == [always or polls % 10 == 0 for polls in range(21)]
