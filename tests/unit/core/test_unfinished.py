"""Which sinks show an attempt as unfinished, and are sent its end."""

from __future__ import annotations

import json

import pytest

from watcher.core.events import Event
from watcher.core.sink_settings import SinkOptions, SinkSettings
from watcher.core.unfinished import commit_shown, end_is_for, is_end, unfinished_after


class ShowsAttempts(SinkOptions):
    shows_attempts = True


SINKS = [
    SinkSettings("a", "github", options=ShowsAttempts()),
    SinkSettings("plain", "stdout"),
    SinkSettings("b", "github", options=ShowsAttempts()),
]
ALL = ("a", "plain", "b")


def event(word: str, *, new: bool = False, sha: str | None = "b", before: str | None = "a") -> Event:
    """Of the commit `sha`; the attempt before is of the commit `before`."""
    attempt = {"targetRevision": {"sha": sha} if sha else None}
    body = json.dumps({"data": {"new_attempt": new, "attempt": attempt, "previous_attempt": {"sha": before}}})
    return Event("1", f"watcher.{word}", "s", "2026-11-23T08:00:00Z", body)


def again(word: str) -> Event:
    """Of a new attempt to sync the same commit."""
    return event(word, new=True, before="b")


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
        (("a", "b"), event("sync.in_progress", new=True, sha=None, before=None), (), ()),
        (("a",), again("sync.in_progress"), ("b",), ("a", "b")),
        (("removed", "a"), event("sync.in_progress"), (), ("removed", "a")),
        (("removed", "a"), event("sync.succeeded"), ALL, ("removed",)),
        (("removed",), again("sync.in_progress"), ("a",), ("removed", "a")),
        (("removed",), again("sync.failed"), ALL, ("removed",)),
        (("removed",), event("sync.in_progress", new=True), ("a",), ("a",)),
        (("removed",), event("sync.succeeded", new=True), ALL, ()),
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
    ("unfinished", "of", "names"),
    [
        (("b", "a"), event("sync.succeeded"), ("b", "a")),
        (("b",), event("sync.failed"), ("b",)),
        (("b",), event("sync.in_progress"), ()),
        ((), event("sync.failed"), ()),
        (("b",), again("sync.failed"), ("b",)),
        (("b",), event("sync.failed", new=True), ()),
        (("b",), event("sync.failed", new=True, sha=None, before=None), ()),
        (("removed",), event("sync.succeeded"), ("removed",)),
        (("plain",), event("sync.succeeded"), ()),
    ],
    ids=[
        "all that show it", "one that shows it", "a step", "none shows it", "a further attempt of the commit",
        "an attempt of another commit", "an attempt of an unknown commit", "a removed sink",
        "a sink of another type now",
    ],
)  # fmt: skip
def test_the_end_of_an_attempt_is_for_the_sinks_that_show_its_commit_as_unfinished_also_for_a_removed_one(
    unfinished: tuple[str, ...], of: Event, names: tuple[str, ...]
) -> None:
    assert end_is_for(unfinished, of, SINKS) == names


def test_an_attempt_ends_by_success_or_failure_alone() -> None:
    words = ("succeeded", "failed", "in_progress", "stalled", "unknown")
    assert [is_end(f"watcher.sync.{word}") for word in words] == [True, True, False, False, False]


@pytest.mark.parametrize(
    ("of", "sha"),
    [
        (event("sync.initiated"), "b"),
        (event("sync.stalled"), "b"),
        (event("sync.succeeded"), "b"),
        (event("sync.failed"), "b"),
        (event("sync.failed", sha=None), None),
        (event("sync.blocked"), None),
        (event("target.unreadable"), None),
    ],
)
def test_an_event_of_an_attempt_shows_its_commit(of: Event, sha: str | None) -> None:
    assert commit_shown(of) == sha
