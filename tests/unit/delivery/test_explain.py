"""Why an event was, or was not, sent: a row for each sink, and for each reminder."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.event_samples import muted
from tests.unit.conftest import minute
from watcher.core.deliveries import DeliveryRecord, DeliveryState
from watcher.core.event_types import Severity
from watcher.core.events import Event
from watcher.core.incidents import IncidentStep, State
from watcher.core.model import rfc3339
from watcher.core.mutes import Mute
from watcher.core.settings import Config, Retry
from watcher.core.sink_settings import SinkOptions, SinkSettings
from watcher.core.stamps import stamped
from watcher.core.state import Incident
from watcher.delivery.explain import explain

SUBJECT = "default/us-east-1/stack/network"
TARGET = {"id": SUBJECT, "kind": "stack", "region": "us-east-1", "name": "network", "labels": {"team": "platform"}}
BODY = json.dumps({"data": {"target": TARGET}})
EVENT = Event("e1", "watcher.sync.succeeded", SUBJECT, rfc3339(minute(0)), BODY)
WAITING, SENT, DEAD, DROPPED = DeliveryState.WAITING, DeliveryState.SENT, DeliveryState.DEAD, DeliveryState.DROPPED


def config_of(*sinks: SinkSettings) -> Config:
    return Config("here", {}, (), Retry(), 3, sinks, "memory://", None, 1.0, 1.0)


def a_delivery(state: DeliveryState, answer: str | None = None, **how: Any) -> DeliveryRecord:
    fields: dict[str, Any] = {"sink": "ops", "reminder": 0, "tries": 2, "tried": None, "ended": None} | how
    return DeliveryRecord(EVENT, state=state, answer=answer, recorded=minute(0).timestamp(), **fields)


@pytest.mark.parametrize(
    ("delivery", "why"),
    [
        (a_delivery(SENT, "200 OK"), "200 OK"),
        (a_delivery(SENT), ""),
        (a_delivery(WAITING, "503 Busy"), "since 2026-11-23 08:00:00 UTC; the last response: 503 Busy"),
        (
            a_delivery(WAITING, tries=0),
            "since 2026-11-23 08:00:00 UTC; not tried yet",
        ),
        (a_delivery(DEAD, "given up after 24h: 503 Busy"), "given up after 24h: 503 Busy"),
        (a_delivery(DROPPED, "503 Busy"), "by `deliveries drop`; the last response: 503 Busy"),
        (a_delivery(DROPPED, tries=0), "by `deliveries drop`"),
    ],
)
def test_a_delivery_is_explained_by_its_state_and_the_last_response(delivery: DeliveryRecord, why: str) -> None:
    (told,) = explain(EVENT, [delivery], config_of(SinkSettings("ops", "webhook")))
    assert (told.sink, told.state, told.why, told.delivery) == ("ops", delivery.state, why, delivery)


NOT_THERE = "the sink did not exist yet, or had another configuration; "


@pytest.mark.parametrize(
    ("settings", "state", "why"),
    [
        ({"events": ("*.failed",)}, "not routed", "its `events` do not match watcher.sync.succeeded"),
        ({"targets": ("prod/*",)}, "not routed", f"its `targets` do not match {SUBJECT}"),
        ({"labels": {"team": "web"}}, "not routed", "its `labels` ask for team=web"),
        (
            {"min_severity": Severity.ERROR},
            "not routed",
            "its `min_severity` is error, and watcher.sync.succeeded is info",
        ),
        (
            {"labels": {"team": "platform"}},
            "not there yet",
            NOT_THERE + "`replay_from` sends earlier events to a new sink",
        ),
        (
            {"replay_from": minute(1)},
            "not there yet",
            NOT_THERE + "its `replay_from` begins later, at 2026-11-23 08:01:00 UTC",
        ),
        (
            {"replay_from": minute(0) - timedelta(hours=1)},
            "not there yet",
            NOT_THERE + "its `replay_from` applies to the first start of `watcher run` with the sink",
        ),
    ],
)
def test_a_missing_delivery_is_explained(settings: dict[str, Any], state: str, why: str) -> None:
    (told,) = explain(EVENT, [], config_of(SinkSettings("ops", "webhook", **settings)))
    expected = f"by the current configuration, {why}" if state == "not routed" else why
    assert (told.state, told.why, told.delivery) == (state, expected, None)


@pytest.mark.parametrize(
    ("reason", "lasts", "why"),
    [
        ("maintenance", True, "maintenance, until 2026-11-23 10:00:00 UTC"),
        ("maintenance", False, "maintenance"),
        (None, True, "no reason was given, until 2026-11-23 10:00:00 UTC"),
        (None, False, "no reason was given"),
    ],
)
def test_a_muted_event_has_no_delivery_at_any_sink(reason: str | None, why: str, *, lasts: bool) -> None:
    event = muted(EVENT, reason, minute(120) if lasts else None)
    sinks = SinkSettings("ops", "webhook"), SinkSettings("team", "slack", events=("*.failed",))
    told = explain(event, [], config_of(*sinks))
    assert [(each.sink, each.state, each.why) for each in told] == [("ops", "muted", why), ("team", "muted", why)]


def test_each_reminder_has_a_row_also_if_the_event_was_muted() -> None:
    config = config_of(SinkSettings("ops", "webhook"))
    first = a_delivery(SENT, "200 OK")
    again = a_delivery(SENT, "200 OK", reminder=1), a_delivery(DROPPED, "the reminder is no longer needed", reminder=2)
    told = explain(EVENT, [first, *again], config)
    assert [(each.state, each.why) for each in told] == [
        ("sent", "200 OK"),
        ("sent", "200 OK"),
        ("dropped", "the reminder is no longer needed"),
    ]
    told = explain(muted(EVENT, "quiet", None), again, config)
    assert [(each.state, each.why) for each in told][:2] == [("muted", "quiet"), ("sent", "200 OK")]


@pytest.mark.parametrize("mute", [None, Mute(reason="quiet")])
def test_the_end_of_an_incident_that_a_sink_has_for_the_problem_alone_says_so(mute: Mute | None) -> None:
    config = config_of(SinkSettings("ops", "webhook", events=("*.failed",)), SinkSettings("all", "webhook"))
    end = IncidentStep(State.RESOLVED, Incident("7", minute(0), ("failed",)), minute(1))
    told = explain(
        stamped(EVENT, incident=end, mute=mute),
        [a_delivery(SENT, "200 OK"), *([] if mute else [a_delivery(SENT, "200 OK", sink="all")])],
        config,
    )
    owed = "it was sent the problem, so it is sent the end; 200 OK"
    other = ("all", "muted", "quiet") if mute else ("all", "sent", "200 OK")
    assert [(each.sink, each.state, each.why) for each in told] == [("ops", "sent", owed), other]


def test_a_problem_that_was_sent_when_its_mute_ended_says_so() -> None:
    config = config_of(SinkSettings("ops", "webhook"), SinkSettings("late", "webhook"))
    problem = muted(EVENT._replace(type="watcher.sync.failed"), "quiet", minute(120))
    told = explain(problem, [a_delivery(SENT, "200 OK"), a_delivery(SENT, "200 OK", reminder=1)], config)
    assert [(each.sink, each.state, each.why) for each in told] == [
        ("ops", "sent", "the problem outlasted its mute; 200 OK"),
        ("ops", "sent", "200 OK"),
        ("late", "muted", "quiet, until 2026-11-23 10:00:00 UTC"),
    ]


def test_configured_sinks_come_first_then_removed_ones() -> None:
    config = config_of(SinkSettings("b", "stdout"), SinkSettings("a", "stdout"))
    gone = "the sink is no longer in the configuration"
    deliveries = [a_delivery(SENT, sink="a"), a_delivery(DEAD, gone, sink="old")]
    told = explain(EVENT, deliveries, config)
    assert [(each.sink, each.state) for each in told] == [("b", "not there yet"), ("a", "sent"), ("old", "dead")]
    assert told[-1].why == gone


class ShowsAttempts(SinkOptions):
    shows_attempts = True


@pytest.mark.parametrize("kind", ["watcher.sync.succeeded", "watcher.sync.failed"])
def test_the_end_of_an_attempt_at_a_sink_that_shows_attempts_is_explained(kind: str) -> None:
    event = muted(EVENT._replace(type=kind), "maintenance", None)
    sink = SinkSettings("ops", "github", options=ShowsAttempts())
    (told,) = explain(event, [replace(a_delivery(SENT, "201 Created"), event=event)], config_of(sink))
    assert told.why == "it shows the attempt as unfinished, so it is sent the end; 201 Created"
