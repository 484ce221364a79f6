"""What each event means for the incident of its subject: the table of cases, and random histories."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.conftest import minute
from watcher.core.event_ids import incident_id
from watcher.core.event_types import EVENT_TYPES
from watcher.core.events import Event
from watcher.core.incidents import BEGUN_BY, IncidentStep, State, incident_to_json, may_resolve, steps
from watcher.core.model import rfc3339
from watcher.core.state import Incident

NEW = "new attempt: "
"""Marks an event of an attempt that was not known before."""


def event(word: str, number: int = 1, at: float = 5) -> Event:
    kind = f"watcher.{word.removeprefix(NEW)}"
    data = {"new_attempt": word.startswith(NEW), "sequence": number}
    return Event(f"id-{number}", kind, "a/b/stack/c", rfc3339(minute(at)), json.dumps({"data": data}))


def incident(*problems: str) -> Incident:
    return Incident("7", minute(1), problems)


def walk(held: Sequence[str], words: Sequence[str], *, blocked: bool = False) -> list[tuple[str, str] | None]:
    """What becomes of an incident by the events of one commit: its state and its problems at each of them."""
    before = incident(*held) if held else None
    events = [event(word, number) for number, word in enumerate(words, start=1)]
    found = steps(before, events, labels={}, blocked=blocked)
    return [step and (step.state.value, " ".join(step.incident.problems)) for step in found]


@pytest.mark.parametrize(
    ("held", "word", "expected"),
    [
        ("", "sync.failed", ("opened", "failed")),
        ("", "sync.stalled", ("opened", "stalled")),
        ("", "sync.blocked", ("opened", "blocked")),
        ("", "target.unreadable", ("opened", "unreadable")),
        ("", "endpoint.unreadable", ("opened", "unreadable")),
        ("", "connection.unavailable", ("opened", "unavailable")),
        ("", "sync.succeeded", None),
        ("", "sync.in_progress", None),
        ("", "sync.unblocked", None),
        ("", "target.readable", None),
        ("", "endpoint.readable", None),
        ("", "connection.available", None),
        ("", "target.discovered", None),
        ("", "target.removed", None),
        ("failed", "sync.succeeded", ("resolved", "failed")),
        ("failed", NEW + "sync.succeeded", ("resolved", "failed")),
        ("failed", NEW + "sync.failed", ("ongoing", "failed")),
        ("failed", NEW + "sync.initiated", ("ongoing", "failed")),
        ("failed", NEW + "sync.queued", ("ongoing", "failed")),
        ("failed", "sync.in_progress", ("ongoing", "failed")),
        ("failed", "sync.unknown", ("ongoing", "failed")),
        ("failed", "sync.stalled", ("ongoing", "failed stalled")),
        ("failed", "sync.blocked", ("ongoing", "failed blocked")),
        ("failed", "target.unreadable", ("ongoing", "failed unreadable")),
        ("failed", "target.readable", ("ongoing", "failed")),
        ("failed", "target.discovered", ("ongoing", "failed")),
        ("failed stalled", "sync.succeeded", ("resolved", "failed stalled")),
        ("failed stalled", NEW + "sync.initiated", ("ongoing", "failed")),
        ("failed stalled", "sync.failed", ("ongoing", "failed")),
        ("failed unreadable", "target.readable", ("ongoing", "failed")),
        ("failed blocked", "sync.succeeded", ("ongoing", "blocked")),
        ("stalled", "sync.succeeded", ("resolved", "stalled")),
        ("stalled", "sync.failed", ("ongoing", "failed")),
        ("stalled", "sync.in_progress", ("ongoing", "stalled")),
        ("stalled", "sync.unknown", ("ongoing", "stalled")),
        ("stalled", "sync.blocked", ("ongoing", "stalled blocked")),
        ("stalled", NEW + "sync.in_progress", ("resolved", "stalled")),
        ("stalled", NEW + "sync.unknown", ("resolved", "stalled")),
        ("blocked", "sync.unblocked", ("resolved", "blocked")),
        ("blocked", "sync.succeeded", ("ongoing", "blocked")),
        ("blocked failed", "sync.unblocked", ("ongoing", "failed")),
        ("unreadable", "target.readable", ("resolved", "unreadable")),
        ("unreadable", "endpoint.readable", ("resolved", "unreadable")),
        ("unreadable failed", "sync.succeeded", ("ongoing", "unreadable")),
        ("unavailable", "connection.unavailable", ("ongoing", "unavailable")),
        ("unavailable", "connection.available", ("resolved", "unavailable")),
        ("failed stalled blocked unreadable", "target.removed", ("resolved", "failed stalled blocked unreadable")),
        ("unavailable", "target.removed", ("resolved", "unavailable")),
        ("unreadable", "endpoint.removed", ("resolved", "unreadable")),
    ],
)
def test_an_event_opens_continues_or_resolves_the_incident_of_its_subject(
    held: str, word: str, expected: tuple[str, str] | None
) -> None:
    assert walk(held.split(), [word]) == [expected]


@pytest.mark.parametrize(
    ("held", "words", "expected"),
    [
        (
            "unreadable failed",
            ["target.readable", NEW + "sync.succeeded"],
            [("ongoing", "failed"), ("resolved", "failed")],
        ),
        (
            "failed",
            ["sync.succeeded", NEW + "sync.failed"],
            [("resolved", "failed"), ("opened", "failed")],
        ),
        ("", [NEW + "sync.in_progress", "sync.stalled"], [None, ("opened", "stalled")]),
        (
            "stalled",
            [NEW + "sync.in_progress", "sync.stalled"],
            [("resolved", "stalled"), ("opened", "stalled")],
        ),
        ("failed", ["sync.succeeded", NEW + "sync.initiated"], [("resolved", "failed"), None]),
    ],
)
def test_events_of_one_commit_count_one_after_the_other(
    held: str, words: list[str], expected: list[tuple[str, str] | None]
) -> None:
    assert walk(held.split(), words) == expected


@pytest.mark.parametrize(
    ("words", "blocked", "expected"),
    [
        (["sync.unblocked"], True, [("ongoing", "blocked")]),
        (["sync.unblocked", "sync.unblocked"], False, [("ongoing", "blocked"), ("resolved", "blocked")]),
        (["sync.unblocked", "sync.blocked"], True, [("ongoing", "blocked"), ("ongoing", "blocked")]),
    ],
    ids=["another-is-active", "the-last-of-two", "one-follows-the-other"],
)
def test_a_subject_is_blocked_until_its_last_blocker_has_ended(
    words: list[str], expected: list[tuple[str, str]], *, blocked: bool
) -> None:
    assert walk(["blocked"], words, blocked=blocked) == expected


def test_an_incident_has_its_id_and_its_beginning_from_the_event_that_opens_it() -> None:
    opening, going_on, end = steps(
        None, [event("sync.failed", 1, at=2), event("sync.failed", 2, at=3), event("sync.succeeded", 3, at=4.5)],
        labels={},
        blocked=False,
    )  # fmt: skip
    shared = {"id": incident_id("id-1"), "opened_at": "2026-11-23T08:02:00Z", "problems": ["failed"]}
    assert incident_to_json(opening) == {**shared, "state": "opened", "duration_seconds": None}
    assert incident_to_json(going_on) == {**shared, "state": "ongoing", "duration_seconds": None}
    assert incident_to_json(end) == {**shared, "state": "resolved", "duration_seconds": 150.0}
    assert incident_to_json(None) is None
    assert incident_id("id-1") != incident_id("id-2")


@pytest.mark.parametrize(("at", "seconds"), [(0, 0), (1.001, 0.06), (1.00001, 0.001)])
def test_an_incident_lasts_for_milliseconds_and_never_less_than_nothing(at: float, seconds: float) -> None:
    """The clock may be set back while it is open."""
    (end,) = steps(incident("failed"), [event("sync.succeeded", at=at)], labels={}, blocked=False)
    form = incident_to_json(end)
    assert form is not None
    assert form["duration_seconds"] == seconds


@pytest.mark.parametrize(
    ("event_type", "may"),
    [
        ("watcher.sync.succeeded", True),
        ("watcher.sync.in_progress", True),
        ("watcher.sync.unblocked", True),
        ("watcher.target.readable", True),
        ("watcher.connection.available", True),
        ("watcher.endpoint.removed", True),
        ("watcher.sync.failed", False),
        ("watcher.sync.stalled", False),
        ("watcher.target.unreadable", False),
        ("watcher.target.discovered", False),
        ("watcher.test", False),
    ],
)
def test_an_event_may_resolve_an_incident_if_it_ends_a_problem_and_begins_none(event_type: str, *, may: bool) -> None:
    assert may_resolve(event_type) is may


def test_labels_stay_with_an_incident() -> None:
    before = replace(incident("failed"), labels={"team": "platform"})
    (step,) = steps(before, [event("sync.stalled")], labels={"team": "other"}, blocked=False)
    assert step is not None
    assert step.open == replace(before, problems=("failed", "stalled"))


words = st.sampled_from([each.removeprefix("watcher.") for each in EVENT_TYPES]).flatmap(
    lambda word: st.sampled_from([word, NEW + word])
)
commits = st.lists(st.tuples(st.lists(words, min_size=1, max_size=3), st.booleans()), max_size=12)


@given(commits)
def test_in_any_history_incidents_open_and_end_in_turn(history: Any) -> None:
    number, open_now, was = 0, None, None
    for texts, blocked in history:
        events = [event(word, number + index) for index, word in enumerate(texts)]
        number += len(events)
        for made, step in zip(events, steps(open_now, events, labels={}, blocked=blocked), strict=True):
            _check_step(open_now, made, step)
            open_now = step.open if step else None
            if step is not None:
                assert (step.state is State.OPENED) == (was in (None, State.RESOLVED))
                was = step.state


def _check_step(before: Incident | None, made: Event, step: IncidentStep | None) -> None:
    assert (step is None) == (before is None and made.type not in BEGUN_BY)
    if step is None:
        return
    problem = BEGUN_BY.get(made.type)
    assert step.incident.problems
    assert problem is None or problem in step.incident.problems
    if before is None:
        assert (step.state, step.incident.id) == (State.OPENED, incident_id(made.id))
        return
    assert step.incident.id == before.id
    if step.state is State.RESOLVED:
        assert (problem, step.incident) == (None, before)
    assert len(set(step.incident.problems)) == len(step.incident.problems)
