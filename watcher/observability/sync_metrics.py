"""Metrics of syncs: how many have ended, how, and how long they took."""

import json
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram

from watcher.core.history import AttemptRow
from watcher.core.model import FAILED, SUCCEEDED, rfc3339
from watcher.core.ports import Entry
from watcher.observability.observer import Observer
from watcher.sources import kind_of

RESULTS = {"watcher.sync.succeeded": SUCCEEDED.lower(), "watcher.sync.failed": FAILED.lower()}
"""The label `result` by the type of the event that reports the end."""

TOOK = (5, 10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
"""Bounds of buckets in seconds."""


class SyncMetrics(Observer):
    """Counts each end of a sync when its event is recorded, so that after a crash none is counted twice."""

    def __init__(self, registry: CollectorRegistry) -> None:
        text = "Syncs that ended. Those that had ended before their target was first observed are left out."
        self._syncs = Counter("watcher_syncs", text, ("kind", "result"), registry=registry)
        text = (
            "Duration of the syncs that watcher_syncs_total counts: from startedAt to the newest time among AWS's "
            "events, or to the event if AWS reports none."
        )
        self._seconds = Histogram("watcher_sync_duration_seconds", text, buckets=TOOK, registry=registry)
        self._kinds: frozenset[str] = frozenset()

    def set_kinds(self, kinds: Iterable[str]) -> None:
        """Add the series of kinds of which there are targets, and remove those of kinds of which there are none."""
        before, self._kinds = self._kinds, frozenset(kinds)
        for result in RESULTS.values():
            for kind in before - self._kinds:
                self._syncs.remove(kind, result)
            for kind in self._kinds:
                self._syncs.labels(kind, result)

    def recorded(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            for result, seconds in ended_syncs(entry):
                kind = kind_of(entry.subject)
                if kind is not None:
                    self._syncs.labels(kind.name, result).inc()
                if seconds is not None:
                    self._seconds.observe(seconds)


def ended_syncs(entry: Entry) -> Iterator[tuple[str, float | None]]:
    """Yield the result and the duration (None: not known) of each sync whose end an entry reports."""
    rows = [row.attempt for row in entry.history if isinstance(row, AttemptRow)]
    durations = {rfc3339(seen.started_at): seen.duration for seen in rows}
    for event, _ in entry.events:
        result = RESULTS.get(event.type)
        if result is not None:
            data = json.loads(event.body)["data"]
            if not data["first_seen"] and not data["recreated"]:
                yield result, durations.get(data["attempt"]["startedAt"])
