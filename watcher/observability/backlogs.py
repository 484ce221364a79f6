"""What waits in the outbox, read once for all who ask at about the same time."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

from watcher.core.deliveries import DeliveryState
from watcher.core.queries import DeliveryQuery
from watcher.errors import StoreError, StoreSilent
from watcher.observability.daemon_view import Backlog, DaemonView
from watcher.util.single_flight import SingleFlight

KEEP_SECONDS, KEEP_TABLE_SECONDS = 3.0, 50.0
"""How long a count of the outbox is reused. Reading a table costs money, so its count is reused for a little less than
the minute between two lines of EMF: each line has new numbers."""

MAX_WAIT_SECONDS = 2.0
"""How long `Backlogs.get` waits for a count."""


class Backlogs:
    """The backlogs of all sinks that have one, configured or not."""

    def __init__(self, daemon: DaemonView) -> None:
        self._daemon = daemon
        # Only a table can have other writers.
        keep = KEEP_TABLE_SECONDS if daemon.reader.late else KEEP_SECONDS
        self._shared = SingleFlight(self._count, keep, StoreSilent)
        self.close = self._shared.close

    async def get(self) -> Mapping[str, Backlog]:
        """Return the backlogs by sink.

        Raises:
            StoreError: the store cannot be read, or does not respond within two seconds.
        """
        return await self._shared.get_within(MAX_WAIT_SECONDS)

    async def get_if_readable(self) -> Mapping[str, Backlog] | None:
        """As `get`; None if the store cannot be read."""
        with suppress(StoreError):
            return await self.get()
        return None

    async def _count(self) -> Mapping[str, Backlog]:
        counts = await self._daemon.reader.counts()
        return {
            sink: Backlog(
                waiting := counts.get((sink, DeliveryState.WAITING), 0),
                counts.get((sink, DeliveryState.DEAD), 0),
                await self._oldest(sink) if waiting else None,
            )
            for sink in sorted({sink for sink, _ in counts})
        }

    async def _oldest(self, sink: str) -> datetime | None:
        found = await self._daemon.reader.deliveries(DeliveryQuery(states=[DeliveryState.WAITING], sink=sink, limit=1))
        return datetime.fromtimestamp(found[0].recorded, UTC) if found else None
