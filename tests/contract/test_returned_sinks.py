"""A sink that was removed and comes back is sent the ends of what it was sent before: in every store."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.contract.conftest import after, refused, sent
from tests.contract.test_replay import CLOCK, NETWORK, OUT, Daemon
from watcher.cli.running import opened
from watcher.core.deliveries import DeliveryOutcome, DeliveryState
from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED
from watcher.core.mutes import Mute
from watcher.core.queries import DeliveryQuery
from watcher.core.sink_settings import SinkOptions, SinkSettings
from watcher.stores.dynamodb.store import DynamoStore

if TYPE_CHECKING:
    from tests.support.dynamodb_tables import Tables
    from watcher.core.ports import Store

OPS = SinkSettings("ops", "stdout")


class ShowsAttempts(SinkOptions):
    shows_attempts = True


COMMITS = SinkSettings("ops", "github", options=ShowsAttempts())


@pytest.fixture
async def daemon(store: Store) -> Daemon:
    made = Daemon(store)
    await made.start(OUT, OPS)
    return made


async def waiting(daemon: Daemon) -> list[str]:
    """The types of the events that wait for the sink, in their order."""
    query = DeliveryQuery([DeliveryState.WAITING], sink="ops")
    return [each.event.type.removeprefix("watcher.sync.") for each in await daemon.store.deliveries(query)]


async def settles(daemon: Daemon, outcome: DeliveryOutcome) -> None:
    await daemon.store.settle([outcome], CLOCK.now())


async def test_a_returned_sink_is_sent_the_end_that_came_while_it_was_removed(daemon: Daemon) -> None:
    await daemon.shows(1, FAILED)
    await settles(daemon, sent((await daemon.store.due("ops", 1))[0]))
    await daemon.reload(OUT)
    await daemon.shows(2, SUCCEEDED)
    await daemon.shows(3, IN_PROGRESS)
    await daemon.reload(OUT)
    assert await waiting(daemon) == []
    await daemon.reload(OUT, OPS)
    assert await waiting(daemon) == ["succeeded"]
    (head,) = await daemon.store.lane_heads("ops", after(100), 10)
    await settles(daemon, sent(head))
    await daemon.reload(OUT, OPS)
    assert await waiting(daemon) == []


async def test_a_returned_sink_is_sent_the_problems_that_last(daemon: Daemon) -> None:
    await daemon.shows(1, IN_PROGRESS)
    await daemon.shows(2, FAILED)
    await daemon.reload(OUT)
    assert await waiting(daemon) == []
    await daemon.reload(OUT, OPS)
    assert await waiting(daemon) == ["failed"]


async def test_a_returned_sink_is_sent_no_problem_that_is_over_but_its_end(daemon: Daemon) -> None:
    await daemon.shows(1, FAILED)
    await daemon.reload(OUT)
    await daemon.shows(2, SUCCEEDED)
    await daemon.reload(OUT)
    await daemon.reload(OUT, OPS)
    assert await waiting(daemon) == ["succeeded"]


@pytest.mark.parametrize("returned", [replace(OPS, send_resolved=False), replace(OPS, name="others")])
async def test_a_sink_without_ends_or_of_another_name_is_sent_none(daemon: Daemon, returned: SinkSettings) -> None:
    await daemon.shows(1, FAILED)
    await daemon.reload(OUT)
    await daemon.shows(2, SUCCEEDED)
    await daemon.reload(OUT)
    await daemon.reload(OUT, returned)
    assert await waiting(daemon) == []


async def test_what_the_sink_itself_refused_stays_a_dead_letter(daemon: Daemon) -> None:
    await daemon.shows(1, FAILED)
    await settles(daemon, refused((await daemon.store.due("ops", 1))[0]))
    await daemon.reload(OUT)
    await daemon.reload(OUT, OPS)
    assert NETWORK.id in daemon.recorder.records
    assert await waiting(daemon) == []


async def test_a_returned_sink_that_shows_a_commit_as_pending_is_sent_the_end(daemon: Daemon) -> None:
    await daemon.reload(OUT, COMMITS)
    await daemon.shows(0, SUCCEEDED)
    await daemon.shows(1, IN_PROGRESS)
    await settles(daemon, sent((await daemon.store.due("ops", 1))[0]))
    await daemon.reload(OUT)
    await daemon.shows(1, SUCCEEDED)
    await daemon.shows(2, IN_PROGRESS)
    await daemon.shows(2, SUCCEEDED)
    await daemon.reload(OUT)
    assert await waiting(daemon) == []
    await daemon.reload(OUT, COMMITS)
    assert await waiting(daemon) == ["succeeded"]
    await settles(daemon, sent((await daemon.store.due("ops", 1))[0]))
    await daemon.reload(OUT, COMMITS)
    assert await waiting(daemon) == []


async def test_a_returned_sink_that_had_a_step_of_an_attempt_pending_is_sent_only_the_end(daemon: Daemon) -> None:
    await daemon.reload(OUT, COMMITS)
    await daemon.shows(0, SUCCEEDED)
    await daemon.shows(1, IN_PROGRESS)
    await daemon.reload(OUT)
    await daemon.shows(1, FAILED)
    await daemon.reload(OUT)
    await daemon.reload(OUT, COMMITS)
    assert await waiting(daemon) == ["failed"]


async def test_the_end_of_the_last_attempt_of_a_pending_commit_counts(daemon: Daemon) -> None:
    await daemon.reload(OUT, COMMITS)
    await daemon.shows(0, SUCCEEDED)
    await daemon.shows(1, IN_PROGRESS, sha="a")
    await daemon.reload(OUT)
    await daemon.shows(1, SUCCEEDED, sha="a")
    await daemon.shows(2, IN_PROGRESS, sha="a")
    await daemon.shows(2, FAILED, sha="a")
    await daemon.shows(3, SUCCEEDED, Mute(), sha="b")
    await daemon.reload(OUT, COMMITS)
    assert await waiting(daemon) == ["succeeded", "failed", "succeeded"], "the last one resolves the incident"


async def test_an_attempt_that_ends_after_the_sink_is_back_is_sent_once(daemon: Daemon) -> None:
    await daemon.reload(OUT, COMMITS)
    await daemon.shows(0, SUCCEEDED)
    await daemon.shows(1, IN_PROGRESS)
    await settles(daemon, sent((await daemon.store.due("ops", 1))[0]))
    await daemon.reload(OUT)
    await daemon.reload(OUT, COMMITS)
    await daemon.shows(1, SUCCEEDED, Mute())
    assert await waiting(daemon) == ["succeeded"]


@pytest.mark.parametrize("sink", [OPS, COMMITS])
async def test_a_sink_that_is_back_after_the_retention_is_sent_nothing_that_is_out_of_date(
    daemon: Daemon, sink: SinkSettings
) -> None:
    await daemon.reload(OUT, sink)
    await daemon.shows(1, FAILED)
    await settles(daemon, sent((await daemon.store.due("ops", 1))[0]))
    await daemon.shows(2, IN_PROGRESS)
    await daemon.reload(OUT)
    await daemon.shows(2, SUCCEEDED)
    await daemon.reload(OUT)
    assert await prune_all(daemon) == 3
    await daemon.reload(OUT, sink)
    assert await waiting(daemon) == []
    await daemon.shows(3, FAILED)
    await daemon.shows(4, SUCCEEDED)
    assert await waiting(daemon) == ["failed", "succeeded"]


@pytest.mark.parametrize("sink", [OPS, COMMITS])
async def test_the_end_of_what_outlasts_the_retention_is_sent_to_a_sink_that_is_back(
    daemon: Daemon, sink: SinkSettings
) -> None:
    await daemon.reload(OUT, sink)
    await daemon.shows(1, FAILED)
    await daemon.shows(2, IN_PROGRESS)
    for delivery in await daemon.store.due("ops", 2):
        await settles(daemon, sent(delivery))
    await daemon.reload(OUT)
    assert await prune_all(daemon) == 1, "the failure stays while its incident is open"
    await daemon.reload(OUT, sink)
    assert await waiting(daemon) == []
    await daemon.shows(2, SUCCEEDED, Mute())
    assert await waiting(daemon) == ["succeeded"]


async def prune_all(daemon: Daemon) -> int:
    """Deliver what waits, and prune after the retention has passed; return how many events were deleted."""
    for delivery in await daemon.store.due("out", 100):
        await settles(daemon, sent(delivery))
    return await daemon.store.prune(CLOCK.now() + timedelta(days=31), 100)


async def test_an_end_that_a_daemon_without_the_sink_gave_up_is_sent_by_the_one_that_takes_over(tables: Tables) -> None:
    address = await tables()
    async with opened(DynamoStore(address)) as first, opened(DynamoStore(address)) as second:
        having, lacking = Daemon(first), Daemon(second)
        await having.start(OUT, OPS)
        await having.shows(1, FAILED)
        await settles(having, sent((await first.due("ops", 1))[0]))
        for shard in range(first.loaded.count):
            first.loaded.unload(shard)
        await lacking.start(OUT)
        await lacking.shows(2, SUCCEEDED)
        await lacking.reload(OUT)
        assert await waiting(lacking) == []
        changes = having.changes()
        await changes.restore((OUT, OPS))
        assert await waiting(having) == [], "a shard of another daemon is that one's"
        for shard in range(first.loaded.count):
            await first.loaded.load(shard)
        await changes.restore((OUT, OPS))
        assert await waiting(having) == ["succeeded"]
        assert [each.event.type for each in await first.due("ops", 10)] == ["watcher.sync.succeeded"]
