"""A worker whose sink or store fails: pauses, retries, dead letters, and when it ends."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from tests.unit.delivery.relaying import (
    HANGS,
    SUBJECTS,
    Clock,
    House,
    Scripted,
    an_event,
    in_own_time,
    lanes,
    number_of,
    relaying,
)
from watcher.core.deliveries import DeliveryState, Limits, Verdict
from watcher.core.ports import Entry
from watcher.core.queries import DeliveryQuery
from watcher.core.retry_policy import LONGEST_PAUSE_SECONDS, REMOVED, SPACING_SECONDS
from watcher.core.state import Record
from watcher.delivery.relay import Relay
from watcher.delivery.settler import GATHER_SECONDS
from watcher.errors import SinkClosed, SinkError, SinkGone, StoreError
from watcher.observability.daemon_view import SinkStatus
from watcher.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

    from watcher.core.deliveries import Delivery, DeliveryOutcome


@pytest.mark.parametrize("limits", [Limits(), Limits(batch=10, in_order=True)], ids=["lanes", "in order"])
@pytest.mark.parametrize("share", [0.25, 0.999])
@in_own_time
async def test_pauses_are_a_random_part_of_a_limit_that_doubles_up_to_a_maximum(
    share: float, limits: Limits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.random", lambda: share)
    sink = Scripted(lambda _: Verdict.LATER, limits)
    async with relaying(sink) as house:
        await house.record("a", 1)
        await house.until(lambda: len(sink.sends) == 13, 3600)
    pauses = [later.at - earlier.at for earlier, later in pairwise(sink.sends)]
    longest = [min(LONGEST_PAUSE_SECONDS, 2.0**n) for n in range(12)]
    # A pause that is nearly over may last a moment longer, until the worker looks again.
    assert pauses == pytest.approx([share * pause for pause in longest], abs=0.05)


@in_own_time
async def test_a_pause_ends_in_time_while_another_subject_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.random", lambda: 0.2)
    answers = {"hangs": HANGS, "fails": Verdict.LATER}
    sink = Scripted(lambda delivery: answers[delivery.event.subject], Limits(parallel=3, deadline=100))
    async with relaying(sink) as house:
        await house.record_all({"hangs": [1, 2], "fails": [3]})
        await house.until(lambda: [send.subjects for send in sink.sends].count(["fails"]) == 4, 2)


@in_own_time
async def test_subjects_that_failed_one_by_one_are_not_retried_at_the_same_time() -> None:
    sink = Scripted(lambda delivery: Verdict.TAKEN if delivery.event.subject == "sound" else Verdict.LATER)
    async with relaying(sink) as house:
        for subject in ("a", "b", "sound"):
            await house.record(subject, 1)
        await house.until(lambda: len(sink.sends) == 5, 60)
    again = [send.at for send in sink.sends[3:]]
    assert again[0] != again[1]


@in_own_time
async def test_a_sink_that_refuses_everything_is_failing_also_after_a_restart_until_it_takes_something() -> None:
    verdict, store = Verdict.NEVER, MemoryStore()

    def look(house: House) -> SinkStatus:
        return house.relay.statuses({"x": "webhook"})["x"]

    for numbers in ([1, 2], []):  # two runs
        async with relaying(Scripted(lambda _: verdict), store=store) as house:
            await house.record("a", *numbers)
            await house.until(lambda house=house: look(house).state == "failing", 10)  # type: ignore[misc]
            await house.quiet(10)
            assert "it said never" in look(house).error
    verdict = Verdict.TAKEN
    async with relaying(Scripted(lambda _: verdict), store=store) as house:
        await house.record("a", 3)
        await house.until(lambda: look(house) == SinkStatus("webhook", "up", ""), 10)


@pytest.mark.parametrize(("subject", "state"), [("sound", "up"), ("other", "failing")])
@in_own_time
async def test_a_sink_that_takes_nothing_is_failing_also_after_a_restart(subject: str, state: str) -> None:
    sink, store = (
        Scripted(lambda each: Verdict.TAKEN if each.event.subject == "sound" else Verdict.LATER),
        MemoryStore(),
    )
    async with relaying(sink, store=store) as house:
        await house.record("a", 1)
        await house.until(lambda: len(sink.sends) == 2, 10)
        await house.record(subject, 2)
        await house.until(lambda: len(sink.sends) == 9, 3600)
        assert house.relay.statuses({})["x"].state == state
    async with relaying(Scripted(lambda _: HANGS), store=store) as again:
        await asyncio.sleep(1)
        assert again.relay.statuses({})["x"].state == state


@in_own_time
async def test_a_sink_that_is_added_again_is_not_failing_because_of_its_removal() -> None:
    store = MemoryStore()
    async with relaying(Scripted(lambda _: Verdict.LATER), store=store) as house:
        await house.record("a", 1)
        await house.until(lambda: house.relay.statuses({})["x"].error != "", 10)
        await store.dead_letter("x", REMOVED, house.clock.now())
    async with relaying(Scripted(), store=store) as back:
        await asyncio.sleep(1)
        assert back.relay.statuses({"x": "webhook"})["x"] == SinkStatus("webhook", "up", "")


@in_own_time
async def test_a_delivery_that_is_too_old_becomes_a_dead_letter_and_its_subject_goes_on() -> None:
    sink = Scripted(lambda delivery: Verdict.LATER if number_of(delivery) == 1 else Verdict.TAKEN)
    async with relaying(sink, give_up_after=600) as house:
        await house.record("a", 1, 2)
        await house.quiet(600 + LONGEST_PAUSE_SECONDS + 2 * LONGEST_PAUSE_SECONDS)
        (dead,) = await house.dead()
        assert dead.answer == "given up after 10m: it said later"
        assert (number_of(dead), dead.tries) == (1, len(sink.sends) - 1)
        assert dead.ended is not None
        assert dead.ended - dead.recorded >= 600
    assert sink.taken_of("a") == [2]


@in_own_time
async def test_a_refused_event_becomes_a_dead_letter_at_once() -> None:
    sink = Scripted(lambda delivery: Verdict.NEVER if number_of(delivery) == 1 else Verdict.TAKEN)
    async with relaying(sink) as house:
        await house.record("a", 1, 2)
        await house.quiet(0.1)
        (dead,) = await house.dead()
        assert (dead.answer, dead.tries) == ("permanently refused: it said never", 1)
    assert sink.taken_of("a") == [2]


@lanes
@in_own_time
async def test_nothing_is_sent_while_the_sink_asked_for_a_pause(limits: Limits) -> None:
    sink = Scripted(lambda _: SinkError("429", retry_after=120), limits)
    async with relaying(sink) as house:
        await house.record("a", 1)
        await house.until(lambda: bool(sink.sends), 1)
        sink.answer = lambda _: Verdict.TAKEN
        await house.record_all({subject: [1] for subject in SUBJECTS})
        await asyncio.sleep(119)
        assert len(sink.sends) == 1
        await house.quiet(10)


@pytest.mark.parametrize("fault", [Verdict.LATER, SinkError("no route")], ids=["each event", "the sink"])
@in_own_time
async def test_sends_to_a_sink_that_is_down_are_spaced_however_much_is_pending(fault: Any) -> None:
    sink = Scripted(lambda _: fault, Limits(parallel=4))
    async with relaying(sink) as house:
        await house.record_all({f"s{i}": [1] for i in range(500)})
        await asyncio.sleep(200)
        assert 200 / SPACING_SECONDS < len(sink.sends) < 3 * 200 / SPACING_SECONDS


@lanes
@pytest.mark.parametrize("fault", [Verdict.LATER, SinkError("no route")], ids=["each event", "the sink"])
@in_own_time
async def test_a_sink_that_is_down_is_retried_and_gets_everything_once_it_is_up(limits: Limits, fault: Any) -> None:
    sink = Scripted(lambda _: fault, limits)
    async with relaying(sink) as house:
        await house.record_all({f"s{i}": range(3) for i in range(60)})
        await asyncio.sleep(60)
        begun, sink.most_under_way = len(sink.sends), 0
        await asyncio.sleep(400)
        assert sink.most_under_way == 1
        assert 400 / LONGEST_PAUSE_SECONDS < len(sink.sends) - begun < 3 * 400 / SPACING_SECONDS
        sink.answer = lambda _: Verdict.TAKEN
        await house.until(lambda: bool(sink.taken), LONGEST_PAUSE_SECONDS)
        await house.quiet(1)
    for i in range(60):
        assert sink.taken_of(f"s{i}") == [0, 1, 2]


@in_own_time
async def test_pending_and_later_events_become_dead_letters_when_the_receiver_is_gone() -> None:
    sink = Scripted(lambda delivery: SinkGone("410 Gone") if delivery.event.subject == "s1" else Verdict.TAKEN,
                    Limits(parallel=2), takes={"s0": 2, "s1": 1})  # fmt: skip
    async with relaying(sink, other := Scripted(name="y")) as house:
        await house.record_all({subject: [1, 2] for subject in SUBJECTS})
        await house.quiet(5)
        await house.record("late", 1)
        await house.quiet(5)
        await house.relay.drain(1)
        dead = await house.dead()
        assert {told.answer for told in dead} == {"410 Gone"}
        # What was under way beside it was still taken.
        assert [delivery.event.subject for _, delivery in sink.taken] == ["s0"]
        assert len(dead) == 2 * len(SUBJECTS) + 1 - 1
        assert not await house.dead("y")
    assert len(sink.sends) == 2
    assert len(other.taken) == 2 * len(SUBJECTS) + 1


@in_own_time
async def test_the_dead_letters_of_a_receiver_that_is_gone_are_one_line_for_each_commit() -> None:
    many = [f"s{number}" for number in range(1000)]
    with capture_logs() as logs:
        async with relaying(Scripted(lambda _: SinkGone("410 Gone"), Limits(parallel=4))) as house:
            await house.record_all({subject: [1] for subject in many})
            await house.quiet(5)
            await house.record_all({subject: [2] for subject in many})
            await house.quiet(5)
            await asyncio.sleep(3600)
    assert [(line["event"], line.get("deliveries")) for line in logs] == [
        ("sink.gone", None), ("delivery.dead_lettered", 1000), ("delivery.dead_lettered", 1000)
    ]  # fmt: skip


@in_own_time
async def test_a_closed_sink_ends_only_its_worker_and_keeps_pending_events() -> None:
    sink, other = Scripted(lambda _: SinkClosed("nobody reads")), Scripted(name="y")
    async with relaying(sink, other) as house:
        await house.record("a", 1, 2)
        await house.until(lambda: bool(sink.sends), within=1)
        await house.record("a", 3)
        await house.relay.drain(5)  # the other still delivers
        assert dict(await house.store.waiting()) == {"x": 3}
        assert not house.running.done()
        await house.relay.close()
    assert len(sink.sends) == 1
    assert other.taken_of("a") == [1, 2, 3]
    assert sink.closed
    assert other.closed


@in_own_time
async def test_the_relay_ends_when_every_sink_is_closed() -> None:
    async with relaying(Scripted(lambda _: SinkClosed("nobody reads"))) as house:
        await house.record("a", 1)
        async with asyncio.timeout(1):
            await house.running


@in_own_time
async def test_a_failing_sink_does_not_affect_another() -> None:
    sinks = [
        Scripted(lambda _: HANGS, Limits(deadline=30), name="hangs"),
        Scripted(lambda _: SinkError("no"), name="fails"),
        Scripted(name="works"),
    ]
    async with relaying(*sinks) as house:
        for number in range(50):
            await house.record("a", number)
            await asyncio.sleep(1)
    assert [at for at, _ in sinks[2].taken] == pytest.approx(range(50), abs=0.05)


@in_own_time
async def test_nothing_overtakes_in_a_sink_that_takes_everything_in_order() -> None:
    """A sink of lines: deliveries without an outcome are sent again, from the first of them."""
    chance = random.Random(3)
    sink = Scripted(limits=Limits(batch=10, in_order=True))
    sink.answer = _until_it_stops(sink, chance)
    async with relaying(sink) as house:
        for number in range(0, 60, 2):
            await house.record("ab"[number % 4 // 2], number, number + 1)
        await house.quiet(3600)
    assert [number_of(delivery) for _, delivery in sink.taken] == list(range(60))


def _until_it_stops(sink: Scripted, chance: random.Random) -> Callable[[Delivery], Verdict | Exception | None]:
    stops = 0

    def answer(delivery: Delivery) -> Verdict | Exception | None:
        nonlocal stops
        place = sink.sends[-1].deliveries.index(delivery)
        if place == 0:
            stops = chance.randrange(11)
        if place < stops:
            return Verdict.TAKEN
        return None if stops else SinkError("full")

    return answer


class Flaky(MemoryStore):
    """A store that fails a given number of times, and counts what it settles."""

    def __init__(
        self, *, asking: int = 0, settling: int = 0, slow: float = 0.0, fault: Exception | None = None
    ) -> None:
        super().__init__()
        self.asking, self.settling, self.slow = asking, settling, slow
        self.fault = fault or StoreError("the disk is full")
        self.settled: list[int] = []

    async def lane_heads(self, *args: Any, **kwargs: Any) -> list[Delivery]:
        self.asking -= 1
        if self.asking >= 0:
            raise self.fault
        return await super().lane_heads(*args, **kwargs)

    async def settle(self, results: Sequence[DeliveryOutcome], now: datetime) -> Collection[Delivery]:
        await asyncio.sleep(self.slow)
        self.settling -= 1
        if self.settling >= 0:
            raise self.fault
        self.settled.append(len(results))
        return await super().settle(results, now)


@in_own_time
async def test_settling_is_retried_while_the_store_fails_and_nothing_is_sent_twice() -> None:
    sink = Scripted(limits=Limits(parallel=2))
    async with relaying(sink, store=Flaky(asking=3, settling=3)) as house:
        await house.record("a", 1, 2)
        await house.record("b", 3)
        await house.quiet(30)
    assert len(sink.sends) == 3


class Shared(MemoryStore):
    """Says that another daemon may deliver a subject, as often as `others` says."""

    others = 9

    def may_deliver(self, subject: str) -> bool:
        self.others -= 1
        return self.others < 0


@pytest.mark.parametrize("limits", [Limits(), Limits(parallel=3), Limits(batch=10, in_order=True)])
@in_own_time
async def test_what_another_daemon_may_deliver_by_now_is_not_sent_and_is_not_a_failure_of_the_sink(
    limits: Limits,
) -> None:
    store = Shared()
    async with relaying(sink := Scripted(limits=limits), store=store) as house:
        await house.record_all({"a": [1], "b": [2], "c": [3]})
        await house.until(lambda: len(sink.taken) == 3, 0.5)
        assert house.relay.statuses({})["x"] == SinkStatus("x", "up", "")
        await house.quiet(30)
    assert store.others < 0
    records = await store.deliveries(DeliveryQuery([DeliveryState.SENT]))
    assert [(record.event.subject, record.tries) for record in records] == [("a", 1), ("b", 1), ("c", 1)]


@in_own_time
async def test_outcomes_that_arrive_during_a_commit_share_the_next_one() -> None:
    store = Flaky(slow=1.0)
    sink = Scripted(limits=Limits(parallel=8), takes=dict.fromkeys(SUBJECTS[1:8], 0.5))
    async with relaying(sink, store=store) as house:
        await house.record_all({subject: [1] for subject in SUBJECTS[:8]})
        await house.quiet(10)
    assert store.settled == [1, 7]


@in_own_time
async def test_outcomes_that_arrive_at_about_the_same_time_share_a_commit() -> None:
    store = Flaky()
    takes = {subject: 0.1 + number / 1000 for number, subject in enumerate(SUBJECTS[:8])}
    sink = Scripted(limits=Limits(parallel=8), takes=takes)
    async with relaying(sink, store=store) as house:
        await house.record_all({subject: [1] for subject in SUBJECTS[:8]})
        await house.quiet(10)
    assert store.settled == [8]


@in_own_time
async def test_an_outcome_waits_only_a_moment_for_those_of_other_sends() -> None:
    store, sink = Flaky(), Scripted(limits=Limits(parallel=2), takes={"b": 5.0})
    async with relaying(sink, store=store) as house:
        await house.record_all({"a": [1], "b": [2]})
        await asyncio.sleep(2 * GATHER_SECONDS)
        assert store.settled == [1]


@in_own_time
async def test_a_send_whose_outcome_is_not_committed_leaves_no_room_for_another() -> None:
    store, sink = Flaky(slow=1.0), Scripted(limits=Limits(parallel=3))
    async with relaying(sink, store=store) as house:
        await house.record_all({subject: [1] for subject in SUBJECTS[:8]})
        while await store.waiting():
            assert len(sink.sends) <= sum(store.settled) + 3
            await asyncio.sleep(0.1)
    assert store.settled == [3, 3, 2]


@in_own_time
async def test_outcomes_that_wait_for_others_are_committed_when_the_relay_is_cancelled() -> None:
    store, sink = Flaky(), Scripted(limits=Limits(parallel=3), takes={"c": 5.0})
    async with relaying(sink, store=store) as house:
        await house.record_all({"a": [1], "b": [2], "c": [3]})
        await asyncio.sleep(GATHER_SECONDS / 2)
        assert len(sink.taken) == 2
        assert not store.settled
    assert store.settled == [2]


@in_own_time
async def test_nothing_counts_as_sent_before_the_sink_has_acknowledged_it() -> None:
    store, sink = MemoryStore(), Scripted(takes=5)
    async with relaying(sink, store=store) as house:
        await house.record("a", 1)
        await house.until(lambda: bool(sink.under_way), 1)
        await asyncio.sleep(4)
        assert dict(await store.waiting()) == {"x": 1}
    assert dict(await store.waiting()) == {"x": 1}
    assert not sink.under_way
    async with relaying(sink, store=store) as house:
        await house.quiet(10)
    assert [send.deliveries[0].id for send in sink.sends] == [f"{1:032x}"] * 2


@in_own_time
async def test_a_bug_in_the_store_ends_the_relay_instead_of_sending_for_ever() -> None:
    sink, store = Scripted(), Flaky(settling=9, fault=ZeroDivisionError("a bug"))
    relay = Relay(store, [sink], Clock())
    await store.commit([Entry("a", Record(), [(an_event(1, "a"), ["x"])])], Clock().now())
    with pytest.raises(ExceptionGroup) as caught:
        await relay.run()
    assert caught.value.exceptions == (store.fault,)
    assert len(sink.sends) == 1


@in_own_time
async def test_a_requeued_delivery_is_found_without_a_wake_up() -> None:
    sink = Scripted(lambda _: Verdict.TAKEN)
    async with relaying(sink) as house:
        await asyncio.sleep(60)
        await house.store.commit([Entry("a", Record(), [(an_event(1, "a"), ["x"])])], house.clock.now())
        await house.quiet(6)


@in_own_time
async def test_a_clock_that_is_set_back_or_forward_delays_nothing() -> None:
    sink = Scripted(lambda _: Verdict.LATER)
    async with relaying(sink) as house:
        await house.record_all({subject: [1] for subject in SUBJECTS[:2]})
        await asyncio.sleep(300)
        house.clock.set_by = -86400.0
        sink.answer = lambda _: Verdict.TAKEN
        await house.quiet(20)


@in_own_time
async def test_a_store_that_cannot_be_read_is_reported_until_it_can() -> None:
    sink = Scripted(lambda _: Verdict.TAKEN)
    async with relaying(sink) as house:
        heads = house.store.lane_heads

        async def failing(*_: Any) -> Sequence[Delivery]:
            raise StoreError("denied")

        house.store.lane_heads = failing  # type: ignore[method-assign]  # a failure
        await house.record("a", 1)
        await house.until(lambda: house.relay.trouble == "denied", 10)
        house.store.lane_heads = heads  # type: ignore[method-assign]  # its end
        await house.until(lambda: house.relay.trouble is None, 60)
        await house.quiet(60)
    assert sink.taken_of("a") == [1]
