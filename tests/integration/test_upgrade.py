"""State that was written before there were incidents goes on without a false event, and the ends are sent.

The daemon starts with a SQLite file or a table of an earlier version (`data/README.md`), and the world as it was then.
"""

from __future__ import annotations

import gzip
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.conftest import Watch, a_config, a_stack, running
from tests.integration.test_discovery import rule
from tests.support.simulator import Simulator, attempt
from watcher.core.event_ids import incident_id
from watcher.core.event_types import Severity
from watcher.core.model import Target
from watcher.core.queries import EventQuery
from watcher.core.settings import Account, RateLimit
from watcher.core.sink_settings import SinkSettings
from watcher.simulator.inventory import Connection
from watcher.simulator.scenario import Scenario
from watcher.simulator.subject import Blocker, Span
from watcher.sources.codeconnections import CONNECTION

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.dynamodb_tables import Tables
    from tests.support.emulators import Emulator

DATA = Path(__file__).parent / "data"
BEGUN = datetime(2026, 11, 29, 8, tzinfo=UTC).timestamp()
HEALTHY, FAILING, RECOVERED, BLOCKED, GONE = (
    a_stack(name, labels={"team": name}) for name in ("healthy", "failing", "recovered", "blocked", "gone")
)
STALLED = a_stack("stalled", stalled_after=1.0, labels={"team": "stalled"})
FAR = replace(a_stack("far"), region="eu-west-1")
TARGETS = (HEALTHY, FAILING, RECOVERED, BLOCKED, GONE, STALLED, FAR)
GITHUB = "default/us-east-1/connection/ccfb7cde-d239-5720-ac9e-700f190ce1c0"
PROBLEMS = {
    FAILING.id: ("failed",),
    STALLED.id: ("stalled",),
    BLOCKED.id: ("failed", "blocked"),
    GONE.id: ("unreadable",),
    "default/eu-west-1/codeconnections": ("unreadable",),
    GITHUB: ("unavailable",),
}


def github(status: str) -> Connection:
    return Connection("github", statuses=((0, status),))


def show(simulator: Simulator, target: Target, status: str, minute: int) -> None:
    simulator.world.show(target, attempt(target, status, BEGUN + 60 * minute))


@asynccontextmanager
async def the_world_as_it_was() -> AsyncIterator[Simulator]:
    simulator = Simulator(Scenario("a test", connections=(github("PENDING"),)))
    await simulator.start()
    for target in TARGETS:
        show(simulator, target, "SUCCEEDED", 0)
    for target, status, minute in (
        (RECOVERED, "SUCCEEDED", 2),
        (STALLED, "IN_PROGRESS", 3),
        (BLOCKED, "FAILED", 3),
        (FAILING, "FAILED", 4),
    ):
        show(simulator, target, status, minute)
    simulator.world.change(BLOCKED, blockers=(Blocker(Span(), "no such template", (("pull-request", "42"),)),))
    simulator.world.fault(GONE, "not_found")
    simulator.world.fault(None, "access_denied", region="eu-west-1")
    try:
        yield simulator
    finally:
        await simulator.stop()


@pytest.fixture(params=["sqlite", "dynamodb"])
async def state(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of the earlier version's state."""
    if request.param == "sqlite":
        (tmp_path / "watcher.db").write_bytes(gzip.decompress((DATA / "before_incidents.db.gz").read_bytes()))
        return f"sqlite:///{tmp_path / 'watcher.db'}"
    tables: Tables = request.getfixturevalue("tables")
    ministack: Emulator = request.getfixturevalue("ministack")
    where, client = await tables(), ministack.client("dynamodb")
    for line in (DATA / "before_incidents.jsonl").read_text().splitlines():
        client.put_item(TableName=where.table, Item=json.loads(line))
    return f"dynamodb://{where.table}?region={where.region}&endpoint_url={where.endpoint_url}&leases=off"


async def openings(watch: Watch) -> dict[str, str]:
    """The id of the incident that each problem would have opened, by its subject.

    Without the connection's: the id of its event is made from its ARN, which was not in the state.
    """
    found: dict[str, str] = {}
    for _, event in await watch.app.store.events(EventQuery(newest=False)):
        if event.subject in PROBLEMS.keys() - {GITHUB} and event.type != "watcher.sync.in_progress":
            found.setdefault(event.subject, incident_id(event.id))
    return found


def heal(simulator: Simulator) -> None:
    """End every problem."""
    simulator.world.clear()
    simulator.world.provide(connections=(github("AVAILABLE"),))
    simulator.world.change(BLOCKED, blockers=())
    for target in (FAILING, STALLED, BLOCKED):
        show(simulator, target, "SUCCEEDED", 5)


@pytest.mark.parametrize("filters", [{"min_severity": Severity.ERROR}, {"targets": ("*/another",)}])
async def test_state_of_a_version_without_incidents_goes_on_without_an_event_and_the_ends_are_sent(
    state: str, filters: dict[str, Any]
) -> None:
    """Also to a sink whose filters are changed by the same restart."""
    sinks = (SinkSettings("stdout", "stdout", **filters),)
    async with the_world_as_it_was() as simulator:
        account = Account("default", ("us-east-1", "eu-west-1"), endpoint_url=simulator.url,
                          rate_limit=RateLimit(200, 10))  # fmt: skip
        more: dict[str, Any] = {"accounts": {"default": account}, "discover": (rule(CONNECTION),)}
        config = a_config(simulator.url, TARGETS, state=state, sinks=sinks, state_retention=1e9, **more)
        async with running(simulator, config) as watch:
            await watch.until(lambda: any("Blocker" in call.operation for call in simulator.calls))
            await watch.until(lambda: any(call.operation == "ListConnections" for call in simulator.calls))
            await watch.events(0)
            incidents = {subject: record.incident for subject, record in watch.app.recorder.records.items()}
            opened = {subject: each for subject, each in incidents.items() if each is not None}
            assert {subject: each.problems for subject, each in opened.items()} == PROBLEMS
            expected = await openings(watch)
            assert len(expected) == len(PROBLEMS) - 1
            assert {subject: opened[subject].id for subject in expected} == expected
            heal(simulator)
            ends = await watch.events(len(PROBLEMS))
    assert {event["subject"]: event["data"]["incident"]["id"] for event in ends} == {
        subject: each.id for subject, each in opened.items()
    }
    assert {event["data"]["incident"]["state"] for event in ends} == {"resolved"}
