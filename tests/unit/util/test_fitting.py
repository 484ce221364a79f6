"""Taking as much at a time as a limit allows."""

import pytest

from watcher.util.fitting import first_fitting, in_parts


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (-1, ["aa"]),
        (0, ["aa"]),
        (2, ["aa"]),
        (3, ["aa"]),
        (4, ["aa", "bb"]),
        (7, ["aa", "bb"]),
        (8, ["aa", "bb", "cccc"]),
    ],
)
def test_the_first_items_that_fit_are_returned_and_at_least_one(most: int, expected: list[str]) -> None:
    assert first_fitting(["aa", "bb", "cccc"], most, len) == expected


def test_of_nothing_nothing_is_returned() -> None:
    assert first_fitting([], 1, len) == []


def test_only_one_item_more_than_fits_is_read() -> None:
    items = iter(["aa", "bb", "c", "d"])
    assert first_fitting(items, 2, len) == ["aa"]
    assert list(items) == ["c", "d"]


@pytest.mark.parametrize("most", [*range(-1, 12)])
@pytest.mark.parametrize("items", [[], ["aa"], ["aa", "bb", "cccc"], ["", "aaaaa", "b", "cc", "", "ddd", "eeee", "f"]])
def test_parts_are_what_fits_of_what_is_left_until_nothing_is_left(items: list[str], most: int) -> None:
    parts = [*in_parts(items, most, len)]
    for part in parts:
        assert part == first_fitting(items, most, len)
        items = items[len(part) :]
    assert items == []
