"""What is so at the moment of a scrape, as families of gauges: what is known -> numbers."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from watcher import __version__
from watcher.core.model import KNOWN_STATUSES
from watcher.core.status import outage_of, stalled
from watcher.observability.daemon_view import SinkState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from prometheus_client.core import Metric

    from watcher.core.state import Record
    from watcher.observability.backlog import Backlog
    from watcher.observability.daemon_view import DaemonView

    Labels = tuple[str, ...]

SLICE = 200
"""Targets that are counted before others on the loop get their turn."""

ENDPOINT = ("account", "region", "api")
UNKNOWN, NEVER_SYNCED, NOT_SEEN = "UNKNOWN", "NEVER_SYNCED", "NOT_SEEN"
STATUSES = (*sorted(KNOWN_STATUSES), UNKNOWN, NEVER_SYNCED, NOT_SEEN)
"""Every value of the label `status`."""


async def gauges(inside: DaemonView, backlogs: Mapping[str, Backlog] | None, streams: int) -> list[Metric]:
    """All of them; without `backlogs`, those of the outbox are left out."""
    statuses, stalls, unreadable = await _count(inside)
    loaded, records = inside.loaded, inside.records
    readable: dict[Labels, bool] = {
        (key.account, key.region, key.api.value): _readable(records.get(str(key))) for key in inside.endpoints()
    }
    looks = inside.sinks()
    if backlogs is not None:
        looks = {name: look.beside(backlogs.get(name)) for name, look in looks.items()}
    up: dict[Labels, bool] = {(name,): look.state == SinkState.UP for name, look in looks.items()}
    found: list[Metric] = [
        _gauge("watcher_build_info", "The running version.", ("version",), {(__version__,): 1}),
        _gauge(
            "watcher_targets", "Targets that are polled here, by AWS's last known status.", ("kind", "status"), statuses
        ),
        _gauge("watcher_targets_stalled", "Those whose sync is unfinished for too long.", ("kind",), stalls),
        _gauge("watcher_targets_unreadable", "Those of which nothing can be known.", ("kind",), unreadable),
        _gauge("watcher_endpoint_readable", "Whether AWS answers there.", ENDPOINT, readable),
        _gauge("watcher_sink_up", "Whether the sink accepts deliveries.", ("sink",), up),
        _gauge("watcher_config_reload_success", "The last one read is in force.", (), {(): not loaded.faults}),
        _gauge("watcher_streams", "Open streams of events.", (), {(): streams}),
        _reloads(loaded.successes, loaded.failures),
    ]
    if backlogs is not None:
        found += _outbox([sink.name for sink in inside.config.sinks], backlogs, inside.clock.now())
    return found


async def _count(inside: DaemonView) -> tuple[Counter[Labels], Counter[Labels], Counter[Labels]]:
    """Targets by kind and status; those that stalled, and those that cannot be read, by kind.

    What another watcher polls is counted by that one: so a sum over all watchers is right.
    """
    here = inside.endpoints().keys()
    targets, records = inside.config.targets, inside.records
    kinds = sorted({target.kind.value for target in targets})
    statuses: Counter[Labels] = Counter({(kind, status): 0 for kind in kinds for status in STATUSES})
    stalls: Counter[Labels] = Counter({(kind,): 0 for kind in kinds})
    unreadable = stalls.copy()
    for start in range(0, len(targets), SLICE):
        for target in targets[start : start + SLICE]:
            if target.endpoint not in here:
                continue
            record = records.get(target.id)
            statuses[target.kind.value, _status(record)] += 1
            stalls[target.kind.value,] += stalled(record.known if record else None)
            outage = outage_of(record, records.get(str(target.endpoint)))
            unreadable[target.kind.value,] += outage is not None
        await asyncio.sleep(0)
    return statuses, stalls, unreadable


def _status(record: Record | None) -> str:
    known = record.known if record else None
    if known is None:
        return NOT_SEEN
    if known.attempt is None:
        return NEVER_SYNCED
    return known.attempt.status if known.attempt.status in KNOWN_STATUSES else UNKNOWN


def _readable(record: Record | None) -> bool:
    return record is None or record.outage is None


def _gauge(name: str, told: str, labels: Sequence[str], values: Mapping[Labels, Any]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, told, labels=labels)
    for key, value in values.items():
        family.add_metric(key, float(value))
    return family


def _reloads(successes: int, failures: int) -> CounterMetricFamily:
    family = CounterMetricFamily("watcher_config_reloads", "Configurations that were read anew.", labels=["outcome"])
    family.add_metric(["success"], successes)
    family.add_metric(["failure"], failures)
    return family


def _outbox(sinks: Iterable[str], backlogs: Mapping[str, Backlog], now: datetime) -> list[Metric]:
    pending = GaugeMetricFamily("watcher_outbox_pending", "Deliveries that wait.", labels=["sink"])
    oldest = GaugeMetricFamily("watcher_outbox_oldest_seconds", "Age of the oldest that waits.", labels=["sink"])
    dead = GaugeMetricFamily("watcher_dead_letters", "Deliveries that were refused, or given up.", labels=["sink"])
    for sink in sinks:
        backlog = backlogs.get(sink)
        pending.add_metric([sink], backlog.waiting if backlog else 0)
        since = backlog.oldest if backlog else None
        oldest.add_metric([sink], 0.0 if since is None else max(0.0, (now - since).total_seconds()))
        dead.add_metric([sink], backlog.dead if backlog else 0)
    return [pending, oldest, dead]
