"""The open connections by client, and which of them is closed to make room for another."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice

from watcher.web.connection import Connection
from watcher.web.limits import may_have_more

MAX_SEARCHED = 64
"""Connections that are searched for an idle one; the next search begins with others."""


class Connections:
    """The open connections in the order of their last requests, the oldest first."""

    def __init__(self) -> None:
        self._all: OrderedDict[Connection, None] = OrderedDict()
        self._of: defaultdict[str, OrderedDict[Connection, None]] = defaultdict(OrderedDict)

    def __iter__(self) -> Iterator[Connection]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def have_room(self, client: str, most: int) -> bool:
        """Whether `client` may have one more of at most `most` connections; closes an idle one if that makes room.

        An idle connection never keeps another one out: one of the client's own is closed or, if all places are in use,
        one of a client that has more connections.
        """
        own = len(self._of[client]) if client in self._of else 0
        if may_have_more(own, len(self), most):
            return True
        if own and self._close_idle(self._of[client], 0):
            return True
        return len(self) >= most and self._close_idle(self._all, own)

    def _close_idle(self, among: Iterable[Connection], own: int) -> bool:
        for connection in [*islice(among, MAX_SEARCHED)]:
            if connection.idle and len(self._of[connection.client]) > own:
                connection.abort()
                self.discard(connection)
                return True
            self.move_to_end(connection)
        return False

    def add(self, connection: Connection) -> None:
        """Add an open connection."""
        self._all[connection] = self._of[connection.client][connection] = None

    def move_to_end(self, connection: Connection) -> None:
        """Move a connection that just had a request to the end of the order."""
        if connection in self._all:
            self._all.move_to_end(connection)
            self._of[connection.client].move_to_end(connection)

    def discard(self, connection: Connection) -> None:
        """Remove a closed connection; may be called more than once."""
        if connection in self._all:
            del self._all[connection], self._of[connection.client][connection]
            if not self._of[connection.client]:
                del self._of[connection.client]
