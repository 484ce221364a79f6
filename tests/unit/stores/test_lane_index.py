"""What waits in the held shards, in memory: what a page shows is weighed against what happened while it was read."""

from __future__ import annotations

from watcher.stores.lane_index import Index, Place, Row


def row(number: int, *, tries: int = 0, reminder: int = 0, subject: str = "a") -> Row:
    return Row(Place(subject, "x", number, reminder), f"id {number}", 100.0, tries)


def index(*numbers: int) -> Index:
    made = Index()
    for number in numbers:
        made.add(row(number))
    return made


def waits(made: Index) -> list[int]:
    return [each.place.number for each in made.due("x")]


def everything(_: Place) -> bool:
    return True


def test_a_page_tells_what_waits_and_what_does_no_more() -> None:
    made = index(1, 2)
    step = made.begin()
    made.replace([row(2), row(3)], step, everything)
    made.end(step)
    assert waits(made) == [2, 3]


def test_what_was_added_while_a_page_was_read_is_kept_though_the_page_does_not_show_it() -> None:
    made = index(1)
    step = made.begin()
    made.add(row(2))
    made.replace([row(1)], step, everything)
    assert waits(made) == [1, 2]


def test_what_was_settled_while_a_page_was_read_does_not_come_back_by_it() -> None:
    made = index(1, 2)
    step = made.begin()
    made.remove(row(1).place)
    made.replace([row(1), row(2)], step, everything)
    made.end(step)
    assert waits(made) == [2]
    later = made.begin()
    made.replace([row(1), row(2)], later, everything)  # revived since
    assert waits(made) == [1, 2]


def test_a_page_covers_only_its_own() -> None:
    made = index(1)
    made.add(row(5, subject="b"))
    made.replace([], made.begin(), lambda place: place.subject == "a")
    assert waits(made) == [5]


def test_tries_are_those_of_whoever_tried_more_often() -> None:
    made = Index()
    made.add(row(1, tries=2))
    made.add(row(2, tries=0))
    made.replace([row(1, tries=1), row(2, tries=3)], made.begin(), everything)
    assert [each.tries for each in made.due("x")] == [2, 3]


def test_the_reminders_of_a_subject_are_its_own() -> None:
    made = index(1)
    for each in (row(1, reminder=1), row(2, reminder=3, subject="b")):
        made.add(each)
    assert [each.place for each in made.reminders("a")] == [Place("a", "x", 1, 1)]
    assert len(made.reminders()) == 2
