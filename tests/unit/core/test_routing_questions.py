"""Which sinks an event that need not have happened would reach, and why."""

import json
from dataclasses import replace
from datetime import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.conftest import minute
from watcher.core.by_hand import NOTHING_BY_HAND
from watcher.core.event_types import EVENT_TYPES, Severity
from watcher.core.events import Event
from watcher.core.incidents import BEGUN_BY, Problem, State
from watcher.core.model import EndpointKey
from watcher.core.mutes import Mute
from watcher.core.routing_questions import Question, Routed, answer
from watcher.core.settings import Config, Retry
from watcher.core.sink_settings import SinkSettings
from watcher.core.state import Incident, Record
from watcher.core.windows import Window
from watcher.messages.samples import sample_of
from watcher.polling.observations import Observation, entry_of
from watcher.sources.codeconnections import connection, stack

FAILED, SUCCEEDED = "watcher.sync.failed", "watcher.sync.succeeded"
NETWORK = stack("prod", "us-east-1", "network", labels={"team": "platform"})
ENDPOINT = EndpointKey("prod", "us-east-1", "codeconnections")
GITHUB = connection("prod", "us-east-1", "arn:aws:codeconnections:us-east-1:1:connection/6053346f")
OPS = SinkSettings("ops", "stdout")
TOLD = "it was sent a problem that this event ends"


def config(*sinks: SinkSettings, mutes: tuple[Mute, ...] = ()) -> Config:
    return Config("here", {}, (), Retry(), 3, sinks, "memory://", None, 1.0, 1.0, mutes)


def test_the_subject_of_a_question_is_shown_as_in_events_and_an_endpoint_has_no_labels() -> None:
    found = [Question(FAILED, each, minute(0)) for each in (NETWORK, ENDPOINT)]
    assert [each.subject_id for each in found] == ["prod/us-east-1/stack/network", "prod/us-east-1/codeconnections"]
    assert [each.labels for each in found] == [{"team": "platform"}, {}]


@pytest.mark.parametrize(
    ("sink", "event_type", "expected"),
    [
        (OPS, FAILED, (True, "it has no filters", False)),
        (
            replace(OPS, events=(FAILED,), labels={"team": "platform"}, min_severity=Severity.ERROR),
            FAILED,
            (True, "its filters let it through: `events`, `labels`, `min_severity`", False),
        ),
        (
            replace(OPS, events=("*",), targets=("prod/*",)),
            FAILED,
            (True, "its filters let it through: `events`, `targets`", False),
        ),
        (replace(OPS, targets=("dev/*",)), FAILED, (False, f"its `targets` do not match {NETWORK.id}", False)),
        (
            replace(OPS, labels={"team": "shop"}),
            SUCCEEDED,
            (False, f"its `labels` ask for team=shop; but it gets the event if {TOLD}", True),
        ),
        (
            replace(OPS, labels={"team": "shop"}, send_resolved=False),
            SUCCEEDED,
            (
                False,
                f"its `labels` ask for team=shop; nor does it get the event if {TOLD}: its `send_resolved` is false",
                False,
            ),
        ),
    ],
)
def test_an_answer_says_why_a_sink_gets_an_event_or_not(
    sink: SinkSettings, event_type: str, expected: tuple[bool, str, bool]
) -> None:
    question = Question(event_type, NETWORK, minute(5))
    assert answer(question, config(sink)) == (Routed(sink, *expected),)


@pytest.mark.parametrize(
    ("mute", "why"),
    [
        (Mute(("prod/*",)), "the event is muted"),
        (Mute(("prod/*",), until=minute(6)), "the event is muted until 2026-11-23 08:06:00 UTC"),
        (Mute(("prod/*",), ("*.failed",)), "the event is muted"),
        (Mute(("prod/*",), reason="a move"), "the event is muted (a move)"),
        (
            Mute(("prod/*",), reason="a move", when=Window(("mon",), end=time(9))),
            "the event is muted until 2026-11-23 09:00:00 UTC, in the window mon, 00:00 to 09:00 (UTC) (a move)",
        ),
    ],
)
def test_an_answer_names_the_mute_that_holds_an_event_back(mute: Mute, why: str) -> None:
    question = Question(FAILED, NETWORK, minute(5))
    assert answer(question, config(OPS, mutes=(mute,))) == (Routed(OPS, sent=False, why=why),)


def test_an_answer_names_all_that_keeps_an_event_from_a_sink() -> None:
    (routed,) = answer(Question(FAILED, NETWORK, minute(5)), config(replace(OPS, targets=("dev/*",)), mutes=(Mute(),)))
    assert routed.why == f"its `targets` do not match {NETWORK.id}; the event is muted"


def test_an_answer_is_for_the_time_of_the_question() -> None:
    muted = config(OPS, mutes=(Mute(("*",), until=minute(6)),))
    asked = [Question(FAILED, NETWORK, minute(each)) for each in (5, 6)]
    assert [each.sent for question in asked for each in answer(question, muted)] == [False, True]


GLOBS = st.lists(st.sampled_from(["*", "watcher.sync.*", "*.failed", "*readable", "*.removed"]), max_size=2).map(tuple)
PLACES = st.lists(st.sampled_from(["*", "prod/*", "*/stack/*", "*/codeconnections", "dev/*"]), max_size=2).map(tuple)
LABELS = st.dictionaries(st.sampled_from(["team", "tier"]), st.sampled_from(["platform", "1"]))
SINKS = st.builds(
    SinkSettings,
    st.just("name"),
    st.just("stdout"),
    events=GLOBS,
    targets=PLACES,
    labels=LABELS,
    min_severity=st.sampled_from(Severity),
    send_resolved=st.booleans(),
)
MUTES = st.builds(
    Mute, PLACES, GLOBS, st.none() | st.just(minute(4)), st.none() | st.sampled_from([minute(5), minute(6)])
)


@st.composite
def questions(draw: st.DrawFn) -> Question:
    event_type = draw(st.sampled_from(EVENT_TYPES))
    about = event_type.split(".")[1]
    if about == "endpoint":
        return Question(event_type, ENDPOINT, minute(5))
    target = GITHUB if about == "connection" else NETWORK
    return Question(event_type, replace(target, labels=draw(LABELS)), minute(5))


@given(questions(), st.lists(SINKS, max_size=4), st.lists(MUTES, max_size=2), st.data())
def test_an_answer_is_what_the_daemon_does(
    question: Question, sinks: list[SinkSettings], mutes: list[Mute], data: st.DataObject
) -> None:
    named = [replace(sink, name=f"sink-{number}") for number, sink in enumerate(sinks)]
    asked = config(*named, mutes=tuple(mutes))
    names = st.lists(st.sampled_from([sink.name for sink in named]), unique=True) if named else st.just([])
    problems = st.lists(st.sampled_from([*dict.fromkeys(BEGUN_BY.values()), Problem.FAILED]), min_size=1, unique=True)
    notified = data.draw(names)
    incident = data.draw(
        st.none() | problems.map(lambda held: Incident("incident", minute(1), tuple(held), notified=tuple(notified)))
    )
    sample = sample_of(question.type, question.subject)
    event = Event(sample["id"], question.type, question.subject_id, sample["time"], json.dumps(sample))
    record = Record(None, 1, incident=incident)
    entry = entry_of(
        question.subject_id,
        record,
        Observation(record, (event,)),
        question.at,
        labels=question.labels,
        config=asked,
        traceparent=None,
        hand=NOTHING_BY_HAND,
    )
    ((recorded, addressed),) = entry.events
    step = json.loads(recorded.body)["data"]["incident"]
    ended = step is not None and step["state"] == State.RESOLVED
    answers = answer(question, asked)
    assert list(addressed) == [
        each.sink.name
        for each in answers
        if each.sent or (each.if_problem_sent and ended and each.sink.name in notified)
    ]
