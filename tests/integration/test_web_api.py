"""The responses of `/api` match the OpenAPI document: every route, for a daemon with awkward data."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from importlib import resources
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import validate
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from tests.support.fake_daemon import BEGAN, Site, attempt, serving
from watcher.config.reloader import ReloadStatus
from watcher.core.by_hand import Acknowledgement, HandMute, in_order
from watcher.core.deliveries import Delivery, DeliveryOutcome, DeliveryState
from watcher.core.model import rfc3339
from watcher.core.ports import Entry
from watcher.core.queries import EventQuery
from watcher.core.state import Incident, Outage
from watcher.observability.daemon_view import HintQueueStatus, SinkStatus, TargetStatus
from watcher.util.redaction import HIDDEN, remember
from watcher.web import query
from watcher.web.changes import METHODS
from watcher.web.handler import STREAM

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

DOCUMENT = json.loads(resources.files("watcher.web").joinpath("openapi.json").read_text())
REGISTRY: Registry[Any] = Registry().with_resource("urn:api", Resource(DOCUMENT, DRAFT202012))
SECRET = "correct-horse-battery-staple"

AWKWARD = """
accounts:
  - {name: prod, regions: [us-east-1, eu-west-1]}
  - {name: "a b/c", regions: [us-east-1]}
stacks:
  - {name: failed-stack, account: prod, region: us-east-1, labels: {team: "<script>alert(1)</script>"}}
  - {name: first, account: prod, region: us-east-1}
  - {name: stalled-stack, account: prod, region: us-east-1}
  - {name: fresh, account: prod, region: us-east-1}
  - {name: odd, account: "a b/c", region: us-east-1}
  - {name: blind, account: prod, region: eu-west-1}
templates:
  - {name: web, type: SERVICE, version: 2, account: prod, region: us-east-1}
sinks:
  - {name: out, type: stdout}
  - {name: ops, type: webhook, url: "https://hooks.example.com/x", events: ["watcher.sync.stalled"]}
"""


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with serving(tmp_path, AWKWARD) as site:
        await fill(site)
        yield site


async def fill(site: Site) -> None:
    """A daemon with a target for each kind of trouble."""
    peek = site.peek
    remember(SECRET)
    by_name = {(target.account, target.region, target.name): target for target in peek.config.targets}
    failing = by_name["prod", "us-east-1", "failed-stack"]
    odd = {
        "providerType": "GitHub",
        "ownerId": "org",
        "repositoryName": "x y",
        "branch": "\u202eevil",
        "sha": "not-a-sha",
    }
    await peek.see(failing, attempt(0, "SUCCEEDED"), sinks=["out"])
    await peek.see(failing, attempt(1, "IN_PROGRESS"), sinks=["out"])
    await peek.see(
        failing,
        attempt(1, "FAILED", "first", f"key {SECRET} </script>\x00\u2028 " + "x" * 900, revision=odd),
        sinks=["out"],
    )
    bare = replace(
        attempt(0, "FAILED"),
        target=None,
        initial_revision=None,
        target_revision=dict.fromkeys(odd),
        events=({"type": None, "event": "gone", "time": None},),
    )
    await peek.see(by_name["prod", "us-east-1", "first"], bare)
    await peek.see(
        by_name["prod", "us-east-1", "stalled-stack"], attempt(2, "IN_PROGRESS"), success=attempt(1, "SUCCEEDED")
    )
    await peek.see(by_name["prod", "us-east-1", "fresh"], None)
    await peek.see(by_name["a b/c", "us-east-1", "odd"], attempt(3, "ROLLED_SIDEWAYS"))
    outage = Outage(BEGAN, "AccessDeniedException", f"not allowed, token {SECRET}", 3)
    await peek.fail(by_name["prod", "eu-west-1", "blind"].endpoint, outage, sinks=["out"])
    await peek.fail(
        by_name["prod", "us-east-1", "web"], Outage(BEGAN, "ResourceNotFoundException", "gone", 3), sinks=["gone"]
    )
    peek.looks = {failing.id: TargetStatus(BEGAN, BEGAN, BEGAN + timedelta(seconds=9), 2)}
    peek.sink_looks = {"ops": SinkStatus("webhook", "down", f"401 for {SECRET}")}
    faults = (f"watcher.yaml:3:1: stacks: bad {SECRET}",)
    peek.loaded = ReloadStatus(BEGAN, BEGAN, faults, ("state",), None, 3, 1)
    number, event = (await peek.reader.events(EventQuery(limit=1, newest=False, types=["watcher.sync.*"])))[0]
    delivery = Delivery(number, "out", event)
    await peek.store.settle([DeliveryOutcome(delivery, DeliveryState.DEAD, f"refused {SECRET}")], BEGAN)


def schema_of(route: str, status: int, method: str = "get") -> dict[str, Any]:
    answer = DOCUMENT["paths"][route][method]["responses"][str(status)]
    if "$ref" in answer:
        answer = DOCUMENT["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    schema: dict[str, Any] = answer["content"]["application/json"]["schema"]
    return schema


def hold(route: str, status: int, body: Any, method: str = "get") -> None:
    """Check a body against the schema that the document has for it."""
    absolute = json.loads(json.dumps(schema_of(route, status, method)).replace('"#/', '"urn:api#/'))
    Draft202012Validator(absolute, registry=REGISTRY, format_checker=FormatChecker()).validate(body)


def test_the_document_is_one() -> None:
    validate(DOCUMENT)


async def test_each_path_is_documented_and_no_other(site: Site) -> None:
    assert site.server._handler
    read = {*site.server._handler._responses, STREAM, "/api/targets/{id}/badge.svg"}
    assert {path for path, found in DOCUMENT["paths"].items() if "get" in found} == read
    assert {path: set(found) - {"get"} for path, found in DOCUMENT["paths"].items() if set(found) != {"get"}} == {
        path: {method.lower()} for path, method in METHODS.items()
    }


def test_no_object_of_ours_may_have_what_is_not_documented() -> None:
    """Otherwise the other tests would accept undocumented fields."""

    def objects(schema: Any) -> list[Mapping[str, Any]]:
        inner = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
        mine = [schema] if isinstance(schema, dict) and "properties" in schema and "type" in schema else []
        return [*mine, *(each for part in inner for each in objects(part))]

    found = objects(DOCUMENT["components"]["schemas"])
    assert len(found) > 15
    assert all(each["additionalProperties"] is False for each in found)
    assert all(
        set(each["required"]) == set(each["properties"]) for each in found if "version" not in each["properties"]
    )


@pytest.mark.parametrize(
    "route",
    ["/livez", "/readyz", "/api/status", "/api/targets", "/api/endpoints", "/api/hints", "/api/mutes", "/api/sinks",
     "/api/events"],
)  # fmt: skip
async def test_answers_are_as_documented(site: Site, route: str) -> None:
    status, body, _ = await site.get(route)
    assert status == 200
    hold(route, 200, body)


async def test_each_target_is_told_as_documented_and_as_in_its_row(site: Site) -> None:
    rows = (await site.get("/api/targets"))[1]["targets"]
    assert len(rows) == 7
    for row in rows:
        status, body, _ = await site.get(f"/api/targets/{row['id']}")
        assert status == 200
        hold("/api/targets/{id}", 200, body)
        shown = [(each["status"], each["startedAt"]) for each in body["attempts"]]
        assert {(each["status"], each["startedAt"]) for each in row.pop("attempts")} <= {*shown}
        assert row.items() <= body.items()
        status, picture, headers = await site.get(f"/api/targets/{row['id']}/badge.svg")
        assert status == 200
        assert headers["Content-Type"] == "image/svg+xml"
        assert row["standing"].replace("_", " ") in picture


async def test_rows_have_the_mute_and_the_acknowledgement_of_their_incident(site: Site) -> None:
    peek, now = site.peek, site.peek.clock.now()
    failing = next(each for each in peek.config.targets if each.name == "failed-stack")
    incident = Incident("7", BEGAN, ("failed",), notified=("out",))
    await peek.commit(Entry(failing.id, replace(peek.records[failing.id], incident=incident)))
    mute = HandMute("1a", (failing.id,), ("watcher.sync.*",), BEGAN, now + timedelta(hours=1), f"{SECRET}!", "ada")
    over = replace(mute, id="2b", ended_at=BEGAN + timedelta(minutes=1), ended_by="bob")
    acknowledged = Acknowledgement("7", failing.id, BEGAN, BEGAN, "ada", "I look into it")
    await peek.store.add_mute(mute)
    await peek.store.add_mute(over)
    peek.by_hand = in_order([mute], [acknowledged])
    _, body, _ = await site.get(f"/api/targets/{failing.id}")
    hold("/api/targets/{id}", 200, body)
    assert body["incident"]["acknowledged"] == {"at": rfc3339(BEGAN), "by": "ada", "note": "I look into it"}
    assert body["muted"] == {"id": "1a", "by": "ada", "reason": f"{HIDDEN}!", "until": rfc3339(mute.until)}
    rows = (await site.get("/api/targets"))[1]["targets"]
    assert [row["muted"] for row in rows if row["id"] != failing.id] == [None] * 6
    _, active, _ = await site.get("/api/mutes")
    _, past, _ = await site.get("/api/mutes?past=true")
    for found, expected in ((active, [("1a", True)]), (past, [("2b", False), ("1a", True)])):
        hold("/api/mutes", 200, found)
        assert [(each["id"], each["active"]) for each in found["mutes"]] == expected
    assert "watcher_mutes_active 1.0" in (await site.get("/metrics"))[1]


async def test_the_document_itself_is_served(site: Site) -> None:
    assert (await site.get("/api/openapi.json"))[1] == DOCUMENT


@pytest.mark.parametrize(
    ("path", "route", "status"),
    [
        ("/api/targets/prod/us-east-1/stack/nope", "/api/targets/{id}", 404),
        ("/api/targets/prod/us-east-1/stack/nope/badge.svg", "/api/targets/{id}/badge.svg", 404),
        ("/api/targets?kind=x", "/api/targets", 400),
        ("/api/events?limit=x", "/api/events", 400),
        ("/api/status?x=1", "/api/status", 400),
        ("/api/stream?after=x", "/api/stream", 400),
    ],
)
async def test_errors_are_as_documented(site: Site, path: str, route: str, status: int) -> None:
    answered, body, _ = await site.get(path)
    assert answered == status
    hold(route, status, body)


async def test_what_is_worst_comes_first(site: Site) -> None:
    rows = (await site.get("/api/targets"))[1]["targets"]
    told = [(row["standing"], row["name"]) for row in rows]
    assert told == [
        ("unreadable", "blind"), ("unreadable", "web"), ("failed", "failed-stack"), ("failed", "first"),
        ("unknown", "odd"), ("never_synced", "fresh"), ("active", "stalled-stack"),
    ]  # fmt: skip
    counts = (await site.get("/api/status"))[1]["counts"]
    assert counts == {
        "unreadable": 2, "failed": 2, "blocked": 0, "unavailable": 0, "stalled": 0, "unknown": 1,
        "never_synced": 1, "not_seen": 0, "active": 1, "succeeded": 0, "available": 0,
    }  # fmt: skip


async def test_whose_fault_it_is_is_told(site: Site) -> None:
    rows = {row["name"]: row for row in (await site.get("/api/targets"))[1]["targets"]}
    assert rows["blind"]["unreadable"]["whose"] == "endpoint"
    assert rows["web"]["unreadable"]["whose"] == "target"
    assert rows["web"]["title"] == "web v2 (SERVICE)"


async def test_no_secret_is_told(site: Site) -> None:
    for path in ("/api/status", "/api/targets", "/api/endpoints", "/api/sinks", "/metrics"):
        body = json.dumps((await site.get(path))[1])
        assert SECRET not in body, path
    assert HIDDEN in json.dumps((await site.get("/api/sinks"))[1])
    one = (await site.get("/api/targets/prod/us-east-1/stack/failed-stack"))[1]
    assert SECRET not in one["note"]
    assert SECRET not in json.dumps([event["sinks"] for event in one["events"]])


async def test_a_targets_past_is_told_attempt_by_attempt(site: Site) -> None:
    one = (await site.get("/api/targets/prod/us-east-1/stack/failed-stack"))[1]
    (attempt,) = one["attempts"]
    assert [step["status"] for step in attempt["steps"]] == ["IN_PROGRESS", "FAILED"]
    assert (attempt["startedAt"], attempt["status"], attempt["commit_url"]) == ("2026-11-23T08:01:00Z", "FAILED", None)
    assert [event["number"] for event in one["events"]] == sorted(
        (event["number"] for event in one["events"]), reverse=True
    )
    newest = {sink["sink"]: sink for sink in one["events"][0]["sinks"]}
    assert newest["out"]["state"] == "waiting"
    assert newest["ops"]["state"] == "not routed"
    oldest = {sink["sink"]: sink for sink in one["events"][-1]["sinks"]}
    assert (oldest["out"]["state"], oldest["out"]["tries"]) == ("dead", 1)


async def test_a_latest_attempt_that_was_no_event_is_told_too(site: Site) -> None:
    one = (await site.get("/api/targets/prod/us-east-1/stack/stalled-stack"))[1]
    (attempt,) = one["attempts"]
    assert [(step["status"], step["event_id"]) for step in attempt["steps"]] == [("IN_PROGRESS", None)]
    assert one["latest_successful"]["startedAt"] == "2026-11-23T08:01:00Z"


@pytest.mark.parametrize(
    "path",
    ["a%20b%2Fc/us-east-1/stack/odd", "a%2520b%252Fc%2Fus-east-1%2Fstack%2Fodd", "a%20b%2fc/us-east-1/stack/odd"],
)
async def test_an_id_is_taken_as_it_is_and_as_one_segment(site: Site, path: str) -> None:
    status, body, _ = await site.get(f"/api/targets/{path}")
    assert (status, body["id"]) == (200, "a%20b%2Fc/us-east-1/stack/odd")


async def test_a_badge_is_not_kept_by_caches(site: Site) -> None:
    status, picture, headers = await site.get("/api/targets/prod/us-east-1/stack/fresh/badge.svg")
    assert status == 200
    assert "sync never synced" in picture
    assert headers["Cache-Control"] == "no-cache"


async def test_rows_are_filtered_as_on_the_page(site: Site) -> None:
    async def names(query: str) -> list[str]:
        return [row["name"] for row in (await site.get(f"/api/targets?{query}"))[1]["targets"]]

    assert await names("status=failed") == ["failed-stack", "first"]
    assert await names("account=a%20b%2Fc") == ["odd"]
    assert await names("kind=template") == ["web"]
    assert await names("label=team%3D%3Cscript%3Ealert(1)%3C/script%3E") == ["failed-stack"]
    assert await names("text=SIDEWAYS") == []
    assert await names("text=odd&kind=stack") == ["odd"]


async def test_events_come_newest_first_or_after_a_number_oldest_first(site: Site) -> None:
    newest = (await site.get("/api/events?limit=2"))[1]
    numbers = [event["number"] for event in newest["events"]]
    assert numbers == [newest["last"], newest["last"] - 1]
    after = (await site.get(f"/api/events?after={numbers[1]}"))[1]
    assert [event["number"] for event in after["events"]] == [numbers[0]]
    nothing = (await site.get(f"/api/events?after={numbers[0]}"))[1]
    assert (nothing["events"], nothing["last"]) == ([], None)
    typed = (await site.get("/api/events?type=sync.failed&type=endpoint.*&target=prod/*"))[1]
    assert {event["event"]["type"] for event in typed["events"]} == {
        "watcher.sync.failed",
        "watcher.endpoint.unreadable",
    }


async def test_of_large_events_an_answer_has_some_and_the_number_to_go_on_from(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [event["number"] for event in (await site.get("/api/events"))[1]["events"]]
    monkeypatch.setattr(query, "MAX_EVENT_CHARACTERS", 1)
    newest = (await site.get("/api/events"))[1]
    assert [event["number"] for event in newest["events"]] == expected[:1]
    found, last = [], 0
    while some := (await site.get(f"/api/events?after={last}"))[1]["events"]:
        (one,) = some
        last = one["number"]
        found.append(last)
    assert found == expected[::-1]


async def test_a_queue_that_cannot_be_read_comes_first(site: Site) -> None:
    site.peek.queue_looks = {
        "https://a": HintQueueStatus(readable=True, received=BEGAN, messages=3, heard={*site.peek.config.endpoints}),
        "https://b": HintQueueStatus(readable=False, error=f"AccessDenied: {SECRET}"),
        "https://c": HintQueueStatus(),
    }
    found = (await site.get("/api/hints"))[1]["hints"]
    assert [each["queue"] for each in found] == ["https://b", "https://a", "https://c"]
    assert [each["readable"] for each in found] == [False, True, None]
    assert (found[0]["error"], found[1]["error"]) == (f"AccessDenied: {HIDDEN}", None)
    assert found[1]["heard"] == sorted(map(str, site.peek.config.endpoints))


async def test_a_sink_that_left_the_configuration_is_told_while_something_of_it_is_left(site: Site) -> None:
    sinks = {sink["name"]: sink for sink in (await site.get("/api/sinks"))[1]["sinks"]}
    assert list(sinks) == ["ops", "out", "gone"]  # what takes nothing stands first
    assert (sinks["gone"]["configured"], sinks["gone"]["type"], sinks["gone"]["waiting"]) == (False, None, 1)
    assert (sinks["out"]["waiting"], sinks["out"]["dead"]) == (2, 1)
    assert sinks["out"]["oldest_waiting"] is not None
    assert sinks["ops"]["state"] == "down"
