"""What an answer or a failure means for records, outages and events: tables of cases, without an event loop."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.conftest import a_blocker, a_snapshot, an_attempt, minute
from watcher.core.blockers import BlockerChange
from watcher.core.by_hand import NOTHING_BY_HAND
from watcher.core.event_ids import incident_id
from watcher.core.event_types import Severity
from watcher.core.events import discovery_event, outage_event, removal_event
from watcher.core.incidents import IncidentStep, State
from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED, EndpointKey, FirstSeen
from watcher.core.mutes import Mute
from watcher.core.outages import OWN, FailureStreak, lengthen
from watcher.core.settings import Config, Http, Retry
from watcher.core.sink_settings import SinkOptions, SinkSettings
from watcher.core.stamps import stamped
from watcher.core.state import HeldBack, Incident, Known, KnownConnection, Outage, Record
from watcher.core.sync_events import blocker_event
from watcher.errors import EndpointUnreadable
from watcher.polling.observations import (
    Observation,
    entry_of,
    observe_answer,
    observe_blockers,
    observe_connection,
    observe_discovery,
    observe_failure,
    observe_recovery,
    observe_removal,
)
from watcher.sources.codeconnections import connection, stack

TARGET = stack("default", "us-east-1", "network", stalled_after=600.0, labels={"team": "platform"})
ENDPOINT = EndpointKey("default", "us-east-1", "codeconnections")
OUTAGE = Outage(minute(1), "ResourceNotFoundException", "no such stack", 3)
FAILING = Known(an_attempt(1, FAILED), minute(2), failures=1, last_failure=minute(1))
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def events_of(observation: Observation) -> list[tuple[str, int]]:
    """The types of the events without `watcher.`, and their sequence numbers."""
    return [
        (event.type.removeprefix("watcher."), json.loads(event.body)["data"]["sequence"])
        for event in observation.events
    ]


@pytest.mark.parametrize(
    ("before", "status", "expected"),
    [
        (Record(), "AVAILABLE", []),
        (Record(), "PENDING", [("connection.unavailable", 1)]),
        (Record(None, 6, connection=KnownConnection("PENDING", minute(1), {"PENDING": 1})), "AVAILABLE",
         [("connection.available", 7)]),
    ],
)  # fmt: skip
def test_a_status_of_a_connection_is_an_event_once_unless_it_is_available_at_first_sight(
    before: Record, status: str, expected: list[tuple[str, int]]
) -> None:
    target = connection("default", "us-east-1", "arn:aws:c:connection/1", name="github", status=status)
    observation = observe_connection(target, before, minute(3))
    assert observation is not None
    assert events_of(observation) == expected
    assert observation.record.sequence == before.sequence + len(expected)
    assert observation.record.connection is not None
    assert (observation.record.connection.status, observation.record.connection.since) == (status, minute(3))
    assert observe_connection(target, observation.record, minute(4)) is None, "nothing has changed"


@pytest.mark.parametrize(
    ("before", "answer", "expected", "sequence"),
    [
        (Record(), a_snapshot(an_attempt(1)), [], 0),
        (Record(), a_snapshot(an_attempt(1, FAILED)), [("sync.failed", 1)], 1),
        (Record(), a_snapshot(None), [], 0),
        (Record(FAILING, 7), a_snapshot(an_attempt(1, FAILED)), [], 7),
        (Record(FAILING, 7), a_snapshot(an_attempt(1)), [("sync.succeeded", 8)], 8),
        (
            Record(FAILING, 7),
            a_snapshot(an_attempt(3, IN_PROGRESS), an_attempt(2)),
            [("sync.succeeded", 8), ("sync.in_progress", 9)],
            9,
        ),
        (Record(FAILING, 7, OUTAGE), a_snapshot(an_attempt(1, FAILED)), [("target.readable", 8)], 8),
        (Record(FAILING, 7, OUTAGE), a_snapshot(None), [("target.readable", 8)], 8),
        (Record(None, 1, OUTAGE), a_snapshot(an_attempt(1)), [("target.readable", 2)], 2),
        (
            Record(FAILING, 7, OUTAGE),
            a_snapshot(an_attempt(3, IN_PROGRESS), an_attempt(2)),
            [("target.readable", 8), ("sync.succeeded", 9), ("sync.in_progress", 10)],
            10,
        ),
    ],
    ids=["first", "first-failed", "never-synced", "no-change", "change", "two-changes", "readable",
         "readable-never-synced", "readable-first", "readable-and-two-changes"],
)  # fmt: skip
def test_an_answer_ends_an_outage_first_and_then_causes_an_event_for_each_change(
    before: Record, answer: Any, expected: list[tuple[str, int]], sequence: int
) -> None:
    observation, comparison = observe_answer(TARGET, before, answer, minute(5))
    assert events_of(observation) == expected
    assert observation.record == Record(comparison.known, sequence, recent=observation.record.recent)
    assert not comparison.ignored


def test_an_answer_without_a_change_leaves_an_equal_record() -> None:
    settled, _ = observe_answer(TARGET, Record(), a_snapshot(an_attempt(1)), minute(5))
    again, _ = observe_answer(TARGET, settled.record, a_snapshot(an_attempt(1)), minute(6))
    assert again == Observation(settled.record)


def test_an_older_answer_is_counted_in_the_record_and_ends_the_outage_all_the_same() -> None:
    known = Known(an_attempt(5), minute(6))
    observation, comparison = observe_answer(TARGET, Record(known, 2, OUTAGE), a_snapshot(an_attempt(1)), minute(7))
    assert comparison.ignored
    assert observation.record == Record(replace(known, older=minute(1), older_answers=1), 3)
    assert events_of(observation) == [("target.readable", 3)]


@pytest.mark.parametrize(("first_seen", "types"), [(FirstSeen.ALL, ["sync.succeeded"]), (FirstSeen.NONE, [])])
def test_a_first_observation_is_an_event_if_its_target_asks_for_it(first_seen: FirstSeen, types: list[str]) -> None:
    target = replace(TARGET, on_first_seen=first_seen)
    observation, _ = observe_answer(target, Record(), a_snapshot(an_attempt(1)), minute(5))
    assert [each for each, _ in events_of(observation)] == types


@pytest.mark.parametrize(
    ("at", "now", "stalled"),
    [(None, 10.99, False), (None, 11, True), (10.99, 30, False), (11, 5, True)],
    ids=["too-early", "by-this-clock", "too-early-by-the-servers", "by-the-servers-clock"],
)
def test_an_attempt_is_stalled_by_the_servers_clock_where_it_is_known(
    at: float | None, now: float, *, stalled: bool
) -> None:
    known = Known(an_attempt(1, IN_PROGRESS), minute(2))
    snapshot = replace(a_snapshot(an_attempt(1, IN_PROGRESS)), at=None if at is None else minute(at))
    observation, _ = observe_answer(TARGET, Record(known), snapshot, minute(now))
    assert events_of(observation) == ([("sync.stalled", 1)] if stalled else [])


def test_events_of_an_answer_have_the_time_of_this_clock_and_a_new_state_that_of_the_server() -> None:
    snapshot = replace(a_snapshot(an_attempt(1, FAILED)), at=minute(3))
    observation, _ = observe_answer(TARGET, Record(None, 1, OUTAGE), snapshot, minute(5))
    assert [event.time for event in observation.events] == ["2026-11-23T08:05:00Z"] * 2
    assert observation.record.known is not None
    assert observation.record.known.since == minute(3)
    assert observation.events[0] == outage_event(TARGET, OUTAGE, sequence=2, now=minute(5), over=True)


@pytest.mark.parametrize(
    ("before", "own", "begins"),
    [
        (Record(FAILING, 7), 2 * OWN, True),
        (Record(), 2 * OWN, True),
        (Record(FAILING, 7), 2 * OWN + 1, True),
        (Record(FAILING, 7), 2 * OWN - 1, False),
        (Record(FAILING, 7), 0, False),
        (Record(FAILING, 7, OUTAGE), 2 * OWN, False),
    ],
    ids=["enough", "enough-at-first", "more-than-enough", "too-few", "the-endpoints", "known"],
)
def test_a_target_becomes_unreadable_after_enough_failures_of_its_own(
    before: Record, own: int, *, begins: bool
) -> None:
    streak = FailureStreak(minute(1), "ValidationException", "not valid", failures=4, own=own)
    found = observe_failure(TARGET, before, streak, minute(9), unreadable_after=2)
    if not begins:
        assert found is None
        return
    assert found is not None
    outage = Outage(minute(1), "ValidationException", "not valid", 4)
    number = before.sequence + 1
    assert found.record == Record(before.known, number, outage)
    assert found.events == (outage_event(TARGET, outage, sequence=number, now=minute(9), over=False),)


@pytest.mark.parametrize(
    ("before", "failures", "begins"),
    [
        (Record(), 2, True),
        (Record(None, 4), 3, True),
        (Record(), 1, False),
        (Record(None, 4, OUTAGE), 2, False),
        (Record(None, 4, OUTAGE), 1, False),
    ],
    ids=["enough", "more-than-enough", "too-few", "known", "known-and-too-few"],
)
def test_an_endpoint_becomes_unreadable_after_enough_failures_without_an_answer(
    before: Record, failures: int, *, begins: bool
) -> None:
    streak = None
    for number in range(1, failures + 1):
        streak = lengthen(streak, EndpointUnreadable("AccessDenied", "no"), minute(number))
    assert streak is not None
    found = observe_failure(ENDPOINT, before, streak, minute(9), unreadable_after=2, targets=12)
    if not begins:
        assert found is None
        return
    assert found is not None
    outage = Outage(minute(1), "AccessDenied", "no", failures)
    number = before.sequence + 1
    assert found.record == Record(None, number, outage)
    assert found.events == (outage_event(ENDPOINT, outage, sequence=number, now=minute(9), over=False, targets=12),)


def test_an_answer_ends_the_outage_of_its_endpoint() -> None:
    found = observe_recovery(ENDPOINT, Record(None, 4, OUTAGE), minute(9), targets=12)
    assert found is not None
    assert found.record == Record(None, 5)
    assert found.events == (outage_event(ENDPOINT, OUTAGE, sequence=5, now=minute(9), over=True, targets=12),)


def test_an_answer_of_a_readable_endpoint_is_no_observation() -> None:
    assert observe_recovery(ENDPOINT, Record(None, 4), minute(9), targets=12) is None


@pytest.mark.parametrize("known", [FAILING, None])
def test_an_answer_about_blockers_is_an_event_for_each_that_ended_and_each_that_began(known: Known | None) -> None:
    before = Record(known, 7, blockers=(a_blocker("1"),))
    found = observe_blockers(TARGET, before, [a_blocker("2")], minute(9))
    changes = BlockerChange("sync.unblocked", a_blocker("1")), BlockerChange("sync.blocked", a_blocker("2"))
    assert found.events == tuple(
        blocker_event(TARGET, change, known or Known(None, minute(9)), sequence=number, now=minute(9))
        for number, change in enumerate(changes, start=8)
    )
    assert found.record == replace(before, sequence=9, blockers=(a_blocker("2"),))
    assert observe_blockers(TARGET, found.record, [a_blocker("2")], minute(10)) == Observation(found.record)


@pytest.mark.parametrize("removed", [False, True])
def test_a_target_that_discovery_found_or_removed_is_an_event_with_its_number(*, removed: bool) -> None:
    before = Record(FAILING, 7, OUTAGE, discovery=1)
    found = observe_discovery(TARGET, before, 4, times=2, removed=removed, now=minute(9))
    assert found.events == (discovery_event(TARGET, removed=removed, times=2, sequence=8, now=minute(9)),)
    after = replace(before, sequence=8, discovery=4)
    assert found.record == (Record(sequence=8, discovery=4) if removed else after)


def test_what_left_the_configuration_is_an_event_if_an_incident_ends_with_it() -> None:
    opened = Incident("7", minute(1), ("failed",))
    for subject in (TARGET, ENDPOINT):
        found = observe_removal(subject, Record(FAILING, 7, incident=opened, discovery=3), minute(9))
        event = removal_event(subject, "7", sequence=8, now=minute(9))
        assert found == Observation(Record(sequence=8, discovery=3), (event,))
        assert observe_removal(subject, Record(FAILING, 7), minute(9)) is None


ALL = SinkSettings("all", "stdout")
ERRORS = SinkSettings("errors", "stdout", min_severity=Severity.ERROR)
PLATFORM = SinkSettings("platform", "stdout", labels={"team": "platform"})
OTHERS = SinkSettings("others", "stdout", labels={"team": "others"})
SINKS = (ALL, ERRORS, PLATFORM, OTHERS)

FAILED_BEFORE = Record(FAILING, 7)


def entry(
    observation: Observation,
    *mutes: Mute,
    before: Record = FAILED_BEFORE,
    now: float = 5,
    traceparent: str | None = None,
) -> Any:
    return entry_of(
        TARGET.id,
        before,
        observation,
        minute(now),
        labels=TARGET.labels,
        config=Config("watcher.yaml", {}, (), Retry(), 3, SINKS, "memory://", None, 1.0, 1.0, mutes),
        traceparent=traceparent,
        hand=NOTHING_BY_HAND,
    )


@pytest.fixture(name="two")
def two_changes() -> Observation:
    """A success between two polls, and the failure after it."""
    answer = a_snapshot(an_attempt(3, FAILED), an_attempt(2, SUCCEEDED))
    return observe_answer(TARGET, Record(FAILING, 7), answer, minute(5))[0]


def test_an_entry_has_the_record_the_one_before_and_the_sinks_of_each_event(two: Observation) -> None:
    made = entry(two)
    success, failure = two.events
    opened = Incident(incident_id(failure.id), minute(5), ("failed",), TARGET.labels)
    incident = replace(opened, notified=("all", "errors", "platform"))
    record = replace(two.record, incident=incident)
    assert (made.subject, made.record, made.follows) == (TARGET.id, record, Record(FAILING, 7))
    assert list(made.events) == [
        (stamped(success), ("all", "platform")),
        (stamped(failure, incident=IncidentStep(State.OPENED, opened)), ("all", "errors", "platform")),
    ]


def test_an_entry_without_an_event_keeps_the_incident() -> None:
    held = Record(FAILING, 7, incident=Incident("7", minute(1), ("failed",)))
    made = entry(Observation(replace(held, known=replace(FAILING, missing=True))), before=held)
    assert made.record.incident == held.incident


def test_an_entry_with_the_end_of_the_last_problem_has_no_incident_in_its_record() -> None:
    held = Record(FAILING, 7, incident=Incident("7", minute(1), ("failed",), {"team": "before"}))
    observation, _ = observe_answer(TARGET, held, a_snapshot(an_attempt(3, SUCCEEDED)), minute(5))
    made = entry(observation, before=held)
    assert made.record == replace(observation.record, incident=None)
    ((event, _),) = made.events
    assert json.loads(event.body)["data"]["incident"] == {
        "id": "7",
        "state": "resolved",
        "opened_at": "2026-11-23T08:01:00Z",
        "problems": ["failed"],
        "duration_seconds": 240.0,
    }


def test_an_incident_that_goes_on_keeps_the_labels_with_which_it_opened() -> None:
    held = Record(FAILING, 7, incident=Incident("7", minute(1), ("failed",), {"team": "before"}))
    observation, _ = observe_answer(TARGET, held, a_snapshot(an_attempt(3, FAILED)), minute(5))
    after = entry(observation, before=held).record.incident
    assert after == replace(held.incident, notified=("all", "errors", "platform"))  # type: ignore[type-var]


def test_a_muted_event_opens_an_incident_all_the_same(two: Observation) -> None:
    made = entry(two, Mute())
    assert made.record.incident is not None
    assert [json.loads(event.body)["data"]["incident"] is None for event, _ in made.events] == [True, False]
    failure = HeldBack("watcher.sync.failed", two.events[1].id, ("all", "errors", "platform"))
    assert made.record.incident.held == (failure,)


def test_an_event_that_begins_and_ends_no_problem_leaves_what_is_held_back_and_is_for_the_sinks_that_match() -> None:
    held = (HeldBack("watcher.sync.failed", "1", ("all",)),)
    before = Record(FAILING, 7, incident=Incident("7", minute(1), ("failed",), notified=("others",), held=held))
    observation, _ = observe_answer(TARGET, before, a_snapshot(an_attempt(3, IN_PROGRESS)), minute(5))
    made = entry(observation, before=before)
    assert made.record.incident == before.incident
    assert [tuple(sinks) for _, sinks in made.events] == [("all", "platform")]


def test_an_incident_goes_on_while_another_blocker_is_active() -> None:
    blocked = Incident("7", minute(1), ("blocked",), notified=())
    before = Record(FAILING, 7, blockers=(a_blocker("1"), a_blocker("2")), incident=blocked)
    made = entry(observe_blockers(TARGET, before, [a_blocker("2")], minute(5)), before=before)
    assert made.record.incident == blocked


def test_an_event_has_the_link_to_the_page_if_it_is_known(two: Observation) -> None:
    http = Http("127.0.0.1", 8080, public_url="https://watcher.example.com")
    made = entry_of(
        TARGET.id, FAILED_BEFORE, two, minute(5), labels=TARGET.labels, traceparent=None, hand=NOTHING_BY_HAND,
        config=Config("watcher.yaml", {}, (), Retry(), 3, SINKS, "memory://", http, 1.0, 1.0),
    )  # fmt: skip
    pages = [json.loads(event.body)["data"]["links"]["page"] for event, _ in made.events]
    assert pages == [f"https://watcher.example.com/targets/{TARGET.id}"] * 2


def test_an_entry_without_events_has_its_record_alone() -> None:
    made = entry(Observation(Record(FAILING, 8)))
    assert (made.record, list(made.events)) == (Record(FAILING, 8), [])


def test_each_event_of_an_entry_has_the_context_of_its_poll(two: Observation) -> None:
    bodies = [json.loads(event.body) for event, _ in entry(two, traceparent=TRACE).events]
    assert [body["traceparent"] for body in bodies] == [TRACE, TRACE]


@pytest.mark.parametrize(
    ("mute", "now", "held"),
    [
        (Mute(), 5, [True, True]),
        (Mute(events=("watcher.sync.failed",)), 5, [False, True]),
        (Mute(targets=("*/stack/network",)), 5, [True, True]),
        (Mute(targets=("*/stack/shop",)), 5, [False, False]),
        (Mute(until=minute(6)), 5, [True, True]),
        (Mute(until=minute(6)), 6, [False, False]),
    ],
)
def test_a_muted_event_is_marked_and_for_no_sink(two: Observation, mute: Mute, now: float, held: list[bool]) -> None:
    mute = replace(mute, reason="maintenance")
    events = entry(two, mute, now=now, traceparent=TRACE).events
    assert [not sinks for _, sinks in events] == held
    for event, sinks in events:
        body = json.loads(event.body)
        until = None if mute.until is None else "2026-11-23T08:06:00Z"
        assert body["data"].get("muted") == (None if sinks else {"reason": "maintenance", "until": until})
        assert body["traceparent"] == TRACE


def test_the_settings_of_a_target_decide_when_it_is_stalled() -> None:
    known = Known(an_attempt(1, IN_PROGRESS), minute(2))
    patient = replace(TARGET, stalled_after=timedelta(hours=2).total_seconds())
    observation, _ = observe_answer(patient, Record(known), a_snapshot(an_attempt(1, IN_PROGRESS)), minute(30))
    assert observation.events == ()


HELD = Record(FAILING, 7, incident=Incident("7", minute(1), ("failed",), notified=("errors", "others", "removed")))
SUCCESS = observe_answer(TARGET, HELD, a_snapshot(an_attempt(3, SUCCEEDED)), minute(5))[0]


def sinks_of_end(*mutes: Mute, sinks: tuple[SinkSettings, ...] = SINKS, before: Record = HELD) -> tuple[str, ...]:
    made = entry_of(
        TARGET.id, before, SUCCESS, minute(5), labels=TARGET.labels, traceparent=None, hand=NOTHING_BY_HAND,
        config=Config("watcher.yaml", {}, (), Retry(), 3, sinks, "memory://", None, 1.0, 1.0, mutes),
    )  # fmt: skip
    ((_, names),) = made.events
    return tuple(names)


def test_a_sink_that_was_sent_a_problem_is_sent_its_end_whatever_its_filters_say() -> None:
    assert sinks_of_end() == ("all", "errors", "platform", "others", "removed")
    answer = a_snapshot(an_attempt(3, IN_PROGRESS), an_attempt(2, SUCCEEDED))
    made = entry(observe_answer(TARGET, HELD, answer, minute(5))[0], before=HELD)
    assert list(made.owed) == ["errors", "others", "removed"]


def test_a_mute_keeps_the_end_of_a_problem_only_from_sinks_that_were_not_sent_the_problem() -> None:
    assert sinks_of_end(Mute()) == ("errors", "others", "removed")


def test_a_sink_without_send_resolved_is_sent_an_end_only_if_its_filters_match() -> None:
    silent = tuple(replace(each, send_resolved=False) for each in SINKS)
    assert sinks_of_end(sinks=silent) == ("all", "platform", "removed")


def test_the_present_filters_show_which_sinks_were_sent_an_incident_of_an_earlier_version() -> None:
    assert HELD.incident is not None
    earlier = replace(HELD, incident=replace(HELD.incident, notified=None))
    assert sinks_of_end(Mute(), before=earlier) == ("all", "errors", "platform")
    filters: dict[str, Any] = {
        "of-stack": {"targets": ("*/stack/network",)},
        "of-failures": {"events": ("*.failed",)},
        "of-blockers": {"events": ("*.blocked",)},
    }
    sinks = tuple(SinkSettings(name, "stdout", **of) for name, of in filters.items())
    assert sinks_of_end(Mute(), sinks=sinks, before=earlier) == ("of-stack", "of-failures")


def test_a_problem_that_was_muted_from_beginning_to_end_is_sent_to_no_sink() -> None:
    observation, _ = observe_answer(TARGET, Record(), a_snapshot(an_attempt(3, FAILED)), minute(5))
    muted_before = entry(observation, Mute(), before=Record()).record
    assert muted_before.incident is not None
    assert muted_before.incident.notified == ()
    assert sinks_of_end(Mute(), before=muted_before) == ()


class ShowsAttempts(SinkOptions):
    shows_attempts = True


COMMITS = SinkSettings("commits", "github", options=ShowsAttempts())
MUTED, OPEN = (Mute(),), ()


@pytest.mark.parametrize(
    ("polls", "expected"),
    [
        ([(1, IN_PROGRESS, OPEN), (1, SUCCEEDED, MUTED)], [["all", "commits"], ["commits"]]),
        ([(1, IN_PROGRESS, OPEN), (1, FAILED, MUTED)], [["all", "commits"], ["commits"]]),
        ([(1, IN_PROGRESS, MUTED), (1, SUCCEEDED, MUTED)], [[], []]),
        ([(1, IN_PROGRESS, MUTED), (1, FAILED, MUTED)], [[], []]),
        ([(1, IN_PROGRESS, OPEN), (2, IN_PROGRESS, MUTED), (2, FAILED, MUTED)], [["all", "commits"], [], []]),
        (
            [(1, IN_PROGRESS, OPEN), (1, SUCCEEDED, MUTED), (2, SUCCEEDED, MUTED)],
            [["all", "commits"], ["commits"], []],
        ),
        (
            [(1, IN_PROGRESS, OPEN), (1, "SOMETHING", MUTED), (1, SUCCEEDED, MUTED)],
            [["all", "commits"], [], ["commits"]],
        ),
    ],
    ids=[
        "a success", "a failure", "all of it muted", "all of a failure muted", "a later attempt",
        "the success after it", "a step between",
    ],
)  # fmt: skip
def test_a_sink_that_shows_an_attempt_as_unfinished_is_sent_its_end_also_while_muted(
    polls: list[tuple[int, str, tuple[Mute, ...]]], expected: list[list[str]]
) -> None:
    record, sent = Record(Known(None, minute(0))), []
    for number, status, mutes in polls:
        observation, _ = observe_answer(TARGET, record, a_snapshot(an_attempt(number, status)), minute(number))
        made = entry_of(
            TARGET.id, record, observation, minute(number), labels={}, traceparent=None, hand=NOTHING_BY_HAND,
            config=Config("watcher.yaml", {}, (), Retry(), 3, (ALL, COMMITS), "memory://", None, 1.0, 1.0, mutes),
        )  # fmt: skip
        record = made.record
        sent += [[*sinks] for _, sinks in made.events]
    assert sent == expected


def test_the_end_of_an_attempt_is_sent_whatever_the_filters_of_the_sink_say_then() -> None:
    config = Config("watcher.yaml", {}, (), Retry(), 3, (COMMITS,), "memory://", None, 1.0, 1.0)
    before = Record(Known(an_attempt(1, IN_PROGRESS), minute(1)), 1, unfinished=("commits", "removed"))
    observation, _ = observe_answer(TARGET, before, a_snapshot(an_attempt(1, FAILED)), minute(2))
    made = [
        entry_of(
            TARGET.id, before, observation, minute(2), labels={}, config=replace(config, **changed), traceparent=None,
            hand=NOTHING_BY_HAND,
        )
        for changed in ({"sinks": (replace(COMMITS, targets=("*/another",)),)}, {"mutes": MUTED})
    ]  # fmt: skip
    for each in made:
        assert [[*sinks] for _, sinks in each.events] == [["commits", "removed"]]
        assert each.record.unfinished == ("removed",)
        assert each.record.incident.notified == ("commits", "removed")
        assert each.record.incident.held == ()
