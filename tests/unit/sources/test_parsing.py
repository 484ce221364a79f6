"""Answers of both services become equal snapshots, or are refused for what they are."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.aws.responses import body_of
from watcher.core.diff import diff
from watcher.core.model import Attempt, Snapshot
from watcher.core.state import Record
from watcher.core.state_json import dump, load
from watcher.errors import EndpointUnreadable, PollFailed, TargetUnreadable
from watcher.sources import KINDS
from watcher.sources.codeconnections import REVISION as OF_STACKS
from watcher.sources.codeconnections import STACK, stack
from watcher.sources.parsing import camel
from watcher.sources.parsing import pascal as capital
from watcher.sources.proton import REVISION as OF_TEMPLATES
from watcher.sources.proton import SERVICE_INSTANCE, TEMPLATE, template
from watcher.util.bounded_text import bounded
from watcher.util.redaction import HIDDEN, remember

if TYPE_CHECKING:
    from watcher.core.kinds import Kind

EIGHT = datetime(2026, 11, 23, 8, tzinfo=UTC)
EPOCH = EIGHT.timestamp()
HOUR = timedelta(hours=1)


def proton_revision(sha: str) -> dict[str, Any]:
    return {"repositoryProvider": "GITHUB", "repositoryName": "org/t", "branch": "main", "directory": "/v1", "sha": sha}


def proton_attempt(status: str = "FAILED", started_at: Any = EPOCH) -> dict[str, Any]:
    return {
        "startedAt": started_at,
        "status": status,
        "target": "web:1",
        "initialRevision": proton_revision("a"),
        "targetRevision": proton_revision("b"),
        "events": [
            {"type": "CLONED", "event": "cloned", "time": EPOCH + 1},
            {"type": "FAILED", "event": "no such file", "externalId": "x-1", "time": EPOCH + 2.5},
        ],
    }


def proton_answer(**altered: Any) -> dict[str, Any]:
    return {
        "desiredState": proton_revision("c"),
        "latestSync": proton_attempt(),
        "latestSuccessfulSync": proton_attempt("SUCCEEDED", EPOCH - 60),
        **altered,
    }


def pascal(value: Any) -> Any:
    """The same answer as CodeConnections would give it."""
    if isinstance(value, list):
        return [pascal(item) for item in value]
    if not isinstance(value, dict):
        return value
    spelt = {name[0].upper() + name[1:]: pascal(item) for name, item in value.items()}
    if "RepositoryProvider" in spelt:
        spelt |= {"ProviderType": spelt.pop("RepositoryProvider"), "OwnerId": "org"}
    return spelt


def revision(kind: Kind, sha: str) -> dict[str, str]:
    rest = {"repositoryName": "org/t", "branch": "main", "directory": "/v1", "sha": sha}
    if kind is not STACK:
        return {"repositoryProvider": "GITHUB", **rest}
    return {"providerType": "GITHUB", "ownerId": "org", **rest}


def an_answer(kind: Kind, **altered: Any) -> dict[str, Any]:
    answer = proton_answer(**altered)
    if kind is STACK:
        answer = pascal(answer)
    return answer


def read(kind: Kind, answer: dict[str, Any]) -> Snapshot:
    return kind.read(answer)


kinds = pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if kind.has_revisions], ids=str)


@kinds
def test_an_answer_is_read_whole_whichever_service_gave_it(kind: Kind) -> None:
    events = (
        {"type": "CLONED", "event": "cloned", "time": "2026-11-23T08:00:01Z"},
        {"type": "FAILED", "event": "no such file", "time": "2026-11-23T08:00:02.500Z", "externalId": "x-1"},
    )
    latest = Attempt(EIGHT, "FAILED", "web:1", revision(kind, "a"), revision(kind, "b"), events)
    successful = Attempt(
        EIGHT - timedelta(minutes=1), "SUCCEEDED", "web:1", revision(kind, "a"), revision(kind, "b"), events
    )
    assert read(kind, an_answer(kind)) == Snapshot(revision(kind, "c"), latest, successful)


@pytest.mark.parametrize(
    ("kind", "spell", "revision"),
    [(TEMPLATE, camel, OF_TEMPLATES), (SERVICE_INSTANCE, camel, OF_TEMPLATES), (STACK, capital, OF_STACKS)],
)
def test_every_member_of_the_services_own_model_is_read(kind: Kind, spell: Any, revision: tuple[str, ...]) -> None:
    def spelt(*names: str) -> set[str]:
        return {spell(name) for name in names}

    model = botocore.session.get_session().get_service_model(kind.api)
    output = model.operation_model(kind.operation).output_shape
    attempt = output.members[spell("latestSync")]
    event = attempt.members[spell("events")].member
    commit = attempt.members[spell("targetRevision")]
    assert set(output.members) == spelt("latestSync", "latestSuccessfulSync", "desiredState")
    assert set(attempt.required_members) == set(attempt.members)
    assert set(attempt.members) == spelt("startedAt", "status", "target", "initialRevision", "targetRevision", "events")
    assert set(event.members) == spelt("type", "event", "time", "externalId")
    assert set(event.required_members) == set(event.members) - spelt("externalId")
    assert set(commit.required_members) == set(commit.members) == spelt(*revision)


def test_what_is_asked() -> None:
    assert TEMPLATE.request(template("a", "r", "SERVICE", "web", "2")) == {
        "templateType": "SERVICE",
        "templateName": "web",
        "templateVersion": "2",
    }
    assert STACK.request(stack("a", "r", "network")) == {
        "ResourceName": "network",
        "SyncType": "CFN_STACK_SYNC",
    }


@kinds
@pytest.mark.parametrize("answer", [{}, {"latestSync": None}, {"desiredState": None, "latestSuccessfulSync": None}])
def test_an_answer_without_its_parts_is_a_target_that_never_synced(kind: Kind, answer: dict[str, Any]) -> None:
    assert read(kind, pascal(answer) if kind is STACK else answer) == Snapshot(None, None, None)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all members below the first level."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * (len(path) > 1) + [place for name, item in inside for place in places(item, (*path, name))]


def altered(answer: Any, path: tuple[Any, ...], *value: Any) -> dict[str, Any]:
    """The answer with another value at `path`, or with none at all."""
    answer = json.loads(json.dumps(answer))
    inside = answer
    for step in path[:-1]:
        inside = inside[step]
    if value:
        inside[path[-1]] = value[0]
    else:
        del inside[path[-1]]
    assert isinstance(answer, dict)
    return answer


def identifies(path: tuple[Any, ...]) -> bool:
    """Whether it is what an attempt cannot be without: its status, its begin, or the whole of it."""
    return len(path) == 2 and str(path[-1]).lower() in ("status", "startedat")


@kinds
def test_an_attempt_without_its_status_or_its_begin_is_refused(kind: Kind) -> None:
    answer = an_answer(kind)
    required = [path for path in places(answer) if identifies(path)]
    assert len(required) == 4
    for path in required:
        with pytest.raises(TargetUnreadable, match=f"lacks the required member '{path[-1]}'") as refused:
            read(kind, altered(answer, path))
        assert (refused.value.code, refused.value.passing) == ("MalformedAnswer", False)


@kinds
@pytest.mark.parametrize("value", [True, [1], {"a": 1}, [], {}, None])
def test_an_attempt_with_a_status_or_a_begin_of_another_type_is_refused(kind: Kind, value: object) -> None:
    answer = an_answer(kind)
    for path in filter(identifies, places(answer)):
        with pytest.raises(TargetUnreadable, match=f"is not what the API promises: {path[-1]}: n") as refused:
            read(kind, altered(answer, path, value))
        assert len(str(refused.value)) < 200


@kinds
@pytest.mark.parametrize("value", ["missing", True, [1], {"a": 1}, [], {}, None, "text", 17, float("nan")], ids=repr)
def test_whatever_else_is_missing_or_odd_in_an_answer_is_absent_and_its_statuses_count(
    kind: Kind, value: object
) -> None:
    answer = an_answer(kind)
    whole = read(kind, answer)
    assert not whole.odd
    optional = [path for path in places(answer) if isinstance(path[-1], str) and not identifies(path)]
    assert len(optional) > 40
    for path in optional:
        snapshot = read(kind, altered(answer, path, *([] if value == "missing" else [value])))
        for attempt, before in ((snapshot.latest, whole.latest), (snapshot.latest_successful, whole.latest_successful)):
            assert attempt is not None
            assert before is not None
            assert (attempt.status, attempt.started_at) == (before.status, before.started_at)
        name = str(path[-1]).lower()
        promised = name == "externalid" if value in ("missing", None) else name == "events" and value == []
        assert promised or value in ("text", 17) or 1 <= len(snapshot.odd) <= 5, path
        assert load(dump(Record(diff(None, snapshot, now=EIGHT, stalled_after=HOUR).known)))


@kinds
@pytest.mark.parametrize(
    ("altering", "attempt"),
    [
        ({"events": None}, {"events": ()}),
        ({"events": 5}, {"events": ()}),
        ({"events": ["x", {}, {"event": 5}]}, {"events": ()}),
        ({"events": [{"event": "no file"}]}, {"events": ({"type": None, "event": "no file", "time": None},)}),
        (
            {"events": [{"type": "T", "event": "no file", "time": "soon", "externalId": 5}]},
            {"events": ({"type": "T", "event": "no file", "time": None, "externalId": None},)},
        ),
        ({"target": None}, {"target": None}),
        ({"targetRevision": "x"}, {"target_revision": None}),
        ({"initialRevision": []}, {"initial_revision": None}),
    ],
)
def test_what_is_taken_as_absent_is_null_or_an_empty_list(
    kind: Kind, altering: dict[str, Any], attempt: dict[str, Any]
) -> None:
    whole, odd = an_answer(kind), an_answer(kind, latestSync=proton_attempt() | altering)
    expected = read(kind, whole).latest
    assert expected is not None
    assert read(kind, odd).latest == replace(expected, **attempt)


@pytest.mark.parametrize("value", ["", [], 5, True, "text", [proton_attempt()]])
@pytest.mark.parametrize("member", ["latestSync", "latestSuccessfulSync"])
@kinds
def test_an_attempt_that_is_not_a_structure_is_refused(kind: Kind, member: str, value: object) -> None:
    with pytest.raises(TargetUnreadable, match=r"is not what the API promises: .atest\w+: not a structure"):
        read(kind, an_answer(kind, **{member: value}))


@pytest.mark.parametrize("value", ["", [], 5, True, "text", None])
@kinds
def test_a_desired_state_that_is_not_a_structure_is_absent(kind: Kind, value: object) -> None:
    snapshot = read(kind, an_answer(kind, desiredState=value))
    assert snapshot.desired_state is None
    assert len(snapshot.odd) == (value is not None)


@kinds
def test_every_text_of_an_answer_is_bounded(kind: Kind) -> None:
    """Secrets are hidden first, so that none is cut in two."""
    long, secret = "x" * 900_000, "hush-4712-of-the-configuration"
    remember(secret)
    attempt = proton_attempt() | {"status": long, "target": long, "targetRevision": proton_revision(long)}
    attempt["events"] = [{"type": long, "event": long[:4080] + f" {secret}" * 9, "externalId": long, "time": EPOCH}]
    latest = read(kind, an_answer(kind, latestSync=attempt)).latest
    assert latest is not None
    cut = bounded(long)
    assert (latest.status, latest.target, latest.sha) == (cut, cut, cut)
    event = latest.events[0]
    assert (event["type"], event["externalId"]) == (cut, cut)
    assert event["event"] == bounded(long[:4080] + f" {HIDDEN}" * 9)


@kinds
def test_a_secret_that_aws_repeats_in_its_own_words_ends_here(kind: Kind) -> None:
    remember("hush-4711-of-the-configuration")
    attempt = proton_attempt()
    attempt["events"][0]["event"] = "cloning https://me:pw-1234@example.com/x with hush-4711-of-the-configuration"
    latest = read(kind, an_answer(kind, latestSync=attempt)).latest
    assert latest is not None
    assert latest.events[0]["event"] == f"cloning https://{HIDDEN}@example.com/x with {HIDDEN}"


@kinds
def test_members_and_statuses_that_are_not_known_yet_do_no_harm(kind: Kind) -> None:
    answer = an_answer(kind, latestSync=proton_attempt("PONDERING") | {"surprise": [1]}, new={"x": 1})
    snapshot = read(kind, answer)
    assert snapshot.latest is not None
    assert snapshot.latest.status == "PONDERING"


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (EPOCH, EIGHT),
        (int(EPOCH), EIGHT),
        (EPOCH + 0.123, EIGHT + timedelta(milliseconds=123)),
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (-1.5, datetime(1969, 12, 31, 23, 59, 58, 500_000, UTC)),
        ("2026-11-23T08:00:00Z", EIGHT),
        ("2026-11-23T08:00:00", EIGHT),
        ("2026-11-23T09:30:00+01:30", EIGHT),
        ("2026-11-23T08:00:00.5Z", EIGHT + timedelta(milliseconds=500)),
        ("2026-11-23T08:00:00.123456789Z", EIGHT + timedelta(microseconds=123_456)),
    ],
)
def test_times_are_read_as_either_protocol_writes_them(value: object, moment: datetime) -> None:
    snapshot = read(TEMPLATE, proton_answer(latestSync=proton_attempt(started_at=value)))
    assert snapshot.latest is not None
    assert snapshot.latest.started_at == moment
    assert snapshot.latest.started_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "value",
    [
        float("nan"), float("inf"), -float("inf"), 1e18, -1e18, 10**400, 1e300, EPOCH * 1000, True, None, [], {}, "",
        "yesterday", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "1" * 100_000,
        "2026-11-23", "1763884800", "2026-11-23T" + "1" * 100_000,
    ],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
def test_what_is_not_a_time_is_refused_in_few_words(value: object) -> None:
    with pytest.raises(TargetUnreadable, match="is not what the API promises: startedAt") as refused:
        read(TEMPLATE, proton_answer(latestSync=proton_attempt(started_at=value)))
    assert len(str(refused.value)) < 200
    events = [{"type": "a", "event": "b", "time": value}]
    latest = read(TEMPLATE, proton_answer(latestSync=proton_attempt() | {"events": events})).latest
    assert latest is not None
    assert latest.events == ({"type": "a", "event": "b", "time": None},)


@pytest.mark.parametrize(
    ("content", "content_type", "told"),
    [
        (b"", "application/x-amz-json-1.0", "(0 bytes, application/x-amz-json-1.0)"),
        (b"<html>", "text/html; charset=utf-8", "(6 bytes, text/html)"),
        (b'{"latestSync": {', "", "(16 bytes, no content type)"),
        (b'{"a": "\xff"}', "application/json", "not whole JSON"),
        (b"\xbf\x65hello", "application/cbor", "(7 bytes, application/cbor)"),
        (b'{"a": 1} {"b": 2}', "", "not whole JSON"),
        (b"[" * 200_000, "", "not whole JSON"),
        (b'{"a":' * 200_000, "", "not whole JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "", "not whole JSON"),
        (b"[]", "", "is JSON, but not an object"),
        (b"null", "", "is JSON, but not an object"),
        (b'"text"', "", "is JSON, but not an object"),
        (b"7", "", "is JSON, but not an object"),
    ],
    ids=lambda value: str(value[:12]),
)
def test_a_body_that_is_no_json_object_is_the_endpoints_trouble(content: bytes, content_type: str, told: str) -> None:
    with pytest.raises(EndpointUnreadable) as refused:
        body_of(content, content_type)
    assert told in refused.value.message
    assert len(refused.value.message) < 200
    assert (refused.value.code, refused.value.passing) == ("MalformedAnswer", True)


def test_a_body_as_long_as_is_allowed_is_read() -> None:
    events = [{"type": "T", "event": "é" * 1000, "time": EPOCH}] * 150
    content = json.dumps(proton_answer(latestSync=proton_attempt() | {"events": events})).encode()
    assert len(content) > 900_000
    snapshot = read(TEMPLATE, body_of(content, "application/x-amz-json-1.0"))
    assert snapshot.latest is not None
    assert len(snapshot.latest.events) == 150


def test_a_body_may_begin_with_a_byte_order_mark_and_hold_a_lone_surrogate() -> None:
    assert body_of(b'\xef\xbb\xbf{"a": "\\ud800"}', "") == {"a": "\ud800"}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.dictionaries(st.sampled_from([*proton_answer(), *proton_attempt(), "sha", "time"]), inside, max_size=4)
    ),
    max_leaves=12,
)


POLLED = [kind for kind in KINDS.values() if kind.read]


@given(st.sampled_from(POLLED), st.dictionaries(st.sampled_from([*proton_answer()]), anything))
def test_any_json_object_is_a_snapshot_or_a_refusal(kind: Kind, answer: dict[str, Any]) -> None:
    try:
        snapshot = read(kind, pascal(answer) if kind.api == STACK.api else answer)
    except PollFailed as error:
        assert isinstance(error, TargetUnreadable)  # noqa: PT017  what else it may be is the other half
    else:
        assert isinstance(snapshot, Snapshot)
