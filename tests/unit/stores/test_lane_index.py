"""The index of waiting deliveries: pages of the table do not undo what was added or settled while they were read."""

from __future__ import annotations

from watcher.stores.dynamodb.lane_index import LaneIndex, Place, Row


def row(number: int, *, tries: int = 0, reminder: int = 0, subject: str = "a") -> Row:
    return Row(Place(subject, "x", number, reminder), f"id {number}", 100.0, tries)


def index(*numbers: int) -> LaneIndex:
    made = LaneIndex()
    for number in numbers:
        made.add(row(number))
    return made


def waits(made: LaneIndex) -> list[int]:
    return [each.place.number for each in made.due("x")]


def everything(_: Place) -> bool:
    return True


def test_replace_adds_and_removes_as_a_page_shows() -> None:
    made = index(1, 2)
    with made.reading() as step:
        made.replace([row(2), row(3)], step, everything)
    assert waits(made) == [2, 3]


def test_a_delivery_added_while_a_page_was_read_stays_though_the_page_lacks_it() -> None:
    made = index(1)
    with made.reading() as step:
        made.add(row(2))
        made.replace([row(1)], step, everything)
    assert waits(made) == [1, 2]


def test_a_delivery_removed_while_a_page_was_read_stays_removed() -> None:
    made = index(1, 2)
    with made.reading() as step:
        made.remove(row(1).place)
        made.replace([row(1), row(2)], step, everything)
    assert waits(made) == [2]
    with made.reading() as later:
        made.replace([row(1), row(2)], later, everything)  # requeued since
    assert waits(made) == [1, 2]


def test_replace_leaves_lanes_that_the_page_does_not_cover() -> None:
    made = index(1)
    made.add(row(5, subject="b"))
    with made.reading() as step:
        made.replace([], step, lambda place: place.subject == "a")
    assert waits(made) == [5]


def test_replace_keeps_the_greater_number_of_tries() -> None:
    made = LaneIndex()
    made.add(row(1, tries=2))
    made.add(row(2, tries=0))
    with made.reading() as step:
        made.replace([row(1, tries=1), row(2, tries=3)], step, everything)
    assert [each.tries for each in made.due("x")] == [2, 3]


def test_reminders_are_returned_by_subject() -> None:
    made = index(1)
    for each in (row(1, reminder=1), row(2, reminder=3, subject="b")):
        made.add(each)
    assert [each.place for each in made.reminders("a")] == [Place("a", "x", 1, 1)]
    assert len(made.reminders()) == 2
