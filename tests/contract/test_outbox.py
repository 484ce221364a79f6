"""Which deliveries are next, and what the outcome of a try changes: the same in every store (`core.ports.Store`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.conftest import NOW, after, entry, given_up, later, numbers, only, refused, sent
from watcher.core.deliveries import DeliveryState
from watcher.core.queries import DeliveryQuery

if TYPE_CHECKING:
    from collections.abc import Callable

    from watcher.core.deliveries import Delivery, DeliveryOutcome
    from watcher.core.ports import Store


async def test_heads_are_the_oldest_of_each_subject_in_the_order_recorded(store: Store) -> None:
    await store.commit([entry("b", 1, 2), entry("a", 3, 4), entry("c", 5, sinks="xy")], NOW)
    await store.commit([entry("a", 6), entry("d", 7)], NOW)
    assert numbers(await store.lane_heads("x", NOW, 10)) == [1, 3, 5, 7]
    assert numbers(await store.lane_heads("x", NOW, 2)) == [1, 3]
    assert numbers(await store.lane_heads("y", NOW, 10)) == [5]
    assert await store.lane_heads("z", NOW, 10) == []


async def test_a_head_has_all_attributes_of_its_delivery(store: Store) -> None:
    await store.commit([entry("a", 1)], NOW)
    first = await only(store)
    assert (first.sink, first.recorded, first.reminder, first.tries) == ("x", NOW.timestamp(), 0, 0)
    assert (first.failing_since, first.failures) == (None, 0)
    assert [first] == await store.due("x", 10)
    await store.settle([later(first)], after(5))
    again = await only(store, now=after(60))
    assert (again.number, again.event, again.tries) == (first.number, first.event, 1)
    assert (again.failing_since, again.failures) == (after(5).timestamp(), 1)


async def test_due_deliveries_have_the_streaks_of_their_own_subjects(store: Store) -> None:
    await store.commit([entry("a", 1), entry("b", 2), entry("c", 3)], NOW)
    _, of_b, _ = await store.due("x", 10)
    await store.settle([later(of_b)], after(5))
    due = await store.due("x", 10)
    streaks = [(each.failures, each.failing_since) for each in due]
    assert streaks == [(0, None), (1, after(5).timestamp()), (0, None)]
    await store.settle([sent(due[1])], after(60))
    assert [(each.failures, each.failing_since) for each in await store.due("x", 10)] == [(0, None), (0, None)]


async def test_heads_skip_subjects_and_still_fill_the_page(store: Store) -> None:
    await store.commit([entry(name, i) for i, name in enumerate("abcdef")], NOW)
    assert numbers(await store.lane_heads("x", NOW, 3, {"a", "c", "unknown"})) == [1, 3, 4]
    assert numbers(await store.lane_heads("x", NOW, 9, set("abcdef"))) == []


async def test_a_subject_whose_try_failed_comes_back_when_its_pause_is_over(store: Store) -> None:
    await store.commit([entry("a", 1, 2), entry("b", 3)], NOW)
    await store.settle([later((await store.lane_heads("x", NOW, 1))[0], 10)], NOW)
    assert numbers(await store.lane_heads("x", after(9.9), 10)) == [3]
    assert numbers(await store.lane_heads("x", after(10), 10)) == [1, 3]
    assert numbers(await store.due("x", 10)) == [1, 2, 3]


async def test_of_what_fails_no_more_come_than_asked_for_the_longest_due_first(store: Store) -> None:
    await store.commit([entry(name, i) for i, name in enumerate("abcdef")], NOW)
    a, b, c, *_ = await store.lane_heads("x", NOW, 10)
    await store.settle([later(a, 3), later(b, 2), later(c, 1)], NOW)
    now = after(60)
    assert numbers(await store.lane_heads("x", now, 10)) == [0, 1, 2, 3, 4, 5]
    assert numbers(await store.lane_heads("x", now, 10, failing=2)) == [1, 2, 3, 4, 5]
    assert numbers(await store.lane_heads("x", now, 3, failing=1)) == [2, 3, 4]
    assert numbers(await store.lane_heads("x", now, 10, failing=0)) == [3, 4, 5]
    assert numbers(await store.lane_heads("x", now, 10, "c", failing=1)) == [1, 3, 4, 5]


async def test_a_clock_set_back_lets_what_failed_be_tried_at_once(store: Store) -> None:
    """Its next try would otherwise be an hour, or a year, away."""
    await store.commit([entry("a", 1), entry("b", 2)], NOW)
    a, b = await store.lane_heads("x", NOW, 2)
    await store.settle([later(a, 300)], NOW)
    assert await store.next_try("x", NOW, "b") == pytest.approx(300)
    earlier = after(-3600)
    await store.settle([later(b, 20)], earlier)
    assert numbers(await store.lane_heads("x", earlier, 10)) == [1]
    assert await store.next_try("x", earlier, "b") == 0
    assert numbers(await store.lane_heads("x", earlier, 10, failing=1)) == [1]


@pytest.mark.parametrize(
    ("settled", "state", "ended"),
    [
        (sent, DeliveryState.SENT, True),
        (refused, DeliveryState.DEAD, True),
        (given_up, DeliveryState.DEAD, True),
        (later, DeliveryState.WAITING, False),
    ],
)
async def test_a_delivery_ends_in_the_state_of_its_outcome(
    store: Store, settled: Callable[[Delivery], DeliveryOutcome], state: DeliveryState, *, ended: bool
) -> None:
    await store.commit([entry("a", 1, sinks="xy")], NOW)
    delivery = await only(store)
    result = settled(delivery)
    await store.settle([result], after(7))
    (told,) = await store.deliveries(DeliveryQuery(sink="x"))
    assert (told.event, told.sink, told.state, told.answer) == (delivery.event, "x", state, result.answer)
    assert (told.tries, told.tried) == (1, after(7).timestamp())
    assert told.ended == (after(7).timestamp() if ended else None)
    (other,) = await store.deliveries(DeliveryQuery(sink="y"))
    assert (other.state, other.tries, other.tried, other.answer) == (DeliveryState.WAITING, 0, None, None)


async def test_a_streak_grows_with_each_failure_and_keeps_its_beginning(store: Store) -> None:
    await store.commit([entry("a", 1)], NOW)
    for failure in range(4):
        moment = after(100 * failure)
        delivery = await only(store, now=moment)
        assert (delivery.failures, delivery.tries) == (failure, failure)
        assert delivery.failing_since == (NOW.timestamp() if failure else None)
        await store.settle([later(delivery)], moment)


async def test_what_is_taken_or_refused_ends_the_streak(store: Store) -> None:
    for ending in (sent, refused):
        await store.commit([entry("a", 1, 2)], NOW)
        await store.settle([later(await only(store))], NOW)
        await store.settle([ending(await only(store, now=after(60)))], after(60))
        following = await only(store, now=after(60))
        assert (numbers([following]), following.failures, following.failing_since) == ([2], 0, None)
        await store.settle([sent(following)], after(60))


async def test_a_subject_that_was_given_up_once_goes_on_failing_with_its_next_event(store: Store) -> None:
    await store.commit([entry("a", 1, 2)], NOW)
    await store.settle([later(await only(store))], NOW)
    await store.settle([given_up(await only(store, now=after(60)), 30)], after(60))
    assert await store.lane_heads("x", after(89), 10) == []
    assert await store.next_try("x", after(60)) == pytest.approx(30)
    following = await only(store, now=after(90))
    assert (numbers([following]), following.failures, following.tries) == ([2], 2, 0)
    assert following.failing_since == NOW.timestamp()


async def test_the_last_of_a_subject_leaves_no_streak_behind(store: Store) -> None:
    await store.commit([entry("a", 1)], NOW)
    await store.settle([later(await only(store), 300)], NOW)
    await store.settle([given_up(await only(store, now=after(400)), 300)], after(400))
    assert await store.next_try("x", after(400)) is None
    await store.commit([entry("a", 2)], after(401))
    fresh = await only(store, now=after(401))
    assert (numbers([fresh]), fresh.failures) == ([2], 0)


async def test_results_of_several_subjects_are_kept_together(store: Store) -> None:
    await store.commit([entry(name, i, i + 10) for i, name in enumerate("abcd")], NOW)
    a, b, c, d = await store.lane_heads("x", NOW, 4)
    await store.settle([sent(a), later(b), refused(c), given_up(d)], NOW)
    assert numbers(await store.lane_heads("x", NOW, 10)) == [10, 12]
    assert numbers(await store.lane_heads("x", after(10), 10)) == [10, 1, 12, 13]
    assert dict(await store.counts()) == {("x", DeliveryState.WAITING): 5, ("x", DeliveryState.DEAD): 2}
    assert dict(await store.waiting()) == {"x": 5}


async def test_the_next_try_is_the_soonest_of_all_that_are_not_skipped(store: Store) -> None:
    assert await store.next_try("x", NOW) is None
    await store.commit([entry(name, i) for i, name in enumerate("abc")], NOW)
    assert await store.next_try("x", NOW) == 0
    a, b, _ = await store.lane_heads("x", NOW, 3)
    await store.settle([later(a, 20), later(b, 10)], NOW)
    assert await store.next_try("x", NOW) == 0
    assert await store.next_try("x", NOW, "c") == pytest.approx(10)
    assert await store.next_try("x", after(4), "cb") == pytest.approx(16)
    assert await store.next_try("x", after(50), "c") == 0
    assert await store.next_try("x", NOW, "abc") is None
    assert await store.next_try("y", NOW) is None


async def test_when_a_sink_works_again_its_failed_ones_come_at_once_and_only_its(store: Store) -> None:
    await store.commit([entry(name, i, sinks="xy") for i, name in enumerate("abc")], NOW)
    for sink in "xy":
        a, b, _ = await store.lane_heads(sink, NOW, 3)
        await store.settle([later(a, 200), later(b, 100)], NOW)
    await store.retry_now("x")
    heads = await store.lane_heads("x", NOW, 10)
    assert numbers(heads) == [0, 1, 2]
    assert [head.failures for head in heads] == [1, 1, 0]
    assert numbers(await store.lane_heads("x", NOW, 10, failing=0)) == [2]
    assert await store.next_try("x", NOW, "c") == 0
    assert numbers(await store.lane_heads("y", NOW, 10)) == [2]


async def test_what_ended_meanwhile_stays_as_it_ended(store: Store) -> None:
    """It became a dead letter while it was under way: its outcome changes nothing."""
    await store.commit([entry("a", 1), entry("b", 2)], NOW)
    a, b = await store.lane_heads("x", NOW, 2)
    await store.dead_letter("x", "no more", NOW)
    await store.commit([entry("a", 3)], NOW)
    await store.settle([later(a), sent(b)], after(1))
    assert {told.answer for told in await store.deliveries(DeliveryQuery(states=[DeliveryState.DEAD]))} == {"no more"}
    fresh = await only(store, now=after(1))
    assert (numbers([fresh]), fresh.failures, fresh.tries) == ([3], 0, 0)


async def test_deliveries_are_returned_by_sink_with_the_oldest_first(store: Store) -> None:
    await store.commit([entry("b", 1, sinks="yx"), entry("a", 2, sinks="y"), entry("b", 3, sinks="xy")], NOW)
    await store.settle([refused((await store.due("y", 1))[0])], after(1))
    everything = await store.deliveries(DeliveryQuery())
    assert [(told.sink, *numbers([told])) for told in everything] == [("x", 1), ("x", 3), ("y", 1), ("y", 2), ("y", 3)]
    assert {told.recorded for told in everything} == {NOW.timestamp()}

    async def found(**query: Any) -> list[tuple[str, int]]:
        told = await store.deliveries(DeliveryQuery(**query))
        return list(zip([each.sink for each in told], numbers(told), strict=True))

    assert await found(limit=2) == [("x", 1), ("x", 3)]
    assert await found(sink="y", states=[DeliveryState.WAITING]) == [("y", 2), ("y", 3)]
    assert await found(states=[DeliveryState.DEAD]) == [("y", 1)]
    assert await found(states=[DeliveryState.DEAD, DeliveryState.SENT]) == [("y", 1)]
    assert await found(newest=True) == (await found())[::-1]
    assert await found(newest=True, limit=1) == (await found())[-1:]
    assert await found(event_id=everything[0].event.id) == [("x", 1), ("y", 1)]
    assert await found(event_id="none") == []


async def test_every_recording_of_an_event_is_found_by_its_id(store: Store) -> None:
    await store.commit([entry("a", 1, 2)], NOW)
    await store.commit([entry("a", 1)], after(1))
    found = await store.find(f"{1:032x}")
    assert [kept.id for _, kept in found] == [f"{1:032x}"] * 2
    assert found[0][0] < found[1][0]
    assert await store.find("none") == []
