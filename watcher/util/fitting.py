"""Takes as much from a sequence at a time as a limit allows."""

from collections.abc import Callable, Iterable, Iterator
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


def in_parts(items: Iterable[T], most: int, size: Callable[[T], int]) -> Iterator[list[T]]:
    """Yield all `items` in parts: each has as many as `first_fitting` would take of what is left."""
    part: list[T] = []
    room = most
    for item in items:
        room -= (taken := size(item))
        if part and room < 0:
            yield part
            part, room = [], most - taken
        part.append(item)
    if part:
        yield part
