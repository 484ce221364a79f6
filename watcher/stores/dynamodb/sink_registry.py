"""The sinks that daemons have registered in the table."""

from __future__ import annotations

from collections.abc import Collection

from watcher.stores.dynamodb import codec, items
from watcher.stores.dynamodb.contents import Contents
from watcher.stores.dynamodb.items import Value


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
        if self._own.issuperset(sinks):
            return
        coming = sorted(frozenset(sinks) - self._own)
        values: dict[str, Value] = {":none": [], ":coming": coming}
        append = "SET coming = list_append(if_not_exists(coming, :none), :coming)"
        await self._contents.table.update(items.SINKS, append, values)
        self._own |= frozenset(coming)

    async def register(self, sinks: Collection[str]) -> None:
        """Make these the registered sinks."""
        await self._contents.table.put(codec.at(items.SINKS, {"sinks": sorted(sinks)}))
        self._own, self._registered = frozenset(sinks), True

    def may_lack(self, sinks: Collection[str]) -> bool:
        """Return whether some of `sinks` may be removed ones; not before the first `register`."""
        return self._registered and not self._own.issuperset(sinks)

    async def known(self) -> frozenset[str]:
        """Return the sinks of this daemon, and those that others have registered or announced.

        In a rolling deployment two configurations are in use: a delivery for a sink of the other one is left to it.
        """
        return self._own | await self._contents.sinks("sinks", "coming")
