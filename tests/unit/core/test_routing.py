"""Which sinks are to have an event, and what is muted."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, time
from typing import Any

import pytest

from tests.unit.conftest import minute
from watcher.core.by_hand import ByHand
from watcher.core.event_types import DIGEST_EVENT, Severity
from watcher.core.events import Event
from watcher.core.mutes import Mute
from watcher.core.routing import (
    active_mutes,
    mute_of,
    muted_by,
    route,
    route_any,
    route_end,
    wants_recorded,
    why_not,
)
from watcher.core.sink_settings import SinkSettings
from watcher.core.windows import Window

FAILED = Event("id", "watcher.sync.failed", "prod/us-east-1/stack/network%2Fa", "2026-11-23T08:00:00Z", "{}")


@pytest.mark.parametrize(
    ("asked_for", "wanted"),
    [
        ({}, True),
        ({"events": ("watcher.sync.failed",)}, True),
        ({"events": ("watcher.sync.stalled", "watcher.sync.f*")}, True),
        ({"events": ("watcher.*",)}, True),
        ({"events": ("watcher.sync",)}, False),
        ({"events": ("sync.failed",)}, False),
        ({"events": ("WATCHER.SYNC.FAILED",)}, False),
        ({"targets": ("prod/*",)}, True),
        ({"targets": ("*/stack/network%2Fa",)}, True),
        ({"targets": ("prod/us-east-[12]/stack/*",)}, True),
        ({"targets": ("prod",)}, False),
        ({"targets": ("*/template/*", "staging/*")}, False),
        ({"labels": {"team": "platform"}}, True),
        ({"labels": {"team": "platform", "tier": "1"}}, True),
        ({"labels": {"team": "Platform"}}, False),
        ({"labels": {"team": "platform", "owner": "me"}}, False),
        ({"events": ("*",), "targets": ("prod/*",), "labels": {"tier": "1"}}, True),
        ({"events": ("*",), "targets": ("prod/*",), "labels": {"tier": "2"}}, False),
        ({"events": ("*.stalled",), "targets": ("prod/*",)}, False),
        ({"events": ("*",), "targets": ("staging/*",)}, False),
    ],
)
def test_a_sink_gets_what_all_that_it_asks_for_lets_through(asked_for: dict[str, Any], *, wanted: bool) -> None:
    sink = SinkSettings("ops", "stdout", **asked_for)
    assert route(FAILED, {"team": "platform", "tier": "1"}, [sink]) == (("ops",) if wanted else ())


def test_each_sink_is_asked_for_itself_in_their_order() -> None:
    sinks = [
        SinkSettings("b", "stdout"),
        SinkSettings("none", "stdout", events=("watcher.test",)),
        SinkSettings("a", "stdout", targets=("prod/*",)),
    ]
    assert route(FAILED, {}, sinks) == ("b", "a")


def test_an_endpoints_event_has_no_labels_and_reaches_only_who_asks_for_none() -> None:
    event = Event("id", "watcher.endpoint.unreadable", "prod/us-east-1/proton", "2026-11-23T08:00:00Z", "{}")
    sinks = [SinkSettings("team", "stdout", labels={"team": "platform"}), SinkSettings("all", "stdout")]
    assert route(event, {}, sinks) == ("all",)


@pytest.mark.parametrize(
    ("event_type", "error"),
    [
        ("watcher.sync.failed", True),
        ("watcher.sync.stalled", True),
        ("watcher.sync.blocked", True),
        ("watcher.target.unreadable", True),
        ("watcher.endpoint.unreadable", True),
        ("watcher.sync.unblocked", False),
        ("watcher.sync.succeeded", False),
        ("watcher.sync.in_progress", False),
        ("watcher.sync.unknown", False),
        ("watcher.target.readable", False),
        ("watcher.endpoint.readable", False),
        ("watcher.test", False),
    ],
)
def test_what_went_wrong_is_an_error_and_the_rest_information(event_type: str, *, error: bool) -> None:
    sinks = [SinkSettings("all", "stdout"), SinkSettings("errors", "stdout", min_severity=Severity.ERROR)]
    assert route(FAILED._replace(type=event_type), {}, sinks) == (("all", "errors") if error else ("all",))


@pytest.mark.parametrize(
    ("asked_for", "why"),
    [
        ({}, None),
        ({"events": ("*.stalled",)}, "its `events` do not match watcher.sync.failed"),
        ({"targets": ("dev/*",)}, "its `targets` do not match prod/us-east-1/stack/network%2Fa"),
        ({"labels": {"team": "a", "tier": "1", "owner": "me"}}, "its `labels` ask for team=a, owner=me"),
    ],
)
def test_why_a_sink_is_not_to_have_an_event_is_given(asked_for: dict[str, Any], why: str | None) -> None:
    sink = SinkSettings("ops", "stdout", **asked_for)
    assert why_not(sink, FAILED.type, FAILED.subject, {"team": "platform", "tier": "1"}) == why


def test_a_digest_is_for_no_sink_by_its_filters() -> None:
    why = why_not(SinkSettings("ops", "stdout"), DIGEST_EVENT, "digest", {})
    assert why == "a digest is sent to the sinks that `digest.to` names"


def test_that_an_event_is_not_severe_enough_is_given() -> None:
    sink = SinkSettings("ops", "stdout", min_severity=Severity.ERROR)
    why = why_not(sink, "watcher.sync.queued", FAILED.subject, {})
    assert why == "its `min_severity` is error, and watcher.sync.queued is info"


@pytest.mark.parametrize(
    ("mute", "holds"),
    [
        (Mute(), True),
        (Mute(start=minute(5)), True),
        (Mute(start=minute(5.01)), False),
        (Mute(until=minute(5)), False),
        (Mute(until=minute(5.01)), True),
        (Mute(start=minute(4), until=minute(6)), True),
        (Mute(targets=("prod/*",)), True),
        (Mute(targets=("dev/*", "prod/*"), events=("*.succeeded", "*.failed")), True),
        (Mute(targets=("dev/*",)), False),
        (Mute(events=("*.stalled",)), False),
        (Mute(targets=("prod/*",), events=("*.stalled",)), False),
        (Mute(when=Window(("sun",))), False),
        (Mute(when=Window(("mon",)), start=minute(5.01)), False),
        (Mute(when=Window(("mon",)), until=minute(6)), True),
    ],
)
def test_a_mute_holds_back_what_it_names_from_its_beginning_to_before_its_end(mute: Mute, *, holds: bool) -> None:
    assert muted_by([mute], FAILED.type, FAILED.subject, minute(5)) == (mute if holds else None)


@pytest.mark.parametrize(
    ("mute", "until"),
    [
        (Mute(when=Window(("mon",), end=time(9))), minute(60)),
        (Mute(when=Window(("mon",), end=time(9)), until=minute(6)), minute(6)),
        (Mute(when=Window(("mon",), end=time(9)), until=minute(90)), minute(60)),
        (Mute(when=Window()), None),
    ],
)
def test_a_mute_is_until_the_end_of_its_window_or_its_own(mute: Mute, until: datetime | None) -> None:
    assert muted_by([mute], FAILED.type, FAILED.subject, minute(5)) == replace(mute, until=until)


def test_the_first_mute_that_holds_is_given() -> None:
    mutes = [Mute(events=("*.stalled",), reason="no"), Mute(reason="first"), Mute(reason="second")]
    assert muted_by(mutes, FAILED.type, FAILED.subject, minute(5)) == mutes[1]
    assert muted_by([], FAILED.type, FAILED.subject, minute(5)) is None


def test_active_mutes_are_those_that_apply_now_each_until_it_ends_or_pauses() -> None:
    of_window, later = Mute(when=Window(("mon",), end=time(9))), Mute(start=minute(6))
    assert active_mutes((of_window, later), ByHand(), minute(5)) == (replace(of_window, until=minute(60)),)


def test_the_mute_of_a_subject_is_the_first_that_applies_to_any_event_of_it() -> None:
    mutes = [Mute(targets=("dev/*",)), Mute(targets=("prod/*",), events=("*.stalled",)), Mute()]
    assert mute_of(mutes, FAILED.subject) is mutes[1]
    assert mute_of(mutes[:1], FAILED.subject) is None


def test_the_end_of_an_incident_is_for_the_sinks_that_were_sent_its_problems_unless_they_want_no_ends() -> None:
    sinks = [SinkSettings("a", "stdout", events=("*.stalled",)), SinkSettings("b", "stdout", send_resolved=False)]
    assert route_end(("removed", "b", "a"), sinks) == ("removed", "a")


def test_an_event_of_any_of_several_types_is_for_the_sinks_that_take_one_of_them() -> None:
    names = {"failed": "*.failed", "stalled": "*.stalled", "blocked": "*.blocked"}
    sinks = [SinkSettings(name, "stdout", events=(glob,)) for name, glob in names.items()]
    sinks += [SinkSettings("dev", "stdout", targets=("dev/*",)), SinkSettings("team", "stdout", labels={"team": "a"})]
    types = ("watcher.sync.failed", "watcher.sync.blocked")
    assert route_any(types, FAILED.subject, {"team": "a"}, sinks) == ("failed", "blocked", "team")
    assert route_any((), FAILED.subject, {"team": "a"}, sinks) == ()


def recorded(**data: Any) -> Event:
    return FAILED._replace(body=json.dumps({"data": {"target": {"labels": {"team": "platform"}}, **data}}))


@pytest.mark.parametrize(
    ("event", "asked_for", "wanted"),
    [
        (recorded(), {}, True),
        (recorded(), {"labels": {"team": "platform"}}, True),
        (recorded(), {"labels": {"team": "other"}}, False),
        (recorded(), {"events": ("*.stalled",)}, False),
        (recorded(), {"targets": ("prod/*",)}, True),
        (recorded(), {"targets": ("test/*",)}, False),
        (recorded(muted={"reason": None, "until": None}), {}, False),
        (FAILED._replace(body='{"data": {"target": {}}}'), {"labels": {"team": "platform"}}, False),
        (FAILED._replace(body='{"data": {"endpoint": {}}}'), {}, True),
        (FAILED._replace(body='{"data": {"endpoint": {}}}'), {"labels": {"team": "platform"}}, False),
    ],
)
def test_a_past_event_is_wanted_by_its_own_labels_unless_it_was_muted(
    event: Event, asked_for: dict[str, Any], *, wanted: bool
) -> None:
    assert wants_recorded(SinkSettings("new", "stdout", **asked_for), event) is wanted
