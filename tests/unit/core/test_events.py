"""The exact events: their fields and their ids."""

from __future__ import annotations

import importlib
import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cloudevents.core.formats.json import JSONFormat
from jsonschema import Draft202012Validator

import watcher.core.event_schema
from tests.support.event_samples import CONNECTION_ARN, connection_change, muted
from tests.unit.conftest import a_blocker, a_revision, a_snapshot, an_attempt, minute
from watcher.core.blockers import BlockerChange
from watcher.core.connections import AVAILABLE, ERROR, PENDING, ConnectionChange
from watcher.core.deliveries import Delivery
from watcher.core.diff import Change, Reason, diff
from watcher.core.event_check import check_event
from watcher.core.event_ids import incident_id
from watcher.core.event_schema import event_schema
from watcher.core.event_types import EVENT_TYPES, Severity, severity
from watcher.core.events import (
    MAX_EVENT_BYTES,
    RESERVED_BYTES,
    connection_event,
    discovery_event,
    fitting,
    outage_event,
    removal_event,
    target_to_json,
    trial_event,
)
from watcher.core.incidents import IncidentStep, Problem, State
from watcher.core.model import (
    FAILED,
    FOUND,
    IN_PROGRESS,
    INITIATED,
    QUEUED,
    SUCCEEDED,
    Attempt,
    Blocker,
    EndpointKey,
    extended,
)
from watcher.core.mutes import Mute
from watcher.core.stamps import stamped
from watcher.core.state import Incident, Known, Outage
from watcher.core.sync_events import blocker_event, first_and_last, sync_event
from watcher.sources import KINDS
from watcher.sources.codeconnections import REPOSITORY, STACK, connection, stack
from watcher.sources.parsing import MAX_CONTEXT_BYTES, MAX_CONTEXTS
from watcher.sources.proton import template
from watcher.util.bounded_text import bounded

if TYPE_CHECKING:
    from watcher.core.events import Event
    from watcher.core.model import Target

ENVIRONMENT = template("default", "us-east-1", "ENVIRONMENT", "fargate-env", "1")
NETWORK = stack("prod eu", "eu-west-1", "network/a", labels={"team": "platform"})
ENDPOINT = EndpointKey("prod eu", "eu-west-1", "codeconnections")
OUTAGE = Outage(minute(0), "AccessDeniedException", "not allowed", 3)
NOW = minute(10) + timedelta(milliseconds=250)

FAILED_CHANGE = Change(
    reason=Reason.STATUS,
    type="sync.failed",
    attempt=an_attempt(1, FAILED, "could not clone"),
    previous=an_attempt(1, IN_PROGRESS),
    times=1,
    consecutive_failures=2,
    recovered=False,
    desired_state=a_revision("desired"),
    latest_successful=an_attempt(0),
)

VALIDATOR = Draft202012Validator(event_schema(KINDS), format_checker=Draft202012Validator.FORMAT_CHECKER)


def event_of(target: Target = ENVIRONMENT, sequence: int = 7, **altered: Any) -> Event:
    return sync_event(target, replace(FAILED_CHANGE, **altered), sequence=sequence, now=NOW)


KNOWN = Known(an_attempt(1, FAILED, "no template"), minute(2), a_revision("desired"), an_attempt(0), failures=2)
NEVER_SYNCED = Known(None, minute(2))
ENDED_BLOCKER = a_blocker(status="RESOLVED", resolved_reason="added it", resolved_at=minute(9))


def blocked_event(
    type_: str = "sync.blocked",
    known: Known = KNOWN,
    blocker: Blocker | None = None,
    target: Target = NETWORK,
) -> Event:
    change = BlockerChange(type_, blocker or a_blocker())
    return blocker_event(target, change, known, sequence=8, now=NOW)


def body_of(event: Event) -> dict[str, Any]:
    body = json.loads(event.body)
    assert isinstance(body, dict)
    return body


def test_a_templates_event_to_the_letter() -> None:
    assert body_of(event_of()) == {
        "specversion": "1.0",
        "id": "504fe05f6455e871baeb31d418e93b29",
        "source": "/watcher/default/us-east-1",
        "type": "watcher.sync.failed",
        "subject": "default/us-east-1/template/ENVIRONMENT/fargate-env/1",
        "time": "2026-11-23T08:10:00.250000Z",
        "datacontenttype": "application/json",
        "dataschema": "urn:watcher:event:1",
        "data": {
            "target": {
                "id": "default/us-east-1/template/ENVIRONMENT/fargate-env/1",
                "kind": "template",
                "account": "default",
                "region": "us-east-1",
                "type": "ENVIRONMENT",
                "name": "fargate-env",
                "version": "1",
                "labels": {},
            },
            "status": "FAILED",
            "previous_status": "IN_PROGRESS",
            "new_attempt": False,
            "first_seen": False,
            "observed": True,
            "recovered": False,
            "recreated": False,
            "consecutive_failures": 2,
            "attempt": {
                "startedAt": "2026-11-23T08:01:00Z",
                "status": "FAILED",
                "target": "web:1",
                "initialRevision": a_revision("before"),
                "targetRevision": a_revision("sha-1"),
                "events": [{"type": "SYNC", "event": "could not clone", "time": "2026-11-23T08:00:01Z"}],
            },
            "previous_attempt": {"startedAt": "2026-11-23T08:01:00Z", "status": "IN_PROGRESS", "sha": "sha-1"},
            "desired_state": a_revision("desired"),
            "latest_successful": {"startedAt": "2026-11-23T08:00:00Z", "sha": "sha-0"},
            "sequence": 7,
        },
    }


def test_the_event_of_a_blocker_has_the_blocker_and_the_sync_as_it_is() -> None:
    body = body_of(blocked_event())
    data, failed = body["data"], body_of(event_of(NETWORK, attempt=KNOWN.attempt))["data"]
    assert (body["type"], body["subject"]) == ("watcher.sync.blocked", NETWORK.id)
    assert data["blocker"] == {
        "id": "blocker-1",
        "type": "AUTOMATED",
        "status": "ACTIVE",
        "created_reason": "no such template",
        "created_at": "2026-11-23T08:02:00Z",
        "contexts": {"pull-request": "42"},
        "resolved_reason": None,
        "resolved_at": None,
    }
    assert data.keys() == failed.keys() | {"blocker"}
    assert {name: data[name] for name in ("status", "previous_status", "consecutive_failures", "sequence")} == {
        "status": "FAILED",
        "previous_status": "FAILED",
        "consecutive_failures": 2,
        "sequence": 8,
    }
    assert data["attempt"] == failed["attempt"]
    assert data["previous_attempt"] == {"startedAt": "2026-11-23T08:01:00Z", "status": "FAILED", "sha": "sha-1"}
    assert data["desired_state"] == a_revision("desired")
    assert data["latest_successful"] == {"startedAt": "2026-11-23T08:00:00Z", "sha": "sha-0"}
    flags = ("new_attempt", "first_seen", "observed", "recovered", "recreated")
    assert [data[name] for name in flags] == [False, False, True, False, False]


def test_the_event_of_a_blocker_counts_failures_only_if_the_sync_failed() -> None:
    running = replace(KNOWN, attempt=an_attempt(3, IN_PROGRESS))
    assert body_of(blocked_event(known=running))["data"]["consecutive_failures"] == 0


def test_the_attempt_of_a_kind_whose_revisions_aws_does_not_report_has_none() -> None:
    linked = REPOSITORY.target("default", "us-east-1", {"link": "6053346f", "branch": "main"})
    attempt = body_of(event_of(linked))["data"]["attempt"]
    assert attempt == {
        "startedAt": "2026-11-23T08:01:00Z",
        "status": "FAILED",
        "events": [{"type": "SYNC", "event": "could not clone", "time": "2026-11-23T08:00:01Z"}],
    }


def test_without_an_attempt_what_describes_it_is_null() -> None:
    data = body_of(blocked_event(known=NEVER_SYNCED))["data"]
    attempts = ("status", "previous_status", "attempt", "previous_attempt", "desired_state", "latest_successful")
    assert all(data[name] is None for name in attempts)
    assert data["consecutive_failures"] == 0


def test_the_end_of_a_blocker_has_one_id_whether_it_was_seen_resolved_or_no_longer_listed() -> None:
    ended, gone = (blocked_event("sync.unblocked", blocker=each) for each in (ENDED_BLOCKER, a_blocker()))
    assert ended.id == gone.id


def test_the_id_of_a_blockers_event_is_that_of_its_target_type_id_and_status() -> None:
    first = blocked_event()
    assert blocked_event(known=NEVER_SYNCED, blocker=a_blocker(created_reason="other")).id == first.id
    others = [
        blocked_event(target=stack("default", "us-east-1", "other")),
        blocked_event("sync.unblocked", blocker=ENDED_BLOCKER),
        blocked_event(blocker=a_blocker("blocker-2")),
    ]
    assert len({event.id for event in (first, *others)}) == 4


def test_a_stacks_first_event_to_the_letter() -> None:
    change = diff(None, a_snapshot(an_attempt(1, FAILED)), now=NOW, stalled_after=timedelta(1)).changes[0]
    event = sync_event(NETWORK, replace(change, desired_state=None), sequence=1, now=NOW)
    assert body_of(event) == {
        "specversion": "1.0",
        "id": "316e51a74cb7e08880f1f2a864b602fd",
        "source": "/watcher/prod%20eu/eu-west-1",
        "type": "watcher.sync.failed",
        "subject": "prod%20eu/eu-west-1/stack/network%2Fa",
        "time": "2026-11-23T08:10:00.250000Z",
        "datacontenttype": "application/json",
        "dataschema": "urn:watcher:event:1",
        "data": {
            "target": {
                "id": "prod%20eu/eu-west-1/stack/network%2Fa",
                "kind": "stack",
                "account": "prod eu",
                "region": "eu-west-1",
                "name": "network/a",
                "labels": {"team": "platform"},
            },
            "status": "FAILED",
            "previous_status": None,
            "new_attempt": False,
            "first_seen": True,
            "observed": True,
            "recovered": False,
            "recreated": False,
            "consecutive_failures": 1,
            "attempt": {
                "startedAt": "2026-11-23T08:01:00Z",
                "status": "FAILED",
                "target": "web:1",
                "initialRevision": a_revision("before"),
                "targetRevision": a_revision("sha-1"),
                "events": [],
            },
            "previous_attempt": None,
            "desired_state": None,
            "latest_successful": None,
            "sequence": 1,
        },
    }


@pytest.mark.parametrize(
    ("reason", "flags"),
    [
        (Reason.FIRST_SEEN, {"first_seen": True, "new_attempt": False, "observed": True, "recreated": False}),
        (Reason.STATUS, {"first_seen": False, "new_attempt": True, "observed": True, "recreated": False}),
        (Reason.NEW_ATTEMPT, {"first_seen": False, "new_attempt": True, "observed": True, "recreated": False}),
        (Reason.MISSED_SUCCESS, {"first_seen": False, "new_attempt": True, "observed": False, "recreated": False}),
        (Reason.RECREATED, {"first_seen": False, "new_attempt": True, "observed": True, "recreated": True}),
    ],
)
def test_the_reason_of_a_change_is_shown_by_flags(reason: Reason, flags: dict[str, bool]) -> None:
    data = body_of(event_of(reason=reason, previous=an_attempt(0)))["data"]
    assert {name: data[name] for name in flags} == flags


def test_an_ids_derivation_never_changes() -> None:
    """Consumers drop repeats by it, and state that was lost is made up for by it."""
    assert event_of().id == "504fe05f6455e871baeb31d418e93b29"
    assert event_of(times=2).id == "e3a0bcf756b000ed8133f1c2288be1bb"
    assert outage_event(ENDPOINT, OUTAGE, sequence=1, now=NOW, over=False).id == "e4cbc1e5b78ac5608004bace0b2e5526"
    assert incident_id("504fe05f6455e871baeb31d418e93b29") == "6c06fe9cd7b3d153895d8a673b77cf3e"


def test_an_id_is_of_nothing_that_tells_when_or_where_a_change_was_seen() -> None:
    relabelled = template("default", "us-east-1", "ENVIRONMENT", "fargate-env", "1", labels={"a": "b"}, interval=5)
    same = [
        event_of(sequence=8),
        event_of(relabelled),
        event_of(reason=Reason.FIRST_SEEN, previous=None),
        event_of(reason=Reason.MISSED_SUCCESS),
        event_of(previous=an_attempt(0)),
        event_of(consecutive_failures=9, recovered=True),
        event_of(desired_state=None, latest_successful=None),
        event_of(attempt=an_attempt(1, FAILED, "another text", "and more")),
        sync_event(ENVIRONMENT, FAILED_CHANGE, sequence=7, now=minute(9999)),
    ]
    assert {event.id for event in same} == {event_of().id}


def test_an_id_is_of_the_target_the_type_the_attempt_its_status_and_the_times() -> None:
    others = [
        event_of(template("default", "us-east-1", "SERVICE", "fargate-env", "1")),
        event_of(template("default", "us-east-1", "ENVIRONMENT", "fargate-env", "2")),
        event_of(template("other", "us-east-1", "ENVIRONMENT", "fargate-env", "1")),
        event_of(template("default", "us-east-2", "ENVIRONMENT", "fargate-env", "1")),
        event_of(type="sync.stalled"),
        event_of(attempt=an_attempt(2, FAILED)),
        event_of(attempt=an_attempt(1, QUEUED)),
        event_of(times=2),
    ]
    assert len({event.id for event in (event_of(), *others)}) == len(others) + 1


def test_an_outages_id_is_of_its_subject_its_type_and_when_it_began() -> None:
    def id_of(subject: Target | EndpointKey = NETWORK, *, over: bool = False, **altered: Any) -> str:
        return outage_event(subject, replace(OUTAGE, **altered), sequence=1, now=NOW, over=over).id

    same = {id_of(), id_of(code="Timeout", message="other", attempts=9)}
    others = {id_of(ENVIRONMENT), id_of(ENDPOINT), id_of(over=True), id_of(since=minute(1))}
    assert len(same) == 1
    assert len(same | others) == 5


def test_a_targets_outage_to_the_letter() -> None:
    body = body_of(outage_event(NETWORK, OUTAGE, sequence=2, now=NOW, over=False))
    assert (body["type"], body["subject"]) == ("watcher.target.unreadable", NETWORK.id)
    assert body["source"] == "/watcher/prod%20eu/eu-west-1"
    assert body["data"] == {
        "target": {
            "id": NETWORK.id,
            "kind": "stack",
            "account": "prod eu",
            "region": "eu-west-1",
            "name": "network/a",
            "labels": {"team": "platform"},
        },
        "error": {
            "code": "AccessDeniedException",
            "message": "not allowed",
            "attempts": 3,
            "since": "2026-11-23T08:00:00Z",
        },
        "sequence": 2,
    }


def test_an_endpoint_that_is_readable_again_tells_how_long_it_was_not() -> None:
    body = body_of(outage_event(ENDPOINT, OUTAGE, sequence=3, now=NOW, over=True, targets=40))
    assert (body["type"], body["subject"]) == ("watcher.endpoint.readable", "prod%20eu/eu-west-1/codeconnections")
    assert body["data"] == {
        "endpoint": {"account": "prod eu", "region": "eu-west-1", "api": "codeconnections", "targets": 40},
        "error": {
            "code": "AccessDeniedException",
            "message": "not allowed",
            "attempts": 3,
            "since": "2026-11-23T08:00:00Z",
        },
        "sequence": 3,
        "since": "2026-11-23T08:00:00Z",
        "lasted_seconds": 600.25,
    }


def test_the_length_of_an_outage_is_in_seconds_to_the_millisecond() -> None:
    now = minute(0) + timedelta(seconds=1, microseconds=234_567)
    assert body_of(outage_event(ENDPOINT, OUTAGE, sequence=3, now=now, over=True))["data"]["lasted_seconds"] == 1.235


def test_a_clock_set_back_during_an_outage_makes_no_negative_length() -> None:
    body = body_of(outage_event(ENDPOINT, OUTAGE, sequence=3, now=minute(-60), over=True))
    assert body["data"]["endpoint"]["targets"] == 1
    assert body["data"]["lasted_seconds"] == 0
    VALIDATOR.validate(body)


@pytest.mark.parametrize(
    "text", ["a\nb\r\x85\u2028c", "\ud800 alone", '"quoted\\"', "\x00\x1b[2J\x7f", "é漢🚨", "</script>"]
)
def test_any_text_from_aws_stays_on_one_line_and_comes_out_as_it_was(text: str) -> None:
    attempt = replace(an_attempt(1, text, text), target=text, target_revision=a_revision(text))
    event = event_of(attempt=attempt, type="sync.unknown")
    assert event.body.isascii()
    assert event.body.isprintable()
    data = body_of(event)["data"]
    assert data["status"] == data["attempt"]["status"] == data["attempt"]["target"] == text
    assert data["attempt"]["events"][0]["event"] == data["attempt"]["targetRevision"]["sha"] == text
    VALIDATOR.validate(body_of(event))


def test_the_events_own_fields_are_its_bodys() -> None:
    event, body = event_of(), body_of(event_of())
    assert (event.id, event.type, event.subject) == (body["id"], body["type"], body["subject"])


def test_a_cloudevents_library_reads_it() -> None:
    event = JSONFormat().read(None, event_of().body)
    assert (event.get_type(), event.get_time(), event.get_specversion()) == ("watcher.sync.failed", NOW, "1.0")


def with_body(event: Event, path: str, value: object) -> Event:
    """Return `event` with another value in its body; `path` is its place, with dots; None: without it."""
    body = json.loads(event.body)
    *parents, last = path.split(".")
    place = body
    for key in parents:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return event._replace(body=json.dumps(body))


OPENED = IncidentStep(State.OPENED, Incident("7", NOW, ("failed",)))
SYNC, ENDED = event_of(), outage_event(NETWORK, OUTAGE, sequence=1, now=NOW, over=True)


def test_a_stored_event_of_the_required_form_is_returned() -> None:
    for event in (
        SYNC,
        ENDED,
        blocked_event(),
        blocked_event(known=NEVER_SYNCED),
        muted(SYNC, None, None),
        muted(ENDED, "later", NOW),
        stamped(SYNC, incident=IncidentStep(State.RESOLVED, Incident("7", NOW, ("failed",)), NOW)),
        trial_event("x", NOW),
    ):
        assert check_event(event) is event


@pytest.mark.parametrize(
    ("event", "wrong"),
    [
        (SYNC._replace(time="soon"), 'time cannot be "soon"'),
        (with_body(SYNC, "subject", 1), "body.subject cannot be 1"),
        (with_body(SYNC, "data", None), "body has no 'data'"),
        (with_body(SYNC, "data.observed", 1), "body.data.observed cannot be 1"),
        (with_body(SYNC, "data.recovered", None), "body.data has no 'recovered'"),
        (with_body(SYNC, "data.attempt.events", {}), "body.data.attempt.events cannot be {}"),
        (with_body(blocked_event(), "data.observed", 1), "body.data.observed cannot be 1"),
        (with_body(blocked_event(), "data.blocker.id", 1), "body.data.blocker.id cannot be 1"),
        (with_body(blocked_event(), "data.blocker.contexts", {"a": 1}), "body.data.blocker.contexts['a'] cannot be 1"),
        (with_body(ENDED, "data.error.since", "soon"), 'body.data.error.since cannot be "soon"'),
        (with_body(ENDED, "data.lasted_seconds", "1"), 'body.data.lasted_seconds cannot be "1"'),
        (
            with_body(stamped(SYNC, incident=OPENED), "data.incident.problems", "failed"),
            'body.data.incident.problems cannot be "failed"',
        ),
        (with_body(muted(SYNC, "x", NOW), "data.muted.until", 1), "body.data.muted.until cannot be 1"),
    ],
)
def test_a_stored_event_of_another_form_is_refused_by_the_name_of_its_part(event: Event, wrong: str) -> None:
    with pytest.raises(ValueError, match=f"^event\\.{re.escape(wrong)}$"):
        check_event(event)
    with pytest.raises(ValueError, match=f"^events\\[3\\]\\.{re.escape(wrong)}$"):
        check_event(event, "events[3]")


def test_as_many_events_are_taken_as_fit_but_at_least_one() -> None:
    found = [(number, SYNC._replace(body="x" * number)) for number in (3, 2, 4)]
    assert fitting(found, 0) == fitting(found, 4) == found[:1]
    assert fitting(found, 5) == fitting(found, 8) == found[:2]
    assert fitting(found, 9) == found
    assert fitting([], 9) == []


def said(number: int, length: int = 900) -> dict[str, str]:
    return {"type": "INFO", "event": f"{number} {'x' * length}", "time": "2026-11-23T08:00:00Z"}


@pytest.mark.parametrize("count", [0, 1, 205, 206, 400, 5_000])
def test_an_event_is_at_most_200_kib_and_keeps_the_first_and_the_last_sync_events(count: int) -> None:
    attempt = replace(an_attempt(1, FAILED), events=tuple(map(said, range(count))))
    event = event_of(attempt=attempt)
    whole = body_of(event)["data"]["attempt"]
    VALIDATOR.validate(body_of(event))
    assert event.id == event_of(attempt=an_attempt(1, FAILED)).id
    kept, omitted = whole["events"], whole.get("events_omitted", 0)
    assert len(kept) + omitted == count
    if omitted:
        numbers = [int(each["event"].split()[0]) for each in kept]
        last = (len(kept) + 1) // 2
        assert numbers == [*range(len(kept) - last), *range(count - last, count)]
    # What is added later has room, too, and no more is left out than has to be.
    step = IncidentStep(State.RESOLVED, Incident("7" * 32, minute(0.001), (*Problem,)), minute(9_999_999.999))
    mute = Mute(reason="é" * 9_000, until=minute(60))
    marked = extended(stamped(event, incident=step, mute=mute, traceparent="0" * 55).body, reminder=999)
    assert len(marked) <= MAX_EVENT_BYTES
    assert not omitted or len(event.body) > MAX_EVENT_BYTES - RESERVED_BYTES - 1_000, "one more would not have fitted"


@pytest.mark.parametrize(("over", "omitted"), [(0, None), (1, 1)])
def test_an_event_of_the_longest_length_is_whole(over: int, omitted: int | None) -> None:
    def with_text(length: int) -> Event:
        return event_of(attempt=replace(an_attempt(1, FAILED), events=(said(0, length),)))

    event = with_text(MAX_EVENT_BYTES - RESERVED_BYTES - len(with_text(0).body) + over)
    assert body_of(event)["data"]["attempt"].get("events_omitted") == omitted
    assert omitted or len(event.body) == MAX_EVENT_BYTES - RESERVED_BYTES


@pytest.mark.parametrize("letter", ["x", "\x01", "🟢"])
def test_an_event_of_the_longest_texts_keeps_a_first_and_a_last_sync_event(letter: str) -> None:
    text = bounded(letter * 5_000)
    revision = dict.fromkeys(("providerType", "ownerId", "repositoryName", "branch", "directory", "sha"), text)
    line = {"type": text, "event": text, "time": "2026-11-23T08:00:00Z", "externalId": text}
    attempt = Attempt(minute(1), text, text, revision, revision, (line,) * 85)
    event = event_of(attempt=attempt, previous=attempt, desired_state=revision, latest_successful=attempt)
    assert len(event.body) <= MAX_EVENT_BYTES
    whole = body_of(event)["data"]["attempt"]
    assert len(whole["events"]) >= 2
    assert len(whole["events"]) + whole["events_omitted"] == 85


def test_the_event_of_the_longest_blocker_has_room_for_the_longest_attempt() -> None:
    text, short = bounded("\x01" * 5_000), bounded("\x01" * 5_000, MAX_CONTEXT_BYTES)
    revision = dict.fromkeys(("providerType", "ownerId", "repositoryName", "branch", "directory", "sha"), text)
    line = {"type": text, "event": text, "time": "2026-11-23T08:00:00Z", "externalId": text}
    attempt = Attempt(minute(1), text, text, revision, revision, (line,) * 85)
    contexts = {f"{number}{short[:-6]}": short for number in range(MAX_CONTEXTS)}
    blocker = Blocker(text, text, text, text, minute(1), contexts, text, minute(2))
    event = blocked_event(known=Known(attempt, minute(2), revision, attempt), blocker=blocker)
    assert len(event.body) <= MAX_EVENT_BYTES
    assert body_of(event)["data"]["attempt"]["events_omitted"] < 85


@pytest.mark.parametrize(
    ("room", "kept"),
    [(0, ""), (15, ""), (16, "4"), (31, "4"), (32, "04"), (48, "034"), (79, "0134"), (80, "01234"), (999, "01234")],
)
def test_sync_events_are_kept_from_both_ends_while_there_is_room(room: int, kept: str) -> None:
    """Each has 14 bytes, and 2 for what separates it from the next."""
    assert first_and_last([{"event": each} for each in "01234"], room) == [{"event": each} for each in kept]
    assert first_and_last([], room) == []


@pytest.mark.parametrize(("room", "kept"), [(114, ""), (115, "c"), (130, "c"), (131, "ac"), (155, "ac"), (156, "abc")])
def test_a_sync_event_takes_the_room_of_its_own_length(room: int, kept: str) -> None:
    events = {"a": {"event": "1"}, "b": {"event": "2" * 10}, "c": {"event": "3" * 100}}
    assert first_and_last([*events.values()], room) == [events[each] for each in kept]


def test_an_event_of_a_connection_says_what_it_is_and_which_status_it_had() -> None:
    body = body_of(connection_change(PENDING, ERROR))
    assert body["subject"] == "prod/eu-west-1/connection/6053346f-8a33-4edb-9397-10394b695173"
    assert body["type"] == "watcher.connection.unavailable"
    target = body["data"]["target"]
    assert (target["kind"], target["name"], target["arn"]) == ("connection", "github", CONNECTION_ARN)
    assert body["data"]["connection"] == {
        "arn": CONNECTION_ARN,
        "name": "github",
        "provider": "GitHubEnterpriseServer",
        "status": "PENDING",
        "host": "arn:aws:codeconnections:eu-west-1:111122223333:host/ghes-1a2b3c4d",
    }
    assert (body["data"]["previous_status"], body["data"]["sequence"]) == ("ERROR", 2)
    assert severity(body["type"]) is Severity.ERROR
    assert severity("watcher.connection.available") is Severity.INFO


def test_the_id_of_a_connections_event_is_made_of_its_arn_its_status_and_which_time_it_took_it() -> None:
    first = ConnectionChange("connection.unavailable", PENDING, None, 1)
    here, elsewhere = (connection(account, "us-east-1", CONNECTION_ARN, name="github") for account in ("a", "b"))
    ids = [
        connection_event(target, change, sequence=sequence, now=minute(sequence)).id
        for target, change, sequence in (
            (here, first, 1),
            (here, replace(first, previous=ERROR), 2),
            (elsewhere, first, 1),
            (here, replace(first, times=2), 3),
            (here, replace(first, status=ERROR), 4),
        )
    ]
    assert len({*ids[:3]}) == 1
    assert len({*ids}) == 3


def every_type() -> list[Event]:
    statuses = (INITIATED, IN_PROGRESS, QUEUED, SUCCEEDED, FAILED, "ODD")
    firsts = [event_of(attempt=an_attempt(1, status), type=f"sync.{status.lower()}") for status in statuses[:-1]]
    rest = [event_of(attempt=an_attempt(1, "ODD"), type="sync.unknown"), event_of(type="sync.stalled")]
    blocked = [
        blocked_event(type_, known, blocker)
        for type_ in ("sync.blocked", "sync.unblocked")
        for known in (KNOWN, NEVER_SYNCED)
        for blocker in (a_blocker(), ENDED_BLOCKER)
    ]
    outages = [
        outage_event(subject, OUTAGE, sequence=1, now=NOW, over=over)
        for subject in (NETWORK, ENVIRONMENT, ENDPOINT)
        for over in (False, True)
    ]
    found = replace(NETWORK, found=FACTS)
    discoveries = [discovery_event(found, removed=removed, times=1, sequence=1, now=NOW) for removed in (False, True)]
    connections = [connection_change(AVAILABLE, PENDING), connection_change(ERROR)]
    removals = [removal_event(subject, "7" * 32, sequence=1, now=NOW) for subject in (ENVIRONMENT, ENDPOINT)]
    return [*firsts, *rest, *blocked, *outages, *discoveries, *removals, *connections]


FACTS = {"repository": "org/infra", "branch": "main", "config_file": "network.yaml", "connection": "arn:aws:…"}


@pytest.mark.parametrize(("removed", "type_"), [(False, "discovered"), (True, "removed")])
def test_an_event_of_discovery_has_what_is_known_of_its_target(type_: str, *, removed: bool) -> None:
    target = replace(NETWORK, found={**FACTS, "owner": "not shown"})
    event = discovery_event(target, removed=removed, times=1, sequence=3, now=NOW)
    data = body_of(event)["data"]
    assert (event.type, event.subject) == (f"watcher.target.{type_}", NETWORK.id)
    assert data == {"target": {**target_to_json(NETWORK), **FACTS}, "sequence": 3}


def test_the_id_of_an_event_of_discovery_comes_from_its_subject_and_which_time_it_is() -> None:
    def id_of(target: Target = NETWORK, *, removed: bool = False, times: int = 1, sequence: int = 1) -> str:
        return discovery_event(target, removed=removed, times=times, sequence=sequence, now=NOW).id

    assert id_of() == id_of(sequence=7)
    assert len({id_of(), id_of(ENVIRONMENT), id_of(times=2), id_of(removed=True), id_of(removed=True, times=2)}) == 5


def test_the_id_of_an_event_of_a_removal_comes_from_its_subject_and_its_incident() -> None:
    def id_of(subject: Target | EndpointKey = NETWORK, incident: str = "7" * 32, sequence: int = 1) -> str:
        return removal_event(subject, incident, sequence=sequence, now=NOW).id

    assert id_of() == id_of(sequence=7)
    assert len({id_of(), id_of(ENVIRONMENT), id_of(ENDPOINT), id_of(incident="8" * 32)}) == 4


def test_the_schema_takes_every_type_of_event() -> None:
    events = every_type()
    assert {event.type for event in events} == set(EVENT_TYPES)
    for event in events:
        VALIDATOR.validate(body_of(event))


def members(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of every member of every structure within an event."""
    if isinstance(value, list):
        return [deeper for index, item in enumerate(value) for deeper in members(item, (*path, index))]
    if isinstance(value, dict):
        here = [(*path, name) for name in value]
        return [deeper for place in here for deeper in (place, *members(value[place[-1]], place))]
    return []


def inside(body: dict[str, Any], path: tuple[Any, ...]) -> dict[str, Any]:
    """The structure that holds the member at `path`."""
    value: Any = body
    for step in path[:-1]:
        value = value[step]
    assert isinstance(value, dict)
    return value


OPTIONAL = (
    ("target", "type"), ("target", "version"), ("labels", "team"), ("contexts", "pull-request"),
    *(("target", name) for name in FOUND),
)  # fmt: skip
"""A template's parts are no stack's; labels and contexts are anybody's; what discovery knows may be missing."""

events = pytest.mark.parametrize("event", every_type(), ids=lambda event: f"{event.type} of {event.subject}")


@events
def test_the_schema_refuses_an_event_that_lacks_a_part(event: Event) -> None:
    for path in members(body_of(event)):
        # A revision's provider is spelt otherwise by the other service.
        if path[-2:] in OPTIONAL or path[-1] == "repositoryProvider":
            continue
        body = body_of(event)
        del inside(body, path)[path[-1]]
        assert not VALIDATOR.is_valid(body), path


@events
def test_the_schema_refuses_an_event_with_a_part_of_another_type(event: Event) -> None:
    for path in members(body_of(event)):
        body = body_of(event)
        inside(body, path)[path[-1]] = [1.5]
        assert not VALIDATOR.is_valid(body), path


@events
def test_the_schema_refuses_an_event_with_a_part_that_it_does_not_know(event: Event) -> None:
    for path in members(body_of(event)):
        if {*path[:-1]} & {"labels", "contexts", "desired_state", "initialRevision", "targetRevision"}:
            continue
        body = body_of(event)
        inside(body, path)["surprise"] = "x"
        assert not VALIDATOR.is_valid(body), path


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("specversion",), "0.3"),
        (("id",), "short"),
        (("type",), "watcher.sync.stopped"),
        (("type",), "watcher.target.unreadable"),
        (("source",), "/watcher/default"),
        (("time",), "2026-11-23T08:00:00+00:00"),
        (("dataschema",), "urn:watcher:event:2"),
        (("data", "sequence"), 0),
        (("data", "sequence"), True),
        (("data", "consecutive_failures"), -1),
        (("data", "target", "kind"), "repository"),
        (("data", "attempt", "startedAt"), "2026-11-23 08:00"),
        (("data", "previous_status"), 5),
    ],
)
def test_the_schema_refuses_values_that_it_does_not_know(path: tuple[str, ...], value: object) -> None:
    body = body_of(event_of())
    inside(body, path)[path[-1]] = value
    assert not VALIDATOR.is_valid(body)


def test_a_reminder_is_the_same_event_with_its_count() -> None:
    event = event_of()
    reminder = json.loads(extended(event.body, reminder=3))
    assert reminder.pop("reminder") == 3
    assert reminder == body_of(event)
    for count in (1, 10**6):
        VALIDATOR.validate(json.loads(extended(event.body, reminder=count)))
    for wrong in (0, -1):
        assert not VALIDATOR.is_valid(json.loads(extended(event.body, reminder=wrong)))
    read = JSONFormat().read(None, extended(event.body, reminder=3))
    assert read.get_extension("reminder") == 3


def test_a_delivery_is_its_event_to_the_letter_and_a_reminder_differs_from_it() -> None:
    event = event_of()
    delivery, reminder = Delivery(1, "ops", event), Delivery(1, "ops", event, reminder=2)
    assert (delivery.id, delivery.body) == (event.id, event.body)
    assert (reminder.id, reminder.body) == (f"{event.id}-reminder-2", extended(event.body, reminder=2))
    assert reminder.body == reminder._replace(tries=7).body


@events
def test_a_muted_event_is_marked_and_otherwise_the_same(event: Event) -> None:
    held = muted(event, "maintenance", minute(60))
    assert "muted" in body_of(held)["data"]
    plain = stamped(event)
    assert "muted" not in body_of(plain)["data"]
    assert (held.id, held.type, held.subject, held.time) == (event.id, event.type, event.subject, event.time)
    body = body_of(held)
    VALIDATOR.validate(body)
    assert body["data"].pop("muted") == {"reason": "maintenance", "until": "2026-11-23T09:00:00Z"}
    assert body == body_of(plain)
    VALIDATOR.validate(body_of(muted(event, None, None)))


def test_the_schema_refuses_a_mark_of_another_form() -> None:
    for wrong in (True, {}, {"reason": 5, "until": None}, {"reason": None, "until": "soon"}):
        body = body_of(event_of())
        body["data"]["muted"] = wrong
        assert not VALIDATOR.is_valid(body), wrong


def test_any_reason_stays_on_one_line() -> None:
    held = muted(event_of(), "a\nb\u2028\ud800", None)
    assert held.body.isascii()
    assert held.body.isprintable()
    assert body_of(held)["data"]["muted"]["reason"] == "a\nb\u2028\ud800"


def test_a_trial_event_says_that_nothing_has_happened_and_is_a_new_one_each_time() -> None:
    event = trial_event("on call/eu", NOW)
    body = body_of(event)
    VALIDATOR.validate(body)
    assert (event.type, event.subject) == ("watcher.test", "test/on%20call%2Feu")
    assert body["source"] == "/watcher/test/on%20call%2Feu"
    assert body["data"] == {
        "sink": "on call/eu",
        "message": "This is a test of watcher's sink; nothing has happened.",
        "incident": None,
    }
    assert trial_event("on call/eu", NOW).id != event.id
    assert "muted" not in body_of(event)["data"]


def test_the_schema_is_the_published_one() -> None:
    """A change of the schema must be meant, and leave valid what was valid: then `watcher schema --event` writes it."""
    published = (Path(__file__).parent / "event_schema.json").read_text(encoding="utf-8")
    # Once more from its file: mutation testing changes a loaded module, and what the constants are made by.
    assert importlib.reload(watcher.core.event_schema).event_schema_text(KINDS) == published
    Draft202012Validator.check_schema(json.loads(published))


TEXT = {"type": "string"}


@pytest.mark.parametrize(
    ("choices", "schema"),
    [
        ([("A",)], {"enum": ["A"]}),
        ([("A",), ("B", "C")], {"enum": ["A", "B", "C"]}),
        ([(), ("A",)], TEXT),
        ([("A",), ()], TEXT),
    ],
)
def test_a_part_of_the_identity_of_several_kinds_may_have_what_any_of_them_allows(
    choices: list[tuple[str, ...]], schema: dict[str, Any]
) -> None:
    (name,) = STACK.identity
    kinds = [replace(STACK, name=f"kind-{of}", identity=(replace(name, choices=of),)) for of in choices]
    data = event_schema({kind.name: kind for kind in kinds})["allOf"][0]["then"]["properties"]["data"]
    assert data["properties"]["target"]["properties"]["name"] == schema
