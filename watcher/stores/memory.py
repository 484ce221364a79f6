"""State that ends with the process: for trials, and for tests."""

from __future__ import annotations

from collections import Counter
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from watcher.protocols import Delivery

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from watcher.events import Event
    from watcher.protocols import Entry, EventQuery
    from watcher.state import Record


class MemoryStore:
    """See `protocols.Store`."""

    def __init__(self) -> None:
        """Begin empty."""
        self._records: dict[str, Record] = {}
        self._events: dict[int, tuple[float, Event]] = {}
        self._due: dict[str, dict[int, Event]] = {}
        self._number = 0

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def records(self) -> dict[str, Record]:
        """See `protocols.Reader`."""
        return dict(self._records)

    async def events(self, query: EventQuery) -> list[tuple[int, Event]]:
        """See `protocols.Reader`."""
        found = [
            (number, event)
            for number, (recorded, event) in self._events.items()
            if number > query.after
            and (query.target is None or fnmatchcase(event.subject, query.target))
            and (not query.types or any(fnmatchcase(event.type, glob) for glob in query.types))
            and (query.since is None or recorded >= query.since.timestamp())
        ]
        return found[-query.limit :] if query.newest else found[: query.limit]

    async def commit(self, entries: Sequence[Entry], now: datetime) -> None:
        """See `protocols.Store`."""
        for entry in entries:
            self._records[entry.subject] = entry.record
            for event, sinks in entry.events:
                self._number += 1
                self._events[self._number] = (now.timestamp(), event)
                for sink in sinks:
                    self._due.setdefault(sink, {})[self._number] = event

    async def forget(self, subjects: Collection[str]) -> None:
        """See `protocols.Store`."""
        for subject in subjects:
            self._records.pop(subject, None)

    async def due(self, sink: str, limit: int) -> list[Delivery]:
        """See `protocols.Store`."""
        due = self._due.get(sink, {})
        return [Delivery(number, sink, due[number]) for number in sorted(due)[:limit]]

    async def settle(self, deliveries: Sequence[Delivery], now: datetime) -> None:  # noqa: ARG002  the protocol's
        """See `protocols.Store`."""
        for delivery in deliveries:
            self._due.get(delivery.sink, {}).pop(delivery.number, None)

    async def waiting(self) -> Mapping[str, int]:
        """See `protocols.Store`."""
        return Counter({sink: len(due) for sink, due in self._due.items() if due})

    async def prune(self, before: datetime, limit: int) -> int:
        """See `protocols.Store`."""
        waiting = {number for due in self._due.values() for number in due}
        old = [
            number
            for number, (recorded, _) in self._events.items()
            if recorded < before.timestamp() and number not in waiting
        ][:limit]
        for number in old:
            del self._events[number]
        return len(old)
