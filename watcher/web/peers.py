"""The records of targets that other watchers on the same table poll, read from it at most once a minute."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from watcher.core.state import Record
from watcher.errors import StoreError, StoreSilent
from watcher.observability.daemon_view import DaemonView
from watcher.util.single_flight import SingleFlight

log = structlog.get_logger()

KEPT_SECONDS = 60.0
"""How long the records that were read are used."""

KEPT_INCOMPLETE_SECONDS = 10.0
"""The same while some targets of others have no record yet."""

READ_SECONDS = 2.0
"""How long a response waits for a read; after that, it has the previous records."""


class PeerRecords:
    """All records, this watcher's own and those of the others; it reads only for a request."""

    def __init__(self, daemon: DaemonView) -> None:
        self._daemon = daemon
        self._reads = SingleFlight(self._read, KEPT_SECONDS, StoreSilent)
        self._known: dict[str, Record] = {}
        self._failed = False

    async def records(self) -> Mapping[str, Record]:
        """By target id, and by endpoint key as text; those of others are at most about a minute old."""
        groups = self._daemon.config.endpoints
        away = groups.keys() - self._daemon.endpoints().keys()
        if not away:
            self._known = {}
            return self._daemon.records
        # A target that never answered has no record, but its endpoint may have one.
        incomplete = any(
            target.id not in self._known and str(key) not in self._known for key in away for target in groups[key]
        )
        try:
            await self._reads.get_within(READ_SECONDS, KEPT_INCOMPLETE_SECONDS if incomplete else KEPT_SECONDS)
            self._failed = False
        except StoreError as error:
            if not self._failed:
                log.warning("http.peer_read_failed", error=str(error), consequence="their last known state is shown")
            self._failed = True
        # A target that another watcher takes over keeps its last record until the next read.
        self._known = {**self._known, **self._daemon.records}
        return self._known

    def close(self) -> None:
        """Cancel what is running."""
        self._reads.close()

    async def _read(self) -> None:
        found = await self._daemon.reader.records()
        config = self._daemon.config
        subjects = config.targets_by_id.keys() | {*map(str, config.endpoints)}
        self._known = {subject: record for subject, record in found.items() if subject in subjects}
