"""Which sinks are to have an event."""

from __future__ import annotations

from typing import Any

import pytest

from watcher.config.settings import SinkSettings
from watcher.events import Event
from watcher.routing import route

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
