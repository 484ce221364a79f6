"""What is known survives its form in the store."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.conftest import EIGHT, a_blocker, a_revision, an_attempt, minute
from tests.unit.core.test_attempts import seen_attempts
from watcher.core import state_json
from watcher.core.attempts import line_of
from watcher.core.model import FAILED, Attempt, Blocker, parse_rfc3339, rfc3339
from watcher.core.state import HeldBack, Incident, Known, KnownConnection, Outage, Record, Taken, forgotten
from watcher.core.state_json import FORM, attempt_to_json, blocker_to_json, dump, load
from watcher.util.shapes import MAX_INTEGER, NONE, Each, Nullable

moments = st.datetimes(timezones=st.just(UTC))
# Lone surrogates included: JSON may bring them.
texts = st.text(st.characters(exclude_categories=()), max_size=8)
revisions = st.dictionaries(texts, texts, max_size=3)
attempts = st.builds(
    Attempt, moments, texts, texts, revisions, revisions, st.lists(revisions, max_size=2).map(tuple)
)  # fmt: skip
counts = st.integers(0, 10**6)
known = st.builds(
    Known,
    attempt=st.none() | attempts,
    since=moments,
    desired_state=st.none() | revisions,
    latest_successful=st.none() | attempts,
    missing=st.booleans(),
    failures=counts,
    last_failure=st.none() | moments,
    last_success=st.none() | moments,
    stalled=st.none() | moments,
    has_stalled=st.booleans(),
    older=st.none() | moments,
    older_answers=counts,
    taken=st.lists(st.builds(Taken, moments, texts, counts), max_size=3).map(tuple),
)
outages = st.builds(Outage, moments, texts, texts, counts)


blockers = st.builds(
    Blocker, texts, st.none() | texts, texts, st.none() | texts, st.none() | moments,
    st.dictionaries(texts, texts, max_size=2), st.none() | texts, st.none() | moments,
)  # fmt: skip


connections = st.builds(KnownConnection, texts, moments, st.dictionaries(texts, counts, max_size=3))

incidents = st.builds(
    Incident, texts, moments, st.lists(texts, max_size=2).map(tuple), st.dictionaries(texts, texts, max_size=2)
)


@given(
    st.builds(
        Record, st.none() | known, counts, st.none() | outages, st.lists(blockers, max_size=2).map(tuple),
        connection=st.none() | connections, incident=st.none() | incidents,
        recent=st.lists(st.builds(line_of, seen_attempts), max_size=2).map(tuple),
    )
)  # fmt: skip
def test_any_record_comes_back_as_it_was(record: Record) -> None:
    text = dump(record)
    assert load(text) == record
    assert text.isascii()
    assert "\n" not in text


def test_the_sinks_that_show_an_attempt_as_unfinished_are_kept_and_are_not_needed() -> None:
    record = Record(sequence=1, unfinished=("commits",))
    assert load(dump(record)) == record
    assert load(dump(record).replace(',"unfinished":["commits"]', "")) == Record(sequence=1)


def test_an_empty_record_is_small() -> None:
    assert (
        dump(Record())
        == '{"form":1,"sequence":0,"known":null,"outage":null,"blockers":[],"connection":null,"incident":null,'
        '"discovery":0,"recent":[]}'
    )


def test_what_an_earlier_version_of_form_1_wrote_is_read() -> None:
    """A literal of the form: a change that an earlier version cannot read must count `FORM` up."""
    text = (
        '{"form":1,"sequence":7,"known":{"attempt":{"startedAt":"2026-11-23T08:01:00Z","status":"FAILED",'
        '"target":"web:1","initialRevision":{"sha":"a"},"targetRevision":{"sha":"b"},"events":[{"type":"T",'
        '"event":"E","time":"2026-11-23T08:00:01Z"}]},"since":"2026-11-23T08:02:00.500Z","desired_state":{"sha":"c"},'
        '"latest_successful":null,"missing":true,"failures":2,"last_failure":"2026-11-23T08:01:00Z",'
        '"last_success":null,"stalled":null,"has_stalled":false,"older":"2026-11-23T07:59:00Z","older_answers":1,'
        '"taken":[["2026-11-23T08:01:00Z","FAILED",1]]},"outage":{"since":"2026-11-23T08:00:00Z",'
        '"code":"AccessDenied","message":"no","attempts":3},"blockers":[{"id":"b-1","type":"AUTOMATED",'
        '"status":"ACTIVE","created_reason":"no template","created_at":"2026-11-23T08:02:00Z","contexts":{"a":"b"},'
        '"resolved_reason":null,"resolved_at":null}],"connection":null,"incident":{"id":"7",'
        '"opened_at":"2026-11-23T08:03:00Z","problems":["failed","blocked"],"labels":{"team":"platform"},"told":["ops"],'
        '"held":[{"type":"watcher.sync.failed","event_id":"9","sinks":["ops"]}]},"discovery":3,'
        '"recent":["2026-11-23T08:01:00Z FAILED 60.5 62c0ffee -"]}'
    )
    event = {"type": "T", "event": "E", "time": "2026-11-23T08:00:01Z"}
    held = (HeldBack("watcher.sync.failed", "9", ("ops",)),)
    record = Record(
        known=Known(
            attempt=Attempt(minute(1), FAILED, "web:1", {"sha": "a"}, {"sha": "b"}, (event,)),
            since=minute(2) + timedelta(milliseconds=500),
            desired_state={"sha": "c"},
            missing=True,
            failures=2,
            last_failure=minute(1),
            older=minute(-1),
            older_answers=1,
            taken=(Taken(minute(1), FAILED, 1),),
        ),
        sequence=7,
        outage=Outage(EIGHT, "AccessDenied", "no", 3),
        blockers=(Blocker("b-1", "AUTOMATED", "ACTIVE", "no template", minute(2), {"a": "b"}),),
        incident=Incident("7", minute(3), ("failed", "blocked"), {"team": "platform"}, ("ops",), held),
        discovery=3,
        recent=("2026-11-23T08:01:00Z FAILED 60.5 62c0ffee -",),
    )
    assert FORM == 1
    assert load(text) == record
    assert dump(record) == text
    assert load(text.replace('"has_stalled":false,', "")) == record
    before_blockers = text[: text.index(',"blockers"')] + "}"
    latest = ("2026-11-23T08:01:00Z FAILED 0 - f",)
    without = {"blockers": (), "incident": None, "discovery": 0, "recent": latest}
    assert replace(load(before_blockers), incident=None) == replace(record, **without)
    assert load(text.replace(',"connection":null', "")) == record
    assert record.incident is not None
    earlier = replace(record, incident=replace(record.incident, notified=None))
    assert load(text.replace('"told":["ops"],', "")) == earlier


def _known(**changes: object) -> str:
    form = json.loads(dump(Record(Known(None, EIGHT))))
    form["known"] |= changes
    return json.dumps(form)


@pytest.mark.parametrize("form", [0, 2, None, "1"])
def test_a_form_of_another_version_is_refused_by_name(form: object) -> None:
    text = json.dumps({**json.loads(dump(Record())), "form": form})
    with pytest.raises(ValueError, match=r"state of form .*, where this version knows 1"):
        load(text)


@pytest.mark.parametrize(("subject", "name"), [("", "state"), ("a/b", "the state of a/b")])
@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[]", "{} cannot be "),
        ('{"form":2}', "{} of form 2, where this version knows 1"),
        ('{"form":1,"sequence":"7","known":null,"outage":null}', "{}.sequence cannot be "),
        ('{"form":1,"sequence":7,"known":null}', "{} has no 'outage'$"),
        ('{"form":true,"sequence":7,"known":null,"outage":null}', "{}.form cannot be true"),
        (_known(taken=[["2026-11-23T08:00:00Z", 1, None]]), r"{}.known.taken\[0\] cannot be "),
        (_known(taken=[["2026-11-23T08:00:00Z", "FAILED", "2"]]), r"{}.known.taken\[0\] cannot be "),
        (_known(taken=[["2026-11-23T08:00:00Z", "FAILED", 2.5]]), r"{}.known.taken\[0\] cannot be "),
        (_known(taken=[["2026-11-23T08:00:00Z", "FAILED", -1]]), r"{}.known.taken\[0\] cannot be "),
        (_known(taken=[["2026-11-23T08:00:00Z", "FAILED", MAX_INTEGER + 1]]), r"{}.known.taken\[0\] cannot be "),
        (_known(taken=[["2026-11-23T08:00:00Z", "FAILED"]]), r"{}.known.taken\[0\] cannot be "),
        (_known().replace('"older": null, ', ""), "{}.known has no 'older'$"),
        (_known(has_stalled="yes"), "{}.known.has_stalled cannot be "),
        (dump(Record()).replace('"blockers":[]', '"blockers":{}'), "{}.blockers cannot be "),
        (dump(Record()).replace('"blockers":[]', '"blockers":[{}]'), r"{}.blockers\[0\] has no 'id'$"),
        (dump(Record()).replace('"recent":[]', '"recent":["today FAILED - - -"]'), r"{}.recent\[0\] cannot be "),
    ],
)
def test_a_message_about_a_state_names_its_subject(text: str, wrong: str, subject: str, name: str) -> None:
    with pytest.raises(ValueError, match=wrong.format(name)):
        load(text, subject)


@pytest.mark.parametrize("times", [0, MAX_INTEGER])
def test_a_status_may_have_been_taken_any_number_of_times_that_a_store_can_count(times: int) -> None:
    known = load(_known(taken=[["2026-11-23T08:00:00Z", "FAILED", times]])).known
    assert known is not None
    assert known.taken == (Taken(EIGHT, FAILED, times),)


def test_of_what_left_the_configuration_only_the_counts_are_kept() -> None:
    record = Record(Known(None, EIGHT), 7, Outage(EIGHT, "AccessDenied", "no", 3), discovery=3, recent=("…",))
    assert forgotten(record) == Record(sequence=7, discovery=3)


@pytest.mark.parametrize("text", ["", "{", "no"])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Expecting"):
        load(text)


def test_an_attempt_has_the_apis_fields_in_camel_case() -> None:
    attempt = an_attempt(1, FAILED, "could not clone")
    form = attempt_to_json(attempt)
    assert form == {
        "startedAt": "2026-11-23T08:01:00Z",
        "status": "FAILED",
        "target": "web:1",
        "initialRevision": a_revision("before"),
        "targetRevision": a_revision("sha-1"),
        "events": [{"type": "SYNC", "event": "could not clone", "time": "2026-11-23T08:00:01Z"}],
    }


def test_a_blocker_is_written_with_its_times_in_utc() -> None:
    assert blocker_to_json(a_blocker(resolved_at=minute(9), created_reason=None)) == {
        "id": "blocker-1",
        "type": "AUTOMATED",
        "status": "ACTIVE",
        "created_reason": None,
        "created_at": "2026-11-23T08:02:00Z",
        "contexts": {"pull-request": "42"},
        "resolved_reason": None,
        "resolved_at": "2026-11-23T08:09:00Z",
    }


def test_the_form_of_an_object_follows_its_annotations() -> None:
    """Built here once more: mutation testing does not reach what is built when the module is loaded."""
    codec = state_json._object(Attempt, state_json._camel)
    attempt = replace(an_attempt(1, FAILED, "could not clone"), target=None, initial_revision=None)
    form = attempt_to_json(attempt)
    assert codec.form == {
        "startedAt": str,
        "status": str,
        "target": Nullable(str),
        "initialRevision": Nullable(Each(dict, (str, NONE))),
        "targetRevision": Nullable(Each(dict, (str, NONE))),
        "events": Each(list, Each(dict, (str, NONE))),
    }
    assert codec.write(attempt) == form
    assert (form["target"], form["initialRevision"]) == (None, None)
    assert codec.read(form) == attempt
    assert state_json._object(Known).read(state_json._object(Known).write(Known(None, EIGHT))) == Known(None, EIGHT)
    assert state_json._object(Outage).form == {"since": str, "code": str, "message": str, "attempts": int}


def test_a_tuple_of_objects_is_a_list_of_their_forms() -> None:
    codec, blockers = state_json._list(state_json._BLOCKER), (a_blocker(), a_blocker("blocker-2"))
    assert codec.form == Each(list, state_json._BLOCKER.form)
    assert codec.write(blockers) == [*map(blocker_to_json, blockers)]
    assert codec.read(codec.write(blockers)) == blockers


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (EIGHT, "2026-11-23T08:00:00Z"),
        (EIGHT.replace(microsecond=1), "2026-11-23T08:00:00.000001Z"),
        (EIGHT.replace(microsecond=120_000), "2026-11-23T08:00:00.120Z"),
        (EIGHT.replace(second=10), "2026-11-23T08:00:10Z"),
        (EIGHT.astimezone(timezone(timedelta(hours=-3, minutes=-30))), "2026-11-23T08:00:00Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
        (datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC), "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_times_are_written_in_utc_with_a_fraction_only_where_there_is_one(moment: datetime, text: str) -> None:
    assert rfc3339(moment) == text
    assert parse_rfc3339(text) == moment


def test_a_time_that_is_out_of_range_in_utc_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^'0001-01-01T00:00:00\+01:00' is out of range$"):
        parse_rfc3339("0001-01-01T00:00:00+01:00")


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01T00:00:00Z"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"isoformat|month"):
        parse_rfc3339(text)
