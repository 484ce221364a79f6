"""What the alert rules and the dashboard ask for is what the daemon really exposes at `/metrics`."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from tests.integration.conftest import a_config, a_stack, a_template, running
from tests.unit.monitoring.exposed import EXPOSED, OF_THE_PROCESS, OUTCOMES, STATUSES
from watcher.core.settings import DiscoverRule
from watcher.observability import metrics
from watcher.sources.codeconnections import STACK

if TYPE_CHECKING:
    from tests.support.simulator import Simulator


async def test_the_series_that_are_relied_on_are_those_that_are_exposed(simulator: Simulator) -> None:
    """By name and label, after polls, an event and a delivery; nothing of its own is missing from the list either."""
    targets = [a_stack(), a_template()]
    rule = DiscoverRule((STACK,), (("default", "us-east-1"),), match=("none-*",))
    async with running(simulator, a_config(simulator.url, targets, discover=(rule,))) as watch:
        watch.show(targets[0], "FAILED", 1)
        watch.show(targets[1], "SUCCEEDED", 1)
        await watch.events(1)
        exposed = (await watch.app.metrics.expose()).decode()
    labels: dict[str, set[str]] = {}
    values: dict[str, set[str]] = defaultdict(set)
    for family in text_string_to_metric_families(exposed):
        for sample in family.samples:
            labels[sample.name] = set(sample.labels)
            for label in {"status", "outcome"} & set(sample.labels):
                values[f"{sample.name} {label}"].add(sample.labels[label])
    assert {name: labels[name] for name in labels if not name.startswith("process_")} == {
        name: EXPOSED[name] for name in EXPOSED if name not in OF_THE_PROCESS
    }
    assert {name: labels.get(name) for name in OF_THE_PROCESS} == {name: EXPOSED[name] for name in OF_THE_PROCESS}
    assert values["watcher_targets status"] == STATUSES
    assert values["watcher_config_reloads_total outcome"] == OUTCOMES["watcher_config_reloads_total"]
    assert values["watcher_deliveries_total outcome"] == {"sent"}
    assert {*metrics.OUTCOMES.values()} == OUTCOMES["watcher_deliveries_total"]
