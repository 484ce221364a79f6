"""The events read last, kept in memory."""

from __future__ import annotations

from collections.abc import Collection

from watcher.core.events import Event
from watcher.stores.dynamodb.contents import Contents
from watcher.stores.dynamodb.items import EventKey

MAX_CHARACTERS = 16 * 1024 * 1024
"""Characters of event bodies kept in memory."""


class EventCache:
    """Reads an event from the table once, as long as it fits."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._events: dict[EventKey, Event] = {}
        self._characters = 0

    async def events_at(self, keys: Collection[EventKey]) -> dict[EventKey, Event]:
        """Return the events with these keys; those that do not exist (any more) are left out."""
        cached = {key: self._events[key] for key in keys if key in self._events}
        read = await self._contents.events_at([key for key in dict.fromkeys(keys) if key not in cached])
        for key, event in read.items():
            if key not in self._events:
                self._events[key] = event
                self._characters += len(event.body)
            while self._characters > MAX_CHARACTERS:
                oldest = next(iter(self._events))
                self._characters -= len(self._events.pop(oldest).body)
        return cached | read
