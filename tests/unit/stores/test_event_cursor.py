"""A cursor returns each event once, also one that is recorded late."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from watcher.core.events import Event
from watcher.stores.event_cursor import EventCursor


def events(*numbers: int) -> list[tuple[int, Event]]:
    return [(number, Event(f"id {number}", "type", "subject", "", "{}")) for number in numbers]


def test_a_cursor_without_late_events_returns_greater_numbers() -> None:
    told = EventCursor(4, late=0)
    assert told.advance(events(3, 4, 5, 7)) == events(5, 7)
    assert (told.since, told.last, [*told.keys]) == (7, 7, [])
    assert told.advance(events(6, 7)) == []


def test_a_late_event_is_returned_and_the_others_not_again() -> None:
    told = EventCursor(100, late=50)
    assert told.advance(events(120)) == events(120)
    assert told.since == 70
    assert told.advance(events(90, 120)) == events(90)
    assert told.advance(events(90, 120)) == []
    assert told.advance(events(69)) == []


def test_two_events_with_one_number_are_both_returned() -> None:
    told, (first,) = EventCursor(0, late=10), events(5)
    second = (5, Event("another", "type", "subject", "", "{}"))
    assert told.advance([first]) == [first]
    assert told.advance([first, second]) == [second]


def test_a_copy_advances_by_itself() -> None:
    told = EventCursor(0, late=10)
    told.advance(events(5))
    copy = told.copy()
    assert copy.advance(events(6)) == events(6)
    assert told.advance(events(5, 6)) == events(6)


@given(st.lists(st.integers(1, 60), unique=True))
def test_every_event_that_is_late_by_less_than_the_limit_is_returned_once(order: list[int]) -> None:
    """Recorded in any order in which none comes more than `late` after a greater one, and looked at after each."""
    late = 10
    recorded: list[int] = []
    for number in order:
        if number > max(recorded, default=0) - late:
            recorded.append(number)
    told, heard, there = EventCursor(0, late), [], set[int]()
    for number in recorded:
        there.add(number)
        heard += [
            each for each, _ in told.advance([found for found in events(*sorted(there)) if found[0] > told.since])
        ]
        assert all(each > told.since for each, _ in told.keys)
    assert heard == recorded
