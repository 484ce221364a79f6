"""The sinks that daemons have registered in the table."""

from __future__ import annotations

from collections.abc import Collection

from watcher.stores.dynamodb import codec, items
from watcher.stores.dynamodb.contents import Contents
from watcher.stores.dynamodb.table import Put, Update


class SinkRegistry:
    """The sinks of this daemon, and of the table's other daemons."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._own: frozenset[str] = frozenset()
        """The sinks that this daemon registered, or announced since."""
        self._registered = False

    async def announce(self, sinks: Collection[str]) -> None:
        """List sinks as `coming` before any delivery waits for them, so that no daemon takes them for removed.

        `register` follows later: a sink's history is replayed first, and a reload waits until the sinks that leave have
        answered.
        """
        if coming := sorted(frozenset(sinks) - self._own):
            append = "SET coming = list_append(if_not_exists(coming, :none), :coming)"
            await self._contents.table.write(Update(items.SINKS, "", {":none": [], ":coming": coming}, append))
            self._own |= frozenset(coming)

    async def register(self, sinks: Collection[str]) -> None:
        """Make these the registered sinks."""
        await self._contents.table.write(Put(codec.at(items.SINKS, {"sinks": sorted(sinks)})))
        self._own, self._registered = frozenset(sinks), True

    async def removed(self, sinks: Collection[str]) -> list[str]:
        """Return those of `sinks` that no daemon has registered or announced; none before the first `register`.

        In a rolling deployment two configurations are in use: a delivery for a sink of the other one is left to it.
        """
        others = [sink for sink in sinks if sink not in self._own] if self._registered else []
        known = await self._contents.sinks("sinks", "coming") if others else frozenset[str]()
        return [sink for sink in others if sink not in known]
