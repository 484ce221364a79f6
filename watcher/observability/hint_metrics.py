"""Metrics of hints: what became of each message, and how many changes no message reported."""

from collections import Counter
from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily

from watcher.core.model import KNOWN_STATUSES, Target
from watcher.core.ports import Entry
from watcher.observability.daemon_view import DaemonView, heard_endpoints
from watcher.observability.hint_coverage import HintCoverage
from watcher.observability.observer import HintOutcome, Observer

STATUS_EVENTS = frozenset(f"watcher.sync.{status.lower()}" for status in (*KNOWN_STATUSES, "UNKNOWN"))
"""The types of the events about a status of AWS, for which AWS sends an event of its own."""


class HintMetrics(Observer):
    """Counts hints, and changes without one at the endpoints of which hints have arrived in this run."""

    def __init__(self, daemon: DaemonView, registry: CollectorRegistry) -> None:
        self._daemon = daemon
        self._outcomes = Counter(dict.fromkeys(HintOutcome, 0))
        self._coverage = HintCoverage()
        self._missed = 0
        registry.register(self)

    def hinted(self, outcome: HintOutcome, targets: Sequence[Target]) -> None:
        self._outcomes[outcome] += 1
        if outcome is HintOutcome.POLLED:
            now = self._daemon.clock.monotonic()
            self._missed += self._coverage.missed(now)
            for target in targets:
                self._coverage.hinted(target.id, now)

    def recorded(self, entries: Sequence[Entry]) -> None:
        heard = heard_endpoints(self._daemon)
        if not heard:
            return
        now, targets = self._daemon.clock.monotonic(), self._daemon.config.targets_by_id
        self._missed += self._coverage.missed(now)
        for entry in entries:
            target = targets.get(entry.subject)
            if target is None or target.endpoint not in heard or entry.follows is None or entry.follows.known is None:
                continue
            for event, _ in entry.events:
                if event.type in STATUS_EVENTS:
                    self._coverage.changed(target.id, now)

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the metrics of the current scrape; called by the registry."""
        hints = CounterMetricFamily("watcher_hints", "Messages of queues of hints by outcome.", labels=["outcome"])
        for outcome, count in self._outcomes.items():
            hints.add_metric([outcome], count)
        yield hints
        self._missed += self._coverage.missed(self._daemon.clock.monotonic())
        text = "Changes that no hint reported within a minute, where hints arrive. First observations are left out."
        yield CounterMetricFamily("watcher_changes_without_hint", text, value=self._missed)
