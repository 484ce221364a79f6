"""Taking as much from the beginning as a limit allows."""

import pytest

from watcher.util.fitting import first_fitting


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
