"""Teams messages over real HTTP: what is posted, what an answer means, and what is kept secret."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from tests.integration.posting_sinks import REACH
from tests.integration.receiver import Reply, receiving
from tests.support.adaptive_cards import faults
from tests.support.event_samples import EVENTS, attempt, failures, sync
from watcher.core.deliveries import Delivery, SendOutcome, Verdict
from watcher.core.model import FAILED
from watcher.errors import SinkError
from watcher.messages.card import MAX_BYTES, teams_body
from watcher.messages.message import Message, Tone
from watcher.sinks.teams import TeamsOptions, TeamsSink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.integration.receiver import Received, Receiver
    from watcher.core.events import Event

PATH = "/workflows/w1/triggers/manual/paths/invoke?api-version=2016-06-01&sig=very-secret"


def workflow(request: Received) -> Reply:
    """Answer as a workflow does: 202 without a body; what it cannot read is refused."""
    assert (request.method, request.path) == ("POST", PATH)
    assert request.headers["Content-Type"].startswith("application/json")
    if len(request.body) > 28 * 1024:
        return Reply(413)
    wrong = faults(json.loads(request.body))
    return Reply(400, body=str(wrong).encode()) if wrong else Reply(202)


class Channel:
    """A sink and the workflow that it posts to."""

    def __init__(self, sink: TeamsSink, receiver: Receiver) -> None:
        self.sink = sink
        self.receiver = receiver

    async def send(self, *events: Event, **altered: Any) -> list[SendOutcome]:
        deliveries = [Delivery(number, "team", event, **altered) for number, event in enumerate(events, start=1)]
        return list(await self.sink.send(deliveries))

    @property
    def cards(self) -> list[Any]:
        return [json.loads(each.body)["attachments"][0]["content"] for each in self.receiver.received]


@asynccontextmanager
async def channel(*script: Reply, **keys: Any) -> AsyncIterator[Channel]:
    async with receiving(*script, answer=workflow) as receiver:
        url = SecretStr(receiver.url(PATH))
        sink = TeamsSink(TeamsOptions.model_construct(name="team", type="teams", url=url, **{**REACH, **keys}))
        try:
            yield Channel(sink, receiver)
        finally:
            await sink.close()


def texts(card: Any) -> str:
    return json.dumps(card["body"], ensure_ascii=False)


@pytest.mark.parametrize("name", EVENTS)
async def test_the_message_of_every_type_of_event_is_accepted(name: str) -> None:
    async with channel(group_wait=30.0) as team:
        outcomes = await team.send(*EVENTS[name])
    assert {outcome.verdict for outcome in outcomes} == {Verdict.TAKEN}, outcomes[0].text
    assert len(team.cards) == 1


async def test_a_card_has_the_error_first_and_buttons_for_the_links() -> None:
    async with channel() as team:
        (outcome,) = await team.send(sync(attempt(FAILED, "Failed to parse schema.yaml: line 14")))
    assert outcome.text == "202 Accepted"
    (card,) = team.cards
    title, cause = card["body"][:2]
    assert (title["text"], title["color"]) == ("FAILED: SERVICE template web:2 (prod, eu-west-1)", "attention")
    assert "Failed to parse schema.yaml: line 14" in cause["text"]
    commit = "https://github.com/example-org/platform-templates/commit/62c0f1e9a4b8d7c6e5f4a3b2c1d0e9f8a7b6c5d4"
    assert commit in [action["url"] for action in card["actions"]]


async def test_a_reminder_says_so_and_a_group_is_one_message() -> None:
    async with channel(group_wait=30.0) as team:
        await team.send(sync(), reminder=3)
        outcomes = await team.send(*failures(30))
    assert "FAILED (reminder 3): " in team.cards[0]["body"][0]["text"]
    assert len(outcomes) == 30
    assert "FAILED: 30 targets" in team.cards[1]["body"][0]["text"]
    assert [action["title"] for action in team.cards[1]["actions"]] == ["Commit", "Repository"]


async def test_text_of_aws_is_shown_literally() -> None:
    async with channel() as team:
        await team.send(sync(attempt(FAILED, "[click](https://evil.example) **now** <at>all</at>")))
    (card,) = team.cards
    blocks = [each for each in card["body"] if each["type"] == "TextBlock"]
    assert not any("](" in each["text"] or "**" in each["text"] or "<at>" in each["text"] for each in blocks)


def test_a_message_that_is_too_large_loses_its_last_lines() -> None:
    lines = tuple(f"{number} {'é' * 1000}" for number in range(20))
    body = teams_body(Message(Tone.FAILURE, "FAILED: x", "It failed.", lines=lines, heading="AWS"), {})
    assert len(body) <= MAX_BYTES
    text = body.decode()
    assert "0 ééé" in text
    assert "19 ééé" not in text
    assert '"…"' in text


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(400, Verdict.NEVER), (401, Verdict.LATER), (404, Verdict.LATER), (413, Verdict.NEVER), (502, Verdict.LATER)],
)
async def test_an_answer_decides_what_becomes_of_the_event(status: int, verdict: Verdict) -> None:
    async with channel(Reply(status, body=b"sig=very-secret")) as team:
        (outcome,) = await team.send(sync())
    assert outcome.verdict is verdict
    assert "very-secret" not in outcome.text


async def test_too_many_messages_are_held_back_for_as_long_as_teams_says() -> None:
    async with channel(Reply(429, {"Retry-After": "7"})) as team:
        with pytest.raises(SinkError, match="429") as limited:
            await team.send(sync())
    assert limited.value.retry_after == 7
