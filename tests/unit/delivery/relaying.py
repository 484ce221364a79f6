"""Runs a relay on a clock that jumps to the next timer, with sinks whose responses a test scripts."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from tests.support.tasks import running
from watcher.core.deliveries import DeliveryState, Limits, SendOutcome, Verdict
from watcher.core.events import Event
from watcher.core.ports import Entry
from watcher.core.queries import DeliveryQuery
from watcher.core.state import Record
from watcher.delivery.relay import Relay
from watcher.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping, Sequence

    from watcher.core.deliveries import Delivery, DeliveryRecord
    from watcher.core.ports import Sink, Store

START = datetime(2026, 11, 23, 8, tzinfo=UTC)
MOMENT = START.isoformat()
HANGS = "it never answers"

DEADLINE = 2.0
LANES = [
    Limits(deadline=DEADLINE),
    Limits(batch=10, deadline=DEADLINE),
    Limits(parallel=4, deadline=DEADLINE),
    Limits(batch=10, parallel=4, deadline=DEADLINE),
]
lanes = pytest.mark.parametrize("limits", LANES, ids=lambda limits: f"{limits.parallel}x{limits.batch}")
SUBJECTS = [f"s{i}" for i in range(12)]


class _Loop(asyncio.SelectorEventLoop):
    """Jumps to the time of the next timer instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self._passed = 0.0
        look: Any = self._selector.select  # type: ignore[attr-defined]  # asyncio's own

        def jump(timeout: float | None) -> Any:
            found = look(0)
            if not found:
                assert timeout is not None, "nothing will ever happen again"
                self._passed += timeout
            return found

        self._selector.select = jump  # type: ignore[attr-defined]

    def time(self) -> float:
        return self._passed


def in_own_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test in such a loop, with the same jitter each time."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        random.seed(2026)
        with capture_logs(), asyncio.Runner(loop_factory=_Loop) as runner:
            runner.run(test(*args, **kwargs))

    return run


def passed() -> float:
    """Seconds since the test began."""
    return asyncio.get_running_loop().time()


class Clock:
    """The loop's time as a clock that may be set."""

    def __init__(self) -> None:
        self.set_by = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=passed() + self.set_by)

    def monotonic(self) -> float:
        return passed()


@dataclass
class Send:
    """One call of a sink."""

    at: float
    deliveries: Sequence[Delivery]

    @property
    def subjects(self) -> list[str]:
        """The subjects of its deliveries."""
        return [delivery.event.subject for delivery in self.deliveries]


@dataclass
class Scripted:
    """Answers each delivery as `answer` says: a verdict, an error to raise, HANGS, or None for no answer."""

    answer: Callable[[Delivery], Verdict | Exception | str | None] = lambda _: Verdict.TAKEN
    limits: Limits = field(default_factory=Limits)
    takes: float | Mapping[str, float] = 0.0
    """Seconds that each send takes, or each send whose first delivery is of a subject."""
    name: str = "x"
    sends: list[Send] = field(default_factory=list)
    taken: list[tuple[float, Delivery]] = field(default_factory=list)
    under_way: list[Send] = field(default_factory=list)
    most_under_way: int = 0
    closed: bool = False

    async def send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        send = Send(passed(), deliveries)
        together = [subject for each in (*self.under_way, send) for subject in each.subjects]
        assert self.limits.in_order or len(together) == len(set(together)), "two of a subject at a time"
        assert len(deliveries) <= self.limits.batch
        assert len(self.under_way) < self.limits.parallel
        self.sends.append(send)
        self.under_way.append(send)
        self.most_under_way = max(self.most_under_way, len(self.under_way))
        try:
            takes = self.takes
            await asyncio.sleep(takes if isinstance(takes, float | int) else takes.get(send.subjects[0], 0.0))
            return [answer for delivery in deliveries if (answer := await self._answer(delivery)) is not None]
        finally:
            self.under_way.remove(send)

    async def _answer(self, delivery: Delivery) -> SendOutcome | None:
        answer = self.answer(delivery)
        if isinstance(answer, Exception):
            raise answer
        if answer == HANGS:
            await asyncio.Event().wait()
        if not isinstance(answer, Verdict):
            return None
        if answer is Verdict.TAKEN:
            self.taken.append((passed(), delivery))
        return SendOutcome(delivery, answer, f"it said {answer}")

    async def close(self) -> None:
        self.closed = True

    def taken_of(self, subject: str) -> list[int]:
        """The numbers of the subject's events that it took, in that order."""
        return [number_of(delivery) for _, delivery in self.taken if delivery.event.subject == subject]


def number_of(delivery: Delivery | DeliveryRecord) -> int:
    return int(delivery.event.id, 16)


def an_event(number: int, subject: str, sha: str = "", said: str = "") -> Event:
    """A failed sync. `sha`: its commit; `said`: AWS's line about it."""
    events = [{"type": "ERROR", "event": said, "time": MOMENT}] if said else []
    attempt = {"startedAt": MOMENT, "status": "FAILED", "targetRevision": {"sha": sha}, "events": events}
    flags = dict.fromkeys(("observed", "first_seen", "recovered", "recreated"), False)
    data = {"status": "FAILED", "consecutive_failures": 1, "attempt": attempt, **flags}
    attributes = {"id": f"{number:032x}", "type": "watcher.sync.failed", "subject": subject, "time": MOMENT}
    return Event(**attributes, body=json.dumps({**attributes, "data": data}))


@dataclass
class House:
    """A running relay with its store and clock."""

    store: Store
    clock: Clock
    relay: Relay
    sinks: Collection[str]
    running: asyncio.Task[None]

    async def record(self, subject: str, *numbers: int, sha: str = "", said: str = "") -> None:
        """Record events of a subject, for all sinks."""
        await self.record_all({subject: numbers}, sha=sha, said=said)

    async def record_all(self, subjects: dict[str, Sequence[int]], *, sha: str = "", said: str = "") -> None:
        """Record events of several subjects in one commit."""
        entries = [
            Entry(subject, Record(), [(an_event(number, subject, sha, said), tuple(self.sinks)) for number in numbers])
            for subject, numbers in subjects.items()
        ]
        await self.store.commit(entries, self.clock.now())
        self.relay.wake()

    async def until(self, condition: Callable[[], bool], within: float) -> None:
        """Let time pass until the condition holds."""
        begun = passed()
        while not condition():
            assert passed() < begun + within, f"not within {within} s"
            await _pause(begun, within)

    async def quiet(self, within: float) -> None:
        """Let time pass until no delivery is pending."""
        begun = passed()
        while await self.store.waiting():
            assert passed() < begun + within, f"still waiting after {within} s: {await self.store.waiting()}"
            await _pause(begun, within)

    async def dead(self, sink: str = "x") -> list[DeliveryRecord]:
        return await self.store.deliveries(DeliveryQuery(states=[DeliveryState.DEAD], sink=sink))


async def _pause(begun: float, within: float) -> None:
    """Sleep between two checks: a fiftieth of the time since the first, at least 0.02 s, and not beyond the limit."""
    waited = passed() - begun
    await asyncio.sleep(min(max(0.02, waited / 50), max(0.02, within - waited)))


@contextlib.asynccontextmanager
async def relaying(*sinks: Sink, store: Store | None = None, give_up_after: float = 86400.0) -> AsyncIterator[House]:
    """A relay that runs, until the end of the block."""
    store, clock = store or MemoryStore(), Clock()
    relay = Relay(store, sinks, clock, {sink.name: give_up_after for sink in sinks})
    async with running(relay.run()) as task:
        yield House(store, clock, relay, [sink.name for sink in sinks], task)
