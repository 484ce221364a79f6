"""Nothing is lost by several watchers on one table, however their requests fare: as a state machine.

Hypothesis chooses what the world does, which watcher polls or delivers, what becomes of each of its requests (carried
out or not, answered or not, arriving long after, or twice), and before or after which of them its process ends. No
watcher holds a lease: each one does everything. The poller's and the workers' own code decides; the oracle is that of
the installed command, to which the whole group is one watcher.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.property.outside import CONFIG, TARGETS, Clock, CrashError, Lanes, Says, World, polls_all, sends_all
from tests.support.broken_tables import OneByOne, unconditional
from tests.support.dynamodb_tables import address, made
from tests.support.event_oracle import Fact, NotConservedError, all_rows, judge, same_as_kept, same_as_rows
from watcher.aws.sessions import Sessions
from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED
from watcher.core.queries import EventQuery
from watcher.delivery.relay import Relay
from watcher.errors import StoreError, Superseded
from watcher.observability.observer import Observers
from watcher.polling.endpoint import Endpoint
from watcher.polling.poller import Poller
from watcher.polling.recorder import Recorder
from watcher.stores.dynamodb.client import Caller, UnknownOutcomeError
from watcher.stores.dynamodb.items import shard_of
from watcher.stores.dynamodb.store import DynamoStore
from watcher.stores.dynamodb.table import Table

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence

    from tests.support.emulators import Emulator
    from watcher.core.state_url import Address


WATCHERS = 3
SHARD = shard_of(TARGETS[0].id)

WRITES = ("TransactWriteItems", "PutItem", "UpdateItem", "DeleteItem")


class Fare(IntEnum):
    """How one request fares."""

    WELL = 0
    UNANSWERED = 1
    LOST = 2
    LATE = 3
    TWICE = 4
    ENDS_BEFORE = 5
    """The process ends before the request is sent ..."""
    ENDS_AFTER = 6
    """... or when it has been carried out."""


which = st.sampled_from(range(len(TARGETS)))
watcher = st.sampled_from(range(WATCHERS))
fares = st.lists(st.sampled_from([*Fare, *[Fare.WELL] * 6]), max_size=12)


class Way:
    """A watcher's way to the table; requests that were late wait in `late`."""

    def __init__(self, real: Caller, late: list[tuple[str, Any]]) -> None:
        self.address = real.address
        self.fares: list[Fare] = []
        self._real = real
        self._late = late

    async def call(self, operation: str, parameters: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        fare = self.fares.pop(0) if self.fares else Fare.WELL
        match fare:
            case Fare.ENDS_BEFORE:
                raise CrashError
            case Fare.LOST | Fare.LATE:
                if fare is Fare.LATE and operation in WRITES:
                    self._late.append((operation, parameters))
                raise UnknownOutcomeError("lost on its way")
            case Fare.TWICE:
                with suppress(StoreError):
                    await self._real.call(operation, parameters, **more)
        told = await self._real.call(operation, parameters, **more)
        if fare is Fare.UNANSWERED:
            raise UnknownOutcomeError("carried out, and not answered")
        if fare is Fare.ENDS_AFTER:
            raise CrashError
        return told

    async def close(self) -> None:
        """The connections are everybody's."""


class Watcher:
    """One process at a time: what it knows ends with it."""

    def __init__(self, group: SeveralWatchers, way: Way) -> None:
        self.way = way
        self._group = group

    async def start(self) -> None:
        self.way.fares = []
        clock = self._group.clock
        self.lanes = Lanes(lambda _: None)
        self.lanes.arrived = self._group.arrived
        self.store = DynamoStore(self._group.address, table=self._group.table_of(self.way))
        self.store._outbox._trusted_seconds = 0.0
        await self.store.open()
        records = await self.store.loaded.load(SHARD)
        self.relay = Relay(self.store, [self.lanes], clock, {"lanes": 1e9})
        self.recorder = Recorder(self.store, clock, self.relay.wake, Observers())
        self.recorder.adopt(records)
        endpoint = Endpoint(TARGETS[0].endpoint, CONFIG.accounts["default"], Sessions(), CONFIG.retry)
        config = replace(CONFIG, sinks=(CONFIG.sinks[1],))
        self.poller = Poller(endpoint, TARGETS, config, self.recorder)

    async def stop(self) -> None:
        await self.store.close()

    async def poll(self, polled: Sequence[int]) -> None:
        await polls_all(self.recorder, map(self._poll_one, polled))

    async def _poll_one(self, at: int) -> None:
        while True:
            with suppress(Superseded):
                await self.poller.results.answered(TARGETS[at], self._group.world.snapshot(at))
                return

    async def deliver(self, says: list[Says]) -> None:
        self.lanes.says = says
        await sends_all(self.relay._workers["lanes"], 50)


class SeveralWatchers(RuleBasedStateMachine):
    """Watchers that may end between any two requests, beside the world that they watch."""

    url = ""
    runner: asyncio.Runner
    real: Caller

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.arrived: list[Any] = []
        self.late: list[tuple[str, Any]] = []
        self.world = World()
        self.must: set[Fact] = set()
        self.runner = asyncio.Runner()
        self.runner.run(self._begin())

    def table_of(self, way: Way) -> Table:
        return Table(self.address, way)  # type: ignore[arg-type]  it calls as the real one does

    @rule(which=which, status=st.sampled_from([IN_PROGRESS, SUCCEEDED, FAILED, FAILED]), again=st.booleans())
    def the_world_goes_on(self, which: int, status: str, again: bool) -> None:  # noqa: FBT001  hypothesis names it
        """An attempt takes a status, or a new one begins."""
        self.world.go_on(which, status, again=again)

    @rule(who=watcher, polled=st.lists(which, min_size=1, unique=True), fares=fares)
    def one_polls(self, who: int, polled: list[int], fares: list[Fare]) -> None:
        told = self.world.facts(polled)
        if self._do([(who, self.watchers[who].poll(polled), fares)]):
            self.must |= told

    @rule(fares=st.lists(fares, min_size=WATCHERS, max_size=WATCHERS))
    def all_poll_at_once(self, fares: list[list[Fare]]) -> None:
        everything = range(len(TARGETS))
        told = self.world.facts(everything)
        if self._do([(who, self.watchers[who].poll(everything), fares[who]) for who in range(WATCHERS)]):
            self.must |= told

    @rule(
        who=watcher,
        fares=fares,
        says=st.lists(st.sampled_from([*set(Says) - {Says.NEVER}, Says.TAKEN, Says.TAKEN]), max_size=6),
        seconds=st.sampled_from([0, 400]),
    )
    def one_delivers(self, who: int, fares: list[Fare], says: list[Says], seconds: int) -> None:
        self.clock.seconds += seconds
        self._do([(who, self.watchers[who].deliver(says), fares)])

    @rule(fares=st.lists(fares, min_size=WATCHERS, max_size=WATCHERS))
    def all_deliver_at_once(self, fares: list[list[Fare]]) -> None:
        self._do([(who, self.watchers[who].deliver([]), fares[who]) for who in range(WATCHERS)])

    @rule(who=watcher, fares=fares)
    def one_looks_again(self, who: int, fares: list[Fare]) -> None:
        """As it does every few seconds."""
        self._do([(who, self.watchers[who].store.loaded.refresh(SHARD), fares)])

    @rule(count=st.integers(1, 3))
    def what_was_late_arrives(self, count: int) -> None:
        arriving, self.late = self.late[:count], self.late[count:]
        self.runner.run(self._arrive(arriving))

    @rule(who=watcher)
    def one_is_started_again(self, who: int) -> None:
        self.runner.run(self._restart(who))

    @invariant()
    def what_has_arrived_is_in_order(self) -> None:
        """At every moment: first arrivals are a subject's events from the first on, without gaps."""
        judge([arrival.event for arrival in self.arrived], must=(), shown=self.world.shown)

    def teardown(self) -> None:
        """A watcher whom nothing disturbs sees the world as it stands and delivers all; then the oracle judges."""
        try:
            everything = list(range(len(TARGETS)))
            self.runner.run(self._restart(0))
            self._do([(0, self.watchers[0].poll(everything), [])])
            self.runner.run(self._arrive(self.late))
            self.runner.run(self._restart(0))
            self._do([(0, self.watchers[0].poll(everything), [])])
            for _ in range(100):
                self.clock.seconds += 400
                self._do([(0, self.watchers[0].deliver([]), [])])
                if not self.runner.run(self.watchers[0].store.waiting()):
                    break
            else:
                raise NotConservedError("something waits for ever")
            self.must |= self.world.facts(everything)
            first = judge([arrival.event for arrival in self.arrived], must=self.must, shown=self.world.shown)
            store = self.watchers[0].store
            numbered = self.runner.run(store.events(EventQuery(limit=100_000, newest=False)))
            kept = [json.loads(event.body) for _, event in numbered]
            same_as_kept(first, kept)
            same_as_rows(kept, self.runner.run(all_rows(store)))
        finally:
            self.runner.run(self._end())
            self.runner.close()

    def _do(self, works: Sequence[tuple[int, Coroutine[Any, Any, Any], list[Fare]]]) -> bool:
        """Let watchers do their work beside each other; whether all came to its end. Whose did not is another then."""
        return self.runner.run(self._all(works))

    async def _all(self, works: Sequence[tuple[int, Coroutine[Any, Any, Any], list[Fare]]]) -> bool:
        for who, _, fares in works:
            self.watchers[who].way.fares = list(fares)
        ended = await asyncio.gather(*map(_ended, (work for _, work, _ in works)))
        for (who, _, _), error in zip(works, ended, strict=True):
            self.watchers[who].way.fares = []
            if isinstance(error, CrashError):
                await self._restart(who)
            elif error is not None and not isinstance(error, StoreError):
                raise error
        return not any(ended)

    async def _begin(self) -> None:
        self.real = Caller(address(self.url, leases=True))
        self.address: Address = await made(self.real.address)
        self.watchers = [Watcher(self, Way(self.real, self.late)) for _ in range(WATCHERS)]
        for each in self.watchers:
            await each.start()

    async def _restart(self, who: int) -> None:
        await self.watchers[who].stop()
        await self.watchers[who].start()

    async def _arrive(self, requests: Sequence[tuple[str, Any]]) -> None:
        for operation, parameters in requests:
            with suppress(StoreError):
                await self.real.call(operation, parameters)

    async def _end(self) -> None:
        for each in self.watchers:
            await each.stop()
        await self.real.close()


async def _ended(work: Coroutine[Any, Any, Any]) -> BaseException | None:
    try:
        await work
    except (CrashError, Exception) as error:  # noqa: BLE001  looked at by whoever asked
        return error
    return None


class Unconditional(SeveralWatchers):
    """Broken: a state is also written over that of another daemon."""

    async def _begin(self) -> None:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr("watcher.stores.dynamodb.commit.prepare", unconditional)
        await super()._begin()

    async def _end(self) -> None:
        self.patch.undo()
        await super()._end()


class InParts(SeveralWatchers):
    """Broken: a state, its events and their deliveries are written one after the other."""

    def table_of(self, way: Way) -> Table:
        return OneByOne(self.address, way)  # type: ignore[arg-type]  it calls as the real one does


def explored(machine: type[SeveralWatchers], url: str, examples: int, steps: int, *, shrink: bool = True) -> None:
    machine.url = url
    phases = [Phase.generate, *([Phase.shrink] if shrink else [])]
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            phases=phases,
            database=None,
            derandomize=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, aws_credentials: None) -> None:
    """Nothing rests for long."""
    for name in (
        "polling.retried_writes.MIN_PAUSE_SECONDS",
        "polling.retried_writes.MAX_PAUSE_SECONDS",
        "delivery.settler.STORE_PAUSE_SECONDS",
        "delivery.worker.STORE_PAUSE_SECONDS",
    ):
        monkeypatch.setattr(f"watcher.{name}", 0.001)


def test_nothing_is_lost_whatever_becomes_of_requests(ministack: Emulator) -> None:
    explored(SeveralWatchers, ministack.url, 6, 20)


@pytest.mark.soak
def test_nothing_is_lost_for_long(ministack: Emulator) -> None:
    explored(SeveralWatchers, ministack.url, 600, 40)


@pytest.mark.parametrize("broken", [Unconditional, InParts])
def test_the_oracle_sees_a_store_that_is_broken(ministack: Emulator, broken: type[SeveralWatchers]) -> None:
    with pytest.raises(NotConservedError):
        explored(seed(3)(broken), ministack.url, 200, 30, shrink=False)  # one that shows both within a few worlds
