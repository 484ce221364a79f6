"""What somebody who follows the history was told: each event once, also one that is recorded late.

Where several watchers write one history, each numbers its events by its own clock: one may be recorded after another,
and have the smaller number (`Reader.late`). So whoever follows looks back by as much, and leaves out what was told.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from watcher.core.events import Event
    from watcher.core.ports import EventQuery, Reader

    Found = tuple[int, Event]
    """An event with its number."""


class EventCursor:
    """Ask for what is not told (`unseen`), and let `advance` say what is new of it."""

    def __init__(self, last: int, late: int) -> None:
        """All up to the number `last` was told, as far as is known; what comes may have one smaller by up to `late`."""
        self.last = last
        """The greatest number that was told."""
        self._late = late
        self._keys: set[tuple[int, str]] = set()

    @property
    def since(self) -> int:
        """What is still to come has a greater number."""
        return max(0, self.last - self._late)

    @property
    def keys(self) -> Collection[tuple[int, str]]:
        """Number and id of what was told and has a number above `since`."""
        return self._keys

    def unseen(self, query: EventQuery, limit: int) -> EventQuery:
        """Of what `query` lets through, the first that may be new."""
        return replace(query, after=self.since, known=self.keys, newest=False, limit=limit)

    def advance(self, found: Sequence[Found]) -> list[Found]:
        """Those of `found` that were not told yet; they are from now on."""
        since = self.since
        new = [(number, event) for number, event in found if number > since and (number, event.id) not in self._keys]
        self.last = max([self.last, *(number for number, _ in new)])
        keys = self._keys | {(number, event.id) for number, event in new}
        self._keys = {key for key in keys if key[0] > self.since}
        return new

    def copy(self) -> EventCursor:
        """One that goes on from here by itself."""
        copied = EventCursor(self.last, self._late)
        copied._keys = set(self._keys)
        return copied


async def cursor_at_end(reader: Reader, query: EventQuery, page: int) -> EventCursor:
    """Of what `query` lets through, all that is recorded by now counts as told; it is read `page` by `page`."""
    newest = await reader.events(replace(query, limit=1))
    told = EventCursor(newest[-1][0] if newest else 0, reader.late)
    while reader.late and (found := await reader.events(told.unseen(query, page))):
        told.advance(found)
    return told
