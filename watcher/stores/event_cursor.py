"""Follows the recorded events: returns each of them once, also one that is recorded late.

Where several daemons write one history, each numbers its events by its own clock: an event may be recorded after
another and have the smaller number (`Reader.late`). A cursor therefore looks back by as much, and leaves out the events
that were returned before.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from watcher.core.ports import Reader
from watcher.core.queries import EventQuery

if TYPE_CHECKING:
    from watcher.core.events import Event  # loads cloudevents

Found = tuple[int, "Event"]
"""An event with its number."""


class EventCursor:
    """A place in the history: query with `unseen`, and `advance` by the result."""

    def __init__(self, last: int, late: int) -> None:
        """`last`: the greatest number seen; an event that is still to come may have one smaller by up to `late`."""
        self.last = last
        self._late = late
        self._keys: set[tuple[int, str]] = set()

    @property
    def since(self) -> int:
        """Every event that is still to come has a greater number."""
        return max(0, self.last - self._late)

    @property
    def keys(self) -> Collection[tuple[int, str]]:
        """The numbers and IDs of the events seen with a number above `since`."""
        return self._keys

    def unseen(self, query: EventQuery, limit: int) -> EventQuery:
        """Return `query`, limited to the first events that may be new."""
        return replace(query, after=self.since, known=self.keys, newest=False, limit=limit)

    def advance(self, found: Sequence[Found]) -> list[Found]:
        """Return the events not yet seen, and mark them as seen."""
        since = self.since
        new = [(number, event) for number, event in found if number > since and (number, event.id) not in self._keys]
        self.last = max([self.last, *(number for number, _ in new)])
        keys = self._keys | {(number, event.id) for number, event in new}
        self._keys = {key for key in keys if key[0] > self.since}
        return new

    def copy(self) -> EventCursor:
        """Return a cursor at the same place that advances by itself."""
        copied = EventCursor(self.last, self._late)
        copied._keys = set(self._keys)
        return copied


async def cursor_at_end(reader: Reader, query: EventQuery, page: int) -> EventCursor:
    """Return a cursor behind all events recorded until now that `query` lets through; reads `page` events at a time."""
    newest = await reader.events(replace(query, limit=1))
    cursor = EventCursor(newest[-1][0] if newest else 0, reader.late)
    while reader.late and (found := await reader.events(cursor.unseen(query, page))):
        cursor.advance(found)
    return cursor
