"""Takes as much from the beginning of a sequence as a limit allows."""

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def first_fitting(items: Iterable[T], most: float, size: Callable[[T], int]) -> list[T]:
    """Return the first of `items` whose sizes are at most `most` in all, but at least one; it reads one more of them.

    `size`: returns the size of an item.
    """
    taken: list[T] = []
    for item in items:
        most -= size(item)
        if taken and most < 0:
            break
        taken.append(item)
    return taken
