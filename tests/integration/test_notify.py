"""Chat and mail by apprise, over real HTTP and real SMTP: what arrives, partial failure, hanging ends, secrets."""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
import threading
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from tests.support.event_samples import NETWORK, attempt, bodies, failures, message_of, sync
from tests.support.waiting import SLACK, until
from watcher.core.deliveries import Delivery, Verdict
from watcher.core.model import FAILED, SUCCEEDED
from watcher.errors import SinkError
from watcher.messages.plain import plain
from watcher.sinks import notify
from watcher.sinks.notify import NotifyOptions, NotifySink
from watcher.sources.proton import template
from watcher.util.bounded_mail import MAX_REPLY_BYTES
from watcher.util.bounded_requests import MAX_RESPONSE_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from email.message import EmailMessage

    from watcher.core.events import Event

pytest.importorskip("apprise")


@dataclass
class Chat:
    """Takes what apprise posts as JSON, or refuses, or hangs until it is let go."""

    status: int = 200
    hangs: bool = False
    posted: list[dict[str, Any]] = field(default_factory=list)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    async def take(self, request: web.Request) -> web.Response:
        self.posted.append(await request.json())
        if self.hangs:
            await self.let_go.wait()
        return web.Response(status=self.status)

    @property
    def url(self) -> str:
        return f"json://user:very-secret@127.0.0.1:{self.port}/also-secret?rto=120&cto=120"


@asynccontextmanager
async def chat(respond: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None) -> AsyncIterator[Chat]:
    """`respond`: what it does instead of taking what is posted."""
    made = Chat()
    app = web.Application()
    app.router.add_post("/{path:.*}", respond or made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]
    try:
        yield made
    finally:
        made.let_go.set()
        await runner.cleanup()


@dataclass
class Post:
    """A mail server that keeps the mails it is given."""

    mails: list[EmailMessage] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        while line := await reader.readline():
            command = line.strip().upper()
            if command == b"DATA":
                writer.write(b"354 go on\r\n")
                data = (await reader.readuntil(b"\r\n.\r\n")).removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n.")
                self.raw.append(data)
                self.mails.append(email.message_from_bytes(data, policy=email.policy.default))
            writer.write(b"221 bye\r\n" if command == b"QUIT" else b"250 ok\r\n")
            if command == b"QUIT":
                break
        writer.close()


@asynccontextmanager
async def post() -> AsyncIterator[tuple[Post, str]]:
    made = Post()
    async with await asyncio.start_server(made.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield made, f"mailto://127.0.0.1:{port}/?from=watcher@example.com&to=ops@example.com&mode=insecure"


def options_of(*urls: str, **altered: Any) -> NotifyOptions:
    options: dict[str, Any] = {
        "urls": [SecretStr(url) for url in urls],
        "template": None,
        "title_template": None,
        "group_wait": 0.0,
        "timeout": 10.0,
    }
    return NotifyOptions.model_construct(name="mail", type="notify", **options | altered)


@asynccontextmanager
async def sink_to(*urls: str, **altered: Any) -> AsyncIterator[NotifySink]:
    sink = NotifySink(options_of(*urls, **altered))
    try:
        yield sink
    finally:
        await sink.close()


def deliveries(*events: Event) -> list[Delivery]:
    return [Delivery(number, "mail", event) for number, event in enumerate(events, start=1)]


def text_of(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    content = part.get_content()
    assert isinstance(content, str)
    return content


async def test_a_mail_arrives_with_the_subject_and_the_text() -> None:
    async with post() as (server, url), sink_to(url) as sink:
        (answer,) = await sink.send(deliveries(sync()))
    assert (answer.verdict, answer.text) == (Verdict.TAKEN, "taken by mailto")
    (mail,) = server.mails
    assert mail["Subject"] == "FAILED: SERVICE template web:2 (prod, eu-west-1)"
    assert mail.get_content_type() == "text/plain"
    assert text_of(mail).splitlines() == plain(message_of(bodies(sync()))).body.splitlines()


async def test_a_mail_has_no_header_that_aws_wrote_and_no_tag_either() -> None:
    target = template("prod", "eu-west-1", "SERVICE", "web\r\nBcc: evil@example.com\r\n\r\nHi <b>you</b>", "2")
    made = attempt(FAILED, "boom\r\n.\r\nMAIL FROM:<evil@example.com>", branch="<script>alert(1)</script>")
    async with post() as (server, url), sink_to(url, f"{url}&format=html") as sink:
        (answer,) = await sink.send(deliveries(sync(made, target=target)))
    assert answer.verdict is Verdict.TAKEN
    assert len(server.mails) == 2
    for mail in server.mails:
        assert mail["Bcc"] is None
        assert mail["Subject"].startswith("FAILED: SERVICE template web Bcc: evil@example.com")
        for part in mail.walk():
            if not part.is_multipart():
                content = part.get_content()
                assert "<b>" not in content
                assert "<script" not in content
        assert "\n.\n" not in text_of(mail)


def of_incident(event: Event, id_: str) -> Event:
    body = json.loads(event.body)
    body["data"]["incident"] = {"id": id_}
    return event._replace(body=json.dumps(body))


async def test_the_mails_of_an_incident_refer_to_the_same_message_and_others_to_none() -> None:
    problem, end = of_incident(sync(), "abc"), of_incident(sync(attempt(SUCCEEDED)), "abc")
    other = of_incident(sync(target=NETWORK), "def")
    async with post() as (server, url):
        for events in ((problem,), (end,), (other,), (sync(),), (problem, other)):
            async with sink_to(f"{url}&+X-Team=ops") as sink:  # one sends a mail every few seconds
                await sink.send(deliveries(*events))
    root, another = "<incident-abc@watcher>", "<incident-def@watcher>"
    assert [mail["References"] for mail in server.mails] == [root, root, another, None, None]
    assert [mail["In-Reply-To"] for mail in server.mails] == [root, root, another, None, None]
    assert {mail["X-Team"] for mail in server.mails} == {"ops"}
    assert len({mail["Message-ID"] for mail in server.mails}) == 5


async def test_a_long_title_beyond_ascii_stays_one_subject() -> None:
    target = template("prod", "eu-west-1", "SERVICE", "größe-" * 40, "2")
    async with post() as (server, url), sink_to(url) as sink:
        await sink.send(deliveries(sync(target=target)))
    assert server.mails[0]["Subject"].startswith("FAILED: SERVICE template größe-größe-")


async def test_a_chat_is_posted_to_with_the_tone() -> None:
    async with chat() as server, sink_to(server.url) as sink:
        (answer,) = await sink.send(deliveries(sync()))
    assert answer.verdict is Verdict.TAKEN
    (posted,) = server.posted
    assert posted["title"] == "FAILED: SERVICE template web:2 (prod, eu-west-1)"
    assert posted["type"] == "failure"
    assert "Failed to parse schema.yaml: line 14" in posted["message"]


async def test_a_group_is_one_message() -> None:
    async with chat() as server, sink_to(server.url, group_wait=30.0) as sink:
        assert (sink.limits.batch, sink.limits.parallel, sink.limits.group_wait) == (100, 1, 30.0)
        answers = await sink.send(deliveries(*failures(25)))
    assert [answer.verdict for answer in answers] == [Verdict.TAKEN] * 25
    (posted,) = server.posted
    assert posted["title"] == "FAILED: 25 targets (prod, eu-west-1)"
    assert "and 5 more" in posted["message"]


async def test_templates_make_the_text_and_the_title() -> None:
    words = {
        "template": "{{ event.data.target.name }}\n is {{ event.data.status }}",
        "title_template": "{{ event.id }}\nx",
    }
    async with chat() as server, sink_to(server.url, **words) as sink:
        await sink.send(deliveries(sync()))
    assert server.posted[0]["message"] == "web\n is FAILED"
    assert server.posted[0]["title"] == f"{sync().id} x"


async def test_a_title_template_that_fails_says_so_below_the_text() -> None:
    async with chat() as server, sink_to(server.url, template="x", title_template="{{ event.nothing }}") as sink:
        await sink.send(deliveries(sync()))
    assert server.posted[0]["title"] == "FAILED: SERVICE template web:2 (prod, eu-west-1)"
    assert server.posted[0]["message"].startswith("x\n\n")
    assert "The sink's template failed" in server.posted[0]["message"]


@pytest.mark.parametrize(
    "title", ["{{ event.type }}" + " long" * 99, "{{ '' }}", "{{ event.nothing }}"], ids=["long", "empty", "failing"]
)
async def test_the_preview_is_the_message_that_is_sent(title: str) -> None:
    async with chat() as server, sink_to(server.url, template="x", title_template=title) as sink:
        await sink.send(deliveries(sync()))
        preview = options_of(server.url, template="x", title_template=title).preview(*bodies(sync()))
    (posted,) = server.posted
    assert preview == f"{posted['title']}\n\n{posted['message']}"
    assert len(posted["title"]) == 150 or "long" not in title


async def test_a_retry_goes_only_to_those_that_did_not_take_it() -> None:
    async with chat() as good, chat() as bad, sink_to(good.url, bad.url) as sink:
        bad.status = 500
        (answer,) = await sink.send(deliveries(sync()))
        assert (answer.verdict, answer.text) == (Verdict.LATER, "json: taken, json: not taken (error 500)")
        bad.status = 200
        (answer,) = await sink.send(deliveries(sync()))
        assert answer.verdict is Verdict.TAKEN
    assert (len(good.posted), len(bad.posted)) == (1, 2)


async def test_a_retry_with_others_tells_each_url_of_those_it_has_not() -> None:
    first, *rest = deliveries(*failures(3))
    async with chat() as good, chat() as bad, sink_to(good.url, bad.url, group_wait=1.0) as sink:
        bad.status = 503
        await sink.send([first])
        bad.status = 200
        answers = await sink.send([first, *rest])
    assert {answer.verdict for answer in answers} == {Verdict.TAKEN}
    assert good.posted[1]["title"] == "FAILED: 2 targets (prod, eu-west-1)"
    assert bad.posted[1]["title"] == "FAILED: 3 targets (prod, eu-west-1)"


async def test_a_reminder_is_a_delivery_of_its_own() -> None:
    (delivery,) = deliveries(sync())
    async with chat() as server, sink_to(server.url) as sink:
        await sink.send([delivery])
        await sink.send([delivery._replace(reminder=1)])
    assert [posted["title"][:20] for posted in server.posted] == ["FAILED: SERVICE temp", "FAILED (reminder 1):"]


async def test_a_url_that_hangs_holds_up_neither_the_others_nor_the_end() -> None:
    async with chat() as good, chat() as hanging, sink_to(hanging.url, good.url, timeout=3.0) as sink:
        hanging.hangs = True
        (answer,) = await sink.send(deliveries(sync()))
        assert sink._timeout < sink.limits.deadline
        assert (answer.verdict, answer.text) == (Verdict.LATER, "json: no answer in time, json: taken")
        (answer,) = await sink.send(deliveries(sync()))
        assert answer.text == "json: its last call still hangs, json: taken"
        assert len(hanging.posted) == 1
        assert all(thread.daemon for thread in threading.enumerate() if thread.name == "notify")
        # It took it after all, when nobody waited any more: that counts, and is not repeated.
        hanging.let_go.set()
        await until(lambda: not any(thread.name == "notify" for thread in threading.enumerate()))
        (answer,) = await sink.send(deliveries(sync()))
        assert answer.verdict is Verdict.TAKEN
        assert (len(hanging.posted), len(good.posted)) == (1, 1)


@pytest.mark.parametrize("compressed", [False, True])
async def test_a_response_without_an_end_is_not_read_to_its_end(compressed: bool) -> None:  # noqa: FBT001  a row
    sent = 0

    async def respond(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        if compressed:
            response.enable_compression(web.ContentCoding.gzip)
        await response.prepare(request)
        with suppress(ConnectionError):
            while sent < 200 * MAX_RESPONSE_BYTES:
                await response.write(bytes(MAX_RESPONSE_BYTES // 4))
                sent += MAX_RESPONSE_BYTES // 4
        return response

    async with chat(respond) as server, sink_to(server.url, timeout=60.0) as sink:
        (answer,) = await sink.send(deliveries(sync()))
        assert (answer.verdict, answer.text) == (Verdict.TAKEN, "taken by json")
    assert sent < 200 * MAX_RESPONSE_BYTES


@pytest.mark.parametrize(
    ("sends", "each", "said"),
    [
        (b"220-x\r\n" * 10_000, 0.0, "mailto: not taken"),
        (b"220-" + b"x" * 60_000, 0.0, "mailto: not taken"),
        (b"220-x\r\n", 0.02, "mailto: no answer in time"),
        (b"2", 0.02, "mailto: no answer in time"),
    ],
    ids=["a flood of lines", "a line without an end", "line by line", "byte by byte"],
)
async def test_a_mail_server_whose_reply_has_no_end_is_left(
    monkeypatch: pytest.MonkeyPatch, sends: bytes, each: float, said: str
) -> None:
    monkeypatch.setattr(notify, "LATE_SECONDS", 0.2)
    sent, gone = 0, asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        with suppress(ConnectionError):
            while sent < 1000 * MAX_REPLY_BYTES:
                writer.write(sends)
                await writer.drain()
                sent += len(sends)
                await asyncio.sleep(each)
        gone.set()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        where = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        url = f"mailto://{where}/?from=watcher@example.com&to=ops@example.com&mode=insecure"
        async with sink_to(url, timeout=5.0 if each == 0 else 0.5) as sink:
            (answer,) = await sink.send(deliveries(sync()))
            assert (answer.verdict, answer.text) == (Verdict.LATER, said)
            await asyncio.wait_for(gone.wait(), SLACK)
            await until(lambda: not any(thread.name == "notify" for thread in threading.enumerate()))
    assert sent < 1000 * MAX_REPLY_BYTES


async def test_closing_ends_a_send_that_is_under_way() -> None:
    async with chat() as hanging, sink_to(hanging.url, timeout=600.0) as sink:
        hanging.hangs = True
        sending = asyncio.create_task(sink.send(deliveries(sync())))
        await until(lambda: hanging.posted)
        await sink.close()
        with pytest.raises(SinkError):
            await asyncio.wait_for(sending, SLACK)
        with pytest.raises(SinkError, match="closed"):
            await sink.send(deliveries(sync()))
        hanging.let_go.set()
        await until(lambda: not any(thread.name == "notify" for thread in threading.enumerate()))


async def test_no_url_is_told_or_logged(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    caplog.set_level("DEBUG", logger="apprise")
    async with chat() as server, sink_to(server.url, "nothing://very-secret", "json://127.0.0.1:1/very-secret") as sink:
        server.status = 401
        (answer,) = await sink.send(deliveries(sync()))
    assert answer.text == "json: not taken (error 401), nothing: apprise cannot use this URL, json: not taken"
    said = "".join(capfd.readouterr()) + caplog.text + repr(sink)
    assert "very-secret" not in said
    assert "also-secret" not in said
    assert "apprise" not in caplog.text


async def test_what_a_url_has_taken_is_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watcher.sinks.apprise_url.MAX_REMEMBERED", 2)
    async with chat() as server, sink_to(server.url) as sink:
        for delivery in deliveries(*failures(5)):
            await sink.send([delivery])
        assert len(sink._urls[0].taken) == 2
