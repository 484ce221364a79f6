"""The gauges, as they are at a scrape.

The configuration and the known statuses bound their labels: any other status of AWS is `UNKNOWN`.
"""

from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from watcher import __version__
from watcher.core.connections import AVAILABLE, ERROR, PENDING
from watcher.core.model import KNOWN_STATUSES
from watcher.core.routing import active_mutes
from watcher.core.state import Record
from watcher.core.status import outage_of, stalled
from watcher.observability.daemon_view import Backlog, DaemonView, SinkState, endpoint_unreadable, polled_here

ENDPOINT = ("account", "region", "api")
UNKNOWN, NEVER_SYNCED, NOT_SEEN = "UNKNOWN", "NEVER_SYNCED", "NOT_SEEN"
STATUSES = (*sorted(KNOWN_STATUSES), UNKNOWN, NEVER_SYNCED, NOT_SEEN)
"""Every value of the label `status`, except for connections."""

CONNECTION_STATUSES = (AVAILABLE, ERROR, PENDING, NOT_SEEN)
"""Every value of the label `status` for connections."""


async def gauges(daemon: DaemonView, backlogs: Mapping[str, Backlog] | None, streams: int) -> list[Metric]:
    """Return all gauges; those of the outbox are left out if `backlogs` is None."""
    statuses, stalls, blocked, unreadable, incidents = await _count(daemon)
    loaded, sinks = daemon.loaded, daemon.sinks()
    mutes = active_mutes(daemon.config.mutes, daemon.by_hand, daemon.clock.now())
    if backlogs is not None:
        sinks = {name: status.corrected_by(backlogs.get(name)) for name, status in sinks.items()}
    up = {(name,): status.state == SinkState.UP for name, status in sinks.items()}
    readable = {(key.account, key.region, key.api): not endpoint_unreadable(daemon, key) for key in daemon.endpoints()}
    reloads = CounterMetricFamily("watcher_config_reloads", "Reloads of the configuration.", labels=["outcome"])
    reloads.add_metric(["success"], loaded.successes)
    reloads.add_metric(["failure"], loaded.failures)
    watched: Tally[tuple[str, str, str]] = Tally()
    for key, listing in daemon.listings().items():
        if listing.made_here:
            watched[key.account, key.region, key.kind_name] += listing.watched
    reloaded = "Whether the configuration that was read last is in use."
    found: list[Metric] = [
        _gauge("watcher_build_info", "The running version.", ("version",), {(__version__,): 1}),
        _gauge("watcher_targets", "Targets polled here, by AWS's last known status.", ("kind", "status"), statuses),
        _gauge("watcher_targets_stalled", "Targets whose sync has been unfinished for too long.", ("kind",), stalls),
        _gauge("watcher_targets_blocked", "Targets with an active sync blocker.", ("kind",), blocked),
        _gauge("watcher_targets_unreadable", "Targets whose status cannot be read.", ("kind",), unreadable),
        _gauge("watcher_incidents_open", "Open incidents of targets, and of kind `endpoint`.", ("kind",), incidents),
        _gauge("watcher_discovered_targets", "Targets that rules have found.", ("account", "region", "kind"), watched),
        _gauge("watcher_endpoint_readable", "Whether AWS answers for the endpoint.", ENDPOINT, readable),
        _gauge("watcher_sink_up", "Whether the sink accepts deliveries.", ("sink",), up),
        _gauge("watcher_config_reload_success", reloaded, (), {(): not loaded.faults}),
        _gauge("watcher_mutes_active", "Mutes that hold events back now.", (), {(): len(mutes)}),
        _gauge("watcher_streams", "Open event streams.", (), {(): streams}),
        reloads,
    ]
    if backlogs is not None:
        now, of = daemon.clock.now(), {(sink.name,): backlogs.get(sink.name, Backlog()) for sink in daemon.config.sinks}
        pending = {key: each.waiting for key, each in of.items()}
        dead = {key: each.dead for key, each in of.items()}
        ages = {key: each.age(now) for key, each in of.items()}
        found += [
            _gauge("watcher_outbox_pending", "Pending deliveries.", ("sink",), pending),
            _gauge("watcher_outbox_oldest_seconds", "Age of the oldest pending delivery.", ("sink",), ages),
            _gauge("watcher_dead_letters", "Deliveries that were refused or given up.", ("sink",), dead),
        ]
    return found


async def _count(daemon: DaemonView) -> tuple[Mapping[Any, int], ...]:
    """The targets by kind and status; by kind the stalled, the blocked and the unreadable ones, and open incidents.

    Each target is counted only by the daemon that polls it, so that a sum over all daemons is right.
    """
    of = {each.kind.name: STATUSES if each.kind.polled else CONNECTION_STATUSES for each in daemon.config.targets}
    kinds = sorted(of)
    statuses = {(kind, status): 0 for kind in kinds for status in of[kind]}
    stalls = dict.fromkeys(((kind,) for kind in kinds), 0)
    blocked, unreadable, incidents = stalls.copy(), stalls.copy(), stalls.copy()
    async for target, record in polled_here(daemon):
        statuses[target.kind.name, _status(record)] += 1
        stalls[target.kind.name,] += stalled(record.known if record else None)
        blocked[target.kind.name,] += bool(record and record.blockers)
        outage = outage_of(record, daemon.records.get(str(target.endpoint)))
        unreadable[target.kind.name,] += outage is not None
        incidents[target.kind.name,] += bool(record and record.incident)
    incidents["endpoint",] = sum(endpoint_unreadable(daemon, key) for key in daemon.endpoints())
    return statuses, stalls, blocked, unreadable, incidents


def _status(record: Record | None) -> str:
    if record is not None and record.connection is not None:
        return record.connection.status
    known = record.known if record else None
    if known is None:
        return NOT_SEEN
    if known.attempt is None:
        return NEVER_SYNCED
    return known.attempt.status if known.attempt.status in KNOWN_STATUSES else UNKNOWN


def _gauge(name: str, text: str, labels: Sequence[str], values: Mapping[Any, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, float(value))
    return family
