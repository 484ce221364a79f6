"""A new sink that is replayed a problem is sent its end: in every store, whenever the incident closes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.conftest import NOW, after
from tests.support.clocks import SetClock
from tests.unit.conftest import a_revision, a_snapshot, an_attempt
from watcher.app.sink_changes import SinkChanges
from watcher.core.by_hand import NOTHING_BY_HAND
from watcher.core.deliveries import DeliveryOutcome, DeliveryState, Limits
from watcher.core.event_types import Severity
from watcher.core.model import FAILED, SUCCEEDED
from watcher.core.mutes import Mute
from watcher.core.ports import Entry
from watcher.core.queries import DeliveryQuery, EventQuery
from watcher.core.settings import Account, Config, Retry
from watcher.core.sink_settings import SinkSettings
from watcher.delivery.incident_history import OPEN_AGAIN, too_late
from watcher.observability.observer import Observers
from watcher.polling.observations import entry_of, observe_answer
from watcher.polling.recorder import Recorder
from watcher.sources.codeconnections import stack
from watcher.stores.dynamodb.store import DynamoStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.dynamodb_tables import Tables
    from watcher.core.events import Event
    from watcher.core.ports import Store
    from watcher.core.state import Record

CLOCK = SetClock()
CLOCK.moment = after(60).timestamp()
NETWORK = stack("default", "us-east-1", "network", stalled_after=1e9)
OUT = SinkSettings("out", "stdout")
NEW = SinkSettings("new", "stdout", min_severity=Severity.ERROR, replay_from=NOW)
CONFIG = Config(
    "watcher.yaml", {"default": Account("default", ("us-east-1",))}, (NETWORK,), Retry(), 3, (OUT,), "", None, 1.0, 1.0
)


class Daemon:
    """What polls record, and a reload of the sinks."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.recorder = Recorder(store, CLOCK, lambda: None, Observers())
        self.config = CONFIG

    async def start(self, *sinks: SinkSettings) -> None:
        """Load the states, and set the sinks; also what a reload does with the latter."""
        await self.load()
        await self.reload(*sinks)

    async def load(self) -> None:
        if self.store.shards is not None:
            for shard in range(self.store.shards.count):
                self.recorder.adopt(await self.store.shards.load(shard))
        else:
            await self.recorder.load([NETWORK.id], lambda *_: [])

    def changes(self) -> SinkChanges:
        relay: Any = None
        return SinkChanges(self.store, relay, self.recorder, CLOCK, None)

    async def reload(self, *sinks: SinkSettings) -> None:
        self.config = replace(self.config, sinks=sinks)
        await self.changes().update_store(sinks)

    def entry(self, number: float, status: str, *mutes: Mute, sha: str = "") -> Entry:
        before, attempt = self.recorder.record_of(NETWORK.id), an_attempt(number, status)
        if sha:
            attempt = replace(attempt, target_revision=a_revision(sha))
        observation, _ = observe_answer(NETWORK, before, a_snapshot(attempt), after(number))
        return entry_of(
            NETWORK.id, before, observation, after(number), labels={}, config=replace(self.config, mutes=mutes),
            traceparent=None, hand=NOTHING_BY_HAND,
        )  # fmt: skip

    async def shows(self, number: float, status: str, *mutes: Mute, sha: str = "") -> None:
        made = self.entry(number, status, *mutes, sha=sha)
        assert await self.recorder.revise([NETWORK.id], lambda _: [made]) == [made]
        self.recorder.records[NETWORK.id] = made.record

    async def becomes(self, record: Record) -> None:
        """Let the state be this one."""
        made = Entry(NETWORK.id, record, follows=self.recorder.record_of(NETWORK.id))
        assert await self.recorder.revise([NETWORK.id], lambda _: [made]) == [made]
        self.recorder.records[NETWORK.id] = record

    async def events(self) -> list[Event]:
        """All that were recorded, the oldest first."""
        return [event for _, event in await self.store.events(EventQuery(newest=False))]

    async def kept_for(self, sink: str) -> list[int]:
        """The sequences of the events that are for a sink."""
        found = await self.store.deliveries(DeliveryQuery(sink=sink))
        events = await self.events()
        return [events.index(each.event) + 1 for each in found]


@pytest.fixture
async def daemon(store: Store) -> Daemon:
    made = Daemon(store)
    await made.start(OUT)
    return made


async def test_a_sink_that_was_replayed_an_open_problem_is_sent_its_end(daemon: Daemon) -> None:
    await daemon.shows(1, FAILED)
    await daemon.shows(2, FAILED)
    await daemon.reload(OUT, NEW)
    await daemon.shows(3, SUCCEEDED, Mute())
    await daemon.shows(4, SUCCEEDED)
    assert await daemon.kept_for("new") == [1, 2, 3]
    assert await daemon.kept_for("out") == [1, 2, 3, 4]


async def test_a_sink_that_was_replayed_a_problem_that_is_over_is_sent_its_end(daemon: Daemon) -> None:
    await daemon.shows(1, FAILED)
    await daemon.shows(2, SUCCEEDED, Mute())
    await daemon.shows(3, SUCCEEDED)
    await daemon.reload(OUT, NEW)
    assert await daemon.kept_for("new") == [1, 2]
    await daemon.shows(4, FAILED)
    assert await daemon.kept_for("new") == [1, 2, 4]


async def test_what_a_returned_sink_is_replayed_of_an_earlier_incident_does_not_close_its_open_alert(
    daemon: Daemon,
) -> None:
    await daemon.shows(1, FAILED)
    await daemon.shows(2, SUCCEEDED)
    await daemon.reload(OUT, replace(NEW, replay_from=None))
    await daemon.shows(3, FAILED)
    (opening,) = await daemon.store.due("new", 10)
    await daemon.store.settle([DeliveryOutcome(opening, DeliveryState.SENT, "ok")], after(3))
    await daemon.reload(OUT)
    await daemon.reload(OUT, NEW)
    replayed, limits = await daemon.store.due("new", 10), Limits(ends_last=True, by_subject=True)
    assert [await too_late(each, limits, daemon.store) for each in replayed] == [OPEN_AGAIN, OPEN_AGAIN]


class Between:
    """Does something once, after a call of a method of a store."""

    def __init__(self, store: Store, method: str, step: Callable[[], Awaitable[None]]) -> None:
        self.calls = 0
        original = getattr(store, method)

        async def altered(*arguments: Any) -> Any:
            result = await original(*arguments)
            self.calls += 1
            if self.calls == 1:
                await step()
            return result

        setattr(store, method, altered)


async def test_the_end_is_sent_if_the_incident_closes_after_the_history_was_read(daemon: Daemon) -> None:
    await daemon.shows(1, FAILED)
    end = daemon.entry(2, SUCCEEDED)

    async def closes() -> None:
        await daemon.store.commit([end], after(2))
        daemon.recorder.records[NETWORK.id] = end.record

    Between(daemon.store, "replay", closes)
    await daemon.reload(OUT, NEW)
    assert await daemon.kept_for("new") == [1, 2]


async def test_the_end_is_sent_if_another_daemon_closes_the_incident_after_its_state_was_read(tables: Tables) -> None:
    address = await tables()
    ours, theirs = (Daemon(DynamoStore(address)) for _ in range(2))
    try:
        for each in (ours, theirs):
            await each.store.open()
            await each.start(OUT)
        await ours.shows(1, FAILED)
        theirs.recorder.adopt(await theirs.store.reload([NETWORK.id]))
        end = theirs.entry(2, SUCCEEDED)

        async def closes() -> None:
            await theirs.store.commit([end], after(2))

        Between(ours.store, "reload", closes)
        await ours.reload(OUT, NEW)
        assert await ours.kept_for("new") == [1, 2]
    finally:
        await ours.store.close()
        await theirs.store.close()
