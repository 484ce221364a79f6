"""The OpenAPI document allows the same values of parameters as the server."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from watcher.core.status import Status
from watcher.sources import kind_names
from watcher.web import query

DOCUMENT = json.loads(resources.files("watcher.web").joinpath("openapi.json").read_text())
REGISTRY: Registry[Any] = Registry().with_resource("urn:api", Resource(DOCUMENT, DRAFT202012))
NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
LONG = "x" * (query.MAX_CHARACTERS + 1)
NUMBERS = ["", "0", "1", "50", "1000", "1001", "-1", "1.5", "x", "9223372036854775807", "9223372036854775808", "1e3"]

SERVER = {
    "/api/targets": query.targets_filter,
    "/api/events": lambda pairs: query.events_query(pairs, NOW),
    "/api/mutes": lambda pairs: query.flag(pairs, "past"),
    "/api/stream": lambda pairs: query.stream_after(pairs, None),
}

TABLE: dict[tuple[str, str], list[str]] = {
    ("/api/targets", "account"): ["", "prod", "a b/c", LONG[1:], LONG],
    ("/api/targets", "kind"): ["", *kind_names(), "stak", "STACK", "repository/proton", "discover"],
    ("/api/targets", "status"): [
        "", *Status, "FAILED", "ROLLED_SIDEWAYS", "X2", "_X", "Failed", "faild", "A B", "É", "FAILED\n", " FAILED",
    ],
    ("/api/targets", "label"): ["", "team", "=x", "team=", "team=platform", "a=b=c", "=", "é=ü", LONG + "=1", "l\nm=1"],
    ("/api/targets", "text"): ["", " ", "Some Text", LONG],
    ("/api/events", "target"): ["", "prod/*", "[", LONG],
    ("/api/events", "type"): ["", "*", "sync.failed", "watcher.target.readable", "sync.exploded", "x" * 32, "x" * 33],
    ("/api/events", "since"): [
        "", "0s", "2h", "1h30m", "500ms", "2999d", "9999d", "3650d", "30", "1.5h", "1m1h", "2h\n", "-2h", "yesterday",
        "2999d9999h99999m9999999s999999999ms", "2026-11-23", "2026-11-23T08:00:00", "2026-11-23T08:00:00Z",
        "2026-11-23T08:00:00.123456789Z", "2026-11-23T08:00:00+01:00", "2026-11-23T08:00:00 01:00", "2026-W48-1T08:00Z",
        "20261123T080000Z", "2026-13-23T08:00:00Z", "2026-02-30T08:00:00Z", "2026-11-23T24:00:00Z",
        "2026-11-23T08:00:60Z", "0000-11-23T08:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00",
        "2026-11-23t08:00:00z", "2026-11-23T08:00:00+24:00",
    ],
    ("/api/events", "after"): NUMBERS,
    ("/api/events", "limit"): NUMBERS,
    ("/api/mutes", "past"): ["", "true", "false", "True", "1", "true\n"],
    ("/api/stream", "after"): NUMBERS,
}  # fmt: skip


def schema_of(route: str, name: str) -> Any:
    (found,) = [each for each in DOCUMENT["paths"][route]["get"]["parameters"] if each["name"] == name]
    # In JSON Schema's dialect `$` is the end alone; in Python's it is also what comes before a last line break.
    return json.loads(json.dumps(found["schema"]).replace('"#/', '"urn:api#/').replace('$"', '\\\\Z"'))


def documented(schema: Any, value: str) -> bool:
    """Whether a value in a query is one that the schema allows, in the form of its type."""
    kind = schema.get("type")
    given: Any = value
    if kind == "integer":
        given = int(value) if value.isascii() and value.removeprefix("-").isdecimal() else value
    elif kind == "array":
        given = [value]
    return bool(Draft202012Validator(schema, registry=REGISTRY, format_checker=FormatChecker()).is_valid(given))


def taken(route: str, pairs: list[tuple[str, str]]) -> bool:
    try:
        SERVER[route](pairs)
    except query.QueryError:
        return False
    return True


@pytest.mark.parametrize(
    ("route", "name", "value"), [(*parameter, value) for parameter, values in TABLE.items() for value in values]
)
def test_a_value_is_taken_exactly_if_it_is_documented(route: str, name: str, value: str) -> None:
    assert taken(route, [(name, value)]) is documented(schema_of(route, name), value)


@pytest.mark.parametrize(("route", "name", "value"), [
    ("/api/targets", "label", "a=b"), ("/api/events", "type", "sync.*"),
])  # fmt: skip
def test_a_parameter_may_be_given_as_often_as_is_documented(route: str, name: str, value: str) -> None:
    most = schema_of(route, name)["maxItems"]
    assert taken(route, [(name, value)] * most)
    assert not taken(route, [(name, value)] * (most + 1))


def test_every_parameter_of_a_query_is_in_the_table() -> None:
    known = {
        (route, parameter["name"])
        for route, path in DOCUMENT["paths"].items()
        for parameter in path.get("get", {}).get("parameters", [])
        if parameter["in"] == "query" and route.startswith("/api/")
    }
    assert set(TABLE) == known


def test_the_document_knows_every_kind_and_standing() -> None:
    assert DOCUMENT["components"]["schemas"]["Standing"]["enum"] == [*Status]
    assert schema_of("/api/targets", "kind")["enum"] == [*kind_names()]
