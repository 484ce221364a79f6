"""Sinks that come and go, reminders, replayed and pruned events: the same in every store (`core.ports.Store`)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.contract.conftest import MOMENT, NOW, after, entry, event, given_up, later, numbers, only, refused, sent
from watcher.core.deliveries import DeliveryState, ReminderRequest
from watcher.core.ports import Entry
from watcher.core.queries import DeliveryQuery, EventQuery
from watcher.core.retry_policy import OVER, REMOVED
from watcher.core.state import Incident, Record

if TYPE_CHECKING:
    from watcher.core.deliveries import DeliveryRecord
    from watcher.core.events import Event
    from watcher.core.ports import Store


DEAD = DeliveryQuery(states=[DeliveryState.DEAD])
REQUEST = ReminderRequest("x", "a", "watcher.sync.failed", MOMENT, 100.0)


async def deliver(store: Store, seconds: float, sink: str = "x") -> list[str]:
    """Send all that may be tried; the ids by which a receiver knows them."""
    heads = await store.lane_heads(sink, after(seconds), 100)
    await store.settle([sent(each) for each in heads], after(seconds))
    return [each.id for each in heads]


async def reminders(store: Store) -> list[DeliveryRecord]:
    return [told for told in await store.deliveries(DeliveryQuery()) if told.reminder]


async def test_the_sinks_of_the_last_start_are_known(store: Store) -> None:
    assert not await store.registered_sinks()
    assert await store.set_sinks(["x", "y"], NOW) == 0
    assert set(await store.registered_sinks()) == {"x", "y"}
    assert await store.set_sinks(["y", "z"], NOW) == 0
    assert set(await store.registered_sinks()) == {"y", "z"}


async def test_pending_deliveries_of_a_removed_sink_become_dead_letters_that_say_so(store: Store) -> None:
    await store.set_sinks(["x", "y"], NOW)
    await store.commit([entry("a", 1, 2, sinks="xy"), entry("b", 3, sinks="x")], NOW)
    assert await store.set_sinks(["y"], after(5)) == 3
    dead = await store.deliveries(DEAD)
    assert {(told.sink, told.answer, told.ended) for told in dead} == {("x", REMOVED, after(5).timestamp())}
    assert numbers(dead) == [1, 2, 3]
    assert await store.next_try("x", after(5)) is None
    assert dict(await store.waiting()) == {"y": 2}
    assert await store.set_sinks(["y"], after(6)) == 0


async def test_dead_letter_ends_all_pending_deliveries_of_one_sink_whatever_their_streak(store: Store) -> None:
    await store.commit([entry("a", 1, 2, sinks="xy"), entry("b", 3, sinks="x")], NOW)
    await store.settle([later((await store.lane_heads("x", NOW, 1))[0])], NOW)
    assert await store.dead_letter("x", "410 Gone", after(5)) == 3
    assert await store.dead_letter("x", "410 Gone", after(6)) == 0
    assert [(told.sink, told.answer) for told in await store.deliveries(DEAD)] == [("x", "410 Gone")] * 3
    assert numbers(await store.due("y", 10)) == [1, 2]
    await store.commit([entry("a", 4)], after(7))
    fresh = await only(store, now=after(7))
    assert (numbers([fresh]), fresh.failures) == ([4], 0)


async def test_history_is_replayed_once_only_what_is_wanted_and_in_order(store: Store) -> None:
    await store.commit([entry("a", 1, sinks="y")], NOW)
    await store.commit([entry("a", 2, sinks="y"), entry("b", 3, sinks=""), entry("a", 4, sinks="y")], after(60))
    wanted = [f"{number:032x}" for number in (1, 2, 4)]
    assert await store.replay("x", after(60), lambda old: old.id in wanted) == 2
    assert await store.replay("x", after(60), lambda old: old.id in wanted) == 0
    assert numbers(await store.lane_heads("x", after(60), 10)) == [2]
    assert numbers(await store.due("x", 10)) == [2, 4]
    assert await store.replay("x", NOW, lambda _: True) == 2
    assert numbers(await store.lane_heads("x", after(60), 10)) == [1, 3]
    assert numbers(await store.due("y", 10)) == [1, 2, 4]


async def test_what_a_sink_had_or_was_given_up_is_not_replayed(store: Store) -> None:
    await store.commit([entry("a", 1), entry("b", 2), entry("c", 3, sinks="y")], NOW)
    a, b = await store.lane_heads("x", NOW, 2)
    await store.settle([sent(a), refused(b)], NOW)
    assert await store.replay("x", NOW, lambda _: True) == 1
    assert numbers(await store.due("x", 10)) == [3]


async def test_a_reminder_is_due_when_its_time_is_over_and_counts(store: Store) -> None:
    await store.commit([entry("a", 1)], NOW)
    first = event(1).id
    assert await deliver(store, 10) == [first]
    assert await store.remind([REQUEST], after(109)) == 0
    assert await store.remind([REQUEST], after(110)) == 1
    assert await store.remind([REQUEST], after(500)) == 0  # it waits
    reminder = await only(store, now=after(500))
    assert (reminder.reminder, reminder.event, reminder.recorded) == (1, event(1), NOW.timestamp())
    assert await deliver(store, 500) == [f"{first}-reminder-1"]
    assert await store.remind([REQUEST], after(599)) == 0
    assert await store.remind([REQUEST], after(600)) == 1
    assert await deliver(store, 600) == [f"{first}-reminder-2"]
    assert [(told.reminder, told.state) for told in await reminders(store)] == [
        (1, DeliveryState.SENT),
        (2, DeliveryState.SENT),
    ]
    assert len(await store.events(EventQuery())) == 1


async def test_remind_adds_reminders_of_dead_letters(store: Store) -> None:
    await store.commit([entry("a", 1)], NOW)
    await store.settle([given_up(await only(store))], after(50))
    assert await store.remind([REQUEST], after(149)) == 0
    assert await store.remind([REQUEST], after(150)) == 1


@pytest.mark.parametrize(
    "other",
    [
        replace(REQUEST, sink="y"),
        replace(REQUEST, subject="b"),
        replace(REQUEST, type="watcher.sync.stalled"),
        replace(REQUEST, mark="2026-11-23T12:00:00Z"),
    ],
)
async def test_remind_adds_no_reminder_of_an_event_that_a_sink_did_not_get(
    store: Store, other: ReminderRequest
) -> None:
    await store.commit([entry("a", 1)], NOW)
    await deliver(store, 0)
    assert await store.remind([other], after(5000)) == 0
    assert await store.remind([REQUEST, other], after(5000)) == 1


async def test_outages_are_distinguished_by_when_they_began(store: Store) -> None:
    kind = "watcher.target.unreadable"
    told = event(1, "a", kind, error={"code": "X", "message": "", "since": MOMENT})
    body = json.loads(told.body)
    del body["data"]["attempt"]  # an outage has none
    told = told._replace(body=json.dumps(body))
    await store.commit([Entry("a", Record(), [(told, ["x"])])], NOW)
    await deliver(store, 0)
    assert await store.remind([ReminderRequest("x", "a", kind, "2026-11-23T11:58:00Z", 100)], after(5000)) == 0
    assert await store.remind([ReminderRequest("x", "a", kind, MOMENT, 100)], after(5000)) == 1


async def test_there_is_no_reminder_while_a_subjects_news_waits(store: Store) -> None:
    await store.commit([entry("a", 1, 2)], NOW)
    first, _ = await store.due("x", 2)
    await store.settle([sent(first)], NOW)
    assert await store.remind([REQUEST], after(5000)) == 0


async def test_a_newer_event_cancels_a_reminder_even_one_under_way(store: Store) -> None:
    await store.commit([entry("a", 1, sinks="xy")], NOW)
    await deliver(store, 0)
    await deliver(store, 0, "y")
    assert await store.remind([REQUEST, replace(REQUEST, sink="y")], after(100)) == 2
    under_way = await only(store, now=after(100))
    await store.commit([Entry("a", Record(sequence=5))], after(101))  # a state without an event calls nothing off
    assert await only(store, now=after(101)) == under_way
    await store.commit([entry("a", 2)], after(102))
    assert {(told.sink, told.state, told.answer, told.ended) for told in await reminders(store)} == {
        (sink, DeliveryState.DROPPED, OVER, after(102).timestamp()) for sink in "xy"
    }
    await store.settle([later(under_way)], after(103))
    assert numbers([await only(store, now=after(103))]) == [2]
    assert await store.lane_heads("y", after(103), 10) == []


async def test_a_pending_reminder_that_is_no_longer_requested_is_cancelled(store: Store) -> None:
    await store.commit([entry("a", 1, sinks="xy")], NOW)
    await deliver(store, 0)
    await deliver(store, 0, "y")
    assert await store.remind([REQUEST, replace(REQUEST, sink="y")], after(100)) == 2
    assert await store.remind([replace(REQUEST, sink="y")], after(110)) == 0
    told = {each.sink: (each.state, each.answer) for each in await reminders(store)}
    assert told == {"x": (DeliveryState.DROPPED, OVER), "y": (DeliveryState.WAITING, None)}
    assert await store.lane_heads("x", after(110), 10) == []
    assert await store.remind([REQUEST], after(209)) == 0
    assert await store.remind([REQUEST], after(210)) == 1


async def test_dead_letter_before_a_time_leaves_later_deliveries_pending(store: Store) -> None:
    await store.commit([entry("a", 1, sinks="xy"), entry("b", 2)], NOW)
    await store.commit([entry("a", 3), entry("c", 4)], after(60))
    assert await store.dead_letter("x", "given up", after(90), before=after(-1)) == 0
    assert await store.dead_letter("x", "given up", after(90), before=after(30)) == 2
    assert numbers(await store.deliveries(DEAD)) == [1, 2]
    assert numbers(await store.lane_heads("x", after(90), 10)) == [3, 4]
    assert dict(await store.waiting()) == {"x": 2, "y": 1}


async def test_dead_letter_compares_the_time_recorded_though_a_clock_ran_ahead(store: Store) -> None:
    await store.commit([entry("a", 1)], after(500))
    await store.commit([entry("b", 2)], after(10))
    assert await store.dead_letter("x", "given up", after(90), before=after(30)) == 1
    assert numbers(await store.deliveries(DEAD)) == [2]


async def test_retry_now_makes_only_lanes_due_that_failed_since_a_time(store: Store) -> None:
    await store.commit([entry("a", 1), entry("b", 2)], NOW)
    a, b = await store.lane_heads("x", NOW, 2)
    await store.settle([later(a, 200)], NOW)
    await store.settle([later(b, 200)], after(50))
    await store.retry_now("x", after(20).timestamp())
    assert numbers(await store.lane_heads("x", after(60), 10)) == [2]


async def test_a_muted_event_gets_reminders_only_after_it_was_released(store: Store) -> None:
    muted = event(1, muted={"reason": None, "until": None})
    before = Record(sequence=1)
    await store.commit([Entry("a", before, [(muted, [])])], NOW)
    assert await store.remind([REQUEST], after(500)) == 0
    await store.commit([Entry("a", before, follows=before, released=[(muted.id, ["x"])])], after(500))
    assert await store.remind([REQUEST], after(500)) == 0
    assert await deliver(store, 500) == [muted.id]
    assert await store.remind([REQUEST], after(599)) == 0
    assert await store.remind([REQUEST], after(600)) == 1
    assert await deliver(store, 600) == [f"{muted.id}-reminder-1"]


async def test_events_are_released_with_the_state_once_to_each_sink_in_their_order(store: Store) -> None:
    first, last = Record(sequence=2), Record(sequence=3)
    await store.commit([Entry("a", first, [(event(1), []), (event(2), ["y"])]), entry("b", 3)], NOW)
    released = [(event(1).id, ["x", "y", "x"]), (event(2).id, ["x", "y"])]
    await store.commit([Entry("a", last, follows=first, released=released)], after(10))
    assert (await store.records())["a"] == last
    assert numbers(await store.due("x", 9)) == [1, 2, 3]
    assert {each.recorded for each in await store.due("x", 9)} == {NOW.timestamp()}
    assert await deliver(store, 10, "y") == [event(1).id]
    assert await deliver(store, 10, "y") == [event(2).id]
    await store.commit([Entry("a", last, follows=last, released=released)], after(20))
    assert await store.waiting() == {"x": 3}
    assert len(await store.events(EventQuery())) == 3, "no event is recorded twice"


async def test_a_released_event_that_was_pruned_or_is_of_another_subject_is_left_out(store: Store) -> None:
    before = Record(sequence=1)
    await store.commit([Entry("a", before, [(event(1), [])]), entry("b", 3, sinks=())], NOW)
    assert await store.prune(after(10), 9) == 2
    await store.commit([entry("b", 4, sinks=())], after(20))
    released = [(event(1).id, ["x"]), (event(4, "b").id, ["x"])]
    await store.commit([Entry("a", Record(sequence=2), follows=before, released=released)], after(20))
    assert (await store.records())["a"] == Record(sequence=2)
    assert await store.waiting() == {}


async def test_a_released_event_is_not_pruned_while_it_waits(store: Store) -> None:
    before = Record(sequence=1)
    await store.commit([Entry("a", before, [(event(1), [])])], NOW)
    await store.commit([Entry("a", before, follows=before, released=[(event(1).id, ["x"])])], after(10))
    assert await store.prune(after(20), 9) == 0
    assert await deliver(store, 30) == [event(1).id]
    assert await store.prune(after(40), 9) == 1


async def test_the_opening_and_the_last_problem_of_each_type_stay_while_their_incident_is_open(store: Store) -> None:
    incident = Incident("i", NOW, ("failed", "stalled"))

    def within(number: int, state: str, kind: str = "watcher.sync.failed", id_: str = "i") -> tuple[Event, list[str]]:
        about = {"id": id_, "state": state, "opened_at": MOMENT, "problems": ["failed"], "duration_seconds": None}
        return event(number, kind=kind, incident=about), ["x"]

    events = [
        within(1, "opened", id_="before"),
        within(2, "resolved", "watcher.sync.succeeded", id_="before"),
        within(3, "opened"),
        within(4, "ongoing"),
        within(5, "ongoing", "watcher.sync.stalled"),
        within(6, "ongoing", "watcher.sync.in_progress"),
        within(7, "ongoing"),
    ]
    await store.commit([Entry("a", Record(sequence=7, incident=incident), events), entry("b", 9)], NOW)
    while await deliver(store, 0):
        pass
    while await store.prune(after(10), 2):
        pass
    assert [int(each.id, 16) for _, each in await store.events(EventQuery())] == [3, 5, 7]
    await store.commit([Entry("a", Record(sequence=8), [within(8, "resolved", "watcher.sync.succeeded")])], after(20))
    await deliver(store, 20)
    assert await store.prune(after(30), 9) == 4
    assert await store.events(EventQuery()) == []


async def test_an_event_recorded_before_its_sink_was_added_gets_no_reminder(store: Store) -> None:
    await store.commit([entry("a", 1, sinks=())], NOW)
    assert await store.remind([REQUEST], after(5000)) == 0


async def test_pruning_keeps_what_ended_lately_and_what_waits(store: Store) -> None:
    await store.commit([entry("a", 1), entry("b", 2), entry("c", 3), entry("d", 4), entry("e", 5, sinks=())], NOW)
    a, b, c, _ = await store.lane_heads("x", NOW, 4)
    await store.settle([sent(a), refused(b)], after(10))
    await store.settle([refused(c)], after(1000))
    assert await store.prune(after(1000), 10) == 3
    assert [kept.id for _, kept in await store.events(EventQuery())] == [event(3).id, event(4).id]
    assert numbers(await store.deliveries(DeliveryQuery())) == [3, 4]
    assert await store.prune(after(1001), 10) == 1
    assert numbers(await store.due("x", 10)) == [4]


async def test_prune_keeps_an_event_with_recent_reminders_and_deletes_old_reminders(store: Store) -> None:
    await store.commit([entry("a", 1)], NOW)
    await deliver(store, 0)
    for count in range(1, 4):
        assert await store.remind([REQUEST], after(200 * count)) == 1
        assert await deliver(store, 200 * count) == [f"{event(1).id}-reminder-{count}"]
    assert await store.prune(after(500), 10) == 0
    assert [told.reminder for told in await store.deliveries(DeliveryQuery())] == [0, 3]
    assert await store.remind([REQUEST], after(800)) == 1
    assert await store.prune(after(5000), 10) == 0
    assert await deliver(store, 800) == [f"{event(1).id}-reminder-4"]
    assert await store.prune(after(5000), 10) == 1
    assert await store.deliveries(DeliveryQuery()) == []
