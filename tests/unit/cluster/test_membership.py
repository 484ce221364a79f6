"""What a watcher does with the shards that it gains and loses: it polls, records and delivers for no others."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.support.tasks import running
from tests.unit.cluster.leasing import Line, Table
from tests.unit.polling.test_manager import config
from watcher.aws.sessions import Sessions
from watcher.cluster.lease_keeper import Tenure
from watcher.cluster.membership import GainSteps, Membership
from watcher.core.listings import ListingKey
from watcher.core.ports import Entry
from watcher.core.queries import EventQuery
from watcher.core.settings import DiscoverRule
from watcher.core.state import Incident, Record
from watcher.delivery.relay import Relay
from watcher.errors import StoreError
from watcher.observability.daemon_view import TargetStatus
from watcher.observability.observer import Observers
from watcher.polling.manager import PollerManager
from watcher.polling.recorder import Recorder
from watcher.sources.codeconnections import STACK, stack
from watcher.sources.proton import TEMPLATE
from watcher.stores.memory import MemoryStore
from watcher.util.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

PROD, DEV = 1, 2
A, D = "prod/us-east-1/stack/a", "dev/us-east-1/stack/d"
GONE = "prod/us-east-1/stack/gone"
NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
NOT_POLLED = TargetStatus(answered=None, tried=None, next_poll=None, failures=0, polled_here=False)


class Sharded(MemoryStore):
    """Two shards, by account."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: set[int] = set()
        self.refreshed: list[int] = []
        self.count, self.term = 2, 10.0

    def leases(self, me: str) -> Line:
        return Line(Table(), me)

    def shard_of(self, subject: str) -> int:
        return PROD if subject.startswith("prod/") else DEV

    async def load(self, shard: int) -> dict[str, Record]:
        self.loaded.add(shard)
        return {
            subject: record for subject, record in (await self.records()).items() if self.shard_of(subject) == shard
        }

    async def refresh(self, shard: int) -> None:
        self.refreshed.append(shard)

    def unload(self, shard: int) -> None:
        self.loaded.discard(shard)


async def _nothing() -> None:
    pass


NO_STEPS = GainSteps(_nothing, frozenset, _nothing)


class House:
    """A watcher of two accounts, one shard each, without its leases."""

    def __init__(self) -> None:
        clock, observer = SystemClock(), Observers()
        self.config = config()
        self.store = Sharded()
        self.relay = Relay(self.store, [], clock)
        self.recorder = Recorder(self.store, clock, self.relay.wake, observer)
        nothing = replace(self.config, targets=())
        self.polling = PollerManager(nothing, Sessions(), self.recorder)
        self.membership = Membership(
            self.store, Tenure(clock), lambda: self.config, self.polling, self.recorder, self.relay, steps=NO_STEPS
        )

    def polled(self) -> set[str]:
        return {key.account for key in self.polling.endpoint_statuses()}


@asynccontextmanager
async def _living(house: House) -> AsyncIterator[House]:
    try:
        async with running(house.recorder.run()):
            yield house
    finally:
        await house.polling.close()


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with _living(House()) as made:
        yield made


async def test_what_is_gained_is_read_and_polled_and_nothing_else(house: House) -> None:
    await house.store.commit([Entry(A, Record(sequence=3)), Entry(D, Record(sequence=5))], NOW)
    assert house.polled() == set()
    await house.membership.gain([PROD])
    assert house.polled() == {"prod"}
    assert house.recorder.records == {A: Record(sequence=3)}
    assert house.store.loaded == {PROD}
    assert house.polling.target_status(D) == NOT_POLLED


async def test_a_shard_that_cannot_be_read_does_not_keep_others_from_being_gained(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = house.store.load

    async def failing(shard: int) -> dict[str, Record]:
        if shard == DEV:
            raise StoreError("of a later form")
        return await load(shard)

    monkeypatch.setattr(house.store, "load", failing)
    assert await house.membership.gain([PROD, DEV]) == {DEV: "of a later form"}
    assert (house.membership.held, house.polled()) == ({PROD}, {"prod"})


async def test_only_the_daemon_that_gains_a_shard_forgets_its_targets_that_are_not_configured(house: House) -> None:
    elsewhere = "dev/us-east-1/stack/gone"
    await house.store.commit([Entry(each, Record(sequence=1)) for each in (A, GONE, elsewhere)], NOW)
    await house.membership.gain([PROD])
    assert await house.store.forget([A, GONE, elsewhere], NOW) == 2, "the gone one was forgotten before"
    assert house.recorder.records == {A: Record(sequence=1), GONE: Record(sequence=1)}
    await house.membership.lose([PROD])
    assert house.recorder.records == {}


async def test_the_daemon_that_gains_a_shard_reports_a_target_with_an_open_incident_that_left_the_configuration(
    house: House,
) -> None:
    held = Record(sequence=3, incident=Incident("7", NOW, ("failed",)))
    await house.store.commit([Entry(GONE, held)], NOW)
    await house.membership.gain([DEV])
    assert await house.store.events(EventQuery()) == []
    await house.membership.gain([PROD])
    ((_, event),) = await house.store.events(EventQuery())
    assert (event.type, event.subject) == ("watcher.target.removed", GONE)
    assert house.recorder.records == {GONE: Record(sequence=4)}


async def test_a_target_that_leaves_the_configuration_while_its_shard_is_gained_is_reported(house: House) -> None:
    held = Record(sequence=3, incident=Incident("7", NOW, ("failed",)))
    await house.store.commit([Entry(each, held) for each in (A, GONE)], NOW)
    forget = house.recorder.forget

    async def reload(subjects: Collection[str]) -> None:
        house.config = replace(house.config, targets=tuple(each for each in house.config.targets if each.id != A))
        assert house.membership.mine([A]) == []
        await forget(subjects)

    house.recorder.forget = reload  # type: ignore[method-assign]
    await house.membership.gain([PROD])
    events = [event for _, event in await house.store.events(EventQuery())]
    assert {(event.type, event.subject) for event in events} == {
        ("watcher.target.removed", GONE), ("watcher.target.removed", A),
    }  # fmt: skip


async def test_calls_of_the_daemon_that_polled_before_count_in_the_rate(house: House) -> None:
    await house.membership.gain([PROD])
    (rate_limiter,) = house.polling._rate_limiters.values()
    assert rate_limiter._wait() > 0.9


async def test_what_is_lost_is_polled_no_more_and_not_known_but_still_kept(house: House) -> None:
    await house.store.commit([Entry(A, Record(sequence=3)), Entry(D, Record(sequence=5))], NOW)
    await house.membership.gain([PROD, DEV])
    await house.membership.lose([PROD])
    assert house.polled() == {"dev"}
    assert house.recorder.records == {D: Record(sequence=5)}
    assert house.store.loaded == {DEV}
    assert set(await house.store.records()) == {A, D}


async def test_what_was_seen_before_a_shard_is_given_back_is_kept_first(house: House) -> None:
    await house.membership.gain([PROD])
    recording = asyncio.create_task(house.recorder.record(Entry(A, Record(sequence=4))))
    await asyncio.sleep(0)
    await house.membership.wind_down(PROD)
    await recording
    assert await house.store.records() == {A: Record(sequence=4)}
    assert A not in house.recorder.records


async def test_a_shard_is_not_given_back_while_a_call_is_under_way(house: House) -> None:
    await house.membership.gain([PROD])
    endpoint = next(iter(house.polling.endpoints.values()))
    with endpoint._under_way:
        giving = asyncio.create_task(house.membership.wind_down(PROD))
        with endpoint._under_way:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0)
        assert house.polled() == set()
        assert not giving.done()
    await giving
    assert house.store.loaded == set()


async def test_a_reload_reaches_what_is_held_only(house: House) -> None:
    await house.membership.gain([DEV])
    house.config = config(("{name: d, account: dev}", "{name: e, account: dev}"))
    house.polling.reconfigure(house.membership.restricted(house.config))
    assert house.polled() == {"dev"}
    assert house.membership.mine([A, D]) == [D]


async def test_what_an_operator_changed_is_looked_at_again(house: House) -> None:
    await house.membership.gain([PROD])
    await house.membership.refresh([PROD])
    assert house.store.refreshed == [PROD]


async def test_a_daemon_makes_only_the_listings_of_its_shards(house: House) -> None:
    everywhere = (("prod", "us-east-1"), ("dev", "us-east-1"))
    rules = (DiscoverRule((STACK,), everywhere), DiscoverRule((TEMPLATE,), everywhere[1:]))
    house.config = replace(house.config, targets=(), discover=rules)
    await house.membership.gain([PROD])
    assert house.membership.restricted(house.config).listings.keys() == {ListingKey("prod", "us-east-1", "stack")}
    assert house.polled() == {"prod"}
    await house.membership.gain([DEV])
    assert house.membership.restricted(house.config).listings.keys() == house.config.listings.keys()
    await house.membership.lose([PROD, DEV])
    assert house.polled() == set()


async def test_what_others_have_discovered_is_known_before_anything_is_forgotten(house: House) -> None:
    found = stack("prod", "us-east-1", "gone", found={}, discovered=True)

    async def refresh() -> None:
        house.config = replace(house.config, targets=(*house.config.targets, found))

    membership = Membership(
        house.store, Tenure(SystemClock()), lambda: house.config, house.polling, house.recorder, house.relay,
        steps=replace(NO_STEPS, refresh=refresh),
    )  # fmt: skip
    await house.store.commit([Entry(GONE, Record(sequence=4))], NOW)
    await membership.gain([PROD])
    assert house.recorder.records == {GONE: Record(sequence=4)}
    assert await house.store.records() == {GONE: Record(sequence=4)}
    assert house.polling.target_status(GONE) != NOT_POLLED


async def test_what_sinks_are_owed_is_requeued_before_a_gained_shard_counts_as_held(house: House) -> None:
    seen: list[tuple[set[int], frozenset[int]]] = []

    async def catch_up() -> None:
        seen.append((set(house.store.loaded), membership.held))
        if len(seen) == 1:
            raise StoreError("no answer")

    membership = Membership(
        house.store, Tenure(SystemClock()), lambda: house.config, house.polling, house.recorder, house.relay,
        steps=replace(NO_STEPS, catch_up=catch_up),
    )  # fmt: skip
    with pytest.raises(StoreError):
        await membership.gain([PROD])
    assert membership.held == set()
    await membership.gain([PROD])
    assert membership.held == {PROD}
    assert seen == 2 * [({PROD}, frozenset())]
