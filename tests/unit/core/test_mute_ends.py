"""What mutes hold back of an incident, and what is sent when they end."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import time
from typing import TYPE_CHECKING

import pytest

from tests.unit.conftest import minute
from watcher.core.events import Event
from watcher.core.mute_ends import held_after, is_held, released, still_held
from watcher.core.mutes import Mute
from watcher.core.settings import Config, Retry
from watcher.core.sink_settings import SinkSettings
from watcher.core.state import HeldBack, Incident, Record
from watcher.core.state_json import dump, load
from watcher.core.windows import Window

if TYPE_CHECKING:
    from collections.abc import Sequence

FAILED, BLOCKED, STALLED = "watcher.sync.failed", "watcher.sync.blocked", "watcher.sync.stalled"
CONFIG = Config(
    "watcher.yaml", {}, (), Retry(), 3, (SinkSettings("a", "stdout"), SinkSettings("b", "stdout")), "memory://",
    None, 1.0, 1.0,
)  # fmt: skip


def an_event(id_: str, kind: str = FAILED) -> Event:
    return Event(id_, kind, "s", "2026-11-23T08:00:00Z", json.dumps({"data": {}}))


@pytest.mark.parametrize(
    ("held", "event", "routed", "muted", "after"),
    [
        ((), an_event("1"), ("a", "b"), True, (HeldBack(FAILED, "1", ("a", "b")),)),
        ((), an_event("1"), (), True, ()),
        ((), an_event("1"), ("a",), False, ()),
        ((HeldBack(FAILED, "1", ("a",)),), an_event("2"), ("b",), True, (HeldBack(FAILED, "2", ("a", "b")),)),
        ((HeldBack(FAILED, "1", ("a",)),), an_event("2"), ("a", "b"), False, ()),
        ((HeldBack(FAILED, "1", ("a", "b")),), an_event("2"), ("b",), False, (HeldBack(FAILED, "1", ("a",)),)),
        (
            (HeldBack(FAILED, "1", ("a",)),),
            an_event("2", BLOCKED),
            ("a",),
            True,
            (HeldBack(FAILED, "1", ("a",)), HeldBack(BLOCKED, "2", ("a",))),
        ),
        ((HeldBack(FAILED, "1", ("a",)),), an_event("2", BLOCKED), ("a",), False, (HeldBack(FAILED, "1", ("a",)),)),
    ],
    ids=["first", "for-no-sink", "not-muted", "later", "later-not-muted", "later-for-another", "another-problem",
         "another-problem-not-muted"],
)  # fmt: skip
def test_the_latest_muted_event_of_a_type_is_held_back_until_a_later_one_is_sent(
    held: Sequence[HeldBack], event: Event, routed: Sequence[str], after: Sequence[HeldBack], *, muted: bool
) -> None:
    assert held_after(held, event, routed, muted=muted) == after


def an_incident(*held: HeldBack, notified: tuple[str, ...] = ()) -> Incident:
    return Incident("7", minute(1), ("failed", "blocked"), notified=notified, held=held)


def test_of_a_problem_that_ended_nothing_is_held_back() -> None:
    failed, blocked = HeldBack(FAILED, "1", ("a",)), HeldBack(BLOCKED, "2", ("a",))
    assert still_held(replace(an_incident(), problems=("blocked",)), [failed, blocked]) == (blocked,)


def test_a_stored_record_keeps_which_events_are_held_back_from_which_sinks() -> None:
    record = Record(incident=an_incident(HeldBack(FAILED, "1", ("a",))))
    assert load(dump(record)) == record
    assert is_held(record, FAILED, "a")
    assert not is_held(record, FAILED, "b")
    assert not is_held(record, BLOCKED, "a")
    assert not is_held(Record(), FAILED, "a")


def test_a_state_of_an_earlier_version_holds_nothing_back() -> None:
    form = json.loads(dump(Record(incident=an_incident(HeldBack(FAILED, "1", ("a",))))))
    del form["incident"]["held"]
    assert load(json.dumps(form)) == Record(incident=an_incident())


FAILED_1, BLOCKED_2 = HeldBack(FAILED, "1", ("a", "b")), HeldBack(BLOCKED, "2", ("b",))


@pytest.mark.parametrize(
    ("held", "mutes", "events", "notified", "left"),
    [
        ((FAILED_1,), (), [("1", ["a", "b"])], ("b", "a"), ()),
        ((FAILED_1,), (Mute(until=minute(5)),), [("1", ["a", "b"])], ("b", "a"), ()),
        ((FAILED_1,), (Mute(when=Window(end=time(8, 5))),), [("1", ["a", "b"])], ("b", "a"), ()),
        ((FAILED_1,), (Mute(targets=("other",)),), [("1", ["a", "b"])], ("b", "a"), ()),
        ((FAILED_1, BLOCKED_2), (), [("1", ["a"]), ("2", ["b"])], ("b", "a"), ()),
        ((FAILED_1, BLOCKED_2), (Mute(events=(BLOCKED,)),), [("1", ["a", "b"])], ("b", "a"), (BLOCKED_2,)),
        ((FAILED_1, BLOCKED_2), (Mute(events=(FAILED,)),), [("2", ["b"])], ("b",), (FAILED_1,)),
        ((HeldBack(FAILED, "1", ("gone", "a")),), (), [("1", ["a"])], ("b", "a"), ()),
        ((HeldBack(FAILED, "1", ("gone",)),), (), [], ("b",), ()),
    ],
    ids=["removed", "over", "window-over", "of-another", "latest-of-each-sink", "one-of-two", "the-other-of-two",
         "removed-sink", "no-sink-left"],
)  # fmt: skip
def test_when_no_mute_applies_each_sink_is_sent_the_latest_event_and_noted_as_sent_it(
    held: tuple[HeldBack, ...], mutes: tuple[Mute, ...], events: object, notified: tuple[str, ...],
    left: tuple[HeldBack, ...],
) -> None:  # fmt: skip
    before = Record(sequence=4, incident=an_incident(*held, notified=("b",)))
    (entry,) = released(replace(CONFIG, mutes=mutes), {"s": before, "well": Record()}, minute(5))
    assert (entry.subject, entry.follows, entry.events, entry.released) == ("s", before, (), events)
    assert entry.record == replace(before, incident=an_incident(*left, notified=notified))
    assert [*released(replace(CONFIG, mutes=mutes), {"s": entry.record}, minute(6))] == [], "once"


@pytest.mark.parametrize(
    "mute",
    [
        Mute(),
        Mute(until=minute(6)),
        Mute(targets=("s",), events=("*.failed",)),
        Mute(when=Window(("mon",), time(8), time(8, 6))),
    ],
)
def test_while_a_mute_applies_nothing_is_sent(mute: Mute) -> None:
    records = {"s": Record(incident=an_incident(FAILED_1))}
    assert [*released(replace(CONFIG, mutes=(mute,)), records, minute(5))] == []
