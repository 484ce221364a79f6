"""What waits for each sink, and what was given up, asked of a table about once a minute, else every few seconds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from watcher.core.ports import DeliveryQuery, DeliveryState
from watcher.errors import StoreSilent
from watcher.util.single_flight import SingleFlight

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from watcher.core.ports import Reader

KEPT, KEPT_OF_TABLE = 3.0, 50.0
"""Seconds that an answer is good for; where every question costs money, for a little less than the minute between two
lines of EMF, so that each line has numbers of its own."""

PATIENCE = 2.0
"""Seconds that one is waited for."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """Of one sink."""

    waiting: int = 0
    dead: int = 0
    oldest: datetime | None = None
    """When the oldest event that waits was recorded."""


class Backlogs:
    """Of all sinks for which something waits or is dead, configured or not."""

    def __init__(self, reader: Callable[[], Reader]) -> None:
        """`reader` tells whom to ask, each time."""
        self._reader = reader
        # Where others may write as well, it is a table.
        self._shared = SingleFlight(self._ask, KEPT_OF_TABLE if reader().late else KEPT, StoreSilent)

    async def get(self) -> Mapping[str, Backlog]:
        """By sink.

        Raises:
            StoreError: the store cannot be read, or does not answer within two seconds.
        """
        return await self._shared.get_within(PATIENCE)

    def close(self) -> None:
        """Stop asking."""
        self._shared.close()

    async def _ask(self) -> Mapping[str, Backlog]:
        reader = self._reader()
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
