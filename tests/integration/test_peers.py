"""What the HTTP side of one of several watchers shows of the targets that another one polls."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from tests.integration.conftest import FAST, a_config, at, running
from tests.integration.test_metrics import scrape, value
from tests.integration.test_web_api import hold
from tests.support.fake_daemon import attempt, peeking, serving
from tests.support.simulator import attempt as simulated
from tests.support.waiting import until
from watcher.core.model import FAILED, SUCCEEDED
from watcher.core.settings import Account, Http, RateLimit
from watcher.errors import StoreError
from watcher.observability import backlogs
from watcher.observability.emf import Emf
from watcher.observability.metrics import Metrics
from watcher.sources.codeconnections import stack
from watcher.web import overview
from watcher.web.overview import PeerRecords

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.integration.conftest import Watch
    from tests.support.dynamodb_tables import Gate, Tables
    from tests.support.fake_daemon import Peek, Site
    from tests.support.simulator import Simulator
    from watcher.core.model import Target


TWO_REGIONS = """
stacks:
  - {name: here, region: us-east-1}
  - {name: there, region: eu-west-1}
"""
REGIONS = ("us-east-1", "us-east-2", "us-west-1", "us-west-2", "eu-west-1", "eu-west-2", "eu-north-1", "sa-east-1")


class Reads:
    """Counts reads of all records, each of which fails while `failing`."""

    def __init__(self, peek: Peek) -> None:
        self.count = 0
        self.failing = False
        self._records = peek.reader.records

    async def records(self) -> Any:
        self.count += 1
        if self.failing:
            raise StoreError("the table is throttled")
        return await self._records()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """Another watcher polls `there`, and saw it fail."""
    async with serving(tmp_path, TWO_REGIONS) as site:
        here, there = targets_of(site.peek)
        await site.peek.see(here, attempt(0, "SUCCEEDED"))
        await site.peek.see(there, attempt(1, "FAILED", "boom"))
        moved(site.peek, there)
        yield site


@pytest.fixture
def reads(site: Site, monkeypatch: pytest.MonkeyPatch) -> Reads:
    reads = Reads(site.peek)
    monkeypatch.setattr(site.peek.reader, "records", reads.records)
    return reads


def targets_of(peek: Peek) -> list[Target]:
    return sorted(peek.config.targets, key=lambda target: target.name)


def moved(peek: Peek, target: Target) -> None:
    """Another watcher polls it from now on."""
    peek.away = {target.endpoint}
    peek.records = {subject: record for subject, record in peek.records.items() if subject != target.id}


async def test_another_watchers_target_is_told_as_the_table_has_it(site: Site) -> None:
    here, there = targets_of(site.peek)
    rows = {row["id"]: row for row in (await site.get("/api/targets"))[1]["targets"]}
    assert (rows[here.id]["polled_here"], rows[here.id]["standing"]) == (True, "succeeded")
    told = rows[there.id]
    assert (told["polled_here"], told["standing"], told["note"]) == (False, "failed", "boom")
    assert told["answered_at"] is told["tried_at"] is told["next_poll_at"] is None
    assert (await site.get("/api/status"))[1]["counts"]["not_seen"] == 0
    _, one, _ = await site.get(f"/api/targets/{there.id}")
    hold("/api/targets/{id}", 200, one)
    assert (one["polled_here"], one["attempt"]["status"]) == (False, "FAILED")
    assert "failed" in (await site.get(f"/api/targets/{there.id}/badge.svg"))[1]


async def test_the_table_is_read_once_a_minute_and_only_for_who_asks(site: Site, reads: Reads) -> None:
    known = PeerRecords(site.peek)
    for _ in range(5):
        await known.records()
    assert reads.count == 1
    site.peek.away = set()
    assert await PeerRecords(site.peek).records() is site.peek.records
    assert reads.count == 1, "everything is polled here"


async def test_what_is_missing_in_the_table_is_looked_for_sooner(
    site: Site, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "PEERS_KEPT_INCOMPLETE_SECONDS", 0.0)
    monkeypatch.setattr("watcher.util.single_flight.REST_FACTOR", 0.0)
    _, there = targets_of(site.peek)
    await site.peek.store.forget([there.id], LONG_AGO)
    await site.peek.store.prune(LONG_AGO + timedelta(seconds=1), 9)
    known = PeerRecords(site.peek)
    assert there.id not in await known.records()
    await site.peek.see(there, attempt(2, "SUCCEEDED"))
    moved(site.peek, there)
    assert there.id in await known.records()
    await known.records()
    assert reads.count == 2


async def test_what_goes_elsewhere_stays_as_it_was_seen_last(site: Site, reads: Reads) -> None:
    here, there = targets_of(site.peek)
    known = PeerRecords(site.peek)
    await known.records()
    await site.peek.see(here, attempt(5, "FAILED"))
    last = site.peek.records[here.id]
    await known.records()
    moved(site.peek, here)
    site.peek.away |= {there.endpoint}
    assert (await known.records())[here.id] is last
    assert reads.count == 1


async def test_a_table_that_cannot_be_read_hides_nothing_that_was_known(
    site: Site, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "PEERS_KEPT_SECONDS", 0.0)
    monkeypatch.setattr("watcher.util.single_flight.REST_FACTOR", 0.0)
    known = PeerRecords(site.peek)
    before = await known.records()
    reads.failing = True
    assert await known.records() == before
    assert reads.count == 2
    fresh = await PeerRecords(site.peek).records()
    assert fresh == site.peek.records, "its own are told whatever the table does"


async def test_a_record_older_than_the_events_adds_nothing_to_them(site: Site) -> None:
    _, there = targets_of(site.peek)
    path = f"/api/targets/{there.id}"
    await seen_elsewhere(site.peek, there, "IN_PROGRESS")
    assert (await site.get(path))[1]["attempts"][0]["status"] == "IN_PROGRESS"  # its record is read here, and kept
    await seen_elsewhere(site.peek, there, "SUCCEEDED")
    _, told, _ = await site.get(path)
    assert told["status"] == "IN_PROGRESS"
    latest, first = told["attempts"]
    assert [step["status"] for step in latest["steps"]] == ["IN_PROGRESS", "SUCCEEDED"]
    assert [latest["status"], first["status"]] == ["SUCCEEDED", "FAILED"]


async def seen_elsewhere(peek: Peek, target: Target, status: str) -> None:
    """The other watcher records this status of its second attempt."""
    peek.records = await peek.reader.records()
    await peek.see(target, attempt(7, status))
    moved(peek, target)


async def test_metrics_count_what_is_polled_here(site: Site) -> None:
    peek = site.peek
    peek.records = await peek.reader.records()  # as of a shard that is just let go
    told = await scrape(site.metrics)
    assert value(told, "watcher_targets", kind="stack", status="FAILED") == 0
    assert value(told, "watcher_targets", kind="stack", status="SUCCEEDED") == 1
    assert json.loads(await Emf(peek, "watcher").line())["TargetsFailed"] == 0
    peek.away = set()
    assert value(await scrape(site.metrics), "watcher_targets", kind="stack", status="FAILED") == 1
    assert json.loads(await Emf(peek, "watcher").line())["TargetsFailed"] == 1


async def test_a_table_is_not_asked_at_each_scrape(
    tmp_path: Path, tables: Tables, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlogs, "KEEP_SECONDS", 0.0)
    monkeypatch.setattr("watcher.util.single_flight.REST_FACTOR", 0.0)
    table = await tables()
    state = f"dynamodb://{table.table}?region=us-east-1&endpoint_url={gate.url}"
    async with peeking(tmp_path, TWO_REGIONS, state) as peek:
        metrics = Metrics(peek)
        before = gate.seen.count("Query")
        await scrape(metrics)
        asked = gate.seen.count("Query") - before
        assert asked > 0
        for _ in range(5):
            samples = await scrape(metrics)
        assert gate.seen.count("Query") - before == asked
        assert value(samples, "watcher_outbox_pending", sink="stdout") == 0
        metrics.close()


async def test_two_daemons_on_one_table_each_tell_all_and_count_their_own(
    tables: Tables, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "PEERS_KEPT_INCOMPLETE_SECONDS", 0.1)
    table = await tables()
    targets = [stack("default", region, f"stack-{region}", **FAST) for region in REGIONS]
    for number, target in enumerate(targets):
        simulator.world.show(target, simulated(target, FAILED if number % 2 else SUCCEEDED, at(number / 8)))
    account = Account("default", REGIONS, endpoint_url=simulator.url, rate_limit=RateLimit(200, 10))
    state = f"dynamodb://{table.table}?region=us-east-1&endpoint_url={table.endpoint_url}&term=2s"
    config = a_config(simulator.url, targets, accounts={"default": account}, state=state,
                      http=Http("127.0.0.1", 0))  # fmt: skip
    async with AsyncExitStack() as both:
        http = await both.enter_async_context(aiohttp.ClientSession())
        watches = [await both.enter_async_context(running(simulator, config)) for _ in range(2)]
        await until(lambda: shared_out(watches))
        answered = [await rows_of(http, watch, len(targets)) for watch in watches]
        for rows in answered:
            assert {row["id"]: row["standing"] for row in rows} == {
                target.id: "failed" if number % 2 else "succeeded" for number, target in enumerate(targets)
            }
        here = [{row["id"] for row in rows if row["polled_here"]} for rows in answered]
        assert here[0] | here[1] == {target.id for target in targets}
        assert here[0]
        assert here[1]
        assert not here[0] & here[1]
        for status in ("FAILED", "SUCCEEDED", "NOT_SEEN"):
            counts = [value(await scrape(watch.app.metrics), "watcher_targets", kind="stack", status=status)
                      for watch in watches]  # fmt: skip
            assert sum(map(float, counts)) == {"NOT_SEEN": 0}.get(status, len(targets) / 2), status
        lines = [json.loads(await Emf(watch.app.view, "watcher").line()) for watch in watches]
        assert sum(line["TargetsFailed"] for line in lines) == len(targets) / 2


def shared_out(watches: list[Watch]) -> bool:
    """Whether each watcher polls some targets, both together all, and each of these has been answered."""
    looks = [watch.app.view.endpoints() for watch in watches]
    parts = [set(look) for look in looks]
    tried = all(each.answered for look in looks for each in look.values())
    return tried and all(parts) and not parts[0] & parts[1] and len(parts[0] | parts[1]) == len(REGIONS)


async def rows_of(http: aiohttp.ClientSession, watch: Watch, count: int) -> list[dict[str, Any]]:
    """Wait until every target was seen."""

    async def all_seen() -> list[dict[str, Any]] | None:
        async with http.get(f"{watch.app.web.url}/api/targets") as answer:
            body = await answer.json()
        hold("/api/targets", 200, body)
        assert len(body["targets"]) == count
        return None if any(row["standing"] == "not_seen" for row in body["targets"]) else body["targets"]

    return await until(all_seen)
