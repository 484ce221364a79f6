"""Which sinks show an attempt as unfinished, and are sent its end."""

from __future__ import annotations

import json

import pytest

from watcher.core.events import Event
from watcher.core.sink_settings import SinkOptions, SinkSettings
from watcher.core.unfinished import end_is_for, is_end, unfinished_after


class ShowsAttempts(SinkOptions):
    shows_attempts = True


SINKS = [
    SinkSettings("a", "github", options=ShowsAttempts()),
    SinkSettings("plain", "stdout"),
    SinkSettings("b", "github", options=ShowsAttempts()),
]
ALL = ("a", "plain", "b")


def event(word: str, *, new: bool = False) -> Event:
    body = json.dumps({"data": {"new_attempt": new}})
    return Event("1", f"watcher.{word}", "s", "2026-11-23T08:00:00Z", body)


@pytest.mark.parametrize(
    ("unfinished", "of", "sent_to", "after"),
    [
        ((), event("sync.initiated", new=True), ALL, ("a", "b")),
        ((), event("sync.in_progress"), ALL, ("a", "b")),
        ((), event("sync.queued"), ("b",), ("b",)),
        ((), event("sync.unknown"), ("plain",), ()),
        (("b",), event("sync.stalled"), ALL, ("b", "a")),
        (("a", "b"), event("sync.in_progress"), (), ("a", "b")),
        (("a", "b"), event("sync.in_progress", new=True), ("b",), ("b",)),
        (("a", "b"), event("sync.succeeded"), ALL, ()),
        (("a", "b"), event("sync.failed"), (), ()),
        (("a", "b"), event("sync.blocked"), ALL, ("a", "b")),
        ((), event("target.unreadable"), ALL, ()),
    ],
)
def test_a_sink_shows_the_latest_attempt_as_unfinished_once_it_was_sent_one_of_its_steps(
    unfinished: tuple[str, ...], of: Event, sent_to: tuple[str, ...], after: tuple[str, ...]
) -> None:
    assert unfinished_after(unfinished, of, sent_to, SINKS) == after


@pytest.mark.parametrize(
    ("unfinished", "word", "names"),
    [
        (("removed", "b", "a"), "sync.succeeded", ("a", "b")),
        (("b",), "sync.failed", ("b",)),
        (("b",), "sync.in_progress", ()),
        ((), "sync.failed", ()),
    ],
)
def test_the_end_of_an_attempt_is_for_the_configured_sinks_that_show_it(
    unfinished: tuple[str, ...], word: str, names: tuple[str, ...]
) -> None:
    assert end_is_for(unfinished, event(word), SINKS) == names
    assert is_end(f"watcher.{word}") == (word != "sync.in_progress")
