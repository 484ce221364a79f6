"""A sink that was sent a problem is sent its end, once, and no other sink is by that rule: as a state machine.

Hypothesis chooses what becomes wrong and right again, which sinks there are and how they filter, what is muted, what
receivers answer, and after which transaction the process ends. The poller's, the recorder's and the reload's own code
decides what is recorded; the store is real. The oracle (`tests.support.ends_oracle`) knows nothing of incidents' state:
it reads the recorded events and deliveries, and what receivers have got.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.property.outside import START, Clock, CrashError, polls_all, sends_all
from tests.support.ends_oracle import PROBLEMS, QUIET, MisroutedError, Receivers, is_end_of, judge
from watcher.app.sink_changes import SinkChanges
from watcher.cli.incident_ends import drop_ends
from watcher.core.by_hand import NOTHING_BY_HAND
from watcher.core.deliveries import DeliveryState, Limits, SendOutcome, Verdict
from watcher.core.event_types import Severity
from watcher.core.events import outage_event
from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED, Attempt, Blocker, EndpointKey, Snapshot, Target
from watcher.core.mutes import Mute
from watcher.core.queries import DeliveryQuery, EventQuery
from watcher.core.replays import Replay
from watcher.core.routing import wants_recorded
from watcher.core.settings import Account, Config, Retry
from watcher.core.sink_settings import SinkSettings
from watcher.core.state import Outage
from watcher.delivery import sender
from watcher.delivery.maintenance import Maintenance
from watcher.delivery.relay import Relay
from watcher.errors import Superseded
from watcher.observability.observer import Observers
from watcher.polling import mute_ends, observations
from watcher.polling.mute_ends import release_due
from watcher.polling.observations import Observation, entry_of, observe_answer, observe_recovery
from watcher.polling.recorder import Recorder
from watcher.polling.removals import forget_removed, removal_entries
from watcher.sources.codeconnections import stack
from watcher.stores.memory import MemoryDatabase, MemoryStore
from watcher.stores.sqlite.store import SqliteOutbox

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence
    from datetime import datetime

    from watcher.core.deliveries import Delivery
    from watcher.core.events import Event
    from watcher.core.ports import Entry

TARGETS = tuple(
    stack("default", "us-east-1", name, stalled_after=86400.0, labels={"team": team})
    for name, team in (("a", "x"), ("b", "y"))
)
SUBJECTS: tuple[Target | EndpointKey, ...] = (*TARGETS, TARGETS[0].endpoint)
NAMES = ("one", "two", "three", QUIET)
FILTERS: tuple[dict[str, Any], ...] = (
    {},
    {"min_severity": Severity.ERROR},
    {"events": ("watcher.target.*", "*.blocked")},
    {"targets": ("*/a",)},
    {"labels": {"team": "y"}},
    {"min_severity": Severity.ERROR, "replay_from": START},
    {"replay_from": START},
)
MUTES = ((), (), (Mute(),), (Mute(targets=("*/a",)),), (Mute(events=("*.failed",)),), (Mute(events=("*.succeeded",)),))

sinks_ = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(FILTERS)).map(
    lambda chosen: tuple(
        SinkSettings(name, "webhook", send_resolved=name != QUIET, **filters) for name, filters in chosen.items()
    )
)
which_ = st.sampled_from(range(len(TARGETS)))
any_ = st.sampled_from(SUBJECTS)
crash_ = st.none() | st.integers(1, 6)
"""After how many transactions and sends the process ends, or that it does not."""


class Crashing(MemoryDatabase):
    """Others go on, or the process ends, before and after each transaction."""

    machine: Ends

    async def change(self, *work: Any, **more: Any) -> Any:
        await asyncio.sleep(0)
        self.machine.step()
        result = await super().change(*work, **more)
        self.machine.step()
        await asyncio.sleep(0)
        return result


class Operator(SqliteOutbox):
    def __init__(self, database: MemoryDatabase) -> None:
        self.database = database


class Alerts:
    """A receiver with one alert for a subject, which answers as `says` does, and then takes everything."""

    limits = Limits(parallel=2, ends_last=True, by_subject=True)

    def __init__(self, name: str, machine: Ends, says: list[Verdict]) -> None:
        self.name, self._machine, self._says = name, machine, says

    async def send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        (delivery,) = deliveries
        said = self._says.pop() if self._says else Verdict.TAKEN
        self._machine.step()
        if said is Verdict.TAKEN:
            self._machine.receivers.arrived(self.name, delivery)
        self._machine.step()
        return [SendOutcome(delivery, said, said)]

    async def close(self) -> None:
        """Nothing is open."""


class Ends(RuleBasedStateMachine):
    """A daemon, its configuration, and what happens around it."""

    def __init__(self) -> None:
        super().__init__()
        self.runner, self.clock, self.store = asyncio.Runner(), Clock(), MemoryStore()
        database = Crashing()
        database.machine = self
        self.store.database = database
        self.left: int | None = None
        self.minute = 0
        self.last: dict[int, Attempt] = {}
        """The latest attempt of each target that a poll has shown."""
        self.receivers = Receivers()
        self.config = Config(
            "watcher.yaml", {"default": Account("default", ("us-east-1",))}, TARGETS, Retry(), 3,
            (SinkSettings("one", "webhook"), SinkSettings("two", "webhook", min_severity=Severity.ERROR)),
            "", None, 1.0, 1.0,
        )  # fmt: skip
        self.runner.run(self._begin())

    def step(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left <= 0:
                raise CrashError

    @rule(which=which_, status=st.sampled_from([FAILED, FAILED, SUCCEEDED, SUCCEEDED, IN_PROGRESS]), crash=crash_)
    def a_sync_goes_on(self, which: int, status: str, crash: int | None) -> None:
        self.minute += 1
        self._do(self._polls(partial(self._synced, which, status)), crash)

    @rule(which=which_, crash=crash_)
    def a_sync_stalls(self, which: int, crash: int | None) -> None:
        self._do(self._polls(partial(self._stalled, which)), crash)

    @rule(subject=any_, crash=crash_)
    def something_cannot_be_read_or_can_again(self, subject: Target | EndpointKey, crash: int | None) -> None:
        self._do(self._polls(partial(self._outage, subject)), crash)

    @rule(which=which_, crash=crash_)
    def a_blocker_begins_or_ends(self, which: int, crash: int | None) -> None:
        self.minute += 1
        self._do(self._polls(partial(self._blocker, which)), crash)

    @rule(sinks=sinks_, mutes=st.sampled_from(MUTES), beside=st.none() | which_, crash=crash_)
    def the_configuration_changes(
        self, sinks: tuple[SinkSettings, ...], mutes: tuple[Mute, ...], beside: int | None, crash: int | None
    ) -> None:
        """Sinks come, go, are renamed and filter otherwise, while one target succeeds."""
        self.minute += 1
        self.config = replace(self.config, sinks=sinks, mutes=mutes)
        self._do(self._reload(beside), crash)

    @rule(which=which_, crash=crash_)
    def a_poll_shows_what_the_last_one_did(self, which: int, crash: int | None) -> None:
        """Nothing new, unless the target has come back: then its event has the id of the earlier one."""
        self._do(self._polls(partial(self._shown, which)), crash)

    @rule(leaving=st.sets(st.sampled_from(TARGETS), min_size=1), crash=crash_)
    def targets_leave_and_come_back(self, leaving: set[Target], crash: int | None) -> None:
        """If none is left, their endpoint leaves as well."""
        before = self.config.subjects
        self.config = replace(self.config, targets=tuple(each for each in TARGETS if each not in leaving))
        self._do(self._forget([*before - self.config.subjects]), crash)
        self.config = replace(self.config, targets=TARGETS)

    @rule(mutes=st.sampled_from(MUTES), crash=crash_)
    def mutes_begin_and_end(self, mutes: tuple[Mute, ...], crash: int | None) -> None:
        self.config = replace(self.config, mutes=mutes)
        self._do(self._unmute(), crash)

    @rule(says=st.lists(st.sampled_from([Verdict.TAKEN, *Verdict]), max_size=6), crash=crash_)
    def receivers_answer(self, says: list[Verdict], crash: int | None) -> None:
        self._do(self._deliver(says), crash)

    @rule(crash=crash_)
    def what_removed_sinks_left_is_given_up(self, crash: int | None) -> None:
        self._do(self._tidy(), crash)

    @rule()
    def an_operator_retries_dead_letters(self) -> None:
        self.runner.run(Operator(self.store.database).requeue([], None, self.clock.now()))

    @rule(which=st.integers(0, 99), sink=st.sampled_from(NAMES))
    def an_operator_drops_a_problem_that_did_not_arrive(self, which: int, sink: str) -> None:
        self.runner.run(self._drop(which, sink))

    @rule()
    def the_daemon_is_started_again(self) -> None:
        self.runner.run(self._begin())

    def teardown(self) -> None:
        """In the end nothing is muted, and all is delivered that may be."""
        try:
            self.config = replace(self.config, mutes=())
            self._do(self._unmute(), None)
            self.an_operator_retries_dead_letters()
            for _ in range(100):
                self.clock.seconds += 400
                self._do(self._deliver([]), None)
                if not self.runner.run(self.store.waiting()).keys() & {sink.name for sink in self.config.sinks}:
                    break
            events = self.runner.run(self.store.events(EventQuery(limit=10_000, newest=False)))
            kept = self.runner.run(self.store.deliveries(DeliveryQuery(limit=10_000)))
            judge([event for _, event in events], kept, self.receivers, self.config)
        finally:
            self.runner.close()

    def _do(self, work: Coroutine[Any, Any, Any], crash: int | None) -> None:
        self.left = crash
        try:
            self.runner.run(polls_all(self.recorder, [work]))
        except CrashError:
            self.left = None
            self.receivers.crashes += 1
            self.runner.run(self._begin())
        self.left = None

    async def _begin(self) -> None:
        self.recorder = Recorder(self.store, self.clock, lambda: None, Observers())
        now, config = self.clock.now(), self.config

        def removals(records: Any, gone: Iterable[str]) -> Sequence[Entry]:
            made = removal_entries(config, records, gone, now, {}, NOTHING_BY_HAND)
            self.receivers.routed(made, config)
            return made

        await self.recorder.load(config.subjects, removals)
        await self._set_sinks()

    async def _set_sinks(self) -> None:
        relay: Any = None
        self.receivers.configured(self.config, await self.store.registered_sinks())
        await SinkChanges(self.store, relay, self.recorder, self.clock, None).update_store(self.config.sinks)

    async def _reload(self, beside: int | None) -> None:
        polls = [] if beside is None else [self._polls(partial(self._synced, beside, SUCCEEDED))]
        await asyncio.gather(self._set_sinks(), *polls)

    async def _forget(self, gone: list[str]) -> None:
        recorder, made = self.recorder, self.recorder.record

        async def record(entry: Entry) -> None:
            self.receivers.routed([entry], self.config)
            await made(entry)

        recorder.record = record  # type: ignore[method-assign]
        await forget_removed(recorder, self.config, gone, {target.id: target for target in TARGETS})
        recorder.record = made  # type: ignore[method-assign]

    async def _polls(self, observe: Callable[[], tuple[Target | EndpointKey, Observation | None]]) -> None:
        subject, observation = observe()
        if observation is None or not observation.events:
            return
        entry = entry_of(
            _id(subject), self.recorder.record_of(_id(subject)), observation, self.clock.now(),
            labels=subject.labels if isinstance(subject, Target) else {}, config=self.config, traceparent=None,
            hand=NOTHING_BY_HAND,
        )  # fmt: skip
        self.receivers.routed([entry], self.config)
        with suppress(Superseded):
            await self.recorder.record(entry)

    def _synced(self, which: int, status: str) -> tuple[Target, Observation | None]:
        target, now = TARGETS[which], _minute(self.minute)
        self.last[which] = Attempt(now, status, target.id, None, None)
        return target, self._answered(target, self.last[which], now)

    def _shown(self, which: int) -> tuple[Target, Observation | None]:
        target, attempt = TARGETS[which], self.last.get(which)
        return target, self._answered(target, attempt, _minute(self.minute)) if attempt else None

    def _stalled(self, which: int) -> tuple[Target, Observation | None]:
        """The attempt that is under way is a year old."""
        target, known = TARGETS[which], self.recorder.record_of(TARGETS[which].id).known
        attempt = known.attempt if known else None
        return target, self._answered(target, attempt, START + timedelta(days=365)) if attempt else None

    def _answered(self, target: Target, attempt: Attempt, now: datetime) -> Observation:
        return observe_answer(target, self.recorder.record_of(target.id), Snapshot(None, attempt, None), now)[0]

    def _outage(self, subject: Target | EndpointKey) -> tuple[Target | EndpointKey, Observation | None]:
        record, now = self.recorder.record_of(_id(subject)), self.clock.now()
        if record.outage is not None:
            return subject, observe_recovery(subject, record, now)
        outage, sequence = Outage(now, "ResourceNotFoundException", "gone", 3), record.sequence + 1
        event = outage_event(subject, outage, sequence=sequence, now=now, over=False)
        return subject, Observation(replace(record, outage=outage, sequence=sequence), (event,))

    def _blocker(self, which: int) -> tuple[Target, Observation | None]:
        target, record, now = TARGETS[which], self.recorder.record_of(TARGETS[which].id), self.clock.now()
        blockers = () if record.blockers else (Blocker(f"b{self.minute}", "AUTOMATED", "ACTIVE", "no", now, {}),)
        return target, observations.observe_blockers(target, record, blockers, now)

    async def _unmute(self) -> None:
        opened = (record.incident for record in self.recorder.records.values())
        self.receivers.outlasting |= {incident.id for incident in opened if incident is not None}
        await release_due(self.recorder, self.config)

    async def _deliver(self, says: list[Verdict]) -> None:
        sinks = [Alerts(sink.name, self, says) for sink in self.config.sinks]
        relay = Relay(self.store, sinks, self.clock, dict.fromkeys((sink.name for sink in sinks), 1e9))
        for sink in sinks:
            await sends_all(relay._workers[sink.name], 50)

    async def _drop(self, which: int, sink: str) -> None:
        undelivered = DeliveryQuery([DeliveryState.WAITING, DeliveryState.DEAD], sink=sink, limit=10_000)
        pending = [
            each.event
            for each in await self.store.deliveries(undelivered)
            if each.event.type in PROBLEMS and (sink, each.event.body) not in self.receivers.got
        ]
        if not pending:
            return
        operator, now, problem = Operator(self.store.database), self.clock.now(), pending[which % len(pending)]
        ends = [
            event
            for _, event in await self.store.events(EventQuery(limit=10_000, newest=False))
            if is_end_of(event, problem)
        ]
        if len(await self.store.find(problem.id)) > 1 or any((sink, end.body) in self.receivers.got for end in ends):
            return  # one of a target that left and came back may have arrived
        await operator.drop(problem.id, sink, now)
        self.receivers.dropped_by_hand(sink, problem, ends[-1] if ends else None, self.config)
        await drop_ends(operator, self.config, problem.id, now)

    async def _tidy(self) -> None:
        view: Any = SimpleNamespace(clock=self.clock, config=self.config)
        relay: Any = SimpleNamespace(is_changing=False)
        await Maintenance(view, self.store, relay).dead_letter_removed()


def _id(subject: Target | EndpointKey) -> str:
    return subject.id if isinstance(subject, Target) else str(subject)


def _minute(number: int) -> datetime:
    return START + timedelta(minutes=number)


LIMITS = settings(
    max_examples=20, stateful_step_count=20, deadline=None, database=None, suppress_health_check=[*HealthCheck]
)


def test_a_sink_that_was_sent_a_problem_is_sent_its_end_and_no_other_is() -> None:
    run_state_machine_as_test(Ends, settings=LIMITS)


@pytest.mark.soak
def test_a_sink_that_was_sent_a_problem_is_sent_its_end_in_many_histories() -> None:
    run_state_machine_as_test(Ends, settings=settings(LIMITS, max_examples=3000, stateful_step_count=40))


def _no_ends(*_: Any) -> tuple[str, ...]:
    return ()


def _all_ends(_: Any, sinks: Sequence[SinkSettings]) -> tuple[str, ...]:
    return tuple(sink.name for sink in sinks)


async def _in_time(*_: Any) -> None:
    return None


def _by_filters(replay: Replay, event: Event) -> bool:
    return wants_recorded(replay.sink, event)


BROKEN = {
    "no ends": (observations, "route_end", _no_ends),
    "ends for all": (observations, "route_end", _all_ends),
    "replays do not count": (Replay, "wants", _by_filters),
    "mutes have no end": (mute_ends, "released", _no_ends),
    "nothing is too late": (sender, "too_late", _in_time),
}


@pytest.mark.soak
@pytest.mark.parametrize("broken", BROKEN)
def test_the_oracle_catches_broken_routing(monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    monkeypatch.setattr(*BROKEN[broken])
    found = settings(LIMITS, max_examples=2000, phases=[Phase.generate], derandomize=True)
    with pytest.raises(MisroutedError):
        run_state_machine_as_test(Ends, settings=found)
