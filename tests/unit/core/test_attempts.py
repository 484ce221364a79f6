"""What is kept of the last attempts of a target."""

from __future__ import annotations

from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.conftest import EIGHT, an_attempt, minute
from watcher.core.attempts import MAX_RECENT, SeenAttempt, is_line, line_of, note, parse_line
from watcher.core.model import FAILED, IN_PROGRESS, SUCCEEDED, Attempt

SHA = "62c0d0f1c7e84c6fb8d3b1d8a1c1a9f0e5d4b3a2"

seen_attempts = st.builds(
    SeenAttempt,
    st.datetimes(timezones=st.just(UTC)),
    st.sampled_from([SUCCEEDED, FAILED, IN_PROGRESS, "ROLLED_BACK"]),
    st.none() | st.integers(0, 10**11).map(lambda thousandths: thousandths / 1000),
    st.none() | st.just(SHA),
    st.booleans(),
    st.booleans(),
)


@given(seen_attempts)
def test_an_attempt_comes_back_from_its_line(seen: SeenAttempt) -> None:
    line = line_of(seen)
    assert is_line(line)
    assert parse_line(line) == seen


@pytest.mark.parametrize(
    ("seen", "line"),
    [
        (SeenAttempt(EIGHT, SUCCEEDED, 65.2, SHA), f"2026-11-23T08:00:00Z SUCCEEDED 65.2 {SHA} -"),
        (SeenAttempt(EIGHT, IN_PROGRESS), "2026-11-23T08:00:00Z IN_PROGRESS - - -"),
        (SeenAttempt(EIGHT, FAILED, 10.0, first_seen=True), "2026-11-23T08:00:00Z FAILED 10 - f"),
        (SeenAttempt(EIGHT, SUCCEEDED, 0.0, first_seen=True, observed=False), "2026-11-23T08:00:00Z SUCCEEDED 0 - fm"),
    ],
)
def test_a_line_has_the_start_the_status_the_seconds_the_commit_and_flags(seen: SeenAttempt, line: str) -> None:
    assert line_of(seen) == line


@pytest.mark.parametrize(
    "line",
    [
        "", 7, "2026-11-23T08:00:00Z", "2026-02-30T08:00:00Z FAILED - - -", "2026-11-23T08:00:00Z failed - - -",
        "2026-11-23T08:00:00Z FAILED -1 - -", "2026-11-23T08:00:00Z FAILED - main -",
        "2026-11-23T08:00:00Z FAILED - - x", "2026-11-23T08:00:00Z FAILED - - - -",
        "2026-11-23T08:00:00Z FAILED 1e3 - -",
    ],
)  # fmt: skip
def test_another_text_is_not_a_line(line: object) -> None:
    assert not is_line(line)


def _attempt(status: str, *times: str | None, sha: str = SHA) -> Attempt:
    events = tuple({"type": "SYNC", "event": "…", "time": time} for time in times)
    return Attempt(EIGHT, status, "web:1", None, {"sha": sha}, events)


BEFORE = line_of(SeenAttempt(EIGHT, IN_PROGRESS, None, SHA))
FIRST = line_of(SeenAttempt(EIGHT, IN_PROGRESS, None, SHA, first_seen=True))
ENDED = line_of(SeenAttempt(EIGHT, FAILED, 300.0, SHA))


@pytest.mark.parametrize(
    ("before", "attempt", "ended_by", "seconds"),
    [
        ("", _attempt(IN_PROGRESS, "2026-11-23T08:00:09Z"), minute(1), None),
        ("", _attempt("ROLLED_BACK", "2026-11-23T08:00:09Z"), minute(1), None),
        ("", _attempt(FAILED, "2026-11-23T08:00:09Z", "2026-11-23T08:00:07Z"), minute(1), 9),
        ("", _attempt(SUCCEEDED, None), minute(1), 60),
        ("", _attempt(SUCCEEDED), minute(1), 60),
        ("", _attempt(SUCCEEDED), None, None),
        ("", _attempt(SUCCEEDED), minute(-1), 0),
        ("", _attempt(SUCCEEDED, "2026-11-23T07:59:00Z"), minute(1), 0),
        ("", _attempt(SUCCEEDED, "yesterday"), minute(1), 60),
        ("", _attempt(SUCCEEDED, "yesterday", "2026-11-23T08:00:09.123456Z"), minute(1), 9.123),
        (BEFORE, _attempt(FAILED), minute(2), 120),
        (ENDED, _attempt(FAILED), minute(9), 300),
        (ENDED, _attempt(FAILED), None, 300),
        (ENDED, _attempt(FAILED, "2026-11-23T08:00:09.5Z"), None, 9.5),
        (ENDED, _attempt(SUCCEEDED), minute(9), 540),
        (ENDED, _attempt(IN_PROGRESS), minute(9), None),
    ],
    ids=[
        "unfinished", "of an unknown status", "until the newest of AWS's events", "events without a time",
        "until the event of watcher", "end not known", "event before the start", "AWS's before the start", "no time",
        "a time after none",
        "ends", "same again", "more events without a time", "more events", "another end", "goes on",
    ],
)  # fmt: skip
def test_how_long_an_attempt_lasted(before: str, attempt: Attempt, ended_by: object, seconds: float | None) -> None:
    recent = (before,) if before else ()
    (line,) = note(recent, attempt, first_seen=False, observed=True, ended_by=ended_by)  # type: ignore[arg-type]
    assert parse_line(line).duration == seconds


@pytest.mark.parametrize(
    ("before", "attempt", "observed", "flags"),
    [
        ("", _attempt(FAILED), True, "-"),
        ("", _attempt(SUCCEEDED), False, "m"),
        (FIRST, _attempt(FAILED), True, "f"),
        (FIRST, _attempt(SUCCEEDED), False, "fm"),
        (BEFORE, _attempt(SUCCEEDED), False, "m"),
        (BEFORE, _attempt(IN_PROGRESS), False, "-"),
    ],
)
def test_flags_say_how_an_attempt_was_seen(before: str, attempt: Attempt, flags: str, *, observed: bool) -> None:
    (line,) = note((before,) if before else (), attempt, first_seen=False, observed=observed, ended_by=None)
    assert line.rsplit(" ", 1)[1] == flags


@pytest.mark.parametrize(("sha", "kept"), [(SHA, SHA), ("62c0ffe", "62c0ffe"), ("main", None), ("", None)])
def test_only_a_commit_is_kept_as_one(sha: str, kept: str | None) -> None:
    (line,) = note((), _attempt(FAILED, sha=sha), first_seen=False, observed=True, ended_by=None)
    assert parse_line(line).sha == kept


@pytest.mark.parametrize(
    ("status", "kept"), [("ROLLED_BACK", "ROLLED_BACK"), ("so so", "UNKNOWN"), ("\ud800", "UNKNOWN")]
)
def test_a_status_that_is_not_a_word_of_aws_is_kept_as_unknown(status: str, kept: str) -> None:
    (line,) = note((), _attempt(status), first_seen=False, observed=True, ended_by=None)
    assert parse_line(line).status == kept


def test_the_last_twenty_attempts_are_kept_the_newest_first() -> None:
    recent: tuple[str, ...] = ()
    for number in range(MAX_RECENT + 5):
        for status in (IN_PROGRESS, SUCCEEDED):
            recent = note(recent, an_attempt(number, status), first_seen=False, observed=True, ended_by=minute(number))
    assert [parse_line(line).started_at for line in recent] == [minute(24 - index) for index in range(MAX_RECENT)]
    assert {parse_line(line).status for line in recent} == {SUCCEEDED}


def test_an_older_attempt_that_is_the_latest_again_comes_first() -> None:
    recent: tuple[str, ...] = ()
    for number in (1, 2, 1):
        recent = note(recent, an_attempt(number), first_seen=False, observed=True, ended_by=minute(number))
    assert [parse_line(line).started_at for line in recent] == [minute(1), minute(2)]
