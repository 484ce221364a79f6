"""All targets at once: built at most once a second for everybody who asks, in slices between which polls go on."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from math import inf
from typing import TYPE_CHECKING, Any

from watcher.core.model import rfc3339
from watcher.core.status import Status, rank
from watcher.util.single_flight import SingleFlight
from watcher.web.responses import Response
from watcher.web.views import kept_row, look_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from watcher.core.model import Target
    from watcher.core.state import Record
    from watcher.observability.daemon_view import DaemonView
    from watcher.web.peers import PeerRecords
    from watcher.web.query import Filter
    from watcher.web.responses import Packer

KEPT = 1.0
"""Seconds."""

SLICE = 100
"""Targets of which is told before others on the loop get their turn."""

Kept = tuple["Target", "Record | None", "Record | None", dict[str, Any]]


class Overview:
    """What is told of all targets at one moment."""

    def __init__(self, now: str, rows: Sequence[tuple[Mapping[str, Any], str]], packer: Packer) -> None:
        """`rows`: each with its JSON, what is worst first."""
        found = Counter(row["standing"] for row, _ in rows)
        self.counts = {standing.value: found[standing.value] for standing in Status}
        """How many targets stand how; every standing is there."""
        self._now = now
        self._rows = rows
        self._packer = packer
        self._whole = SingleFlight(self._all, inf)

    async def answer(self, wanted: Filter | None = None) -> Response:
        """`/api/targets`: the rows that are wanted; or all, which is put together, and packed, once for everybody."""
        return await self._whole.get() if wanted is None else await self._some(wanted)

    async def _all(self) -> Response:
        return await self._packer.packed(await self._some(None))

    async def _some(self, wanted: Filter | None) -> Response:
        texts: list[str] = []
        for start in range(0, len(self._rows), SLICE):
            part = self._rows[start : start + SLICE]
            texts += [text for row, text in part if wanted is None or wanted.lets(row)]
            await asyncio.sleep(0)
        return Response(f'{{"now":"{self._now}","targets":[{",".join(texts)}]}}'.encode())


class Overviews:
    """Where to get the overview, and the row of one target."""

    def __init__(self, inside: DaemonView, elsewhere: PeerRecords, packer: Packer) -> None:
        """`inside` is of whom it is told."""
        self._inside = inside
        self._elsewhere = elsewhere
        self._packer = packer
        self._shared = SingleFlight(self._build, KEPT)
        self._kept: dict[str, Kept] = {}

    async def get(self) -> Overview:
        """At most about a second old."""
        return await self._shared.get()

    def close(self) -> None:
        """Stop building."""
        self._shared.close()

    def row(self, target: Target, records: Mapping[str, Record]) -> dict[str, Any]:
        """Of one target, as it is now. What only a commit changes is made once for each commit."""
        record, endpoint = records.get(target.id), records.get(str(target.endpoint))
        kept = self._kept.get(target.id)
        if kept is None or kept[0] is not target or kept[1] is not record or kept[2] is not endpoint:
            kept = self._kept[target.id] = (target, record, endpoint, kept_row(target, record, endpoint))
        return {**kept[3], **look_row(self._inside.target(target.id))}

    async def _build(self) -> Overview:
        records = await self._elsewhere.records()
        targets = self._inside.config.targets
        rows: list[tuple[Mapping[str, Any], str]] = []
        for start in range(0, len(targets), SLICE):
            if self._inside.config.targets is not targets:  # reloaded meanwhile: it may not know some of them any more
                return await self._build()
            part = [self.row(target, records) for target in targets[start : start + SLICE]]
            rows += [(row, json.dumps(row, separators=(",", ":"))) for row in part]
            await asyncio.sleep(0)
        rows.sort(key=lambda each: (rank(each[0]["standing"]), each[0]["id"]))
        if len(self._kept) > len(targets):
            ids = {target.id for target in targets}
            self._kept = {key: kept for key, kept in self._kept.items() if key in ids}
        return Overview(rfc3339(self._inside.clock.now()), rows, self._packer)
