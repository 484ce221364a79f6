"""What is repeated to a receiver that forgets, when, and with which opening."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from tests.support.tasks import running
from tests.unit.delivery.relaying import House, Scripted, an_event, in_own_time, passed, relaying
from watcher.core.deliveries import DeliveryOutcome, DeliveryState, Limits, Verdict
from watcher.core.incidents import IncidentStep, State
from watcher.core.ports import Entry
from watcher.core.stamps import stamped
from watcher.core.state import Incident, Record
from watcher.delivery.resender import Resender
from watcher.errors import SinkError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from watcher.core.deliveries import Delivery


@dataclass
class Forgetful(Scripted):
    """A sink whose receiver forgets."""

    limits: Limits = field(default_factory=lambda: Limits(with_opening=True))
    resend_every: float = 60.0
    failing: bool = False
    hangs: float = 0.0
    repeated: list[tuple[float, Sequence[Delivery]]] = field(default_factory=list)

    async def resend(self, deliveries: Sequence[Delivery]) -> None:
        self.repeated.append((passed(), deliveries))
        await asyncio.sleep(self.hangs)
        if self.failing:
            raise SinkError("nobody answers")

    def ids(self) -> list[tuple[str, str | None]]:
        """The events that were last repeated, each with its opening."""
        return [(each.event.id[-1], each.opening and each.opening.id[-1]) for each in self.repeated[-1][1]]


@dataclass
class Kept:
    """A relay with a resender, and the records of the daemon."""

    house: House
    records: dict[str, Record] = field(default_factory=dict)

    async def record(self, number: int, state: str, *sinks: str, subject: str = "a/b/c", what: str = "failed") -> None:
        """Record one event of the incident of a subject, for some sinks, and let it be delivered."""
        now = self.house.clock.now()
        before = self.records.get(subject, Record())
        incident = before.incident or Incident(f"incident of {subject} {number}", now, ("failed",))
        sequence = before.sequence + 1
        record = Record(sequence=sequence, incident=None if state == "resolved" else incident)
        step = IncidentStep(State(state), incident, now if state == "resolved" else None)
        event = stamped(an_event(number, subject)._replace(type=f"watcher.sync.{what}"), incident=step)
        await self.house.store.commit([Entry(subject, record, [(event, sinks)])], now)
        self.records[subject] = record
        self.house.relay.wake()
        await asyncio.sleep(1)

    async def release(self, number: int, sink: str, subject: str = "a/b/c") -> None:
        """Send a problem of an open incident that a mute held back."""
        before = self.records[subject]
        assert before.incident
        record = replace(before, incident=replace(before.incident, notified=(sink,)))
        released = [(an_event(number, subject).id, [sink])]
        await self.house.store.commit([Entry(subject, record, released=released)], self.house.clock.now())
        self.records[subject] = record


@contextlib.asynccontextmanager
async def resending(*sinks: Scripted) -> AsyncIterator[Kept]:
    async with relaying(*sinks) as house:
        kept = Kept(house)
        resender = Resender(house.store, house.clock)
        async with running(resender.run(lambda: kept.records, house.relay.sinks)):
            yield kept


@in_own_time
async def test_the_last_problem_of_each_open_incident_is_repeated_with_its_opening_until_the_end() -> None:
    sink = Forgetful()
    async with resending(sink) as kept:
        await kept.record(1, "opened", "x")
        await kept.record(2, "ongoing", "x", what="in_progress")
        await asyncio.sleep(60)
        assert sink.ids() == [("1", "1")]
        await kept.record(3, "ongoing", "x")
        await kept.record(4, "opened", "x", subject="a/b/d")
        await asyncio.sleep(60)
        assert sink.ids() == [("3", "1"), ("4", "4")]
        await kept.record(5, "resolved", "x", what="succeeded")
        await asyncio.sleep(60)
        assert sink.ids() == [("4", "4")]
    times = [at for at, _ in sink.repeated]
    assert all(60 <= later - earlier <= 66 for earlier, later in pairwise(times))
    delivered = {each.event.id[-1]: each.opening and each.opening.id[-1] for _, each in sink.taken}
    assert delivered == {"1": None, "2": "1", "3": "1", "4": None, "5": "1"}


@in_own_time
async def test_a_sink_gets_only_problems_that_were_for_it() -> None:
    sink, plain = Forgetful(), Scripted(name="plain")
    async with resending(sink, plain) as kept:
        await kept.record(1, "opened", "plain")
        await kept.record(2, "ongoing", "plain", "x")
        await kept.record(3, "ongoing", "plain")
        await kept.record(4, "opened", "plain", subject="a/b/d")
        await asyncio.sleep(66)
    assert sink.ids() == [("2", "1")]


@in_own_time
async def test_a_problem_that_is_sent_when_its_mute_ends_is_repeated_from_then_on() -> None:
    sink = Forgetful()
    async with resending(sink) as kept:
        await kept.record(1, "opened")
        await asyncio.sleep(66)
        assert sink.ids() == []
        await kept.release(1, "x")
        await asyncio.sleep(66)
    assert sink.ids() == [("1", "1")]


@in_own_time
async def test_what_an_operator_dropped_is_not_repeated_after_the_next_event() -> None:
    sink = Forgetful(answer=lambda _: Verdict.LATER)
    async with resending(sink) as kept:
        await kept.record(1, "opened", "x")
        (waiting,) = await kept.house.store.due("x", 1)
        dropped = DeliveryOutcome(waiting, DeliveryState.DROPPED, "by an operator")
        await kept.house.store.settle([dropped], kept.house.clock.now())
        await kept.record(2, "ongoing")
        await asyncio.sleep(66)
    assert sink.ids() == []


@in_own_time
async def test_a_problem_that_was_not_for_the_sink_is_not_repeated_though_an_earlier_event_of_its_id_was() -> None:
    """The target left while it failed, and came back while it was muted."""
    sink = Forgetful()
    async with resending(sink) as kept:
        await kept.record(1, "opened", "x")
        await kept.record(2, "resolved", "x", what="succeeded")
        await kept.record(1, "opened")
        await asyncio.sleep(66)
    assert sink.ids() == []


@in_own_time
async def test_what_is_open_is_repeated_at_once_after_a_start() -> None:
    first, second = Forgetful(), Forgetful()
    async with resending(first) as kept:
        await kept.record(1, "opened", "x")
        await kept.record(2, "ongoing", "x")
        records, store = kept.records, kept.house.store
    async with (
        relaying(second, store=store) as house,
        running(Resender(store, house.clock).run(lambda: records, house.relay.sinks)),
    ):
        await asyncio.sleep(0.1)
    assert second.ids() == [("2", "1")]


@in_own_time
async def test_a_receiver_that_is_away_or_slow_delays_no_other_and_is_tried_again() -> None:
    away, slow, sound = Forgetful(failing=True), Forgetful(name="slow", hangs=500.0), Forgetful(name="sound")
    async with resending(away, slow, sound) as kept:
        await kept.record(1, "opened", "x", "slow", "sound")
        await asyncio.sleep(300)
    assert len(slow.repeated) == 1
    assert len(away.repeated) == len(sound.repeated) >= 5
