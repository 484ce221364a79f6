"""Metrics of the heartbeat: how many requests said what, and whether the receiver accepted them."""

from itertools import product

from prometheus_client import CollectorRegistry, Counter

SIGNALS, OUTCOMES = ("well", "fail"), ("accepted", "failed")
"""Every value of the labels."""


class HeartbeatMetrics:
    """Counts requests to the outside monitor."""

    def __init__(self, registry: CollectorRegistry) -> None:
        text = "Requests to the outside monitor, by what they say and whether it accepted them."
        self._sent = Counter("watcher_heartbeats", text, ("signal", "outcome"), registry=registry)
        for signal, outcome in product(SIGNALS, OUTCOMES):
            self._sent.labels(signal, outcome)

    def sent(self, *, well: bool, accepted: bool) -> None:
        self._sent.labels(SIGNALS[not well], OUTCOMES[not accepted]).inc()
