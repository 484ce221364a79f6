"""Connections from end to end: what a listing shows of them is recorded, reported, and shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import running
from tests.integration.test_discovery import LISTINGS, QUIET, House, a_subject, rule, simulated
from tests.integration.test_metrics import scrape, value
from watcher.core.listings import ListingKey
from watcher.core.reminders import reminder_requests
from watcher.core.settings import Account
from watcher.core.sink_settings import SinkSettings
from watcher.core.state import KnownConnection
from watcher.polling.check import CheckResult, check_all
from watcher.simulator.inventory import Connection
from watcher.simulator.scenario import Scenario
from watcher.sources.codeconnections import CONNECTION, STACK
from watcher.web.views import committed_row, target_view

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import Watch

KEY = ListingKey("default", "us-east-1", "connection")


def scenario(*connections: Connection) -> Scenario:
    return Scenario("a test", ((a_subject("shop"), QUIET),), connections=connections, page_size=2)


def github(*statuses: tuple[float, str], **more: Any) -> Connection:
    return Connection("github", statuses=statuses, **more)


async def listed(watch: Watch) -> None:
    """Wait until two more listings were complete: the first may have begun before."""
    for _ in range(2):
        before = watch.app.discovery.completed_at(KEY)
        await watch.until(lambda before=before: watch.app.discovery.completed_at(KEY) != before)


async def statuses(watch: Watch, *expected: str) -> list[dict[str, Any]]:
    """Wait for events of connections of exactly these statuses, in their order."""
    await watch.until(lambda: len(watch.caught.events) >= len(expected))
    found = watch.caught.events
    assert [event["data"]["connection"]["status"] for event in found] == [*expected]
    assert [event["data"]["sequence"] for event in found] == [*range(1, len(expected) + 1)]
    return found


def config(house: House, **more: Any) -> Any:
    return house.config(rule(CONNECTION, watching={"labels": {"team": "platform"}}), **more)


async def test_each_change_of_a_connection_is_an_event_and_it_is_not_polled() -> None:
    went = github((0, "PENDING"), (10, "AVAILABLE"), (20, "ERROR"), (30, "PENDING"))
    async with simulated(scenario(went)) as house, running(house.simulator, config(house)) as watch:
        (pending,) = await statuses(watch, "PENDING")
        assert pending["type"] == "watcher.connection.unavailable"
        assert pending["data"]["previous_status"] is None
        target = pending["data"]["target"]
        assert (target["kind"], target["name"], target["labels"]) == ("connection", "github", {"team": "platform"})
        assert target["id"] == f"default/us-east-1/connection/{target['arn'].rpartition('/')[2]}"
        await listed(watch)
        house.moment[0] = 10
        assert (await statuses(watch, "PENDING", "AVAILABLE"))[1]["type"] == "watcher.connection.available"
        house.moment[0] = 20
        await statuses(watch, "PENDING", "AVAILABLE", "ERROR")
        house.moment[0] = 30
        found = await statuses(watch, "PENDING", "AVAILABLE", "ERROR", "PENDING")
        assert len({event["id"] for event in found}) == 4, "the second time is another event"
        assert {call.operation for call in house.simulator.calls} == {"ListConnections"}


async def test_a_connection_is_on_the_page_in_the_metrics_and_in_reminders() -> None:
    reminded = SinkSettings("stdout", "stdout", remind_every=60.0)
    async with (
        simulated(scenario(github((0, "ERROR")))) as house,
        running(house.simulator, config(house, sinks=(reminded,))) as watch,
    ):
        (event,) = await statuses(watch, "ERROR")
        view = watch.app.view
        await watch.until(lambda: len(view.config.targets) == 1)
        (target,) = view.config.targets
        record = view.records[target.id]
        row = committed_row(target, record, None) | target_view(target, record)
        assert (row["standing"], row["status"], row["title"]) == ("unavailable", "ERROR", "github")
        assert row["since"] is not None
        polling = view.target(target.id)
        assert polling.polled_here
        assert polling.answered is not None
        assert polling.next_poll is not None
        assert 0 < (polling.next_poll - polling.answered).total_seconds() <= LISTINGS
        assert "connect it again" in row["note"]
        assert row["console_url"].endswith(target.id.rpartition("/")[2])
        samples = await scrape(watch.app.metrics)
        assert value(samples, "watcher_targets", kind="connection", status="ERROR") == 1
        assert value(samples, "watcher_targets", kind="connection", status="AVAILABLE") == 0
        (request,) = reminder_requests(view.config, view.records, view.clock.now())
        assert (request.subject, request.type, request.mark) == (target.id, event["type"], "ERROR")


async def test_a_connection_that_is_available_at_first_sight_is_no_event() -> None:
    async with simulated(scenario(github((0, "AVAILABLE")))) as house, running(house.simulator, config(house)) as watch:
        await watch.until(lambda: len(watch.app.view.config.targets) == 1)
        (target,) = watch.app.view.config.targets
        await listed(watch)
        assert watch.app.recorder.record_of(target.id).connection == KnownConnection(
            "AVAILABLE", watch.app.recorder.record_of(target.id).connection.since, {"AVAILABLE": 1}
        )
        assert watch.caught.events == []


async def test_a_status_is_reported_once_across_a_restart(tmp_path: Path) -> None:
    state = f"sqlite:///{tmp_path}/state.db"
    async with simulated(scenario(github((0, "PENDING"), (10, "AVAILABLE")))) as house:
        async with running(house.simulator, config(house, state=state)) as watch:
            await statuses(watch, "PENDING")
            await listed(watch)
        house.moment[0] = 10
        async with running(house.simulator, config(house, state=state)) as watch:
            await watch.until(lambda: watch.caught.events != [])
            await listed(watch)
            (event,) = watch.caught.events
            assert event["type"] == "watcher.connection.available"
            assert event["data"]["sequence"] == 2


async def test_two_accounts_that_share_a_connection_report_it_with_the_same_id() -> None:
    shared = scenario(github((0, "PENDING"), owner="999988887777"))
    async with simulated(shared) as house:
        account = Account("a", regions=("us-east-1",), endpoint_url=house.simulator.url)
        accounts = {"a": account, "b": replace(account, name="b")}
        both = replace(rule(CONNECTION), places=(("a", "us-east-1"), ("b", "us-east-1")))
        async with running(house.simulator, house.config(both, accounts=accounts)) as watch:
            await watch.until(lambda: len(watch.caught.events) == 2)
            first, second = watch.caught.events
            assert first["id"] == second["id"]
            assert {first["source"], second["source"]} == {"/watcher/a/us-east-1", "/watcher/b/us-east-1"}
            assert ":999988887777:connection/" in first["data"]["connection"]["arn"]


@pytest.mark.parametrize(("status", "result"), [("AVAILABLE", CheckResult.OK), ("PENDING", CheckResult.WARNING)])
async def test_a_check_lists_connections_and_warns_of_those_that_are_not_available(
    status: str, result: CheckResult
) -> None:
    async with simulated(scenario(github((0, status)))) as house:
        check = await check_all(config(house), datetime.now(UTC))
        assert [finding.status_of_connection for finding in check.findings] == [status]
        assert check.result is result
        assert [call.operation for call in house.simulator.calls] == ["ListConnections"]


async def test_stacks_and_connections_of_one_endpoint_are_found_side_by_side() -> None:
    async with simulated(scenario(github((0, "ERROR")))) as house:
        both = house.config(rule(CONNECTION), rule(STACK))
        async with running(house.simulator, both) as watch:
            await watch.until(lambda: {each.kind for each in watch.app.view.config.targets} == {CONNECTION, STACK})
            await statuses(watch, "ERROR")
            await watch.polls(3)
