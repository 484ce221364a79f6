"""With a problem that an operator requeues, a sink is sent the end of its incident: in every store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.conftest import after, refused, sent
from tests.contract.test_dropped_problems import outbox_of
from tests.contract.test_replay import OUT, Daemon
from watcher.cli.incident_ends import requeue_ends
from watcher.core.deliveries import DeliveryState, Limits
from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED
from watcher.core.queries import DeliveryQuery
from watcher.core.sink_settings import SinkSettings
from watcher.delivery.incident_history import LATER_STATUS, too_late

if TYPE_CHECKING:
    from watcher.core.ports import Store

OPS = SinkSettings("ops", "stdout")


@pytest.fixture
async def daemon(store: Store) -> Daemon:
    made = Daemon(store)
    await made.start(OUT, OPS)
    return made


async def refuses(daemon: Daemon, *sinks: str) -> None:
    """The sinks refuse all that waits for them."""
    for sink in sinks:
        await daemon.store.settle([refused(each) for each in await daemon.store.due(sink, 10)], after(5))


async def requeues(daemon: Daemon, number: int, *sinks: str) -> int:
    """Requeue the n-th event for sinks; return how many ends are requeued with it."""
    event, outbox = (await daemon.events())[number - 1], outbox_of(daemon.store)
    for sink in sinks:
        assert await outbox.requeue([event.id], sink, after(50)) == 1
    return await requeue_ends(outbox, {event.id: sinks}, after(50))


async def waiting(daemon: Daemon) -> list[tuple[str, str]]:
    found = await daemon.store.deliveries(DeliveryQuery([DeliveryState.WAITING]))
    return [(each.sink, each.event.type.removeprefix("watcher.sync.")) for each in found]


async def test_the_end_is_requeued_with_a_problem_for_the_same_sinks(daemon: Daemon) -> None:
    for number, status in enumerate((FAILED, FAILED, SUCCEEDED, FAILED, SUCCEEDED)):
        await daemon.shows(number, status)
    await refuses(daemon, "ops", "out")
    assert await requeues(daemon, 1, "ops") == 1
    assert await waiting(daemon) == [("ops", "failed"), ("ops", "succeeded")]
    assert await requeues(daemon, 4, "ops", "out") == 2
    assert (await waiting(daemon))[-2:] == [("out", "failed"), ("out", "succeeded")]


async def test_no_end_is_requeued_with_another_event_or_while_the_incident_is_open_or_after_it_was_sent(
    daemon: Daemon,
) -> None:
    await daemon.shows(1, FAILED)
    await daemon.shows(2, FAILED)
    await refuses(daemon, "ops")
    assert await requeues(daemon, 1, "ops") == 0
    await daemon.shows(3, SUCCEEDED)
    await daemon.store.settle([sent((await daemon.store.due("ops", 10))[-1])], after(6))
    assert await requeues(daemon, 2, "ops") == 0
    await daemon.shows(4, SUCCEEDED)
    await refuses(daemon, "ops")
    assert await requeues(daemon, 4, "ops") == 0


async def test_an_event_of_a_commit_is_too_late_only_once_a_later_one_of_the_same_commit_was_sent(
    daemon: Daemon,
) -> None:
    limits = Limits(by_commit=True)

    async def reasons() -> list[str | None]:
        return [await too_late(each, limits, daemon.store) for each in await daemon.store.due("ops", 10)]

    await daemon.shows(1, SUCCEEDED, sha="a")
    await daemon.shows(2, IN_PROGRESS, sha="b")
    await refuses(daemon, "ops")
    step = (await daemon.events())[-1]
    assert await daemon.store.requeue([step.id], "ops", after(50)) == 1
    assert await reasons() == [None]
    await daemon.shows(3, IN_PROGRESS, sha="c")
    await daemon.shows(4, SUCCEEDED, sha="b")
    _, other, later = await daemon.store.due("ops", 10)
    await daemon.store.settle([sent(other)], after(6))
    assert await reasons() == [None, None]
    await daemon.store.settle([refused(later)], after(7))
    assert await reasons() == [None]
    await daemon.shows(5, FAILED, sha="b")
    await daemon.store.settle([sent((await daemon.store.due("ops", 10))[-1])], after(8))
    assert await reasons() == [LATER_STATUS]
    assert [each.event for each in await daemon.store.due("ops", 10)] == [step]
