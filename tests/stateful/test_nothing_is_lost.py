"""Nothing is lost by a crash between any two steps: diff, recorder, store and relay as a state machine.

Hypothesis chooses what the world does, when there is a poll or a delivery, and after which step the process ends. The
poller's own code decides what is recorded; the store is a real file, opened anew after each crash. The oracle is that
of the installed command.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.crashing import STORES
from tests.oracle import Fact, NotConservedError, judge, same_as_kept
from watcher.config.settings import Account, Config, Retry, SinkSettings
from watcher.endpoint import Endpoint
from watcher.errors import SinkError
from watcher.model import FAILED, IN_PROGRESS, SUCCEEDED, Attempt, FirstSeen, Snapshot, rfc3339, stack
from watcher.poller import Poller
from watcher.protocols import EventQuery
from watcher.recorder import Recorder
from watcher.relay import Relay
from watcher.sessions import Sessions

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from watcher.protocols import Delivery

START = datetime(2026, 11, 23, 8, tzinfo=UTC)
TARGETS = [
    stack("default", "us-east-1", name, on_first_seen=FirstSeen.ALL, stalled_after=1e9) for name in ("a", "b", "c")
]
SINKS = (SinkSettings("stdout", "stdout"),)
CONFIG = Config(
    place="test",
    accounts={"default": Account("default", ("us-east-1",))},
    targets=tuple(TARGETS),
    retry=Retry(),
    unreadable_after=3,
    sinks=SINKS,
    state="",
    http=None,
    state_retention=86400.0,
    shutdown_grace=1.0,
)
REVISION = {"sha": "a" * 40, "branch": "main", "directory": "/", "repositoryName": "org/templates"}

which = st.sampled_from(range(len(TARGETS)))
crash_after = st.none() | st.integers(1, 12)
"""The number of steps after which the process ends, or that it does not."""


class CrashError(Exception):
    """The process ended here."""


class _Clock:
    def __init__(self) -> None:
        self.seconds = 0

    def now(self) -> datetime:
        self.seconds += 1
        return START + timedelta(days=1, seconds=self.seconds)

    def monotonic(self) -> float:
        return float(self.seconds)


class _Outside:
    """A consumer: what it has taken, nothing can take back. It may refuse."""

    name = "stdout"

    def __init__(self, step: Callable[[str], None]) -> None:
        self.arrived: list[dict[str, Any]] = []
        self.refuses_after: int | None = None
        self._step = step

    async def send(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        taken: list[Delivery] = []
        for delivery in deliveries:
            if self.refuses_after is not None and len(taken) >= self.refuses_after:
                if not taken:
                    raise SinkError("not now")
                break
            self._step("sending")
            self.arrived.append(json.loads(delivery.event.body))
            taken.append(delivery)
            self._step("sent")
        return taken

    async def close(self) -> None:
        """Nothing to let go of."""


class Watching(RuleBasedStateMachine):
    """A daemon that may end between any two steps, beside the world that it watches."""

    store_name = "sound"

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="watcher-stateful-")
        self.runner = asyncio.Runner()
        self.clock = _Clock()
        self.outside = _Outside(self.step)
        self.left: int | None = None
        self.moment = START
        self.world: list[Attempt | None] = [None] * len(TARGETS)
        self.succeeded: list[Attempt | None] = [None] * len(TARGETS)
        self.shown: set[Fact] = set()
        self.must: set[Fact] = set()
        self.runner.run(self._begin())

    def step(self, _: str) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                raise CrashError

    @rule(which=which, status=st.sampled_from([IN_PROGRESS, SUCCEEDED, FAILED]), again=st.booleans())
    def the_world_goes_on(self, which: int, status: str, again: bool) -> None:  # noqa: FBT001  hypothesis names it
        """An attempt takes a status, or a new one begins."""
        attempt = self.world[which]
        if attempt is None or not attempt.unfinished or again:
            self.moment += timedelta(seconds=1)
            attempt = Attempt(self.moment, status, "a", REVISION, REVISION)
        else:
            attempt = Attempt(attempt.started_at, status, "a", REVISION, REVISION)
        self.world[which] = attempt
        if status == SUCCEEDED:
            self.succeeded[which] = attempt
        self.shown.add(self._fact(which, attempt))

    @rule(which=which, crash=crash_after)
    def a_target_is_polled(self, which: int, crash: int | None) -> None:
        """What the poll has kept must arrive; what it was told when the process ended may be told by another."""
        self._live([which], crash)

    @rule(crash=crash_after)
    def all_targets_are_polled_at_once(self, crash: int | None) -> None:
        """Their results share a commit."""
        self._live(list(range(len(TARGETS))), crash)

    @rule(crash=crash_after, refuses_after=st.none() | st.integers(0, 3))
    def the_relay_delivers(self, crash: int | None, refuses_after: int | None) -> None:
        """One batch, of which the sink may take a part or nothing."""
        self.outside.refuses_after = refuses_after
        self._do(self._deliver(), crash)
        self.outside.refuses_after = None

    @rule()
    def the_daemon_is_started_again(self) -> None:
        """In good order."""
        self.runner.run(self._restart())

    @invariant()
    def what_has_arrived_is_in_order(self) -> None:
        """At every moment, not only in the end."""
        judge(self.outside.arrived, must=(), shown=self.shown)

    def teardown(self) -> None:
        """A last run that nothing disturbs sees the world as it stands and delivers all; then the oracle judges."""
        try:
            self._live(list(range(len(TARGETS))), None)
            while self.runner.run(self._deliver()):
                pass
            self.must |= {self._fact(which, attempt) for which, attempt in enumerate(self.world) if attempt}
            first = judge(self.outside.arrived, must=self.must, shown=self.shown)
            kept = self.runner.run(self.store.events(EventQuery(limit=100_000, newest=False)))
            same_as_kept(first, [json.loads(event.body) for _, event in kept])
        finally:
            self.runner.run(self.store.close())
            self.runner.close()
            self.folder.cleanup()

    def _live(self, polled: list[int], crash: int | None) -> None:
        told = {self._fact(which, attempt) for which in polled if (attempt := self.world[which])}
        if self._do(self._poll(polled), crash):
            self.must |= told

    def _do(self, work: Coroutine[Any, Any, Any], crash: int | None) -> bool:
        """Do a daemon's work; whether it came to its end. If not, the process is another one afterwards."""
        self.left = crash
        try:
            self.runner.run(work)
        except CrashError:
            self.left = None
            self.runner.run(self._restart())
            return False
        self.left = None
        return True

    async def _begin(self) -> None:
        self.store = STORES[self.store_name](Path(self.folder.name) / "watcher.db")
        self.store.step = self.step
        await self.store.open()
        self.relay = Relay(self.store, [self.outside], self.clock)
        self.recorder = Recorder(self.store, self.clock, self.relay.wake)
        await self.recorder.load([target.id for target in TARGETS])
        endpoint = Endpoint(TARGETS[0].endpoint, CONFIG.accounts["default"], Sessions(), CONFIG.retry)
        self.poller = Poller(endpoint, TARGETS, CONFIG, self.recorder, self.clock)

    async def _restart(self) -> None:
        await self.store.close()
        await self._begin()

    async def _poll(self, polled: list[int]) -> None:
        answers = [(TARGETS[which], Snapshot(None, self.world[which], self.succeeded[which])) for which in polled]
        recording: asyncio.Future[Any] = asyncio.create_task(self.recorder.run())
        polling: asyncio.Future[Any] = asyncio.gather(
            *(self.poller._answered(target, snapshot) for target, snapshot in answers)
        )
        try:
            await asyncio.wait([recording, polling], return_when=asyncio.FIRST_COMPLETED)
            if recording.done():
                recording.result()
            await polling
        finally:
            for work in (recording, polling):
                work.cancel()
                with suppress(asyncio.CancelledError, CrashError):
                    await work

    async def _deliver(self) -> int:
        try:
            return await self.relay._pass_on(self.outside)
        except SinkError:
            return 0

    @staticmethod
    def _fact(which: int, attempt: Attempt) -> Fact:
        return Fact(TARGETS[which].id, rfc3339(attempt.started_at), attempt.status)


LIMITS = settings(
    max_examples=150,
    stateful_step_count=25,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


def test_nothing_is_lost_by_a_crash_between_any_two_steps() -> None:
    run_state_machine_as_test(Watching, settings=LIMITS)


@pytest.mark.parametrize("store", [name for name in STORES if name != "sound"])
def test_the_oracle_catches_a_broken_order(store: str) -> None:
    broken = type("Broken", (Watching,), {"store_name": store})
    # The first counterexample is enough: nobody reads a smaller one.
    found = settings(LIMITS, max_examples=1000, phases=[Phase.generate], derandomize=True)
    with pytest.raises(NotConservedError):
        run_state_machine_as_test(broken, settings=found)
