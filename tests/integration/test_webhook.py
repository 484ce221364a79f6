"""Webhooks against a real receiver: what is sent, what each answer means, and what goes wrong on the way."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING, Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_binary_event
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.integration.receiver import Cut, Receiver, Reply, receiving
from tests.integration.webhooks import NOW, QUICK, a_delivery, a_sink, resolve_to, sending, try_once
from tests.support.waiting import SLACK
from watcher import __version__
from watcher.core.deliveries import Verdict
from watcher.errors import SinkError, SinkGone
from watcher.sinks.http import Response, retry_after, verdict
from watcher.sinks.post_failures import UnansweredError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


# What is sent.


async def test_structured_mode_posts_the_very_event(receiver: Receiver) -> None:
    delivery = a_delivery()
    answer = await try_once(receiver.url("/hook?team=platform"), delivery)
    assert answer == type(answer)(delivery, Verdict.TAKEN, "200 OK")
    (request,) = receiver.received
    assert (request.method, request.path) == ("POST", "/hook?team=platform")
    assert request.body == delivery.event.body.encode()
    assert request.headers["Content-Type"] == "application/cloudevents+json; charset=utf-8"
    assert request.headers["User-Agent"] == f"watcher/{__version__}"
    assert request.id == delivery.event.id
    assert "webhook-signature" not in request.headers


async def test_binary_mode_has_the_attributes_in_headers_and_the_data_as_body(receiver: Receiver) -> None:
    delivery = a_delivery(reminder=2)
    await try_once(receiver.url(), delivery, mode="binary", secret=SecretStr(SECRET))
    (request,) = receiver.received
    told = json.loads(delivery.body)
    event = from_binary_event(HTTPMessage(dict(request.headers), request.body))
    assert event.get_data() == told["data"] == json.loads(request.body)
    assert request.headers["Content-Type"] == "application/json"
    assert {name: request.headers[f"ce-{name}"] for name in ("id", "type", "source", "subject", "reminder")} == {
        "id": told["id"],
        "type": "watcher.test",
        "source": told["source"],
        "subject": "test/ops",
        "reminder": "2",
    }
    assert request.id == f"{told['id']}-reminder-2"
    Webhook(SECRET).verify(request.body, dict(request.headers))


@pytest.mark.parametrize("mode", ["structured", "binary"])
async def test_each_secret_signs_what_is_sent_while_secrets_are_rotated(receiver: Receiver, mode: str) -> None:
    await try_once(receiver.url(), secret=SecretStr(SECRET), secrets=[SecretStr(OLD_SECRET)], mode=mode)
    (request,) = receiver.received
    for secret in (SECRET, OLD_SECRET):
        Webhook(secret).verify(request.body, dict(request.headers))
    assert len(request.headers["webhook-signature"].split(" ")) == 2
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_c29tZWJvZHkgZWxzZQ==").verify(request.body, dict(request.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(request.body.replace(b"test", b"tost"), dict(request.headers))


async def test_each_try_of_a_delivery_has_the_same_id_and_body(receiver: Receiver) -> None:
    receiver.script.append(Reply(500))
    delivery = a_delivery()
    async with sending(receiver.url(), secret=SecretStr(SECRET)) as sink:
        answers = [*await sink.send([delivery]), *await sink.send([delivery._replace(tries=1)])]
    assert [answer.verdict for answer in answers] == [Verdict.LATER, Verdict.TAKEN]
    first, second = receiver.received
    assert (first.id, first.body) == (second.id, second.body)


async def test_extra_headers_are_sent_and_change_nothing_of_ours(receiver: Receiver) -> None:
    extra = {"Authorization": "Bearer hidden-token", "CONTENT-TYPE": "text/html", "Webhook-Id": "forged"}
    delivery = a_delivery()
    await try_once(receiver.url(), delivery, headers={name: SecretStr(value) for name, value in extra.items()})
    (request,) = receiver.received
    assert request.headers["Authorization"] == "Bearer hidden-token"
    assert request.headers["Content-Type"].startswith("application/cloudevents+json")
    assert request.id == delivery.id
    assert len([name for name in request.headers if name.lower() in ("content-type", "webhook-id")]) == 2


async def test_a_connection_is_kept_between_deliveries(receiver: Receiver) -> None:
    async with sending(receiver.url()) as sink:
        for _ in range(3):
            await sink.send([a_delivery()])
    assert len({request.peer for request in receiver.received}) == 1


async def test_nothing_is_opened_before_the_first_send(receiver: Receiver) -> None:
    sink = a_sink("https://127.0.0.1:1/", ca_file="/nowhere/ca.pem")
    assert (sink.name, sink.limits.batch, sink.limits.parallel, sink.limits.in_order) == ("ops", 1, 8, False)
    assert sink.limits.deadline > 5.0
    await sink.close()
    with pytest.raises(SinkError, match="closed"):
        await sink.send([a_delivery()])


async def test_a_cookie_is_not_sent_back(receiver: Receiver) -> None:
    receiver.script.append(Reply(headers={"Set-Cookie": "session=1"}))
    async with sending(receiver.url()) as sink:
        await sink.send([a_delivery()])
        await sink.send([a_delivery()])
    assert "Cookie" not in receiver.received[1].headers


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("/workflows/a%3Ab/run?sp=%2Ftriggers%2Frun&sig=a%2Bb%2Fc%3D%3D", None),
        ("/a%2fb/%7Euser/../x?plus=a+b&blank=a%20b&empty=&=&bare", None),
        ("/a;b=c|d{}?q=[1]'\"", None),
        ("/%zz?100%", None),
        ("/hook?", None),
        ("/hook??#?", "/hook??"),
        ("?x=1", "/?x=1"),
        ("/é?ü=%C3%BC", "/%C3%A9?%C3%BC=%C3%BC"),
        ("/hook?x=1#for-browsers", "/hook?x=1"),
    ],
)
async def test_the_url_is_sent_byte_for_byte(receiver: Receiver, written: str, sent: str | None) -> None:
    assert (await try_once(receiver.url(written))).verdict is Verdict.TAKEN
    assert [request.path for request in receiver.received] == [sent or written]


# What the answer means.


@pytest.mark.parametrize(
    ("reply", "expected", "text"),
    [
        (Reply(200), Verdict.TAKEN, "200 OK"),
        (Reply(204), Verdict.TAKEN, "204 No Content"),
        (Reply(302, {"Location": "/elsewhere"}), Verdict.LATER, "302 Found: redirects are not followed"),
        (Reply(400, body=b"\n no such field \nmore"), Verdict.NEVER, "400 Bad Request: no such field"),
        (Reply(401, body=b"token expired"), Verdict.LATER, "401 Unauthorized: token expired"),
        (Reply(413), Verdict.NEVER, "413 Request Entity Too Large"),
        (Reply(429), Verdict.LATER, "429 Too Many Requests"),
        (Reply(500, body=b"oh \x1b[31mno"), Verdict.LATER, "500 Internal Server Error: oh \\x1b[31mno"),
        (Reply(503, {"Retry-After": "soon"}), Verdict.LATER, "503 Service Unavailable"),
        (
            Reply(500, body=b"\xff" + b"x" * 1000),
            Verdict.LATER,
            "500 Internal Server Error: \ufffd" + "x" * 155 + "… [cut]",
        ),
        (Reply(500, {"Content-Encoding": "gzip"}, b"no gzip"), Verdict.LATER, "500 Internal Server Error: no gzip"),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Reply) else "",
)
async def test_an_answer_means(receiver: Receiver, reply: Reply, expected: Verdict, text: str) -> None:
    receiver.script.append(reply)
    answer = await try_once(receiver.url())
    assert (answer.verdict, answer.text) == (expected, text)


async def test_an_answer_that_repeats_a_secret_is_kept_without_it(receiver: Receiver) -> None:
    told = b"POST /hook/T0P?key=s3cret with Bearer hidden-token, that is hidden-token"
    receiver.script.append(Reply(403, body=told))
    headers = {"Authorization": SecretStr("Bearer hidden-token")}
    answer = await try_once(receiver.url("/hook/T0P?key=s3cret"), headers=headers)
    assert answer.text == "403 Forbidden: POST [redacted] with [redacted], that is [redacted]"


async def test_an_answer_that_repeats_a_part_of_the_url_is_kept_without_it(receiver: Receiver) -> None:
    told = "token h0sh+ or h0sh%2B or n4me, id T0PS3CRET and a b c d e f, v1, hook"
    receiver.script.append(Reply(403, body=told.encode()))
    answer = await try_once(receiver.url("/hook/v1/T0PS3CRET/a%20b%20c%20d%20e%20f?token=h0sh%2B&n=v1&n4me"))
    hidden = "[redacted]"
    assert answer.text == (f"403 Forbidden: token {hidden} or {hidden} or {hidden}, id {hidden} and {hidden}, v1, hook")


@pytest.mark.parametrize(
    "told",
    [
        "BEARER HIDDEN-TOKEN/42",
        "hidden-t…",
        "…token/42",
        r"hidden\u002dtoken\/42",
        "hidden-token&#x2F;42",
        "HIDDEN%2DTOKEN%2f42",
        SECRET,
        SECRET.removeprefix("whsec_").lower(),
        SECRET[6:14],
        "T0PS3CRE",
        "t0ps3cret%2Ftoo",
        "5igna",
    ],
)
async def test_an_answer_that_repeats_a_secret_in_another_form_is_kept_without_it(
    receiver: Receiver, told: str
) -> None:
    receiver.script.append(Reply(403, body=f"no <{told}> here".encode()))
    options: dict[str, Any] = {"secret": SecretStr(SECRET), "headers": {"X-Key": SecretStr("Bearer hidden-token/42")}}
    answer = await try_once(receiver.url("/v1/T0PS3CRET%2Ftoo/hook?sig=5igna"), **options)
    assert answer.text.replace("…", "") == "403 Forbidden: no <[redacted]> here"


@pytest.mark.parametrize("status", [429, 503])
async def test_a_receiver_that_asks_to_be_left_alone_is(receiver: Receiver, status: int) -> None:
    receiver.script.append(Reply(status, {"Retry-After": "17"}, b"slow down"))
    with pytest.raises(SinkError, match=f"it responded {status} .*: slow down") as raised:
        await try_once(receiver.url())
    assert raised.value.retry_after == 17


async def test_410_ends_the_sink(receiver: Receiver) -> None:
    receiver.script.append(Reply(410))
    with pytest.raises(SinkGone, match="410 Gone"):
        await try_once(receiver.url())


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0),
        ("120", 120),
        ("86400", 3600),
        ("9" * 400, None),
        ("-1", None),
        ("1.5", None),
        ("٣", None),  # a digit, but none of HTTP's
        ("soon", None),
        ("Mon, 23 Nov 2026 08:02:00 GMT", 120),
        ("Mon, 23 Nov 2026 08:02:00 -0000", 120),
        ("Mon, 23 Nov 2026 07:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600),
        ("Mon, 99 Nov 2026 08:02:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_at_most_an_hour(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


def test_every_status_has_a_meaning() -> None:
    """Only a status about the body itself refuses the event; an operator can mend the rest, an unknown one included."""
    meaning = {status: verdict(Response(status))[0] for status in range(100, 1000) if status != 410}
    expected = dict.fromkeys(meaning, Verdict.LATER)
    expected.update(dict.fromkeys(range(200, 300), Verdict.TAKEN))
    expected.update(dict.fromkeys((400, 413, 414, 415, 422), Verdict.NEVER))
    assert meaning == expected


# What goes wrong on the way.


@pytest.mark.parametrize("cut", Cut)
async def test_a_cut_connection_is_tried_again_later(receiver: Receiver, cut: Cut) -> None:
    receiver.script.append(Reply(cut=cut))
    answer = await try_once(receiver.url())
    assert answer.verdict is Verdict.LATER
    assert answer.text == f"127.0.0.1:{receiver.port}: it closed the connection before it responded"
    assert len(receiver.received) == (cut is Cut.AFTER)


async def test_a_receiver_that_does_not_answer_is_tried_again_later(receiver: Receiver) -> None:
    receiver.script.append(Reply(hang=True))
    answer = await try_once(receiver.url("/T0P"), timeout=QUICK)
    assert (answer.verdict, answer.text) == (Verdict.LATER, f"127.0.0.1:{receiver.port}: no response within 1 s")


async def test_a_receiver_that_is_not_there_is_no_events_fault(receiver: Receiver) -> None:
    await receiver.stop()
    with pytest.raises(SinkError, match="no connection: Connection refused") as raised:
        await try_once(receiver.url("/T0P"))
    assert not isinstance(raised.value, UnansweredError)
    assert "T0P" not in f"{raised.value}{raised.value.__cause__}"


async def test_a_name_that_is_not_known_is_no_events_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch)
    with pytest.raises(SinkError, match=r"receiver\.example: its name cannot be resolved"):
        await try_once("https://receiver.example/T0P")


async def test_a_receiver_that_does_not_connect_is_no_events_fault() -> None:
    with socket.socket() as full:  # nobody accepts, and its queue is full
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        others = [socket.socket() for _ in range(4)]
        for other in others:
            other.settimeout(0)
            other.connect_ex(("127.0.0.1", port))
        with pytest.raises(SinkError, match=r"no connection within 0\.5 s"):
            await try_once(f"http://127.0.0.1:{port}/", timeout=QUICK)
        for other in others:
            other.close()


async def test_a_header_that_would_forge_another_is_not_sent(receiver: Receiver) -> None:
    with pytest.raises(SinkError, match="a header, cannot be sent") as raised:
        await try_once(receiver.url(), headers={"X-Team": SecretStr("a\r\nX-Admin: yes")})
    assert "Admin" not in str(raised.value)
    assert not receiver.received


async def test_a_send_that_is_cancelled_leaves_no_connection_half_used(receiver: Receiver) -> None:
    receiver.script.append(Reply(hang=True))
    async with sending(receiver.url()) as sink:
        first = asyncio.create_task(sink.send([a_delivery()]))
        await receiver.until(1)
        first.cancel()
        await asyncio.wait([first])
        await receiver.until_true(lambda: receiver.broken_off == 1)
        (answer,) = await sink.send([a_delivery()])
    assert answer.verdict is Verdict.TAKEN
    assert receiver.received[0].peer != receiver.received[1].peer


async def test_closing_ends_a_send_under_way(receiver: Receiver) -> None:
    receiver.script.append(Reply(hang=True))
    sink = a_sink(receiver.url(), timeout=600.0)
    under_way = asyncio.create_task(sink.send([a_delivery()]))
    await receiver.until(1)
    await sink.close()
    async with asyncio.timeout(SLACK):
        (answer,) = await under_way
    assert answer.verdict is Verdict.LATER


async def test_first_sends_at_the_same_time_share_what_is_opened(receiver: Receiver) -> None:
    async with sending(receiver.url()) as sink:
        answers = await asyncio.gather(*(sink.send([a_delivery()]) for _ in range(8)))
    assert [answer.verdict for (answer,) in answers] == [Verdict.TAKEN] * 8
