"""A sink from which an operator dropped every problem of an incident is not sent its end: in every store."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.contract.conftest import NOW, after, sent
from tests.contract.test_replay import NETWORK, OUT, Daemon
from watcher.cli.incident_ends import drop_ends
from watcher.core.deliveries import DeliveryState
from watcher.core.event_types import Severity
from watcher.core.model import FAILED, SUCCEEDED
from watcher.core.queries import DeliveryQuery
from watcher.core.sink_settings import SinkSettings
from watcher.core.state import Incident
from watcher.polling import notified_sinks
from watcher.stores.dynamodb.operator_outbox import DynamoOutbox
from watcher.stores.dynamodb.store import DynamoStore
from watcher.stores.sqlite.store import SqliteOutbox

if TYPE_CHECKING:
    import pytest

    from watcher.core.ports import Outbox, Store

OPS = SinkSettings("ops", "stdout", min_severity=Severity.ERROR)
ALL = SinkSettings("all", "stdout")


def outbox_of(store: Store) -> Outbox:
    """An operator's access to a store."""
    if isinstance(store, DynamoStore):
        return DynamoOutbox(store.table.address, table=store.table)
    made = SqliteOutbox.__new__(SqliteOutbox)
    made.database = store.database  # type: ignore[attr-defined]
    return made


async def drops(daemon: Daemon, number: int, sink: str | None = None) -> list[str]:
    """Drop the deliveries of the n-th event; return to which sinks its end is not sent either."""
    event = (await daemon.events())[number - 1]
    outbox = outbox_of(daemon.store)
    assert await outbox.drop(event.id, sink, after(50))
    return await drop_ends(outbox, daemon.config, event.id, after(50))


async def test_the_end_of_a_problem_that_was_dropped_is_sent_only_by_a_sinks_own_filters(store: Store) -> None:
    daemon = Daemon(store)
    await daemon.start(OUT, OPS, ALL)
    await daemon.shows(1, FAILED)
    assert await drops(daemon, 1) == []
    await daemon.shows(2, SUCCEEDED)
    assert await daemon.kept_for("ops") == [1]
    assert await daemon.kept_for("all") == [1, 2]


async def test_a_problem_that_was_sent_before_or_after_the_one_that_was_dropped_is_followed_by_the_end(
    store: Store,
) -> None:
    daemon = Daemon(store)
    await daemon.start(OUT, OPS)
    for number in (1, 2, 3):
        await daemon.shows(number, FAILED)
    await store.settle([sent((await store.due("ops", 1))[0])], after(4))
    await drops(daemon, 2)
    await drops(daemon, 3)
    await daemon.shows(5, SUCCEEDED)
    assert await daemon.kept_for("ops") == [1, 2, 3, 4]


async def test_an_end_that_waits_is_dropped_with_the_last_problem_of_its_incident(store: Store) -> None:
    daemon = Daemon(store)
    await daemon.start(OUT, OPS, ALL)
    await daemon.shows(1, FAILED)
    await daemon.shows(2, FAILED)
    await daemon.shows(3, SUCCEEDED)
    assert await drops(daemon, 2) == []
    assert await drops(daemon, 1) == ["ops"]
    waiting = await store.deliveries(DeliveryQuery([DeliveryState.WAITING]))
    assert {each.sink for each in waiting} == {"out", "all"}


async def test_the_sinks_that_were_sent_an_incident_are_those_that_have_deliveries_of_its_problems(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notified_sinks, "MAX_EVENTS", 1)
    daemon = Daemon(store)
    await daemon.start(OUT, OPS)
    await daemon.shows(1, FAILED)
    await daemon.reload(OUT, ALL)
    await daemon.shows(2, FAILED)
    await drops(daemon, 2, "out")
    incident = daemon.recorder.record_of(NETWORK.id).incident
    assert incident is not None
    assert sorted(await notified_sinks.read_notified_sinks(store, NETWORK.id, incident) or ()) == ["all", "ops", "out"]
    assert await notified_sinks.read_notified_sinks(store, NETWORK.id, replace(incident, opened_at=after(100))) is None


async def test_the_sinks_that_were_sent_an_incident_are_noted_before_other_filters_apply(store: Store) -> None:
    daemon = Daemon(store)
    await daemon.start(OUT, OPS)
    await daemon.shows(1, FAILED)
    earlier = daemon.recorder.record_of(NETWORK.id)
    assert earlier.incident is not None
    unknown = replace(earlier, incident=Incident(earlier.incident.id, earlier.incident.opened_at, ("failed",)))
    await daemon.becomes(unknown)
    await daemon.reload(OUT, replace(OPS, targets=("*/another",)))
    await daemon.shows(2, SUCCEEDED)
    assert await daemon.kept_for("ops") == [1, 2]


async def test_a_sink_that_comes_back_with_a_replay_is_not_sent_the_end_of_what_was_dropped(store: Store) -> None:
    daemon = Daemon(store)
    await daemon.start(OUT, OPS)
    await daemon.shows(1, FAILED)
    await drops(daemon, 1, "ops")
    await daemon.shows(2, SUCCEEDED)
    await daemon.reload(OUT)
    await daemon.reload(OUT, replace(OPS, replay_from=NOW))
    assert await daemon.kept_for("ops") == [1]
