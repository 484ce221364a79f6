"""Mutes and acknowledgements over HTTP, which need `http.write_token`."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from tests.integration.test_web_api import hold
from tests.support.fake_daemon import BEGAN, Site, attempt, serving
from watcher.core.ports import Entry
from watcher.core.state import Incident

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

READ, WRITE = SecretStr("only-for-reading"), SecretStr("also-for-writing")
BEARER = {"Authorization": f"Bearer {WRITE.get_secret_value()}"}
MUTE = {"targets": ["*/stack/*"], "events": ["sync.*"], "for": "2h", "reason": "planned", "by": "ada"}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with serving(tmp_path, token=READ, write_token=WRITE) as site:
        yield site


async def send(site: Site, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    how: dict[str, Any] = {"headers": {**BEARER, **{name.replace("_", "-"): value for name, value in headers.items()}}}
    if isinstance(body, bytes):
        how["data"] = body
        how["headers"] = {"Content-Type": "application/json", **how["headers"]}
    elif body is not None:
        how["json"] = body
    async with site.http.request(method, site.url + path, **how) as answer:
        return answer.status, json.loads(await answer.read())


async def test_a_mute_is_made_shown_and_ended(site: Site) -> None:
    status, made = await send(site, "POST", "/api/mutes", MUTE)
    assert status == 201
    hold("/api/mutes", 201, made, "post")
    assert (made["events"], made["by"], made["active"]) == (["watcher.sync.*"], "ada", True)
    _, listed = await send(site, "GET", "/api/mutes")
    assert listed["mutes"] == [made]
    status, ended = await send(site, "DELETE", f"/api/mutes/{made['id']}?by=bob")
    assert (status, ended["ended_by"], ended["active"]) == (200, "bob", False)
    hold("/api/mutes/{id}", 200, ended, "delete")
    assert (await send(site, "GET", "/api/mutes"))[1]["mutes"] == []
    status, gone = await send(site, "DELETE", f"/api/mutes/{made['id']}")
    assert (status, "no active mute" in gone["error"]) == (404, True)
    least = {name: MUTE[name] for name in ("targets", "for", "reason")}
    status, made = await send(site, "POST", "/api/mutes", least)
    assert (status, made["events"], made["by"]) == (201, [], "http")


async def test_an_endpoint_is_muted_by_what_holds_back_that_it_is_unreadable(site: Site) -> None:
    for events, by in ((["sync.*"], "bob"), (["endpoint.*"], "ada")):
        mute = {**MUTE, "targets": ["*"], "events": events, "by": by}
        assert (await send(site, "POST", "/api/mutes", mute))[0] == 201
    site.peek.by_hand = await site.peek.store.by_hand()
    _, body = await send(site, "GET", "/api/endpoints")
    hold("/api/endpoints", 200, body)
    assert {each["muted"]["by"] for each in body["endpoints"]} == {"ada"}


async def test_an_incident_is_acknowledged_by_its_id_and_by_that_of_an_event(site: Site) -> None:
    target = site.peek.config.targets[0]
    (event,) = await site.peek.see(target, attempt(1, "FAILED"))
    incident = Incident("7", BEGAN, ("failed",))
    await site.peek.commit(Entry(target.id, replace(site.peek.records[target.id], incident=incident)))
    status, body = await send(site, "POST", "/api/incidents/7/ack", {"by": "ada", "note": "mine"})
    assert status == 200
    hold("/api/incidents/{id}/ack", 200, body, "post")
    _, row = await send(site, "GET", f"/api/targets/{target.id}")
    assert row["incident"]["acknowledged"] == body["incidents"][0]["acknowledged"]
    assert row["incident"]["acknowledged"].items() >= {"by": "ada", "note": "mine"}.items()
    assert (await send(site, "POST", "/api/incidents/7/ack"))[0] == 200, "without a body"
    for unknown in ("8", event.id, "x" * 3000):  # the events of the fake daemon have no incident
        assert (await send(site, "POST", f"/api/incidents/{unknown}/ack"))[0] == 404


@pytest.mark.parametrize(
    ("body", "places"),
    [
        (b"{", ["line 1, column 2"]),
        (b'{"targets":\n ["a"],,}', ["line 2, column 8"]),
        (b"\xff", ["line 1, column 1"]),
        (b"[" * 9000, ["line 1, column 1"]),
        ([], ["line 1, column 1"]),
        ({}, ["targets", "for", "reason"]),
        ({**MUTE, "targets": []}, ["targets"]),
        ({**MUTE, "targets": "a"}, ["targets"]),
        ({**MUTE, "targets": ["a", 5, "", "a\nb"]}, ["targets[1]", "targets[2]", "targets[3]"]),
        ({**MUTE, "targets": ["a"] * 21}, ["targets"]),
        ({**MUTE, "events": ["sync.faild"]}, ["events[0]"]),
        ({**MUTE, "for": "2", "reason": "", "by": ["x"]}, ["for", "reason", "by"]),
        ({**MUTE, "for": "3650d", "reason": "x" * 501}, ["for", "reason"]),
        ({**MUTE, "raeson": "x", "\u202e": 1}, ["raeson", ""]),
    ],
)  # fmt: skip
async def test_every_fault_of_a_body_is_reported_with_its_place(site: Site, body: Any, places: list[str]) -> None:
    status, answer = await send(site, "POST", "/api/mutes", body)
    assert status == 400
    hold("/api/mutes", 400, answer, "post")
    assert [each["place"] for each in answer["faults"]] == places
    assert (await site.peek.store.by_hand()).mutes == ()


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Authorization": ""}, 401),
        ({"Authorization": f"Bearer {READ.get_secret_value()}"}, 401),
        ({"Authorization": "Basic " + "OmFsc28tZm9yLXdyaXRpbmc="}, 401),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Host": "evil.example"}, 421),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Encoding": "gzip"}, 413),
        ({"Origin": "http://localhost:1", "Sec_Fetch_Site": "same-origin"}, 201),
    ],
    ids=str,
)
async def test_only_the_write_token_as_a_bearer_from_this_site_changes_anything(
    site: Site, headers: dict[str, str], expected: int
) -> None:
    status, answer = await send(site, "POST", "/api/mutes", json.dumps(MUTE).encode(), **headers)
    assert status == expected, answer
    assert len((await site.peek.store.by_hand()).mutes) == (expected == 201)


async def test_without_a_write_token_nothing_can_be_changed(tmp_path: Path) -> None:
    async with serving(tmp_path) as site:
        for method, path in (("POST", "/api/mutes"), ("DELETE", "/api/mutes/1"), ("POST", "/api/incidents/1/ack")):
            status, answer = await send(site, method, path)
            assert (status, "http.write_token" in answer["error"]) == (403, True)


async def test_a_path_says_which_methods_it_takes(site: Site) -> None:
    for method, path, allowed in (
        ("PUT", "/api/mutes", "GET, HEAD, POST"),
        ("GET", "/api/mutes/1", "DELETE"),
        ("DELETE", "/api/incidents/1/ack", "POST"),
        ("POST", "/api/targets", "GET, HEAD"),
    ):
        async with site.http.request(method, site.url + path, headers=BEARER) as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, allowed)


@pytest.mark.parametrize(
    "head", [b"Content-Length: 16385", b"Transfer-Encoding: chunked", b"Content-Length: 1000000000"], ids=repr
)
async def test_a_body_that_is_too_long_or_of_unknown_length_is_refused_unread(site: Site, head: bytes) -> None:
    reader, writer = await asyncio.open_connection(*site.address)
    bearer = BEARER["Authorization"].encode()
    writer.write(b"POST /api/mutes HTTP/1.1\r\nHost: localhost\r\nAuthorization: %b\r\n%b\r\n\r\n" % (bearer, head))
    assert b" 413 " in await reader.readline()
    writer.close()
