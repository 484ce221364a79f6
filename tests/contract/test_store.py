"""One promise, kept by every store (`core.ports.Store`)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.contract.conftest import NOW, event, sent
from watcher.core.ports import Entry
from watcher.core.queries import EventQuery
from watcher.core.state import Known, Outage, Record

if TYPE_CHECKING:
    from watcher.core.ports import Store


async def test_what_was_committed_is_there(store: Store) -> None:
    record = Record(Known(None, NOW, {"sha": "abc"}), 3, Outage(NOW, "X", "why", 3))
    await store.commit([Entry("a", record), Entry("b", Record(sequence=1))], NOW)
    assert await store.records() == {"a": record, "b": Record(sequence=1)}


async def test_a_later_commit_replaces_a_state(store: Store) -> None:
    await store.commit([Entry("a", Record(sequence=1))], NOW)
    await store.commit([Entry("a", Record(sequence=2))], NOW)
    assert await store.records() == {"a": Record(sequence=2)}


async def test_forgotten_subjects_lose_their_state_and_keep_their_events(store: Store) -> None:
    await store.commit([Entry(name, Record(), [(event(i, name), ["out"])]) for i, name in enumerate("abc")], NOW)
    assert await store.forget(["a", "b", "unknown"], NOW) == 2
    assert set(await store.records()) == {"c"}
    assert len(await store.events(EventQuery())) == 3
    assert len(await store.due("out", 10)) == 3


async def test_the_sequence_of_a_forgotten_subject_is_kept_until_it_is_pruned(store: Store) -> None:
    record = Record(Known(None, NOW), 3, Outage(NOW, "X", "why", 3))
    await store.commit([Entry("a", record, [(event(1), ["x"])]), Entry("b", record)], NOW)
    assert await store.forget(["a", "b"], NOW) == 2
    assert await store.forget(["a", "b"], NOW + timedelta(1)) == 0, "they were forgotten before"
    kept = Record(sequence=3)
    assert await store.records() == await store.reload(["a", "b"]) == {"a": kept, "b": kept}
    assert await store.prune(NOW, 9) == 0
    later = NOW + timedelta(seconds=1)
    assert await store.prune(later, 1) == 1
    assert await store.prune(later, 9) == 1
    assert await store.records() == {}


async def test_a_forgotten_subject_that_comes_back_goes_on_in_sequence(store: Store) -> None:
    await store.commit([Entry("a", Record(Known(None, NOW), 3), [(event(1), ["x"])])], NOW)
    await store.forget(["a"], NOW)
    again = Record(Known(None, NOW), 4)
    await store.commit([Entry("a", again, [(event(2), ["x"])], Record(sequence=3))], NOW)
    await store.prune(NOW + timedelta(1), 9)
    assert await store.records() == {"a": again}
    assert [each.event.id for each in await store.due("x", 10)] == [event(1).id, event(2).id]
    await store.forget(["a"], NOW + timedelta(2))
    await store.prune(NOW + timedelta(2), 9)
    assert await store.records() == {"a": Record(sequence=4)}


async def test_each_sink_gets_what_was_routed_to_it_in_order(store: Store) -> None:
    await store.commit(
        [
            Entry("a", Record(), [(event(1), ["x", "y"]), (event(2), ["x"]), (event(3), [])]),
            Entry("b", Record(), [(event(4, "b"), ["y"])]),
        ],
        NOW,
    )
    assert [delivery.event.id for delivery in await store.due("x", 10)] == [event(1).id, event(2).id]
    assert [delivery.event.id for delivery in await store.due("y", 10)] == [event(1).id, event(4).id]
    assert await store.due("z", 10) == []
    assert dict(await store.waiting()) == {"x": 2, "y": 2}


async def test_a_page_of_due_deliveries_is_the_oldest(store: Store) -> None:
    await store.commit([Entry("a", Record(), [(event(i), ["x"]) for i in range(9)])], NOW)
    assert [delivery.event.id for delivery in await store.due("x", 2)] == [event(0).id, event(1).id]


async def test_a_settled_delivery_is_not_due_again_for_its_sink_alone(store: Store) -> None:
    await store.commit([Entry("a", Record(), [(event(1), ["x", "y"]), (event(2), ["x", "y"])])], NOW)
    first, _ = await store.due("x", 2)
    await store.settle([sent(first)], NOW)
    await store.settle([sent(first)], NOW)
    assert [delivery.event.id for delivery in await store.due("x", 10)] == [event(2).id]
    assert dict(await store.waiting()) == {"x": 1, "y": 2}


async def test_the_same_event_may_be_recorded_again(store: Store) -> None:
    """A target that was put back is first observed again, with the ids of before."""
    await store.commit([Entry("a", Record(), [(event(1), ["x"])])], NOW)
    await store.commit([Entry("a", Record(), [(event(1), ["x"])])], NOW)
    assert len(await store.due("x", 10)) == 2


async def test_numbers_grow_even_when_history_is_dropped(store: Store) -> None:
    await store.commit([Entry("a", Record(), [(event(1), [])])], NOW)
    (before,) = await store.events(EventQuery())
    await store.prune(NOW + timedelta(1), 10)
    await store.commit([Entry("a", Record(), [(event(2), [])])], NOW)
    (after,) = await store.events(EventQuery())
    assert after[0] > before[0]


async def test_pruning_takes_old_events_step_by_step_and_none_that_a_sink_waits_for(store: Store) -> None:
    await store.commit([Entry("a", Record(), [(event(i), ["x"] if i == 0 else []) for i in range(5)])], NOW)
    later = NOW + timedelta(hours=1)
    await store.commit([Entry("a", Record(), [(event(9), [])])], later)
    assert await store.prune(later, 3) == 3
    assert await store.prune(later, 3) == 1
    assert await store.prune(later, 3) == 0
    assert [kept.id for _, kept in await store.events(EventQuery())] == [event(0).id, event(9).id]
    await store.settle([sent(each) for each in await store.due("x", 1)], NOW + timedelta(minutes=30))
    assert await store.prune(later, 3) == 1


QUERIES: list[tuple[EventQuery, list[int]]] = [
    (EventQuery(), [0, 1, 2, 3]),
    (EventQuery(limit=2), [2, 3]),
    (EventQuery(limit=2, newest=False), [0, 1]),
    (EventQuery(target="prod/*"), [0, 2]),
    (EventQuery(target="net"), [0, 2]),
    (EventQuery(target="prod/r/stack/net"), [0, 2]),
    (EventQuery(target="PROD/*"), []),
    (EventQuery(target="*/stack/[!n]*"), [1]),
    (EventQuery(types=["watcher.sync.failed"]), [0, 1]),
    (EventQuery(types=["*.readable", "watcher.sync.succeeded"]), [2, 3]),
    (EventQuery(since=NOW + timedelta(minutes=2)), [2, 3]),
    (EventQuery(target="dev/*", types=["*.failed"], since=NOW), [1]),
]


@pytest.mark.parametrize(("query", "found"), QUERIES)
async def test_events_are_found(store: Store, query: EventQuery, found: list[int]) -> None:
    rows = [
        ("prod/r/stack/net", "watcher.sync.failed"),
        ("dev/r/stack/web", "watcher.sync.failed"),
        ("prod/r/stack/net", "watcher.sync.succeeded"),
        ("dev/r/proton", "watcher.endpoint.readable"),
    ]
    for minute, (subject, kind) in enumerate(rows):
        entry = Entry(subject, Record(), [(event(minute, subject, kind), [])])
        await store.commit([entry], NOW + timedelta(minutes=minute))
    assert [int(kept.id, 16) for _, kept in await store.events(query)] == found


@pytest.mark.parametrize(
    ("events", "newest", "found"),
    [(0.1, True, [3]), (0.1, False, [0]), (2, True, [2, 3]), (2.9, False, [0, 1]), (4, True, [0, 1, 2, 3])],
)
async def test_events_are_read_up_to_a_size(store: Store, events: float, *, newest: bool, found: list[int]) -> None:
    await store.commit([Entry("a", Record(), [(event(i), []) for i in range(4)])], NOW)
    wanted = EventQuery(newest=newest, size=events * len(event(0).body))
    assert [int(kept.id, 16) for _, kept in await store.events(wanted)] == found


async def test_events_after_a_number_follow_it(store: Store) -> None:
    await store.commit([Entry("a", Record(), [(event(i), []) for i in range(3)])], NOW)
    numbers = [number for number, _ in await store.events(EventQuery())]
    following = await store.events(replace(EventQuery(), after=numbers[0]))
    assert [number for number, _ in following] == numbers[1:]


@pytest.mark.parametrize("target", [None, "a"])
async def test_events_before_a_number_come_before_it(store: Store, target: str | None) -> None:
    await store.commit([Entry("a", Record(), [(event(i), []) for i in range(4)])], NOW)
    numbers = [number for number, _ in await store.events(EventQuery())]
    preceding = await store.events(EventQuery(target, before=numbers[3], limit=2))
    assert [number for number, _ in preceding] == numbers[1:3]
    assert await store.events(EventQuery(target, before=numbers[0])) == []
    assert await store.events(EventQuery(target, after=numbers[2], before=numbers[1])) == []


async def test_text_that_is_no_unicode_survives(store: Store) -> None:
    """JSON may escape half a surrogate pair; neither state nor events may be lost over it."""
    record = Record(Known(None, NOW, {"sha": "\ud800"}))
    await store.commit([Entry("a", record)], NOW)
    assert await store.records() == {"a": record}


async def test_the_last_mark_of_a_daemon_is_kept(store: Store) -> None:
    assert await store.alive_at() is None
    for moment in (NOW, NOW + timedelta(seconds=30.5)):
        await store.mark_alive(moment)
        assert await store.alive_at() == moment
