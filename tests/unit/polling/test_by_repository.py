"""When stacks are polled whose repository is polled as well."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import inf
from typing import TYPE_CHECKING, Any

import pytest

from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED, Attempt, Repository
from watcher.core.state import Known
from watcher.polling.by_repository import Repositories, RepositoryPolls
from watcher.polling.schedule import Lane, next_due
from watcher.sources.codeconnections import REPOSITORY, stack
from watcher.sources.proton import template

if TYPE_CHECKING:
    from watcher.core.model import Target

SHOP = Repository("6053346f", "main")
ID = "default/us-east-1/repository/codeconnections/6053346f/main"
MOMENT = datetime(2026, 11, 23, 8, tzinfo=UTC)
NOW = 100_000.0


def attempt(minutes: float, status: str = SUCCEEDED, *, ended: float | None = None) -> Attempt:
    """An attempt that began so many minutes after MOMENT, with an event at `ended`."""
    at = None if ended is None else (MOMENT + timedelta(minutes=ended)).isoformat()
    events = () if at is None else ({"type": "INFO", "event": "synced", "time": at},)
    return Attempt(MOMENT + timedelta(minutes=minutes), status, None, None, None, events)


def a_stack(name: str = "shop", **watching: Any) -> Target:
    return stack("default", "us-east-1", name, **{"repository": SHOP, **watching})


def known(minutes: float) -> Known:
    return Known(attempt(minutes), MOMENT)


def test_a_repository_of_several_stacks_is_polled_as_often_as_one_of_them_asks_for() -> None:
    stacks = [
        a_stack("a"),
        a_stack("b", repository_interval=3.0),
        a_stack("c", repository=Repository("6053346f", "dev")),
    ]
    others = [stack("default", "us-east-1", "d"), template("default", "us-east-1", "SERVICE", "web", "1")]
    repositories = Repositories()
    polled = repositories.configure([*stacks, *others])
    assert polled.keys() == {*(target.id for target in (*stacks, *others)), ID}
    assert polled[ID].interval == 3.0
    assert repositories.polls[ID].stacks == [stacks[0].id, stacks[1].id]


@pytest.mark.parametrize(("interval", "expected"), [(60.0, 10.0), (5.0, 5.0)])
def test_a_repository_that_is_a_target_as_well_is_polled_as_often_as_either_asks_for(
    interval: float, expected: float
) -> None:
    identity = {"link": SHOP.link, "branch": SHOP.branch}
    listed = REPOSITORY.target("default", "us-east-1", identity, interval=interval, labels={"team": "shop"})
    polled = Repositories().configure([a_stack("a"), a_stack("b"), listed])
    assert (polled[ID].interval, polled[ID].labels) == (expected, {"team": "shop"})


def test_what_is_known_of_a_repository_survives_a_change_of_its_stacks() -> None:
    repositories = Repositories()
    repositories.configure([a_stack("a"), a_stack("b")])
    repositories.polls[ID].answered(attempt(0), NOW, MOMENT)
    repositories.configure([a_stack("a"), a_stack("c")])
    assert repositories.polls[ID].started_at == MOMENT
    repositories.configure([a_stack("a")])
    assert not repositories.polls


@pytest.mark.parametrize(
    ("answers", "hastened"),
    [
        pytest.param([None], [False], id="never synced"),
        pytest.param([attempt(0)], [False], id="first answer, over"),
        pytest.param([attempt(0, IN_PROGRESS)], [True], id="first answer, unfinished"),
        pytest.param([attempt(0), attempt(0)], [False, False], id="nothing new"),
        pytest.param([attempt(0), attempt(9, IN_PROGRESS)], [False, True], id="new attempt"),
        pytest.param([attempt(0), attempt(9), attempt(9)], [False, True, False], id="new attempt, over at once"),
        pytest.param([attempt(0), attempt(9, IN_PROGRESS), attempt(9, FAILED)], [False, True, False], id="it ends"),
        pytest.param([None, attempt(9)], [False, True], id="first attempt"),
    ],
)
def test_a_new_attempt_makes_the_stacks_due(answers: list[Attempt | None], hastened: list[bool]) -> None:
    polls = RepositoryPolls()
    assert [polls.answered(each, NOW, MOMENT + timedelta(hours=1)) for each in answers] == hastened


def test_an_attempt_that_was_over_before_the_first_answer_ended_at_its_last_event() -> None:
    polls = RepositoryPolls()
    polls.answered(attempt(-10, ended=-2), NOW, MOMENT)
    assert (polls.seen, polls.ended) == (NOW - 120, NOW - 120)


def test_a_repository_fails_once_until_it_is_answered_for() -> None:
    polls = RepositoryPolls()
    assert not polls.failed()
    polls.answered(attempt(0), NOW, MOMENT)
    assert [polls.failed(), polls.failed()] == [True, False]


INTERVAL, BACKSTOP = "interval", "backstop"
NEW: dict[str, Any] = {"readable": True, "started_at": 5}


@pytest.mark.parametrize(
    ("polls", "last", "expected"),
    [
        pytest.param(None, 0, INTERVAL, id="no repository"),
        pytest.param({"readable": False, "started_at": 5, "seen": NOW}, 0, INTERVAL, id="unreadable"),
        pytest.param({"readable": True}, 0, BACKSTOP, id="never synced"),
        pytest.param(NEW | {"seen": NOW - 9, "ended": inf}, 5, BACKSTOP, id="it began"),
        pytest.param(NEW | {"seen": NOW - 9, "ended": inf}, 6, BACKSTOP, id="it began later"),
        pytest.param(NEW | {"seen": NOW, "ended": inf}, 4, 10 / 3, id="just seen"),
        pytest.param(NEW | {"seen": NOW, "ended": inf}, None, 10 / 3, id="never seen"),
        pytest.param(NEW | {"seen": NOW - 60, "ended": inf}, 4, 30.0, id="after a minute"),
        pytest.param(NEW | {"seen": NOW - 8e4, "ended": inf}, 4, BACKSTOP, id="it never ends"),
        pytest.param(NEW | {"seen": NOW - 60, "ended": NOW - 40}, 4, 20.0, id="last poll"),
        pytest.param(NEW | {"seen": NOW - 90, "ended": NOW - 60}, 4, BACKSTOP, id="over"),
    ],
)
@pytest.mark.parametrize("heard", [False, True])
def test_a_settled_stack_is_due(
    polls: dict[str, Any] | None, last: float | None, expected: str | float, *, heard: bool
) -> None:
    target = a_stack()
    repositories = Repositories()
    repositories.configure([target] if polls is None else [target, a_stack("other")])
    for name, value in (polls or {}).items():
        moment = MOMENT + timedelta(minutes=value) if name == "started_at" else value
        setattr(repositories.polls[ID], name, moment)
    due, lane = repositories.due(target, None if last is None else known(last), NOW, late=0, heard=heard)
    if expected == INTERVAL:
        assert (due, lane) == (next_due(target.id, 900.0 if heard else 60.0, NOW, late=0), Lane.SETTLED)
    elif expected == BACKSTOP:
        assert due == next_due(target.id, 900.0, NOW, late=0)
    else:
        assert isinstance(expected, float)
        until = repositories.polls[ID].ended + 60
        assert (due, lane) == (pytest.approx(min(NOW + expected * (3 if heard else 1), until)), Lane.ACTIVE)


@pytest.mark.parametrize(("heard", "interval"), [(False, 10.0), (True, 30.0)])
def test_a_repository_is_polled_less_often_while_hints_report_its_changes(*, heard: bool, interval: float) -> None:
    repositories = Repositories()
    polled = repositories.configure([a_stack("a"), a_stack("b")])
    due = repositories.due(polled[ID], None, NOW, late=0, heard=heard)
    assert due == (next_due(ID, interval, NOW, late=0), Lane.SETTLED)
