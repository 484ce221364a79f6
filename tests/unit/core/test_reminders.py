"""What sinks are to be reminded of."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.conftest import a_blocker, an_attempt, minute
from watcher.core.deliveries import ReminderRequest
from watcher.core.event_types import Severity
from watcher.core.model import FAILED, IN_PROGRESS, QUEUED, SUCCEEDED, EndpointKey, rfc3339
from watcher.core.mutes import Mute
from watcher.core.reminders import ReportedProblem, due, problems_of, reminder_requests
from watcher.core.settings import Account, Config, Retry
from watcher.core.sink_settings import SinkSettings
from watcher.core.state import HeldBack, Incident, Known, KnownConnection, Outage, Record
from watcher.sources.codeconnections import stack
from watcher.sources.proton import template

STACK = stack("default", "us-east-1", "network", labels={"team": "platform"})
TEMPLATE = template("default", "us-east-1", "SERVICE", "web", "2")
PROTON = EndpointKey("default", "us-east-1", "proton")
OUTAGE = Outage(minute(3), "ResourceNotFoundException", "no such stack", 3)
SINK = SinkSettings("ops", "webhook", remind_every=14400.0)
CONFIG = Config(
    place="test",
    accounts={"default": Account("default", ("us-east-1",))},
    targets=(STACK, TEMPLATE),
    retry=Retry(),
    unreadable_after=3,
    sinks=(SINK, SinkSettings("quiet", "webhook")),
    state="",
    http=None,
    state_retention=86400.0,
    shutdown_grace=1.0,
)


def known(status: str, **rest: Any) -> Record:
    return Record(Known(an_attempt(1, status), minute(2), **rest))


def connected(status: str) -> Record:
    return Record(connection=KnownConnection(status, minute(2), {status: 1}))


FAILING = known(FAILED)
FAILED_REQUEST = ReminderRequest("ops", STACK.id, "watcher.sync.failed", rfc3339(minute(1)), 14400.0)


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        (Record(), None),
        (Record(Known(None, minute(2))), None),
        (known(SUCCEEDED), None),
        (known(IN_PROGRESS), None),
        (known("ODD"), None),
        (FAILING, ReportedProblem("watcher.sync.failed", "2026-11-23T08:01:00Z")),
        (connected("ERROR"), ReportedProblem("watcher.connection.unavailable", "ERROR")),
        (connected("AVAILABLE"), None),
        (known(QUEUED, stalled=minute(1)), ReportedProblem("watcher.sync.stalled", "2026-11-23T08:01:00Z")),
        (known(QUEUED, stalled=minute(0)), None),  # another attempt stalled
        (known(SUCCEEDED, stalled=minute(1)), None),
        (known(FAILED, stalled=minute(1)), ReportedProblem("watcher.sync.failed", "2026-11-23T08:01:00Z")),
        (Record(outage=OUTAGE), ReportedProblem("watcher.target.unreadable", "2026-11-23T08:03:00Z")),
        (replace(FAILING, outage=OUTAGE), ReportedProblem("watcher.target.unreadable", "2026-11-23T08:03:00Z")),
    ],
)
def test_the_problem_of_a_target_is_read_from_its_record(record: Record, problem: ReportedProblem | None) -> None:
    assert list(problems_of(record)) == ([] if problem is None else [problem])


BLOCKED = ReportedProblem("watcher.sync.blocked", "blocker-2")


@pytest.mark.parametrize(
    ("record", "problems"),
    [
        (Record(), [BLOCKED]),
        (known(SUCCEEDED), [BLOCKED]),
        (FAILING, [BLOCKED, ReportedProblem("watcher.sync.failed", "2026-11-23T08:01:00Z")]),
        (known(QUEUED, stalled=minute(1)), [BLOCKED, ReportedProblem("watcher.sync.stalled", "2026-11-23T08:01:00Z")]),
        (replace(FAILING, outage=OUTAGE), [ReportedProblem("watcher.target.unreadable", "2026-11-23T08:03:00Z")]),
    ],
)
def test_a_blocked_target_has_the_problem_of_its_newest_blocker_beside_that_of_its_sync(
    record: Record, problems: list[ReportedProblem]
) -> None:
    blockers = tuple(a_blocker(f"blocker-{number}") for number in range(3))
    assert list(problems_of(replace(record, blockers=blockers))) == problems


def test_only_sinks_that_ask_for_it_are_reminded() -> None:
    assert reminder_requests(CONFIG, {STACK.id: FAILING, TEMPLATE.id: known(SUCCEEDED)}, minute(5)) == [FAILED_REQUEST]
    assert reminder_requests(replace(CONFIG, sinks=CONFIG.sinks[1:]), {STACK.id: FAILING}, minute(5)) == []
    assert reminder_requests(CONFIG, {}, minute(5)) == []


@pytest.mark.parametrize(
    ("asked_for", "wanted"),
    [
        ({"events": ("watcher.sync.failed",)}, True),
        ({"events": ("watcher.sync.stalled",)}, False),
        ({"targets": ("*/stack/*",)}, True),
        ({"targets": ("*/template/*",)}, False),
        ({"labels": {"team": "platform"}}, True),
        ({"labels": {"team": "other"}}, False),
        ({"min_severity": Severity.ERROR}, True),
    ],
)
def test_a_sink_is_reminded_of_what_is_routed_to_it(asked_for: dict[str, Any], *, wanted: bool) -> None:
    config = replace(CONFIG, sinks=(replace(SINK, **asked_for),))
    assert reminder_requests(config, {STACK.id: FAILING}, minute(5)) == ([FAILED_REQUEST] if wanted else [])


@pytest.mark.parametrize(
    ("mute", "muted"),
    [
        (Mute(), True),
        (Mute(until=minute(6)), True),
        (Mute(until=minute(5)), False),
        (Mute(start=minute(6)), False),
        (Mute(targets=("*/template/*",)), False),
        (Mute(events=("*.failed",)), True),
    ],
)
def test_of_what_is_muted_now_no_sink_is_reminded(mute: Mute, *, muted: bool) -> None:
    found = reminder_requests(replace(CONFIG, mutes=(mute,)), {STACK.id: FAILING}, minute(5))
    assert found == ([] if muted else [FAILED_REQUEST])


def test_of_what_a_mute_still_holds_back_no_sink_is_reminded() -> None:
    held = HeldBack("watcher.sync.failed", "1", ("ops",))
    incident = Incident("7", minute(1), ("failed",), held=(held,))
    other = replace(incident, held=(replace(held, type="watcher.sync.blocked"),))
    for before, found in ((incident, []), (other, [FAILED_REQUEST]), (replace(incident, held=()), [FAILED_REQUEST])):
        assert reminder_requests(CONFIG, {STACK.id: replace(FAILING, incident=before)}, minute(5)) == found


def test_of_an_endpoint_that_cannot_be_read_is_spoken_and_not_of_its_targets() -> None:
    blind = {TEMPLATE.id: FAILING, str(PROTON): Record(outage=OUTAGE)}
    of_endpoint = ReminderRequest("ops", str(PROTON), "watcher.endpoint.unreadable", rfc3339(minute(3)), 14400.0)
    assert reminder_requests(CONFIG, blind, minute(5)) == [of_endpoint]
    found = reminder_requests(CONFIG, {**blind, STACK.id: FAILING}, minute(5))
    assert sorted(request.subject for request in found) == sorted([str(PROTON), STACK.id])
    first = replace(CONFIG, targets=(TEMPLATE, STACK))
    found = reminder_requests(first, {**blind, STACK.id: FAILING}, minute(5))
    assert {request.subject for request in found} == {str(PROTON), STACK.id}


def test_what_is_no_longer_configured_is_not_spoken_of() -> None:
    assert reminder_requests(replace(CONFIG, targets=(TEMPLATE,)), {STACK.id: FAILING}, minute(5)) == []


SYNC = {"attempt": {"startedAt": "2026-11-23T08:00:00Z"}}
ERROR = {"error": {"since": "2026-11-23T08:00:00Z"}}
MUTED = {**SYNC, "muted": {"reason": None, "until": None}}


@pytest.mark.parametrize(
    ("data", "last", "now", "number"),
    [
        (SYNC, (0, 100.0), 159.0, None),
        (SYNC, (0, 100.0), 160.0, 1),
        (SYNC, (4, 100.0), 160.0, 5),
        (ERROR, (1, 100.0), 160.0, 2),
        ({**SYNC, "blocker": {"id": "2026-11-23T07:00:00Z"}}, (0, 100.0), 160.0, None),
        ({"attempt": None, "blocker": {"id": "2026-11-23T08:00:00Z"}}, (0, 100.0), 160.0, 1),
        ({"connection": {"status": "2026-11-23T08:00:00Z"}}, (0, 100.0), 160.0, 1),
        ({"connection": {"status": "PENDING"}}, (0, 100.0), 160.0, None),
        ({"attempt": {"startedAt": "2026-11-23T07:00:00Z"}}, (0, 100.0), 160.0, None),
        ({"error": {"since": "2026-11-23T07:00:00Z"}}, (0, 100.0), 160.0, None),
        ({"attempt": None, "error": None}, (0, 100.0), 160.0, None),
        (SYNC, None, 160.0, None),
        (MUTED, None, 160.0, None),
        (MUTED, (0, 100.0), 160.0, 1),
    ],
    ids=["too-early", "first", "fifth", "outage", "another-blocker", "blocker",
         "connection", "another-status",
         "another-attempt", "another-outage", "neither", "before-the-sink",
         "muted", "after-its-mute"],
)  # fmt: skip
def test_a_reminder_is_due_an_interval_after_the_last_delivery_of_the_requested_event(
    data: dict[str, Any], last: tuple[int, float] | None, now: float, number: int | None
) -> None:
    request = ReminderRequest("ops", "a/b", "watcher.sync.failed", "2026-11-23T08:00:00Z", 60.0)
    assert due(request, json.dumps({"data": data}), last, now) == number


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        '{"data":[]}',
        '{"data":{"blocker":1}}',
        '{"data":{"connection":1}}',
        '{"data":{"attempt":1}}',
        '{"data":{"error":1}}',
    ],
)
def test_a_body_that_is_not_an_event_is_named_in_the_error(body: str) -> None:
    request = ReminderRequest("ops", "a/b", "watcher.sync.failed", "2026-11-23T08:00:00Z", 60.0)
    with pytest.raises(ValueError, match=r"^event\.body"):
        due(request, body, None, 160.0)
