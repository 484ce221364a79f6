"""Observations that come together count as if they had come one by one."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Histogram, generate_latest

from watcher.observability.metrics import BatchHistogram


def text_of(registry: CollectorRegistry) -> list[str]:
    return [line for line in generate_latest(registry).decode().splitlines() if "_created" not in line]


def test_several_observations_at_once_are_the_same_as_one_after_the_other() -> None:
    together, singly = CollectorRegistry(), CollectorRegistry()
    amounts = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 1000.0]
    batches = BatchHistogram("seconds", "Seconds.", ["sink"], buckets=(0.5, 1, 2), registry=together)
    batches.labels("out").observe_all(amounts)
    batches.labels("none").observe_all([])
    single = Histogram("seconds", "Seconds.", ["sink"], buckets=(0.5, 1, 2), registry=singly)
    for amount in amounts:
        single.labels("out").observe(amount)
    single.labels("none")
    assert text_of(together) == text_of(singly)
