"""What is known of the targets that other watchers on the same table poll: read from it at most once a minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from watcher.errors import StoreError, StoreSilent
from watcher.util.single_flight import SingleFlight

if TYPE_CHECKING:
    from collections.abc import Mapping

    from watcher.core.model import EndpointKey, Target
    from watcher.core.settings import Config
    from watcher.core.state import Record
    from watcher.observability.daemon_view import DaemonView

log = structlog.get_logger()

KEPT, LACKING = 60.0, 10.0
"""Seconds that what was read is good for; and while some of what others poll was not there yet."""

PATIENCE = 2.0
"""Seconds that a read is waited for; until it is done, what was known before is told."""


class PeerRecords:
    """All records, this watcher's own and those of the others; it reads only while somebody asks."""

    def __init__(self, inside: DaemonView) -> None:
        """`inside` is of whom it is told."""
        self._inside = inside
        self._reading = SingleFlight(self._read, KEPT, StoreSilent)
        self._known: dict[str, Record] = {}
        self._unread = False
        self._groups: tuple[Config | None, Mapping[EndpointKey, tuple[Target, ...]]] = (None, {})

    async def records(self) -> Mapping[str, Record]:
        """By target's id and endpoint's key (as text); those of what others poll are about a minute old at most."""
        groups = self._configured()
        away = groups.keys() - self._inside.endpoints().keys()
        if not away:
            self._known = {}
            return self._inside.records
        # Of one that never answered there is at most its endpoint's own.
        lacking = any(
            target.id not in self._known and str(key) not in self._known for key in away for target in groups[key]
        )
        try:
            await self._reading.get_within(PATIENCE, LACKING if lacking else KEPT)
            self._unread = False
        except StoreError as error:
            if not self._unread:
                log.warning("http.peer_read_failed", error=str(error), consequence="their last known state is shown")
            self._unread = True
        # What another one takes over stays as it was seen last until it is read.
        self._known = {**self._known, **self._inside.records}
        return self._known

    def close(self) -> None:
        """Stop reading."""
        self._reading.close()

    async def _read(self) -> None:
        found = await self._inside.reader.records()
        subjects = {target.id for target in self._inside.config.targets} | {*map(str, self._configured())}
        self._known = {subject: record for subject, record in found.items() if subject in subjects}

    def _configured(self) -> Mapping[EndpointKey, tuple[Target, ...]]:
        """The targets by endpoint, grouped once for each configuration."""
        config = self._inside.config
        if self._groups[0] is not config:
            self._groups = config, config.endpoints()
        return self._groups[1]
