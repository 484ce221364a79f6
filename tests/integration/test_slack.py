"""Slack messages over real HTTP: what is posted, what an answer means, and what is kept secret."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from tests.support.event_samples import failures, reminder, sync
from watcher.core.deliveries import Delivery, Verdict
from watcher.errors import SinkError, SinkGone
from watcher.messages.template import render_or_built_in
from watcher.sinks.slack import SlackOptions, SlackSink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.emulators import Faulty
    from watcher.core.events import Event

PATH = "/services/T000/B000/very-secret"


@dataclass
class Channel:
    """A stand-in for Slack that keeps what it is posted."""

    status: int = 200
    text: str = "ok"
    headers: dict[str, str] = field(default_factory=dict)
    posted: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    async def take(self, request: web.Request) -> web.Response:
        assert (request.method, request.path) == ("POST", PATH)
        assert request.headers["Content-Type"] == "application/json; charset=utf-8"
        self.posted.append(await request.json())
        return web.Response(status=self.status, text=self.text, headers=self.headers)


@pytest.fixture
async def channel(faulty: Faulty) -> Channel:
    made = Channel()
    made.url = await faulty(made.take) + PATH
    return made


@asynccontextmanager
async def sink_to(channel: Channel, **altered: Any) -> AsyncIterator[SlackSink]:
    options: dict[str, Any] = {
        "url": SecretStr(channel.url),
        "template": None,
        "group_wait": 0.0,
        "allow_http": True,
        "allow_private": True,
        "ca_file": None,
        "timeout": 5.0,
        "proxy": None,
    }
    sink = SlackSink(SlackOptions.model_construct(name="ops", type="slack", **options | altered))
    try:
        yield sink
    finally:
        await sink.close()


def deliveries(*events: Event, **altered: Any) -> list[Delivery]:
    return [Delivery(number, "ops", event, **altered) for number, event in enumerate(events, start=1)]


async def test_an_event_is_one_message(channel: Channel) -> None:
    (delivery,) = deliveries(sync())
    async with sink_to(channel) as sink:
        (answer,) = await sink.send([delivery])
    assert (answer.delivery, answer.verdict, answer.text) == (delivery, Verdict.TAKEN, "200 OK: ok")
    (posted,) = channel.posted
    assert posted["blocks"][0]["text"]["text"] == "🔴 FAILED: SERVICE template web:2 (prod, eu-west-1)"
    assert posted["text"].startswith("🔴 FAILED: SERVICE template web:2 (prod, eu-west-1)\n")


async def test_a_reminder_says_so(channel: Channel) -> None:
    async with sink_to(channel) as sink:
        await sink.send(deliveries(sync(), reminder=3))
    assert "FAILED (reminder 3): " in channel.posted[0]["text"]
    assert reminder(sync(), 3).body == deliveries(sync(), reminder=3)[0].body


async def test_a_group_is_one_message_and_one_answer_for_each(channel: Channel) -> None:
    group = deliveries(*failures(30))
    async with sink_to(channel, group_wait=30.0) as sink:
        assert (sink.limits.batch, sink.limits.parallel, sink.limits.group_wait) == (100, 4, 30.0)
        answers = await sink.send(group)
    assert [answer.delivery for answer in answers] == group
    assert {answer.verdict for answer in answers} == {Verdict.TAKEN}
    (posted,) = channel.posted
    assert "FAILED: 30 targets" in posted["text"]
    assert "and 10 more" in str(posted["blocks"])


async def test_without_group_wait_each_event_is_its_own(channel: Channel) -> None:
    async with sink_to(channel) as sink:
        assert (sink.limits.batch, sink.limits.parallel, sink.limits.group_wait) == (1, 4, 0.0)


async def test_a_template_makes_the_text(channel: Channel) -> None:
    async with sink_to(channel, template="*{{ event.data.status }}* <https://wiki.example|runbook>") as sink:
        await sink.send(deliveries(sync()))
    section = {"type": "mrkdwn", "text": "*FAILED* <https://wiki.example|runbook>", "verbatim": True}
    assert channel.posted[0]["blocks"] == [{"type": "section", "text": section}]


async def test_a_template_does_not_hold_up_the_event_loop(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    turned = threading.Event()

    def slow(*args: Any) -> Any:
        assert turned.wait(30), "the event loop did not turn while a template was rendered"
        return render_or_built_in(*args)

    monkeypatch.setattr("watcher.messages.template.render_or_built_in", slow)
    async with sink_to(channel, template="{{ event.subject }}") as sink:
        sending = asyncio.ensure_future(sink.send(deliveries(sync())))
        await asyncio.sleep(0)
        turned.set()
        (answer,) = await sending
    assert answer.verdict is Verdict.TAKEN


async def test_a_template_that_fails_loses_no_event(channel: Channel) -> None:
    async with sink_to(channel, template="{{ event.data.blocker.id }}") as sink:
        (answer,) = await sink.send(deliveries(sync()))
    assert answer.verdict is Verdict.TAKEN
    assert "The sink's template failed" in channel.posted[0]["blocks"][-1]["elements"][0]["text"]


@pytest.mark.parametrize(
    ("status", "text", "verdict"),
    [
        (400, "invalid_payload", Verdict.NEVER),
        (403, "action_prohibited", Verdict.LATER),
        (404, "channel_not_found", Verdict.LATER),
        (500, "rollup_error", Verdict.LATER),
        (503, "", Verdict.LATER),
        (302, "", Verdict.LATER),
    ],
)
async def test_what_slack_answers_decides(channel: Channel, status: int, text: str, verdict: Verdict) -> None:
    channel.status, channel.text = status, text
    async with sink_to(channel) as sink:
        (answer,) = await sink.send(deliveries(sync()))
    assert answer.verdict is verdict
    assert text in answer.text


async def test_slack_may_ask_to_be_left_alone(channel: Channel) -> None:
    channel.status, channel.headers = 429, {"Retry-After": "30"}
    async with sink_to(channel) as sink:
        with pytest.raises(SinkError) as caught:
            await sink.send(deliveries(sync()))
    assert caught.value.retry_after == 30


async def test_an_archived_channel_wants_nothing_more(channel: Channel) -> None:
    channel.status, channel.text = 410, "channel_is_archived"
    async with sink_to(channel) as sink:
        with pytest.raises(SinkGone, match="channel_is_archived"):
            await sink.send(deliveries(sync()))


async def test_the_url_is_in_no_answer_and_no_error(channel: Channel) -> None:
    for said in (PATH, "very-secret"):
        channel.status, channel.text = 400, f"cannot post to {said}"
        async with sink_to(channel) as sink:
            (answer,) = await sink.send(deliveries(sync()))
        assert answer.text == "400 Bad Request: cannot post to [redacted]"
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    url = SecretStr(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{PATH}")
    async with server, sink_to(channel, url=url) as sink:
        (answer,) = await sink.send(deliveries(sync()))
    assert answer.verdict is Verdict.LATER
    assert "very-secret" not in answer.text
