"""Decides when a connection is an event: compares the status that a listing shows with what is known. Pure.

1. A connection that is pending or in error is `connection.unavailable`: at first sight, and whenever it takes one of
   these statuses, also after the other.
2. One that is available again is `connection.available`; at first sight that is no event.
3. The same status is no event, and one that this version does not know changes nothing.
"""

from dataclasses import dataclass
from datetime import datetime

from watcher.core.state import KnownConnection

PENDING, AVAILABLE, ERROR = "PENDING", "AVAILABLE", "ERROR"
"""The statuses of a connection that AWS documents; it is pending until a person finishes its handshake."""


@dataclass(frozen=True, slots=True)
class ConnectionChange:
    """A status that a connection took."""

    type: str
    """The type of the event without `watcher.`."""
    status: str
    previous: str | None
    times: int
    """How many times the connection has taken this status."""


def compare(
    known: KnownConnection | None, status: str, now: datetime
) -> tuple[KnownConnection | None, ConnectionChange | None]:
    """Return what is known of a connection after a listing that shows `status`, and the change that is an event."""
    if status not in (PENDING, AVAILABLE, ERROR) or (known is not None and known.status == status):
        return known, None
    before = known.times if known else {}
    times = before.get(status, 0) + 1
    taken = KnownConnection(status, now, {**before, status: times})
    if status == AVAILABLE and known is None:
        return taken, None
    word = "available" if status == AVAILABLE else "unavailable"
    return taken, ConnectionChange(f"connection.{word}", status, known.status if known else None, times)
