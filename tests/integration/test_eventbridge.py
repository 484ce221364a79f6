"""Events to an EventBridge bus, and by a rule to a queue."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from tests.support.waiting import until
from watcher.core.deliveries import Verdict
from watcher.errors import SinkError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.emulators import Deliveries, Emulator, Faulty, Sinks
    from watcher.core.deliveries import Delivery


async def test_a_rule_hands_on_what_it_matches_in_the_event(
    ministack: Emulator, sinks: Sinks, deliveries: Deliveries
) -> None:
    queue = ministack.queue()
    pattern = {
        "source": ["watcher"],
        "detail-type": [{"prefix": "watcher.target."}],
        "detail": {"data": {"target": {"name": ["network"]}}},
    }
    bus = ministack.bus(queue, pattern)
    network, web = deliveries("network", "web", message="it's \ud800 gone \u2028")
    answers = await sinks("eventbridge", ministack.url, bus=bus).send([network, web])
    assert [answer.verdict for answer in answers] == [Verdict.TAKEN, Verdict.TAKEN]
    (message,) = ministack.received(queue, 1)
    event = json.loads(message["Body"])
    assert event["detail"] == json.loads(network.body)
    assert (event["source"], event["detail-type"]) == ("watcher", network.event.type)
    assert event["resources"] == [network.event.subject]
    assert event["id"] == answers[0].text


async def test_of_a_batch_only_the_refused_entry_is_not_taken(
    moto: Emulator, sinks: Sinks, deliveries: Deliveries, poison: Delivery
) -> None:
    queue = moto.queue()
    bus = moto.bus(queue, {"source": ["watcher"]})
    first, second = deliveries("network", "web")
    answers = await sinks("eventbridge", moto.url, bus=bus).send([first, poison, second])
    assert [(answer.delivery, answer.verdict) for answer in answers] == [
        (first, Verdict.TAKEN),
        (poison, Verdict.NEVER),
        (second, Verdict.TAKEN),
    ]
    assert answers[1].text == "MalformedDetail: Detail is malformed."
    arrived = [json.loads(message["Body"]) for message in moto.received(queue, 2)]
    assert [event["detail"] for event in arrived] == [json.loads(first.body), json.loads(second.body)]
    assert {event["time"] for event in arrived} == {"2026-11-23T08:00:00Z"}


async def test_a_call_that_is_refused_for_one_of_its_events_is_made_again_for_each(
    faulty: Faulty, sinks: Sinks, deliveries: Deliveries
) -> None:
    calls: list[int] = []

    async def strict(request: web.Request) -> web.Response:
        entries = (await request.json())["Entries"]
        calls.append(len(entries))
        if any("/large" in entry["Resources"][0] for entry in entries):
            return error("ValidationException", "Total size of the entries in the request is over the limit.")
        return told([{"EventId": f"id of {entry['Resources'][0]}"} for entry in entries])

    sent = deliveries("network", "large", "web")
    answers = await sinks("eventbridge", await faulty(strict)).send(sent)
    assert [answer.verdict for answer in answers] == [Verdict.TAKEN, Verdict.NEVER, Verdict.TAKEN]
    assert [answer.delivery for answer in answers] == sent
    assert answers[0].text == f"id of {sent[0].event.subject}"
    assert sorted(calls) == [1, 1, 1, 3]


async def test_what_was_taken_counts_though_the_rest_of_the_send_failed(
    faulty: Faulty, sinks: Sinks, deliveries: Deliveries
) -> None:
    """Two calls, for the size of the events: one is throttled."""

    async def one_only(request: web.Request) -> web.Response:
        entries = (await request.json())["Entries"]
        if "/web" in entries[0]["Resources"][0]:
            return error("ThrottlingException", "Rate exceeded")
        return told([{"EventId": "an-id"} for _ in entries])

    sent = deliveries("network", "web", message="x" * 200_000)
    answers = await sinks("eventbridge", await faulty(one_only)).send(sent)
    assert [answer.verdict for answer in answers] == [Verdict.TAKEN, Verdict.LATER]
    assert answers[1].text == "PutEvents: ThrottlingException: Rate exceeded"


@pytest.mark.parametrize(
    ("entries", "verdicts"),
    [
        ([{"EventId": "1"}], [Verdict.LATER, Verdict.LATER]),
        ([{"EventId": "1"}] * 3, [Verdict.LATER, Verdict.LATER]),
        ([{"EventId": "1"}, {}], [Verdict.TAKEN, Verdict.LATER]),
        ([{"EventId": ""}, {"EventId": "2"}], [Verdict.LATER, Verdict.TAKEN]),
        ([{"EventId": "1", "ErrorCode": "InternalFailure"}, None], [Verdict.LATER, Verdict.LATER]),
        ([{"ErrorCode": "ThrottlingException"}, {"ErrorCode": "MalformedDetail"}], [Verdict.LATER, Verdict.NEVER]),
        ([{"ErrorCode": "AccessDeniedException"}, {"EventId": 7}], [Verdict.LATER, Verdict.LATER]),
        ({"EventId": "1"}, [Verdict.LATER, Verdict.LATER]),
        (None, [Verdict.LATER, Verdict.LATER]),
    ],
)
async def test_only_an_entry_with_an_event_id_is_taken(
    entries: object, verdicts: list[Verdict], faulty: Faulty, sinks: Sinks, deliveries: Deliveries
) -> None:
    async def odd(_: web.Request) -> web.Response:
        return told(entries)

    answers = await sinks("eventbridge", await faulty(odd)).send(deliveries("network", "web"))
    assert [answer.verdict for answer in answers] == verdicts


async def test_credentials_that_were_rotated_on_disk_are_found_by_the_next_send(
    faulty: Faulty, sinks: Sinks, deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keys: list[str] = []

    async def choosy(request: web.Request) -> web.Response:
        keys.append(request.headers["Authorization"].partition("Credential=")[2].partition("/")[0])
        secret = "old-secret-4711"  # AWS repeats much in its messages
        return told([{"EventId": "an-id"}]) if keys[-1] == "NEWKEY" else error("ExpiredTokenException", f"not {secret}")

    credentials = tmp_path / "credentials"
    credentials.write_text("[default]\naws_access_key_id = OLDKEY\naws_secret_access_key = old-secret-4711\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    sink = sinks("eventbridge", await faulty(choosy))
    with pytest.raises(SinkError, match="ExpiredTokenException") as refused:
        await sink.send(deliveries("network"))
    assert "old-secret-4711" not in str(refused.value)
    credentials.write_text("[default]\naws_access_key_id = NEWKEY\naws_secret_access_key = new-secret-4711\n")
    (answer,) = await sink.send(deliveries("network"))
    assert (answer.verdict, keys) == (Verdict.TAKEN, ["OLDKEY", "NEWKEY"])


async def test_credentials_that_come_later_are_found(
    ministack: Emulator, sinks: Sinks, deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    credentials = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    sink = sinks("eventbridge", ministack.url)
    with pytest.raises(SinkError, match="PutEvents: NoCredentials: Unable to locate credentials"):
        await sink.send(deliveries("network"))
    credentials.write_text("[default]\naws_access_key_id = KEY\naws_secret_access_key = a-made-up-secret\n")

    async def taken() -> bool:
        with contextlib.suppress(SinkError):  # a failed look is kept for a moment
            return all(answer.verdict is Verdict.TAKEN for answer in await sink.send(deliveries("network")))
        return False

    await until(taken, "a delivery with the credentials that came later")


def told(entries: object) -> web.Response:
    return web.json_response({"FailedEntryCount": 0, "Entries": entries}, content_type="application/x-amz-json-1.1")


def error(code: str, message: str) -> web.Response:
    return web.json_response(
        {"__type": code, "message": message}, status=400, content_type="application/x-amz-json-1.1"
    )
