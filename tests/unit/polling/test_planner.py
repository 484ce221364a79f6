"""What the planner makes of the polls of repositories."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import structlog

from tests.support.clocks import SetClock
from tests.unit.polling.test_by_repository import ID, a_stack, attempt
from watcher.core.model import EndpointKey, Repository, Snapshot
from watcher.errors import TargetUnreadable
from watcher.observability.observer import Observers
from watcher.polling.planner import Planner
from watcher.polling.recorder import Recorder
from watcher.stores.memory import MemoryStore

if TYPE_CHECKING:
    from watcher.core.model import Target

STACKS = [a_stack(name) for name in "abc"]
GONE = TargetUnreadable("ResourceNotFoundException", "there is no such link")


class House:
    """A planner of three stacks of one repository, each of which was polled once."""

    def __init__(self) -> None:
        self.clock = SetClock()
        recorder = Recorder(MemoryStore(), self.clock, lambda: None, Observers())
        self.planner = Planner(
            EndpointKey("default", "us-east-1", "codeconnections"), STACKS, recorder, taken_over=False
        )
        self.planner.plan_first_polls(5.0)
        self.clock.moment += 11
        self.repository = self.take_all()[ID]

    def take_all(self) -> dict[str, Target]:
        """Poll everything that is due now, and plan it again."""
        taken = {}
        while (due := self.planner.take()) is not None:
            taken[due[1].id] = due[1]
        for target_id in taken:
            self.planner.ended(target_id, self.clock.moment, self.clock.moment, recorded=True)
        return taken

    def answered(self, minutes: float, status: str = "SUCCEEDED") -> None:
        self.planner.note(self.repository, Snapshot(None, attempt(minutes, status), None))

    def latest_due(self) -> float:
        """In how many seconds the last stack is due."""
        return max(due for stack in STACKS if (due := self.planner.due(stack.id))) - self.clock.moment


@pytest.fixture
def house() -> House:
    return House()


def test_stacks_are_polled_each_interval_until_their_repository_has_answered(house: House) -> None:
    assert house.latest_due() <= 60.0
    house.answered(0)
    house.clock.moment += 60
    house.take_all()
    assert 60.0 < house.latest_due() <= 900.0


def test_a_new_attempt_of_the_repository_makes_its_stacks_due_at_once(house: House) -> None:
    house.answered(0)
    house.clock.moment += 60
    house.take_all()
    house.answered(5)
    assert house.take_all().keys() == {stack.id for stack in STACKS}
    assert house.latest_due() <= 10.0


def test_stacks_of_a_repository_that_cannot_be_read_any_more_return_to_their_interval(house: House) -> None:
    house.answered(0)
    house.clock.moment += 60
    house.take_all()
    with structlog.testing.capture_logs() as logs:
        house.planner.note(house.repository, GONE)
        house.planner.note(house.repository, GONE)
        assert house.latest_due() <= 60.0
        house.answered(0)
    assert [each["event"] for each in logs] == ["repository.failed", "repository.recovered"]


def test_a_stack_that_is_being_polled_when_its_repository_has_a_new_attempt_is_polled_again_soon(house: House) -> None:
    house.answered(0)
    house.clock.moment += 60
    begun = house.clock.moment
    while (taken := house.planner.take()) is not None:
        pass
    house.answered(5)
    assert taken is None
    for stack in STACKS:
        house.planner.ended(stack.id, begun, begun, recorded=True)
    assert house.latest_due() <= 10.0


def test_a_repository_is_polled_no_more_when_too_few_of_its_stacks_are_left(house: House) -> None:
    gone = house.planner.reconfigure(STACKS[:1], 5.0)
    assert set(gone) == {ID, STACKS[1].id, STACKS[2].id}
    assert ID not in house.planner
    house.planner.note(house.repository, GONE)


def test_a_stack_that_is_left_alone_in_its_repository_returns_to_its_interval(house: House) -> None:
    house.answered(0)
    house.clock.moment += 60
    house.take_all()
    house.planner.reconfigure(STACKS[:1], 5.0)
    due = house.planner.due(STACKS[0].id)
    assert due is not None
    assert due - house.clock.moment <= 60.0


def test_stacks_that_move_to_another_branch_are_polled_each_interval_until_that_has_answered(house: House) -> None:
    house.answered(0)
    house.clock.moment += 60
    house.take_all()
    moved = [replace(stack, repository=Repository("6053346f", "release")) for stack in STACKS]
    house.planner.reconfigure(moved, 5.0)
    assert house.latest_due() <= 60.0


async def test_a_hinted_target_is_due_at_once_and_its_hint_is_answered_when_that_poll_was_recorded(
    house: House,
) -> None:
    house.answered(0)
    house.clock.moment += 60
    house.take_all()
    first, second = house.planner.hint(STACKS[1].id), house.planner.hint(STACKS[1].id)
    assert first is not None
    assert second is not None
    taken = house.planner.take()
    assert taken is not None
    assert taken[1] == STACKS[1]
    assert not first.done()
    house.planner.ended(STACKS[1].id, taken[0], taken[0], recorded=True)
    assert first.result()
    assert second.result()
    assert house.latest_due() > 10.0


async def test_a_target_that_is_hinted_while_it_is_polled_is_polled_again_for_that_hint(house: House) -> None:
    moment = house.clock.moment
    before = house.planner.hint(ID)
    taken = house.planner.take()
    during = house.planner.hint(ID)
    assert taken is not None
    house.planner.ended(ID, moment, moment, recorded=True)
    assert before is not None
    assert during is not None
    assert before.done()
    assert not during.done()
    assert house.planner.due(ID) == moment
    assert house.take_all().keys() == {ID}
    assert during.result()


@pytest.mark.parametrize("how", ["failed", "superseded", "gone while polled", "gone before"])
async def test_the_answer_to_a_hint_says_whether_a_poll_was_recorded(house: House, how: str) -> None:
    answer, at = house.planner.hint(STACKS[0].id), house.clock.moment
    assert answer is not None
    if how != "gone before":
        assert house.planner.take() is not None
    if how.startswith("gone"):
        house.planner.reconfigure(STACKS[1:], 5.0)
    if how != "gone before":
        house.planner.ended(STACKS[0].id, at, at, recorded=False, superseded=how == "superseded")
    if how == "superseded":
        assert not answer.done()
        house.take_all()
        assert answer.result()
    else:
        assert not answer.result()


async def test_only_what_is_polled_can_be_hinted(house: House) -> None:
    assert house.planner.hint("default/us-east-1/stack/other") is None
    assert house.planner.hint(ID) is not None


async def test_a_target_that_is_hinted_before_its_first_poll_is_polled_first(house: House) -> None:
    house.planner.reconfigure([*STACKS, a_stack("new")], 5.0)
    house.planner.hint("default/us-east-1/stack/new")
    taken = house.planner.take()
    assert taken is not None
    assert taken[1].id == "default/us-east-1/stack/new"


def test_stacks_are_due_as_often_as_without_hints_at_once_when_their_queue_cannot_be_read(house: House) -> None:
    house.planner.set_heard(heard=True)
    house.clock.moment += 60
    house.take_all()
    assert 60.0 < house.latest_due() <= 900.0
    house.planner.set_heard(heard=False)
    assert house.latest_due() <= 60.0
    due = house.planner.due(ID)
    assert due is not None
    assert due - house.clock.moment <= 10.0
