"""Target ids and parameters in URLs."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import pytest

from watcher.util.globs import _matcher, matches
from watcher.web.query import (
    Filter,
    QueryError,
    Row,
    events_query,
    stream_after,
    target_id,
    targets_filter,
)

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
ID = "prod/us-east-1/stack/a%2Fb%20%C3%A9"
ROW: dict[str, Any] = {
    "id": ID, "account": "prod", "kind": "stack", "name": "a/b é", "title": "a/b é", "standing": "failed",
    "status": "FAILED", "labels": {"team": "platform", "tier": "1"}, "sha": "62C0ffee", "repository": "Org/Templates",
    "branch": "main", "note": "no such bucket", "unreadable": None,
}  # fmt: skip


@pytest.mark.parametrize(
    "raw",
    [
        ID,
        "prod/us-east-1/stack/a%2fb%20%c3%a9",
        "prod/us-east-1/stack/a%2Fb é",
        "prod%2Fus-east-1%2Fstack%2Fa%252Fb%2520%25C3%25A9",
    ],
)
def test_a_target_is_found_by_any_encoding_of_its_id(raw: str) -> None:
    assert target_id(raw, {ID}) == ID


@pytest.mark.parametrize(
    "raw", ["", "prod/us-east-1/stack/a/b%20%C3%A9", ID + "/", "/" + ID, ID.upper(), "../x", "%00", "%ff"]
)
def test_nothing_else_finds_it(raw: str) -> None:
    assert target_id(raw, {ID}) is None


@pytest.mark.parametrize(
    ("pairs", "lets"),
    [
        ([], True),
        ([("account", "prod"), ("kind", "stack"), ("status", "failed")], True),
        ([("status", "FAILED")], True),
        ([("account", "dev")], False),
        ([("kind", "template")], False),
        ([("status", "succeeded")], False),
        ([("label", "team=platform"), ("label", "tier=1")], True),
        ([("label", "team=platform"), ("label", "tier=2")], False),
        ([("label", "team=")], False),
        ([("text", " ORG/templates ")], True),
        ([("text", "62c0")], True),
        ([("text", "team=plat")], True),
        ([("text", "BUCKET")], True),
        ([("text", "a/b é")], True),
        ([("text", "nowhere")], False),
    ],
)
def test_a_row_passes_when_all_that_is_asked_for_is_so(pairs: list[tuple[str, str]], lets: bool) -> None:  # noqa: FBT001
    assert targets_filter(pairs).accepts(Row(ROW, "")) is lets


def test_what_cannot_be_read_is_found_by_why() -> None:
    row = {**ROW, "unreadable": {"message": "Access denied for role X"}}
    assert Filter(text="role x").accepts(Row(row, ""))


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([("acount", "prod")], "'acount': unknown parameter; choose from account, kind, status, text, label"),
        ([("account", "a"), ("account", "b")], "account: may be given once only"),
        (
            [("kind", "stak")],
            "kind: 'stak' is not a valid kind; choose from template, service-instance, stack, repository, connection",
        ),
        ([("status", "faild")], "status: 'faild' is neither one of unreadable, failed"),
        ([("label", "team")], "label: 'team' is not a valid label; write NAME=VALUE"),
        ([("label", "=x")], "label: '=x' is not a valid label; write NAME=VALUE"),
        ([("text", "x" * 1001)], "text: may be given at most 50 times, with at most 1000 characters each"),
        ([("label", "a=b")] * 51, "label: may be given at most 50 times"),
    ],
)
def test_a_wrong_filter_is_told_by_its_name(pairs: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(QueryError) as told:
        targets_filter(pairs)
    assert str(told.value).startswith(message)


def test_events_are_asked_for_as_on_the_command_line() -> None:
    asked = events_query(
        [
            ("target", "prod/*"),
            ("type", "sync.failed"),
            ("type", "watcher.target.*readable"),
            ("since", "2h"),
            ("limit", "7"),
        ],
        NOW,
    )
    assert asked.target == "prod/*"
    assert asked.types == ("watcher.sync.failed", "watcher.target.unreadable", "watcher.target.readable")
    assert asked.since == NOW - timedelta(hours=2)
    assert (asked.limit, asked.after, asked.newest) == (7, 0, True)


def test_a_type_that_there_is_not_finds_nothing_rather_than_everything() -> None:
    assert events_query([("type", "sync.exploded")], NOW).types == ("watcher.sync.exploded",)


def test_globs_of_types_are_resolved_so_that_the_store_matches_none() -> None:
    assert events_query([("type", "sync.exp*")], NOW).types == ("watcher.sync.exp",)
    assert events_query([("type", "nothing.*"), ("type", "*.failed")], NOW).types == ("watcher.sync.failed",)


def test_what_is_asked_for_costs_little_memory_for_long() -> None:
    """Few compiled globs are cached, however many different ones are requested: one may take 28 KB."""
    for number in range(3000):
        matches("prod/us-east-1/stack/network", f"{number}*")
    assert _matcher.cache_info().currsize <= 1024


@pytest.mark.alone
def test_the_worst_globs_of_types_cost_little() -> None:
    """In processor time, compared with a text to search for of the same length."""

    def cost(pairs: list[tuple[str, str]], ask: Callable[[list[tuple[str, str]]], object]) -> float:
        begun = time.thread_time()
        ask(pairs)
        return time.thread_time() - begun

    worst = [("type", "".join(f"{chr(97 + (number + each) % 26)}*" for each in range(16))) for number in range(16)]
    asked = min(cost(worst, lambda pairs: events_query(pairs, NOW)) for _ in range(5))
    with pytest.raises(QueryError, match=r"type: may be given at most 16 times, with at most 32 characters each"):
        events_query([("type", "a*" * 80)] * 50, NOW)
    unbounded = cost([("type", "".join(f"{chr(97 + each % 26)}*" for each in range(80 * 50)))], fnmatched)
    assert asked < unbounded / 5


def fnmatched(pairs: list[tuple[str, str]]) -> object:
    return [fnmatchcase("watcher.sync.failed", glob) for _, glob in pairs]


def test_an_id_is_not_looked_for_in_what_is_longer_than_one() -> None:
    assert target_id("a/" * 4000, {"x"}) is None
    assert target_id("%41" * 2100, {"A" * 2100}) is None


def test_after_turns_the_order() -> None:
    asked = events_query([("after", "12")], NOW)
    assert (asked.after, asked.limit, asked.newest) == (12, 50, False)


@pytest.mark.parametrize("text", ["2026-11-23T07:00:00Z", "2026-11-23T08:00:00+01:00", "1h"])
def test_since_is_a_time_or_a_duration(text: str) -> None:
    assert events_query([("since", text)], NOW).since == NOW - timedelta(hours=1)


@pytest.mark.parametrize(
    "pair",
    [
        ("limit", "0"), ("limit", "1001"), ("limit", "-1"), ("limit", "1.5"), ("limit", ""), ("limit", "٣"),
        ("after", "-1"), ("after", "x"), ("after", "9" * 30), ("since", "yesterday"), ("since", "2026-11-23"),
        ("since", "2026-11-23T08:00:00"), ("since", "0001-01-01T00:00:00+14:00"),
        ("since", "9999d"), ("since", ""), ("sice", "2h"),
    ],
)  # fmt: skip
def test_a_wrong_parameter_of_events_is_told_by_its_name(pair: tuple[str, str]) -> None:
    with pytest.raises(QueryError, match=pair[0]):
        events_query([pair], NOW)


def test_a_stream_goes_on_where_the_browser_says() -> None:
    assert stream_after([], None) is None
    assert stream_after([("after", "3")], None) == 3
    assert stream_after([("after", "3")], "8") == 8
    for pairs, last in [([("after", "x")], None), ([], "x"), ([("from", "1")], None)]:
        with pytest.raises(QueryError):
            stream_after(pairs, last)
