"""The file of `watcher test`, and what may be wrong in it."""

from __future__ import annotations

import pytest

from tests.unit.conftest import minute
from watcher.config.document import Document
from watcher.config.routing_cases import parse_cases
from watcher.core.settings import Config, Retry
from watcher.core.sink_settings import SinkSettings
from watcher.errors import ConfigError

SINKS = (SinkSettings("ops", "stdout"), SinkSettings("chat", "stdout"))
CONFIG = Config("here", {}, (), Retry(), 3, SINKS, "memory://", None, 1.0, 1.0)

CASES = """\
- given:
    {type: sync.failed, target: prod/us-east-1/stack/network, labels: {team: platform}, at: 2026-11-23T09:05:00+01:00}
  expect: [ops, chat]
- given: {type: watcher.endpoint.unreadable, target: prod/us-east-1/codeconnections}
  expect: []
"""


def parsed(text: str) -> object:
    return parse_cases(Document("routing.yaml", text.encode()), CONFIG, minute(0))


def test_a_case_has_its_place_its_question_and_the_sinks_that_it_expects() -> None:
    first, second = parse_cases(Document("routing.yaml", CASES.encode()), CONFIG, minute(0))
    assert (first.place, second.place) == ("routing.yaml:1:3", "routing.yaml:4:3")
    assert (first.question.type, first.question.subject_id) == ("watcher.sync.failed", "prod/us-east-1/stack/network")
    assert (first.question.labels, first.question.at) == ({"team": "platform"}, minute(5))
    assert (second.question.subject_id, second.question.at) == ("prod/us-east-1/codeconnections", minute(0))
    assert (first.expected, second.expected) == ({"ops", "chat"}, frozenset())


@pytest.mark.parametrize(
    ("given", "expect", "fault"),
    [
        ("{type: sync.faild, target: a/b/stack/c}", "[]", "1:17: [0].given.type: 'sync.faild' is not an event"),
        ("{type: sync.failed, target: a/b/stack}", "[]", "1:38: [0].given.target: 'a/b/stack' is not a target's id"),
        ("{type: sync.failed, target: a/b/proton}", "[]", "1:10: [0].given: watcher.sync.failed is an event of"),
        ("{type: sync.failed, targt: a/b/stack/c}", "[]", "1:30: [0].given.targt: unknown key; did you mean 'target'?"),
        ("{type: sync.failed, target: a/b/stack/c, at: 9}", "[]", "1:55: [0].given.at: '9' is not a valid time"),
        ("{type: sync.failed, target: a/b/stack/c, labels: {a: 1}}", "[]", "1:63: [0].given.labels.a: YAML reads 1"),
        ("{type: sync.failed, target: a/b/stack/c}", "[op]", "2:12: [0].expect[0]: there is no sink 'op'"),
        ("{type: sync.failed, target: a/b/stack/c}", "ops", "2:11: [0].expect: this must be a list"),
        ("{type: sync.failed, target: a/b/stack/c}", "", "2:10: [0].expect: this must be a list"),
        ("{type: sync.failed}", "[]", "1:10: [0].given.target: this key is missing"),
    ],
)  # fmt: skip
def test_a_wrong_case_is_a_fault_at_its_place(given: str, expect: str, fault: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parsed(f"- given: {given}\n  expect: {expect}\n")
    (found,) = raised.value.faults
    assert str(found).startswith(f"routing.yaml:{fault}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1:1: this is empty; the file must be a list of"),
        ("[]", "1:1: this is empty; the file must be a list of"),
        ("given: {}", "1:1: this is a mapping; the file must be a list of"),
        ("nonsense", "1:1: this is text; the file must be a list of"),
        ("- given: [", "2:1: a list or mapping is not closed"),
        ("- 3", "1:3: [0]: this must be a mapping"),
    ],
)
def test_a_file_that_is_no_list_of_cases_is_a_fault(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parsed(text)
    assert str(raised.value).startswith(f"routing.yaml:{message}")


def test_every_fault_is_reported_and_not_only_the_first() -> None:
    with pytest.raises(ConfigError) as raised:
        parsed("- given: {type: x, target: y}\n- expect: [nobody]\n- 3\n")
    assert len(raised.value.faults) == 5
