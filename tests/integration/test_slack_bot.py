"""One Slack message for each incident, over real HTTP: posted, updated, found again, and posted again."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from tests.integration.posting_sinks import REACH
from tests.integration.receiver import Reply, receiving
from tests.support.event_samples import sync, trial
from tests.support.incidents import FAILED_AGAIN, FAILED_EVENT, MENDED, RETRIED
from tests.support.slack_workspace import Workspace, answer
from tests.support.tasks import running
from tests.support.waiting import until
from watcher.core.deliveries import Delivery, SendOutcome, Verdict
from watcher.core.ports import Entry
from watcher.core.queries import DeliveryQuery
from watcher.core.state import Record
from watcher.delivery.relay import Relay
from watcher.errors import SinkError
from watcher.sinks.slack import SlackOptions
from watcher.sinks.slack_bot import SlackBotSink, place_in
from watcher.stores.sqlite.store import SqliteStore
from watcher.util.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from watcher.core.events import Event


def bot(url: str, token: str, **keys: Any) -> SlackBotSink:
    options: dict[str, Any] = {
        "url": SecretStr(url),
        "bot_token": SecretStr(token),
        "channel": "#ops",
        "template": None,
    }
    return SlackBotSink(SlackOptions.model_construct(name="chat", type="slack", **{**REACH, **options, **keys}))


class Chat:
    """A bot, and what the store would say of its last answer about the incident."""

    def __init__(self, sink: SlackBotSink) -> None:
        self.sink = sink
        self.earlier: str | None = None

    async def send(self, event: Event, **delivery: Any) -> SendOutcome:
        (outcome,) = await self.sink.send([Delivery(1, "chat", event, earlier=self.earlier, **delivery)])
        if outcome.verdict is Verdict.TAKEN:
            self.earlier = outcome.text
        return outcome


@asynccontextmanager
async def chatting(workspace: Workspace, *script: Reply, **keys: Any) -> AsyncIterator[Chat]:
    async with receiving(*script, answer=workspace.answer) as receiver:
        sink = bot(receiver.url(""), workspace.token, **keys)
        try:
            yield Chat(sink)
        finally:
            await sink.close()


async def test_an_incident_is_one_message_that_is_updated_with_its_steps_in_the_thread() -> None:
    workspace = Workspace()
    async with chatting(workspace) as chat:
        outcome = await chat.send(FAILED_EVENT)
        assert outcome.text == "posted message 1764489600.000001 in C0123ABCD"
        ((timestamp, message),) = workspace.messages.items()
        assert message.title.startswith("🔴 FAILED: stack network")
        await chat.send(RETRIED)
        assert message.title.startswith("🟠 IN_PROGRESS: stack network"), "it is not over yet"
        await chat.send(FAILED_AGAIN)
        assert message.title.startswith("🔴 FAILED: stack network")
        await chat.send(FAILED_AGAIN, reminder=1)
        assert message.updates == 2, "a reminder changes nothing"
        outcome = await chat.send(MENDED)
        assert outcome.text == "updated message 1764489600.000001 in C0123ABCD"
    assert message.title.startswith("🟢 RECOVERED: stack network")
    assert list(workspace.messages) == [timestamp]
    assert [reply["text"].split(":")[0] for reply in message.replies] == [
        "🟠 IN_PROGRESS", "🔴 FAILED", "🔴 FAILED (reminder 1)", "🟢 RECOVERED",
    ]  # fmt: skip


async def test_an_event_outside_an_incident_and_a_test_are_messages_of_their_own() -> None:
    workspace = Workspace()
    async with chatting(workspace) as chat:
        for event in (sync(), trial()):
            assert (await chat.send(event)).verdict is Verdict.TAKEN
            chat.earlier = None
    assert [message.updates for message in workspace.messages.values()] == [0, 0]


async def test_a_message_that_vanished_is_posted_again() -> None:
    workspace = Workspace()
    async with chatting(workspace) as chat:
        await chat.send(FAILED_EVENT)
        workspace.messages.clear()
        await chat.send(FAILED_AGAIN)
        workspace.messages.clear()
        await chat.send(FAILED_AGAIN, reminder=1)
        (message,) = workspace.messages.values()
        await chat.send(MENDED)
    assert message.title.startswith("🟢 RECOVERED")
    assert len(workspace.messages) == 1


async def test_a_template_makes_the_text_of_the_message() -> None:
    workspace = Workspace()
    async with chatting(workspace, template="*{{ event.data.status }}*") as chat:
        await chat.send(FAILED_EVENT)
    (message,) = workspace.messages.values()
    assert message.form["blocks"][0]["text"]["text"] == "*FAILED*"


@pytest.mark.parametrize(
    ("response", "verdict"),
    [
        (answer(error="channel_not_found"), Verdict.LATER),
        (answer(error="not_in_channel"), Verdict.LATER),
        (answer(error="token_revoked"), Verdict.LATER),
        (answer(error="message_not_found"), Verdict.LATER),
        (answer(error="invalid_blocks"), Verdict.NEVER),
        (answer(error="msg_too_long"), Verdict.NEVER),
        (Reply(503, body=b"<html>"), Verdict.LATER),
        (Reply(200, body=b"<html>"), Verdict.LATER),
        (Reply(200, body=b'{"ok":' * 10_000), Verdict.LATER),
        (Reply(200, body=b"[true]"), Verdict.LATER),
    ],
)
async def test_an_answer_decides_what_becomes_of_the_event(response: Reply, verdict: Verdict) -> None:
    async with chatting(Workspace(), response) as chat:
        assert (await chat.send(FAILED_EVENT)).verdict is verdict


@pytest.mark.parametrize(
    ("response", "seconds"),
    [
        (Reply(429, {"Retry-After": "7"}, b'{"ok": false, "error": "ratelimited"}'), 7),
        (answer(error="ratelimited"), 60),
    ],
)
async def test_a_rate_limit_holds_the_sink_back_for_as_long_as_slack_says(response: Reply, seconds: float) -> None:
    async with chatting(Workspace(), response) as chat:
        with pytest.raises(SinkError) as limited:
            await chat.send(FAILED_EVENT)
    assert limited.value.retry_after == seconds


async def test_the_token_is_not_repeated_in_a_response() -> None:
    workspace = Workspace()
    async with chatting(workspace, answer(error="invalid_auth", token=workspace.token)) as chat:
        assert workspace.token not in (await chat.send(FAILED_EVENT)).text


def test_an_answer_of_an_incoming_webhook_names_no_message() -> None:
    assert place_in("200 OK: ok") is None
    assert place_in(None) is None


async def test_the_message_is_found_again_after_a_restart(tmp_path: Path) -> None:
    workspace = Workspace()
    async with receiving(answer=workspace.answer) as receiver:
        for sequence, event in enumerate((FAILED_EVENT, RETRIED, MENDED), start=1):
            await _run_once(tmp_path / "state.db", receiver.url(""), workspace, sequence, event)
    (message,) = workspace.messages.values()
    assert message.title.startswith("🟢 RECOVERED")
    assert len(message.replies) == 2


async def _run_once(path: Path, url: str, workspace: Workspace, sequence: int, event: Event) -> None:
    """Start with the store as it is, record an event, and end when it was delivered."""
    store = SqliteStore(path)
    await store.open()
    relay = Relay(store, [bot(url, workspace.token)], SystemClock(), {"chat": 3600.0})

    async def sent() -> bool:
        return all(each.answer for each in await store.deliveries(DeliveryQuery(event_id=event.id)))

    try:
        async with running(relay.run()):
            commit = [Entry(event.subject, Record(sequence=sequence), [(event, ["chat"])])]
            await store.commit(commit, datetime.now(UTC))
            relay.wake()
            await until(sent, "the delivery")
    finally:
        await relay.close()
        await store.close()
