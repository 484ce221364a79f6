"""A state that a version without incidents stored is read with the incident that its reported problems opened."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.conftest import a_blocker, a_snapshot, an_attempt, minute
from watcher.core.blockers import BlockerChange
from watcher.core.connections import PENDING
from watcher.core.event_ids import id_of, incident_id
from watcher.core.events import Event, outage_event
from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED, Attempt, EndpointKey, FirstSeen, Snapshot, rfc3339
from watcher.core.state import Incident, Known, KnownConnection, Outage, Record, Taken
from watcher.core.state_json import dump, load
from watcher.core.sync_events import blocker_event
from watcher.polling.observations import observe_answer
from watcher.sources.codeconnections import stack

TARGET = stack("default", "us-east-1", "network", stalled_after=600.0)
ENDPOINT = EndpointKey("default", "us-east-1", "codeconnections")
OUTAGE = Outage(minute(1), "ResourceNotFoundException", "no such stack", 3)


def stored(record: Record) -> str:
    """The text that a version without incidents stored."""
    form = json.loads(dump(record))
    del form["incident"]
    return json.dumps(form)


def read(record: Record, subject: str = TARGET.id) -> Incident | None:
    return load(stored(record), subject).incident


def history(*answers: Snapshot, first_seen: FirstSeen = FirstSeen.FAILED) -> tuple[Record, list[Event]]:
    """The record after these answers, one each ten minutes, and the events on the way."""
    record, events = Record(), []
    for number, answer in enumerate(answers):
        observation, _ = observe_answer(
            replace(TARGET, on_first_seen=first_seen), record, answer, minute(10 * number + 5)
        )
        record = observation.record
        events += observation.events
    return record, events


@pytest.mark.parametrize(
    ("answers", "opened_by", "problems"),
    [
        ([an_attempt(1, FAILED)], 0, ("failed",)),
        ([an_attempt(1), an_attempt(12, FAILED)], 0, ("failed",)),
        ([an_attempt(1), an_attempt(12, FAILED), an_attempt(22, FAILED), an_attempt(32, IN_PROGRESS)], 0, ("failed",)),
        ([an_attempt(1, FAILED), an_attempt(12), an_attempt(22, FAILED)], 2, ("failed",)),
        ([an_attempt(1), an_attempt(2, IN_PROGRESS), an_attempt(2, IN_PROGRESS)], 1, ("stalled",)),
        ([an_attempt(1, FAILED), an_attempt(2, IN_PROGRESS), an_attempt(2, IN_PROGRESS)], 0, ("failed", "stalled")),
    ],
    ids=["failed", "failed-later", "failing-for-long", "failed-again", "stalled", "failed-and-stalled"],
)
def test_a_stored_problem_is_the_open_incident_of_the_event_that_reported_it(
    answers: list[Attempt], opened_by: int, problems: tuple[str, ...]
) -> None:
    record, events = history(*map(a_snapshot, answers))
    found = read(record)
    assert found is not None
    assert (found.id, found.problems) == (incident_id(events[opened_by].id), problems)
    assert found.opened_at <= minute(35)


def test_an_outage_is_the_open_incident_of_the_event_that_reported_it() -> None:
    own = outage_event(TARGET, OUTAGE, sequence=1, now=minute(5), over=False)
    assert read(Record(None, 1, OUTAGE)) == Incident(incident_id(own.id), minute(1), ("unreadable",))
    shared = outage_event(ENDPOINT, OUTAGE, sequence=1, now=minute(5), over=False)
    found = read(Record(None, 1, OUTAGE), str(ENDPOINT))
    assert found == Incident(incident_id(shared.id), minute(1), ("unreadable",))


def test_a_blocker_is_the_open_incident_of_the_event_that_reported_it() -> None:
    record, _ = history(a_snapshot(an_attempt(1)))
    assert record.known is not None
    change = BlockerChange("sync.blocked", a_blocker())
    reported = blocker_event(TARGET, change, record.known, sequence=1, now=minute(5))
    blocked = replace(record, sequence=1, blockers=(change.blocker,))
    assert read(blocked) == Incident(incident_id(reported.id), minute(2), ("blocked",))


def test_a_connection_that_is_not_available_has_an_open_incident() -> None:
    found = read(Record(None, 1, connection=KnownConnection(PENDING, minute(3), {PENDING: 1})), "a/b/connection/c")
    assert found is not None
    assert (found.opened_at, found.problems) == (minute(3), ("unavailable",))
    again = Record(None, 2, connection=KnownConnection("AVAILABLE", minute(3), {PENDING: 1, "AVAILABLE": 1}))
    assert read(again, "a/b/connection/c") is None


ONE, OTHER = rfc3339(minute(1)), Taken(minute(0), FAILED, 3)
RUNNING = Known(an_attempt(1, IN_PROGRESS), minute(5), stalled=minute(1))
FAILING = Known(an_attempt(1, FAILED), minute(5), failures=1, last_failure=minute(1))
RECOVERED = Taken(minute(0.5), SUCCEEDED, 1)
NAMELESS = a_blocker(created_at=None)
LONG_AGO = datetime.min.replace(tzinfo=UTC)


def connected(**times: int) -> Record:
    return Record(connection=KnownConnection(PENDING, minute(1), times))


@pytest.mark.parametrize(
    ("record", "began", "event"),
    [
        (connected(PENDING=2), minute(1), ("connection.unavailable", "PENDING", 2)),
        (connected(), minute(1), ("connection.unavailable", "PENDING", 1)),
        (Record(RUNNING), minute(1), ("sync.stalled", ONE, "IN_PROGRESS", 1)),
        (
            Record(replace(RUNNING, taken=(OTHER, Taken(minute(1), IN_PROGRESS, 2)))),
            minute(1),
            ("sync.stalled", ONE, "IN_PROGRESS", 2),
        ),
        (Record(FAILING), minute(1), ("sync.failed", ONE, "FAILED", 1)),
        (
            Record(replace(FAILING, taken=(OTHER, RECOVERED, Taken(minute(1), FAILED, 2)))),
            minute(1),
            ("sync.failed", ONE, "FAILED", 2),
        ),
        (
            Record(replace(FAILING, taken=(OTHER, Taken(minute(1), FAILED, 2)))),
            minute(0),
            ("sync.failed", rfc3339(minute(0)), "FAILED", 3),
        ),
        (Record(Known(None, minute(5)), blockers=(NAMELESS,)), minute(5), ("sync.blocked", "blocker-1", "ACTIVE")),
        (Record(blockers=(NAMELESS,)), LONG_AGO, ("sync.blocked", "blocker-1", "ACTIVE")),
    ],
    ids=["connection", "connection-not-counted", "stalled-not-counted", "stalled-twice", "failed-not-counted",
         "failed-twice", "failed-before", "blocker-without-a-time", "blocker-and-nothing-else"],
)  # fmt: skip
def test_an_incident_began_with_the_problem_and_is_named_after_the_event_that_reported_it(
    record: Record, began: datetime, event: tuple[str, str | int]
) -> None:
    found = read(replace(record, sequence=1))
    assert found is not None
    event_type, *identity = event
    event_id = id_of([TARGET.id, f"watcher.{event_type}", *identity])
    assert (found.opened_at, found.id) == (began, incident_id(event_id))


def test_the_problem_that_began_first_opened_the_incident() -> None:
    record, events = history(a_snapshot(an_attempt(1)), a_snapshot(an_attempt(12, FAILED)))
    later = replace(OUTAGE, since=minute(12) + timedelta(minutes=9))
    found = read(replace(record, outage=later))
    assert found == Incident(incident_id(events[0].id), minute(12), ("failed", "unreadable"))


@pytest.mark.parametrize(
    "record",
    [
        Record(),
        history(a_snapshot(an_attempt(1)))[0],
        history(a_snapshot(an_attempt(1, FAILED)), a_snapshot(an_attempt(12)))[0],
        history(a_snapshot(an_attempt(1, FAILED)), first_seen=FirstSeen.NONE)[0],
    ],
    ids=["nothing", "succeeded", "recovered", "failed-and-not-reported"],
)
def test_a_stored_state_without_a_reported_problem_has_no_incident(record: Record) -> None:
    assert read(record) is None


def test_a_stored_state_that_has_an_incident_or_none_keeps_it() -> None:
    record, _ = history(a_snapshot(an_attempt(1, FAILED)))
    assert load(dump(record), TARGET.id).incident is None
    held = replace(record, incident=Incident("7", minute(3), ("failed",)))
    assert load(dump(held), TARGET.id) == held
