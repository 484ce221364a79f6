"""Counts the pending and dead deliveries of each sink: in a table about once a minute, else every few seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from watcher.core.ports import DeliveryQuery, DeliveryState, Reader
from watcher.errors import StoreSilent
from watcher.util.single_flight import SingleFlight

if TYPE_CHECKING:
    from watcher.observability.daemon_view import DaemonView

KEEP_SECONDS, KEEP_TABLE_SECONDS = 3.0, 50.0
"""How long a result is reused. Reading a table costs money, so its result is reused for a little less than the minute
between two lines of EMF: each line has new numbers."""

MAX_WAIT_SECONDS = 2.0
"""How long `get` waits for a result."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """The backlog of one sink."""

    waiting: int = 0
    dead: int = 0
    oldest: datetime | None = None
    """When the oldest pending event was recorded."""


class Backlogs:
    """The backlogs of all sinks that have one, configured or not."""

    def __init__(self, daemon: DaemonView) -> None:
        self._daemon = daemon
        # Only a table can have other writers.
        self._shared = SingleFlight(self._read, KEEP_TABLE_SECONDS if daemon.reader.late else KEEP_SECONDS, StoreSilent)

    async def get(self) -> Mapping[str, Backlog]:
        """Return the backlogs by sink.

        Raises:
            StoreError: the store cannot be read, or does not respond within two seconds.
        """
        return await self._shared.get_within(MAX_WAIT_SECONDS)

    def close(self) -> None:
        """Stop reading."""
        self._shared.close()

    async def _read(self) -> Mapping[str, Backlog]:
        reader = self._daemon.reader
        counts = await reader.counts()
        return {
            sink: Backlog(
                waiting := counts.get((sink, DeliveryState.WAITING), 0),
                counts.get((sink, DeliveryState.DEAD), 0),
                await _oldest(reader, sink) if waiting else None,
            )
            for sink in sorted({sink for sink, _ in counts})
        }


async def _oldest(reader: Reader, sink: str) -> datetime | None:
    found = await reader.deliveries(DeliveryQuery(states=[DeliveryState.WAITING], sink=sink, limit=1))
    return datetime.fromtimestamp(found[0].recorded, UTC) if found else None
