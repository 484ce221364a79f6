"""The rows of all targets, and the records of those that other watchers on the table poll.

The rows are built at most once a second for all clients, in slices between which polls go on.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, NamedTuple

import structlog

from watcher.core.by_hand import Acknowledgement
from watcher.core.model import Target, rfc3339
from watcher.core.mutes import Mute
from watcher.core.routing import active_mutes, mute_of
from watcher.core.state import Record
from watcher.core.status import Status, urgency
from watcher.errors import StoreError, StoreSilent
from watcher.observability.daemon_view import DaemonView
from watcher.util.single_flight import SingleFlight
from watcher.web.attempts import recent_attempts
from watcher.web.query import Filter, Row
from watcher.web.responses import Compressor, Response
from watcher.web.views import committed_row, muted_view, polling_row

KEPT_SECONDS = 1.0  # how long the rows are used
SLICE = 100  # targets that are processed before other tasks of the loop run
PEERS_KEPT_SECONDS = 60.0  # how long the records of others are used
PEERS_KEPT_INCOMPLETE_SECONDS = 10.0  # the same while some of their targets have no record yet
PEERS_READ_SECONDS = 2.0  # how long a response waits for a read of them; after that, it has the previous ones

log = structlog.get_logger()

_encode = json.JSONEncoder(separators=(",", ":")).encode


class PeerRecords:
    """All records, this watcher's own and those that others on its table poll; it reads only for a request."""

    def __init__(self, daemon: DaemonView) -> None:
        self._daemon = daemon
        self._reads = SingleFlight(self._read, PEERS_KEPT_SECONDS, StoreSilent)
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
            await self._reads.get_within(
                PEERS_READ_SECONDS, PEERS_KEPT_INCOMPLETE_SECONDS if incomplete else PEERS_KEPT_SECONDS
            )
            self._failed = False
        except StoreError as error:
            if not self._failed:
                log.warning(
                    "http.peer_read_failed",
                    error=str(error),
                    consequence="targets of other daemons are shown as last read",
                )
            self._failed = True
        # A target that another watcher takes over keeps its last record until the next read.
        self._known = {**self._known, **self._daemon.records}
        return self._known

    def close(self) -> None:
        """Cancel what is running."""
        self._reads.close()

    async def _read(self) -> None:
        found = await self._daemon.reader.records()
        subjects = self._daemon.config.subjects
        self._known = {subject: record for subject, record in found.items() if subject in subjects}


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows, ordered by urgency, and the response with all of them."""

    now: str
    rows: list[Row]
    whole: SingleFlight[Response]


_Seen = tuple[Record | None, Record | None, Acknowledgement | None]
"""The records of a target and of its endpoint, and who acknowledged its incident."""


class _Committed(NamedTuple):
    """The part of a target's row that only a commit or an acknowledgement changes, made from what was `seen`."""

    target: Target
    seen: _Seen
    fields: dict[str, Any]
    json: str
    """As JSON, with the last attempts, which would take several times as much memory as objects."""


class Overview:
    """The rows of all targets, of this watcher and of others on its table."""

    def __init__(self, daemon: DaemonView, peers: PeerRecords, compressor: Compressor) -> None:
        self._daemon = daemon
        self._peers = peers
        self._compressor = compressor
        self._rows = SingleFlight(self._build, KEPT_SECONDS)
        self._committed: dict[str, _Committed] = {}

    async def counts(self) -> dict[str, int]:
        """How many targets have each status; every status is there."""
        found = Counter(row.fields["standing"] for row in (await self._rows.get()).rows)
        return {status.value: found[status.value] for status in Status}

    async def response(self, wanted: Filter | None) -> Response:
        """`/api/targets`: the rows that match, or all, which are joined and compressed once for all clients."""
        rows = await self._rows.get()
        return await rows.whole.get() if wanted is None else await _joined(rows, wanted)

    def close(self) -> None:
        """Cancel what is running."""
        self._rows.close()

    def mutes(self) -> Sequence[Mute]:
        """The active mutes."""
        daemon = self._daemon
        return active_mutes(daemon.config.mutes, daemon.by_hand, daemon.clock.now())

    def row(self, target: Target, records: Mapping[str, Record], mutes: Sequence[Mute]) -> Row:
        """One target as it is now, with the first of the active `mutes` that applies to it.

        The part that only a commit or an acknowledgement changes is built once for each of these.
        """
        daemon = self._daemon
        record, endpoint, hand = records.get(target.id), records.get(str(target.endpoint)), daemon.by_hand
        seen = (record, endpoint, hand.acknowledgement(record.incident) if record else None)
        kept = self._committed.get(target.id)
        if kept is None or kept.target is not target or kept.seen != seen:
            fields = committed_row(target, record, endpoint, hand)
            text = _encode({**fields, "attempts": recent_attempts(record)})
            kept = self._committed[target.id] = _Committed(target, seen, fields, text)
        mute = mute_of(mutes, target.id)
        changing = {"muted": None if mute is None else muted_view(mute), **polling_row(daemon.target(target.id))}
        return Row({**kept.fields, **changing}, f"{kept.json[:-1]},{_encode(changing)[1:]}")

    async def _build(self) -> _Rows:
        records = await self._peers.records()
        targets, mutes = self._daemon.config.targets, self.mutes()
        rows: list[Row] = []
        for start in range(0, len(targets), SLICE):
            if self._daemon.config.targets is not targets:  # reloaded meanwhile: some may not be configured any more
                return await self._build()
            rows += [self.row(target, records, mutes) for target in targets[start : start + SLICE]]
            await asyncio.sleep(0)
        rows.sort(key=_place)
        if len(self._committed) > len(targets):
            ids = self._daemon.config.targets_by_id
            self._committed = {key: kept for key, kept in self._committed.items() if key in ids}

        async def whole() -> Response:
            return await self._compressor.compressed(await _joined(built, None))

        built = _Rows(rfc3339(self._daemon.clock.now()), rows, SingleFlight(whole, inf))
        return built


def _place(row: Row) -> tuple[tuple[bool, int], str]:
    fields = row.fields
    return urgency(Status(fields["standing"]), incident=fields["incident"] is not None), fields["id"]


async def _joined(rows: _Rows, wanted: Filter | None) -> Response:
    texts: list[str] = []
    for start in range(0, len(rows.rows), SLICE):
        part = rows.rows[start : start + SLICE]
        texts += [row.json for row in part if wanted is None or wanted.accepts(row)]
        await asyncio.sleep(0)
    return Response(f'{{"now":"{rows.now}","targets":[{",".join(texts)}]}}'.encode())
