"""Metrics for Prometheus and CloudWatch of a daemon with a real store."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.clocks import SetClock
from tests.support.fake_daemon import BEGAN, Peek, attempt, config_of, peeking
from tests.support.tasks import running
from tests.support.waiting import until
from watcher.config.reloader import ReloadStatus
from watcher.core.deliveries import Delivery, DeliveryOutcome, DeliveryState
from watcher.core.event_types import EVENT_TYPES
from watcher.core.queries import DeliveryQuery, EventQuery
from watcher.core.state import Outage
from watcher.errors import StoreError
from watcher.observability.daemon_view import HintQueueStatus, SinkStatus
from watcher.observability.emf import UNITS, Emf, embedded
from watcher.observability.metrics import Metrics, detection
from watcher.observability.observer import HintOutcome, Poll, PollOutcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TEXT = """
accounts: [{name: prod, regions: [us-east-1]}, {name: dev, regions: [us-east-1]}]
stacks:
  - {name: network, account: prod}
  - {name: shop, account: prod}
templates:
  - {name: web, type: SERVICE, version: 1, account: dev}
sinks: [{name: out, type: stdout}, {name: ops, type: webhook, url: "https://hooks.example.com/x"}]
"""
WITHOUT_DEV = "\n".join(line for line in TEXT.splitlines() if "web" not in line and "templates" not in line).replace(
    '[{name: out, type: stdout}, {name: ops, type: webhook, url: "https://hooks.example.com/x"}]',
    "[{name: out, type: stdout}]",
)

CONTRACT = {
    "watcher_polls_total": {"account", "region", "api", "outcome"},
    "watcher_poll_duration_seconds": {"account", "region", "api"},
    "watcher_schedule_lag_seconds": {"account", "region", "api"},
    "watcher_detection_seconds": set(),
    "watcher_restore_seconds": set(),
    "watcher_syncs_total": {"kind", "result"},
    "watcher_sync_duration_seconds": set(),
    "watcher_delivery_seconds": {"sink"},
    "watcher_targets": {"kind", "status"},
    "watcher_targets_blocked": {"kind"},
    "watcher_incidents_open": {"kind"},
    "watcher_mutes_active": set(),
    "watcher_targets_stalled": {"kind"},
    "watcher_targets_unreadable": {"kind"},
    "watcher_events_total": {"type"},
    "watcher_deliveries_total": {"sink", "outcome"},
    "watcher_hints_total": {"outcome"},
    "watcher_heartbeats_total": {"signal", "outcome"},
    "watcher_changes_without_hint_total": set(),
    "watcher_outbox_pending": {"sink"},
    "watcher_outbox_oldest_seconds": {"sink"},
    "watcher_dead_letters": {"sink"},
    "watcher_endpoint_readable": {"account", "region", "api"},
    "watcher_config_reload_success": set(),
    "watcher_config_reloads_total": {"outcome"},
    "watcher_sink_up": {"sink"},
    "watcher_streams": set(),
    "watcher_build_info": {"version"},
}


@pytest.fixture
async def peek(tmp_path: Path) -> AsyncIterator[Peek]:
    async with peeking(tmp_path, TEXT) as peek:
        yield peek


@pytest.fixture
async def metrics(peek: Peek) -> AsyncIterator[Metrics]:
    metrics = Metrics(peek)
    peek.observers = [metrics]
    yield metrics
    metrics.close()


Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def scrape(metrics: Metrics) -> Samples:
    text = (await metrics.expose()).decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


def target_of(peek: Peek, name: str) -> Any:
    return next(target for target in peek.config.targets if target.name == name)


async def live(peek: Peek, metrics: Metrics) -> None:
    """A little of everything."""
    for target in peek.config.targets:
        metrics.begun(target, 10.0, 10.5)
        metrics.polled(Poll(target, 10.0, 10.5, 12.0, PollOutcome.ANSWERED))
    network = target_of(peek, "network")
    await peek.see(network, attempt(0, "SUCCEEDED"))
    (event,) = await peek.see(network, attempt(1, "FAILED", "boom"), sinks=["out", "ops", "gone"])
    for sink, state in (("out", DeliveryState.SENT), ("ops", DeliveryState.WAITING), ("ops", DeliveryState.DEAD)):
        recorded = peek.clock.now().timestamp() - 2
        metrics.delivered([DeliveryOutcome(Delivery(1, sink, event, recorded), state, "")])


async def test_names_and_labels_are_the_contracts(peek: Peek, metrics: Metrics) -> None:
    await live(peek, metrics)
    found: dict[str, set[str]] = {}
    for name, labels in await scrape(metrics):
        base = name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
        if base.startswith("watcher_"):
            found.setdefault(base, set()).update(label for label, _ in labels if label != "le")
    assert found == CONTRACT
    assert any(name.startswith("process_") for name, _ in await scrape(metrics))


async def test_what_happens_is_counted(peek: Peek, metrics: Metrics) -> None:
    await live(peek, metrics)
    samples = await scrape(metrics)
    prod = {"account": "prod", "region": "us-east-1", "api": "codeconnections"}
    assert value(samples, "watcher_polls_total", **prod, outcome="answered") == 2
    assert value(samples, "watcher_poll_duration_seconds_sum", **prod) == 3.0
    assert value(samples, "watcher_schedule_lag_seconds_sum", **prod) == 1.0
    assert value(samples, "watcher_events_total", type="watcher.sync.failed") == 1
    assert value(samples, "watcher_deliveries_total", sink="out", outcome="sent") == 1
    assert value(samples, "watcher_deliveries_total", sink="ops", outcome="retried") == 1
    assert value(samples, "watcher_deliveries_total", sink="ops", outcome="dead") == 1
    assert 2 <= (value(samples, "watcher_delivery_seconds_sum", sink="out") or 0) < 5
    assert value(samples, "watcher_delivery_seconds_count", sink="ops") is None
    assert value(samples, "watcher_detection_seconds_count") == 1


async def test_changes_are_counted_that_no_hint_reported(peek: Peek, metrics: Metrics) -> None:
    network, shop, web = (target_of(peek, name) for name in ("network", "shop", "web"))
    peek.clock = SetClock()
    peek.observers.append(metrics.hints)
    peek.queue_looks = {"https://queue": HintQueueStatus(readable=True, heard={network.endpoint})}
    for target in (network, shop, web):
        await peek.see(target, attempt(0, "SUCCEEDED"))  # a first observation
        await peek.see(target, attempt(1, "FAILED"))
    metrics.hints.hinted(HintOutcome.POLLED, [network])
    metrics.hints.hinted(HintOutcome.FAILED, [shop])
    assert value(await scrape(metrics), "watcher_changes_without_hint_total") == 0
    peek.clock.moment += 61
    samples = await scrape(metrics)
    assert value(samples, "watcher_changes_without_hint_total") == 1  # of shop; nothing is heard about web
    found = {outcome: value(samples, "watcher_hints_total", outcome=outcome) for outcome in HintOutcome}
    assert found == dict.fromkeys(HintOutcome, 0) | {"polled": 1, "failed": 1}


async def test_every_type_of_event_is_there_from_the_start(metrics: Metrics) -> None:
    samples = await scrape(metrics)
    assert all(value(samples, "watcher_events_total", type=each) == 0 for each in EVENT_TYPES)


async def test_gauges_are_computed_at_each_scrape(peek: Peek, metrics: Metrics) -> None:
    await live(peek, metrics)
    web = target_of(peek, "web")
    await peek.see(target_of(peek, "shop"), attempt(1, "INVENTED_BY_AWS"))
    await peek.fail(web.endpoint, Outage(BEGAN, "AccessDeniedException", "no", 3))
    peek.loaded = ReloadStatus(BEGAN, BEGAN, ("wrong",), (), None, 4, 2)
    peek.sink_looks = {"ops": SinkStatus("webhook", "failing", "415")}
    samples = await scrape(metrics)
    assert value(samples, "watcher_targets", kind="stack", status="FAILED") == 1
    assert value(samples, "watcher_targets", kind="stack", status="UNKNOWN") == 1
    assert value(samples, "watcher_targets", kind="template", status="NOT_SEEN") == 1
    assert value(samples, "watcher_targets_unreadable", kind="template") == 1
    assert value(samples, "watcher_endpoint_readable", account="dev", region="us-east-1", api="proton") == 0
    assert value(samples, "watcher_endpoint_readable", account="prod", region="us-east-1", api="codeconnections") == 1
    assert value(samples, "watcher_config_reload_success") == 0
    assert value(samples, "watcher_config_reloads_total", outcome="success") == 4
    assert value(samples, "watcher_config_reloads_total", outcome="failure") == 2
    assert value(samples, "watcher_sink_up", sink="out") == 1
    assert value(samples, "watcher_sink_up", sink="ops") == 0
    assert value(samples, "watcher_outbox_pending", sink="out") == 1
    assert (value(samples, "watcher_outbox_oldest_seconds", sink="out") or 0) >= 0
    assert not any(("status", "INVENTED_BY_AWS") in labels for _, labels in samples)
    assert not any(("sink", "gone") in labels for _, labels in samples)


async def test_what_left_the_configuration_leaves_the_metrics(peek: Peek, metrics: Metrics) -> None:
    await live(peek, metrics)
    assert any(("account", "dev") in labels for _, labels in await scrape(metrics))
    peek.config = config_of(WITHOUT_DEV, peek.config.state)
    samples = await scrape(metrics)
    assert not any({("account", "dev"), ("sink", "ops"), ("kind", "template")} & labels for _, labels in samples)
    prod = {"account": "prod", "region": "us-east-1", "api": "codeconnections"}
    assert value(samples, "watcher_polls_total", **prod, outcome="answered") == 2
    peek.config = config_of(TEXT, peek.config.state)
    for target in peek.config.targets:
        metrics.polled(Poll(target, 10.0, 10.5, 12.0, PollOutcome.ANSWERED))
    samples = await scrape(metrics)
    answered = {
        dict(labels)["account"]: count
        for (name, labels), count in samples.items()
        if name == "watcher_polls_total" and ("outcome", "answered") in labels
    }
    assert answered == {"prod": 4, "dev": 1}, "what comes back is counted from the beginning"


async def test_a_store_that_fails_leaves_out_its_gauges_only(
    peek: Peek, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail() -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(peek.reader, "counts", fail)
    samples = await scrape(metrics)
    assert not any("outbox" in name or "dead_letters" in name for name, _ in samples)
    assert value(samples, "watcher_targets", kind="stack", status="NOT_SEEN") == 2
    assert "OutboxPending" not in json.loads(await Emf(peek, "watcher").line())


async def test_many_scrapes_ask_the_store_once(peek: Peek, metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, counts = [], peek.reader.counts

    async def counted() -> Any:
        asked.append(1)
        return await counts()

    monkeypatch.setattr(peek.reader, "counts", counted)
    await asyncio.gather(*(metrics.expose() for _ in range(20)))
    assert asked == [1]


async def test_detection_is_measured_if_aws_reports_a_time(peek: Peek) -> None:
    shop = target_of(peek, "shop")
    late = peek.clock.now() - BEGAN

    async def seen(*what: Any, **how: Any) -> list[float | None]:
        return [detection(event) for event in await peek.see(shop, *what, **how)]

    def about(seconds: float | None, minutes: float, beside: float = 0) -> bool:
        return (
            seconds is not None
            and abs(seconds - (late - timedelta(minutes=minutes, seconds=beside)).total_seconds()) < 60
        )

    assert await seen(attempt(0, "FAILED", "first seen")) == [None]
    (begin,) = await seen(attempt(10, "INITIATED"))
    assert about(begin, 10)
    assert await seen(attempt(10, "IN_PROGRESS")) == [None]
    (end,) = await seen(attempt(10, "SUCCEEDED", "done"))
    assert about(end, 10, 5)
    (bare,) = await seen(attempt(20, "FAILED"))
    assert about(bare, 20)
    unobserved, begin = await seen(attempt(40, "IN_PROGRESS"), success=attempt(30, "SUCCEEDED"))
    assert unobserved is None
    assert about(begin, 40)


async def test_of_a_targets_own_events_the_store_uses_an_index(peek: Peek) -> None:
    """The page of one target must not cost more with a year of others' events."""
    await live(peek, Metrics(peek))
    reader: Any = peek.reader
    statements: list[str] = []
    await reader.database.run(lambda: reader.database.connection.set_trace_callback(statements.append))
    target = target_of(peek, "network")
    assert len(await reader.events(EventQuery(target=target.id))) == 1
    assert len(await reader.events(EventQuery(target="prod/*", types=["watcher.sync.failed"]))) == 1
    assert await reader.events(EventQuery(target=target.id[:-1])) == []
    await reader.database.run(lambda: reader.database.connection.set_trace_callback(None))
    (plan,) = await reader.database.query(lambda found: found.execute(f"EXPLAIN QUERY PLAN {statements[0]}").fetchall())
    assert "USING INDEX event_subject (subject=?" in plan[-1]


async def test_the_oldest_that_waits_is_found_without_a_look_at_all_that_was_sent(peek: Peek) -> None:
    reader: Any = peek.reader
    statements: list[str] = []
    await reader.database.run(lambda: reader.database.connection.set_trace_callback(statements.append))
    await reader.deliveries(DeliveryQuery(states=[DeliveryState.WAITING], sink="out", limit=1))
    await reader.database.run(lambda: reader.database.connection.set_trace_callback(None))
    plan = await reader.database.query(lambda found: found.execute(f"EXPLAIN QUERY PLAN {statements[0]}").fetchall())
    told = " ".join(step[-1] for step in plan)
    assert "delivery USING INDEX delivery_waiting (sink=?)" in told
    assert "TEMP B-TREE" not in told


async def test_an_emf_line_is_what_cloudwatch_takes(peek: Peek) -> None:
    """The structure of the Embedded Metric Format's specification: each named metric has a number at the root."""
    emf = Emf(peek, "watcher/prod", "watcher-1")
    line = await emf.line()
    assert "\n" not in line
    form = json.loads(line)
    assert set(form["_aws"]) == {"Timestamp", "CloudWatchMetrics"}
    assert isinstance(form["_aws"]["Timestamp"], int)
    assert abs(form["_aws"]["Timestamp"] / 1000 - peek.clock.now().timestamp()) < 60
    (directive,) = form["_aws"]["CloudWatchMetrics"]
    assert set(directive) == {"Namespace", "Dimensions", "Metrics"}
    assert (directive["Namespace"], directive["Dimensions"]) == ("watcher/prod", [["Service"]])
    assert form["Service"] == "watcher-1"
    assert {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]} == UNITS
    assert set(form) == {"_aws", "Service", *UNITS}
    assert all(isinstance(form[name], int | float) and not isinstance(form[name], bool) for name in UNITS)
    assert len(directive["Metrics"]) <= 100


async def test_an_emf_line_has_what_alarms_need_and_resets_the_counters(peek: Peek) -> None:
    emf = Emf(peek, "watcher")
    network, web = target_of(peek, "network"), target_of(peek, "web")
    emf.begun(network, 10.0, 11.5)
    emf.begun(web, 10.0, 10.5)
    for target, outcome in (
        (network, PollOutcome.ANSWERED),
        (network, PollOutcome.OLDER),
        (web, PollOutcome.THROTTLED),
    ):
        emf.polled(Poll(target, 10.0, 10.5, 12.0, outcome))
    await peek.see(network, attempt(0, "FAILED"), sinks=["out"])
    await peek.fail(web.endpoint, Outage(BEGAN, "AccessDeniedException", "no", 3))
    peek.loaded = replace(peek.loaded, faults=("wrong",))
    form = json.loads(await emf.line())
    told = {name: form[name] for name in UNITS if name != "OutboxOldestSeconds"}
    assert told == {
        "Alive": 1, "TargetsFailed": 1, "TargetsBlocked": 0, "TargetsStalled": 0, "TargetsUnreadable": 1,
        "EndpointsBlind": 1,
        "ScheduleLagSeconds": 1.5, "Polls": 3, "PollsFailed": 1, "ConfigReloadFailed": 1, "OutboxPending": 1,
        "DeadLetters": 0,
    }  # fmt: skip
    form = json.loads(await emf.line())
    assert (form["Polls"], form["PollsFailed"], form["ScheduleLagSeconds"]) == (0, 0, 0)


async def test_emf_writes_a_line_each_time(peek: Peek, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watcher.observability.emf.LINE_SECONDS", 0.01)
    lines: list[str] = []
    async with running(Emf(peek, "watcher", write=lines.append).run()):
        await until(lambda: len(lines) >= 2)
    assert all(line.endswith("}\n") and json.loads(line)["Alive"] == 1 for line in lines)


def test_embedded_lists_each_metric_with_its_unit() -> None:
    form = json.loads(embedded({"Alive": 1}, "n", "s", BEGAN))
    assert form["_aws"]["CloudWatchMetrics"][0]["Metrics"] == [{"Name": "Alive", "Unit": "Count"}]
