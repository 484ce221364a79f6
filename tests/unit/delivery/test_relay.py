"""The relay: draining, closing, replacing sinks, and events of one cause that share a send."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.delivery.relaying import HANGS, MOMENT, Scripted, in_own_time, number_of, passed, relaying
from watcher.core.deliveries import Limits, ReminderRequest, Verdict
from watcher.errors import SinkError
from watcher.stores.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.core.deliveries import Delivery

GROUPED = Limits(batch=100, group_wait=30.0)


async def drained(house: Any, grace: float) -> float:
    """Seconds that draining took."""
    begun = passed()
    await house.relay.drain(grace)
    return passed() - begun


@in_own_time
async def test_drain_returns_at_once_when_nothing_is_pending() -> None:
    async with relaying(Scripted(), Scripted(name="y")) as house:
        assert await drained(house, 10) < 0.1


@in_own_time
async def test_drain_waits_for_everything_that_is_due() -> None:
    sinks = Scripted(takes=2), Scripted(takes=3, limits=Limits(parallel=2), name="y")
    async with relaying(*sinks) as house:
        await house.record("a", 1, 2)
        await house.record("b", 3)
        assert 6 <= await drained(house, 20) < 6.1
        assert not await house.store.waiting()


@in_own_time
async def test_drain_retries_what_is_due_within_the_grace_time() -> None:
    sink = Scripted(lambda delivery: Verdict.TAKEN if delivery.tries == 2 else Verdict.LATER)
    async with relaying(sink) as house:
        await house.record("a", 1)
        assert await drained(house, 20) < 4
    assert len(sink.taken) == 1


@in_own_time
async def test_drain_does_not_wait_for_what_is_due_after_the_grace_time() -> None:
    alone = Scripted(lambda _: SinkError("429", retry_after=100), name="alone")
    empty = Scripted(lambda _: SinkError("429", retry_after=100), name="empty")
    sick = Scripted(lambda _: Verdict.LATER, name="sick")
    async with relaying(alone, empty, sick) as house:
        await house.record("a", 1)
        await asyncio.sleep(700)
        assert await drained(house, 20) < 20.1
        assert set(await house.store.waiting()) == {"alone", "empty", "sick"}


@in_own_time
async def test_drain_waits_for_sends_under_way_also_while_others_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.random", lambda: 0.999)
    sink = Scripted(lambda delivery: Verdict.TAKEN if delivery.event.subject == "a" else Verdict.LATER,
                    Limits(parallel=2), takes={"a": 3})  # fmt: skip
    async with relaying(sink) as house:
        await house.record("b", 2)
        await asyncio.sleep(70)  # its next try is a minute away
        await house.record("a", 1)
        await asyncio.sleep(1)
        assert 1.9 <= await drained(house, 20) < 2.1
    assert len(sink.taken) == 1


@in_own_time
async def test_drain_waits_for_events_recorded_meanwhile() -> None:
    sink = Scripted(takes=1)
    async with relaying(sink) as house:
        await house.record("a", 1)
        draining = asyncio.create_task(house.relay.drain(20))
        await asyncio.sleep(0.5)
        await house.record("b", 2)
        await draining
        assert len(sink.taken) == 2


@in_own_time
async def test_a_send_that_hangs_at_the_end_is_cancelled_and_stays_due() -> None:
    store, sink = MemoryStore(), Scripted(lambda _: HANGS, Limits(deadline=1e9))
    async with relaying(sink, store=store) as house:
        await house.record("a", 1)
        await asyncio.sleep(1)
        assert sink.under_way
    assert not sink.under_way
    assert dict(await store.waiting()) == {"x": 1}


@in_own_time
async def test_only_events_of_one_cause_share_a_send() -> None:
    sink = Scripted(limits=GROUPED)
    async with relaying(sink) as house:
        await house.record_all({"a": [1], "b": [2]}, sha="bad")
        await asyncio.sleep(10)
        await house.record("c", 3, sha="bad")
        await house.record("d", 4, sha="other")
        await house.record("e", 5)
        await house.quiet(60)
    assert [send.subjects for send in sink.sends] == [["a", "b", "c"], ["d"], ["e"]]
    assert [send.at for send in sink.sends] == pytest.approx([30, 40, 40], abs=0.1)


@in_own_time
async def test_events_with_the_same_error_share_a_send_across_commits() -> None:
    sink = Scripted(limits=GROUPED)
    async with relaying(sink) as house:
        for number, subject in enumerate("abcd"):
            await house.record(subject, number, sha=subject * 40, said="Access to the repository was denied")
        await house.record("e", 5, sha="a" * 40, said="no file")
        await house.record("f", 6, said="no schema")
        await house.quiet(60)
    # With the first there is one by its commit, and there are three by its error: the most go together.
    assert [send.subjects for send in sink.sends] == [["a", "b", "c", "d"], ["e"], ["f"]]


@in_own_time
async def test_grouping_keeps_the_order_within_a_subject() -> None:
    sink = Scripted(limits=GROUPED)
    async with relaying(sink) as house:
        await house.record("a", 1, sha="first")
        await house.record_all({"a": [2], "b": [3]}, sha="second")
        await house.quiet(120)
    assert [[number_of(each) for each in send.deliveries] for send in sink.sends] == [[1], [2, 3]]


@in_own_time
async def test_a_group_that_failed_is_retried_as_a_group() -> None:
    sink = Scripted(limits=GROUPED)
    sink.answer = lambda _: Verdict.LATER if len(sink.sends) < 3 else Verdict.TAKEN
    async with relaying(sink) as house:
        await house.record_all({subject: [1] for subject in "abcd"}, sha="bad")
        await house.quiet(60)
    assert [send.subjects for send in sink.sends] == [[*"abcd"]] * 3


@in_own_time
async def test_an_event_that_makes_its_group_fail_is_sent_alone() -> None:
    sink = Scripted(lambda delivery: ValueError("a bug") if delivery.event.subject == "c" else Verdict.TAKEN, GROUPED)
    async with relaying(sink) as house:
        await house.record_all({subject: [1] for subject in "abcd"}, sha="bad")
        await house.until(
            lambda: {*"abd"} == {send.subjects[0] for send in sink.sends if len(send.deliveries) == 1} - {"c"}, 60
        )
        assert dict(await house.store.waiting()) == {"x": 1}


@in_own_time
async def test_a_failing_event_does_not_delay_a_group() -> None:
    sink = Scripted(lambda delivery: Verdict.LATER if delivery.event.subject == "p" else Verdict.TAKEN, GROUPED)
    async with relaying(sink) as house:
        await house.record("p", 1, sha="poison")
        await asyncio.sleep(100)
        await house.record_all({"a": [2], "b": [3]}, sha="bad")
        await house.until(lambda: len(sink.taken) == 2, 31)
        assert sink.sends[-1].subjects == ["a", "b"]


@in_own_time
async def test_no_event_waits_for_its_group_while_the_daemon_stops() -> None:
    sink = Scripted(limits=GROUPED)
    async with relaying(sink) as house:
        await house.record_all({"a": [1], "b": [2]}, sha="bad")
        await asyncio.sleep(1)
        assert not sink.sends
        assert await drained(house, 10) < 0.1
    assert [send.subjects for send in sink.sends] == [["a", "b"]]


@in_own_time
async def test_reminders_share_a_send_with_each_other_but_not_with_events() -> None:
    store, sink = MemoryStore(), Scripted(limits=GROUPED)
    async with relaying(sink, store=store) as house:
        await house.record_all({"a": [1], "b": [2]}, sha="bad")
        await house.quiet(31)
        await house.record("c", 3, sha="bad")
        await asyncio.sleep(25)
        requests = [ReminderRequest("x", subject, "watcher.sync.failed", MOMENT, 10.0) for subject in "abc"]
        assert await store.remind(requests, house.clock.now()) == 2
        house.relay.wake()
        await house.quiet(31)
    assert [_told(send.deliveries) for send in sink.sends] == [["a", "b"], ["a again", "b again"], ["c"]]


def _told(deliveries: Sequence[Delivery]) -> list[str]:
    return [f"{each.event.subject}{' again' if each.reminder else ''}" for each in deliveries]


@in_own_time
async def test_a_sink_is_replaced_also_if_closing_it_fails() -> None:
    class Stubborn(Scripted):
        async def close(self) -> None:
            raise OSError("no")

    old, new = Stubborn(), Scripted()
    async with relaying(old) as house:
        await house.record("s", 1)
        await house.quiet(10)
        with house.relay.changing():
            await house.relay.remove_sinks({"x"})
            house.relay.add_sink(new, 60.0)
        await house.record("s", 2)
        await house.quiet(10)
        assert (old.taken_of("s"), new.taken_of("s")) == ([1], [2])
        assert not house.running.done()


@in_own_time
async def test_close_closes_a_sink_whose_removal_was_cancelled() -> None:
    """The daemon is asked to stop while a reload waits for a send."""
    sink = Scripted(lambda _: HANGS, limits=Limits(deadline=600.0))
    async with relaying(sink) as house:
        await house.record("s", 1)
        await asyncio.sleep(1)
        retiring = asyncio.create_task(house.relay.remove_sinks({"x"}))
        await asyncio.sleep(1)
        retiring.cancel()
        await asyncio.sleep(1)
        assert not sink.closed
        await house.relay.close()
        assert sink.closed


@in_own_time
async def test_remove_sinks_waits_for_sends_under_way_up_to_their_deadline() -> None:
    sink = Scripted(takes=300.0, limits=Limits(deadline=600.0))
    async with relaying(sink) as house:
        await house.record("s", 1)
        await asyncio.sleep(1)
        await house.relay.remove_sinks({"x"})
        assert sink.taken_of("s") == [1]
        assert 295 < passed() < 310
        assert not await house.store.waiting()
