"""Metrics for Prometheus.

Counters and histograms are updated by notifications (`Observer`); `gauges` are computed at each scrape. The series
of an endpoint or a sink that left the configuration are removed.
"""

import json
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, ProcessCollector, disable_created_metrics, generate_latest
from prometheus_client.core import Counter, Histogram, Metric

from watcher.core.deliveries import DeliveryOutcome, DeliveryState
from watcher.core.event_types import ALL_EVENT_TYPES, EVENT_TYPES
from watcher.core.events import Event
from watcher.core.incidents import incident_of, may_resolve
from watcher.core.model import FAILED, SUCCEEDED, UNFINISHED, Target, parse_rfc3339
from watcher.core.ports import Entry
from watcher.core.settings import Config
from watcher.observability.backlogs import Backlogs
from watcher.observability.daemon_view import DaemonView
from watcher.observability.gauges import ENDPOINT, gauges
from watcher.observability.heartbeat_metrics import HeartbeatMetrics
from watcher.observability.hint_metrics import HintMetrics
from watcher.observability.observer import Observer, Poll
from watcher.observability.sync_metrics import SyncMetrics

# Otherwise each counter has an undocumented gauge beside it.
disable_created_metrics()  # type: ignore[no-untyped-call]

OUTCOMES = {DeliveryState.SENT: "sent", DeliveryState.WAITING: "retried", DeliveryState.DEAD: "dead"}

QUICK = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
LATE = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
DELIVERED = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400)
RESTORED = (60, 300, 900, 1800, 3600, 10800, 21600, 43200, 86400, 259200, 604800)
DETECTED = (0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
"""Bounds of buckets in seconds: of a poll, of its lateness, from recorded to sent, of an incident, and from AWS's own
time to the event."""


class BatchHistogram(Histogram):
    """A histogram whose series take several observations at once; the library has only `observe`."""

    def observe_all(self, amounts: Sequence[float]) -> None:
        self._sum.inc(sum(amounts))
        ordered, before = sorted(amounts), 0
        for bound, bucket in zip(self._upper_bounds, self._buckets, strict=True):
            up_to = bisect_right(ordered, bound)
            if up_to > before:
                bucket.inc(up_to - before)
            before = up_to


M = TypeVar("M", Counter, Histogram, BatchHistogram)


class Metrics(Observer):
    """Counts what happens in the daemon; `streams` returns the number of open event streams."""

    def __init__(self, daemon: DaemonView, streams: Callable[[], int] = lambda: 0) -> None:
        self.backlogs = Backlogs(daemon)
        self.close = self.backlogs.close
        self.registry = CollectorRegistry()
        counter = partial(Counter, registry=self.registry)
        histogram = partial(Histogram, registry=self.registry)
        self.content_type = "text/plain; version=0.0.4; charset=utf-8"
        self._daemon = daemon
        self._streams = streams
        self._gauges: list[Metric] = []
        self._series: dict[tuple[object, ...], Any] = {}
        self._polls = counter("watcher_polls", "Polls by outcome.", (*ENDPOINT, "outcome"))
        self._poll_seconds = histogram(
            "watcher_poll_duration_seconds",
            "Duration of polls, with retries and the waits between.",
            ENDPOINT,
            buckets=QUICK,
        )
        self._lag = histogram(
            "watcher_schedule_lag_seconds", "Delay from when a poll was due to its start.", ENDPOINT, buckets=LATE
        )
        self._detection = histogram(
            "watcher_detection_seconds",
            "Time from the change at AWS to the event. For the start of an attempt: from its startedAt. For its end: "
            "from the newest time among its events, or from startedAt if AWS reports none. First observations and "
            "changes without a time are left out.",
            buckets=DETECTED,
        )
        self._restore = histogram(
            "watcher_restore_seconds",
            "Duration of incidents that ended otherwise than by the removal of their subject.",
            buckets=RESTORED,
        )
        self._delivery = BatchHistogram(
            "watcher_delivery_seconds",
            "Time from the record of an event to its acknowledgement by the sink.",
            ("sink",),
            buckets=DELIVERED,
            registry=self.registry,
        )
        self._events = counter("watcher_events", "Recorded events.", ("type",))
        self._deliveries = counter("watcher_deliveries", "Tries of deliveries by outcome.", ("sink", "outcome"))
        self.hints = HintMetrics(daemon, self.registry)
        self.heartbeats = HeartbeatMetrics(self.registry)
        self.syncs = SyncMetrics(self.registry)
        ProcessCollector(registry=self.registry)
        self.registry.register(self)
        for known in EVENT_TYPES:
            self._events.labels(known)

    def begun(self, target: Target, due: float, begun: float) -> None:
        self._of(self._lag, *_endpoint(target)).observe(max(0.0, begun - due))

    def polled(self, poll: Poll) -> None:
        where = _endpoint(poll.target)
        self._of(self._polls, *where, poll.outcome.value).inc()
        self._of(self._poll_seconds, *where).observe(max(0.0, poll.ended - poll.begun))

    def recorded(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            for event, _ in entry.events:
                if event.type in ALL_EVENT_TYPES:
                    self._events.labels(event.type).inc()
                seconds = detection(event)
                if seconds is not None:
                    self._detection.observe(seconds)
                lasted = restoration(event)
                if lasted is not None:
                    self._restore.observe(lasted)

    def delivered(self, results: Sequence[DeliveryOutcome]) -> None:
        now = self._daemon.clock.now().timestamp()
        for sink, group in groupby(results, key=lambda result: result.delivery.sink):
            some = [*group]
            states = [each.state for each in some]
            for state, outcome in OUTCOMES.items():
                if count := states.count(state):
                    self._of(self._deliveries, sink, outcome).inc(count)
            sent = [each.delivery for each in some if each.state is DeliveryState.SENT and not each.delivery.reminder]
            if sent:
                self._of(self._delivery, sink).observe_all([max(0.0, now - each.recorded) for each in sent])

    async def expose(self) -> bytes:
        """Return all metrics in Prometheus's text format; a store that does not respond leaves its gauges out."""
        backlogs = await self.backlogs.get_if_readable()
        self._remove_series(self._daemon.config)
        self.syncs.set_kinds({each.kind.name for each in self._daemon.config.targets if each.kind.polled})
        self._gauges = await gauges(self._daemon, backlogs, self._streams())
        return generate_latest(self.registry)

    def collect(self) -> Sequence[Metric]:
        """Return the gauges of the current scrape; called by the registry."""
        return self._gauges

    def _of(self, metric: M, *labels: str) -> M:
        """Return the series of `metric` with these labels. Series are kept: the library takes longer to find one."""
        series: M | None = self._series.get((metric, *labels))
        if series is None:
            series = self._series[metric, *labels] = metric.labels(*labels)
        return series

    def _remove_series(self, config: Config) -> None:
        """Remove the series of endpoints and sinks that left the configuration."""
        endpoints = {(key.account, key.region, key.api) for key in config.endpoints}
        sinks = {sink.name for sink in config.sinks}
        self._series.clear()
        for metric in (self._polls, self._poll_seconds, self._lag):
            for labels in _children(metric):
                if labels[:3] not in endpoints:
                    metric.remove(*labels)
        for metric in (self._deliveries, self._delivery):
            for labels in _children(metric):
                if labels[0] not in sinks:
                    metric.remove(*labels)


def detection(event: Event) -> float | None:
    """Seconds from AWS's own time of a change to its event; None: AWS reports no time of the change.

    The end of an attempt has the newest time in the attempt's history, the begin its `startedAt`. AWS does not report
    when an attempt went from one unfinished status to another.
    """
    if not event.type.startswith("watcher.sync.") or event.type.endswith((".stalled", ".blocked", ".unblocked")):
        return None
    data = json.loads(event.body)["data"]
    attempt = data.get("attempt")
    if attempt is None or data["first_seen"] or data["recreated"] or not data["observed"]:
        return None
    moments = [attempt["startedAt"]]
    if data["status"] in {SUCCEEDED, FAILED}:
        moments += [line["time"] for line in attempt["events"] if line.get("time")]
    elif not (data["new_attempt"] and data["status"] in UNFINISHED):
        return None
    try:
        return max(0.0, (parse_rfc3339(event.time) - max(map(parse_rfc3339, moments))).total_seconds())
    except ValueError:  # AWS may send any text
        return None


def restoration(event: Event) -> float | None:
    """Seconds that the incident lasted which an event resolved; None: it resolved none, or its subject was removed."""
    if not may_resolve(event.type) or event.type.endswith(".removed"):
        return None
    return incident_of(event).get("duration_seconds")


def _endpoint(target: Target) -> tuple[str, str, str]:
    return target.account, target.region, target.api


def _children(metric: Counter | Histogram) -> list[tuple[str, ...]]:
    """The labels of a metric's series."""
    return [tuple(labels) for labels in metric._metrics]  # noqa: SLF001  the library has no public way
