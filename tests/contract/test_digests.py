"""A digest is recorded once for each time at which it is due, over restarts and by one of several daemons."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from tests.contract.conftest import event
from tests.support.clocks import SetClock
from tests.support.fake_daemon import STACKS, Peek, config_of
from tests.support.tasks import running
from watcher.cli.running import opened
from watcher.core.attempts import SeenAttempt
from watcher.core.by_hand import HandMute
from watcher.core.digest import DIGEST_SUBJECT, Digest
from watcher.core.history import AttemptRow, IncidentRow
from watcher.core.model import FAILED
from watcher.core.mutes import Mute
from watcher.core.ports import Entry
from watcher.core.queries import DeliveryQuery, EventQuery
from watcher.core.state import Incident, Outage, Record
from watcher.observability.daemon_view import TargetStatus
from watcher.observability.observer import Observer
from watcher.polling.digests import DigestRecorder
from watcher.polling.recorder import Recorder
from watcher.stores.dynamodb.store import DynamoStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from tests.support.dynamodb_tables import Tables
    from watcher.core.ports import Store
    from watcher.core.settings import Config

MONDAY = datetime(2026, 11, 23, 7, tzinfo=UTC)
"""08:00 in Berlin."""

WEEKLY = Digest(("chat", "removed"), time(8), ("mon",), ZoneInfo("Europe/Berlin"))
SHOP = "default/us-east-1/stack/shop"


def config() -> Config:
    made = config_of(
        f"{STACKS}\nsinks: [{{name: chat, type: stdout}}, {{name: other, type: file, path: x}}]", "memory://"
    )
    return replace(made, digest=WEEKLY)


class Daemon:
    """A daemon without polls, at a time that a test sets."""

    def __init__(self, store: Store, started: datetime = MONDAY - timedelta(days=30)) -> None:
        self.clock = SetClock()
        self.store, self.config = store, config()
        self.recorder = Recorder(store, self.clock, lambda: None, Observer())
        self.view = Peek(self.config, store, store, self.clock, started)
        self.digests = DigestRecorder(self.view, self.recorder, list)

    @asynccontextmanager
    async def living(self) -> AsyncIterator[Daemon]:
        await self.recorder.load(self.config.subjects, lambda _records, _gone: [])
        self.view.records = self.recorder.records
        async with running(self.recorder.run()):
            yield self

    async def look(self, moment: datetime, digest: Digest = WEEKLY) -> None:
        self.clock.moment = moment.timestamp()
        await self.digests.record_due(self.config, digest)


async def recorded(store: Store) -> Sequence[dict[str, Any]]:
    return [json.loads(each.body) for _, each in await store.events(EventQuery(types=["watcher.digest"]))]


def period_of(event: Mapping[str, Any]) -> tuple[str, str, int]:
    return event["data"]["digest"]["since"], event["data"]["digest"]["due"], event["data"]["sequence"]


async def test_a_digest_is_recorded_once_for_each_due_time_also_over_restarts(store: Store) -> None:
    for moment in (-60, -1, 0, 1):
        async with Daemon(store).living() as daemon:
            await daemon.look(MONDAY + timedelta(seconds=moment))
            await daemon.look(MONDAY + timedelta(seconds=moment))
    (first,) = await recorded(store)
    assert (first["subject"], first["time"]) == (DIGEST_SUBJECT, "2026-11-23T07:00:00Z")
    assert period_of(first) == ("2026-11-23T06:59:00Z", "2026-11-23T07:00:00Z", 1)
    async with Daemon(store).living() as daemon:  # three weeks later: two were due while no daemon ran
        await daemon.look(MONDAY + timedelta(days=16))
        await daemon.look(MONDAY + timedelta(days=17))
    _, second = await recorded(store)
    assert period_of(second) == ("2026-11-23T07:00:00Z", "2026-12-07T07:00:00Z", 2)
    assert {each.sink for each in await store.deliveries(DeliveryQuery())} == {"chat"}, "whatever the filters say"


async def test_the_first_daemon_with_a_digest_does_not_send_an_earlier_one(store: Store) -> None:
    async with Daemon(store).living() as daemon:
        await daemon.look(MONDAY + timedelta(hours=1))
        await daemon.look(MONDAY + timedelta(days=6))
        assert await recorded(store) == []
        await daemon.look(MONDAY + timedelta(days=7))
    assert len(await recorded(store)) == 1


async def test_a_changed_schedule_sends_none_at_once_and_the_next_one_counts_since_the_last(store: Store) -> None:
    hour, later = timedelta(hours=1), replace(WEEKLY, at=time(10))
    async with Daemon(store).living() as daemon:
        await daemon.look(MONDAY - hour)
        await daemon.look(MONDAY)
        await daemon.look(MONDAY + 4 * hour, later)  # which was due two hours before
        await daemon.look(MONDAY + 4 * hour, later)
        assert len(await recorded(store)) == 1
        await daemon.look(MONDAY + timedelta(days=7), later)
        assert len(await recorded(store)) == 1
        await daemon.look(MONDAY + timedelta(days=7, hours=2), later)
    _, second = await recorded(store)
    assert period_of(second) == ("2026-11-23T07:00:00Z", "2026-11-30T09:00:00Z", 2)


async def test_a_daemon_that_has_just_started_reads_its_targets_before_it_records_a_digest(store: Store) -> None:
    async with Daemon(store).living() as daemon:
        await daemon.look(MONDAY - timedelta(hours=1))
    async with Daemon(store, started=MONDAY).living() as daemon:
        daemon.view.looks = {each.id: TargetStatus(MONDAY, MONDAY, None, 0) for each in daemon.config.targets}
        daemon.view.looks[SHOP] = TargetStatus(None, MONDAY, None, 1)
        await daemon.look(MONDAY + timedelta(minutes=10))
        assert await recorded(store) == []
        outage = Record(outage=Outage(MONDAY, "ResourceNotFoundException", "gone", 3))
        await daemon.recorder.record(Entry(SHOP, outage))
        daemon.view.records = daemon.recorder.records
        await daemon.look(MONDAY + timedelta(minutes=10))
        assert len(await recorded(store)) == 1
    async with Daemon(store, started=MONDAY + timedelta(days=7)).living() as daemon:
        await daemon.look(MONDAY + timedelta(days=7, minutes=11))
    assert len(await recorded(store)) == 2, "it waits for ten minutes at most"


async def test_a_digest_says_what_is_open_and_what_happened_since_the_last_one(store: Store) -> None:
    hour = timedelta(hours=1)
    attempts = [SeenAttempt(MONDAY - hour * number, FAILED) for number in (1, 2, 200)]
    attempts += [SeenAttempt(MONDAY - 7 * 24 * hour - timedelta(seconds=each), FAILED, 99.0) for each in (98, 100)]
    rows = [AttemptRow(SHOP, each) for each in attempts]
    ended = IncidentRow(SHOP, "7" * 32, MONDAY - 5 * hour, MONDAY - 4 * hour)
    async with Daemon(store).living() as daemon:
        await daemon.look(MONDAY - timedelta(days=7))
        opened = Record(incident=Incident("8" * 32, MONDAY - 3 * hour, ("failed",)), sequence=1)
        entry = Entry(SHOP, opened, [(event(1, SHOP), ())], history=[*rows, ended])
        await daemon.recorder.record(entry)
        await store.add_mute(HandMute("1" * 32, ("dev/*",), (), MONDAY - hour, MONDAY + hour, "a move", "me"))
        daemon.config = replace(daemon.config, mutes=(Mute(("prod/*",)), Mute(until=MONDAY)))
        daemon.view.records = daemon.recorder.records
        await daemon.look(MONDAY)
    (made,) = await recorded(store)
    digest = made["data"]["digest"]
    assert made["data"]["message"] == "1 open incident, 2 targets."
    assert digest["watched"] == {
        "targets": 2, "endpoints": 1, "kinds": {"stack": 2}, "statuses": {"not_seen": 2},
    }  # fmt: skip
    assert digest["incidents"] == [
        {"subject": SHOP, "problems": ["failed"], "opened_at": "2026-11-23T04:00:00Z", "age_seconds": 10800.0}
    ]
    assert (digest["well"], digest["open"], digest["syncs"], digest["failed"]) == (False, 1, 3, 3)
    assert digest["failures"] == [{"subject": SHOP, "count": 3}]
    assert [each["duration_seconds"] for each in digest["recoveries"]] == [3600.0]
    assert [(each["targets"], each["until"], each["reason"]) for each in digest["mutes"]] == [
        (["prod/*"], None, None), (["dev/*"], "2026-11-23T08:00:00Z", "a move"),
    ]  # fmt: skip


async def test_of_two_daemons_on_a_table_one_records_the_digest(tables: Tables) -> None:
    address = await tables()
    async with opened(DynamoStore(address)) as first, opened(DynamoStore(address)) as second:
        async with Daemon(first).living() as one, Daemon(second).living() as other:
            await one.look(MONDAY - timedelta(days=1))
            await other.look(MONDAY - timedelta(days=1))
            await asyncio.gather(one.look(MONDAY), other.look(MONDAY))
            await asyncio.gather(one.look(MONDAY), other.look(MONDAY))
        assert len(await recorded(first)) == 1
        assert len(await first.deliveries(DeliveryQuery())) == 1
