"""Webhooks whose body a template makes: what is sent, signed and refused, and the receivers of `config/sinks.md`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs
from xml.etree import ElementTree as ET

import pytest
from jsonschema import Draft202012Validator
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook

from tests.integration.receiver import Receiver, Reply, receiving
from tests.integration.webhooks import a_delivery, try_once
from tests.support.event_samples import attempt, sync
from tests.unit.config.test_examples import SECRETS, SURROUNDINGS
from watcher.cli.configuration import parse
from watcher.config.document import Document
from watcher.core.deliveries import Delivery, Verdict
from watcher.core.events import Event
from watcher.core.model import FAILED
from watcher.messages.samples import samples

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.integration.receiver import Received

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NASTY = 'it said: "no" \\ & <b>@here</b> *é*'
"""A text of AWS that would end a string, a tag or a field."""


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as made:
        yield made


def failed(text: str = NASTY) -> Delivery:
    return Delivery(1, "ops", sync(attempt(FAILED, text)))


LAST = "event.data.attempt.events[-1].event"


async def test_the_body_is_what_the_template_makes_and_is_signed_as_sent(receiver: Receiver) -> None:
    delivery = failed()
    answer = await try_once(
        receiver.url(), delivery, secret=SecretStr(SECRET), headers={}, template='{"id": "{{ event.id }}", "ok": false}'
    )
    assert answer.verdict is Verdict.TAKEN
    (request,) = receiver.received
    assert json.loads(request.body) == {"id": delivery.event.id, "ok": False}
    assert request.headers["Content-Type"] == "application/json"
    assert request.id == delivery.id
    Webhook(SECRET).verify(request.body, dict(request.headers))


async def test_values_are_escaped_for_json_after_all_filters(receiver: Receiver) -> None:
    template = (
        f'{{"whole": "{{{{ {LAST} }}}}", "cut": "{{{{ {LAST}|truncate(11, true, "", 0) }}}}",'
        ' "first": {{ event.data.first_seen }}, "none": "{{ event.data.nothing|default(none) }}"}'
    )
    await try_once(receiver.url(), failed(), template=template)
    body = json.loads(receiver.received[0].body)
    assert body == {"whole": NASTY, "cut": NASTY[:11], "first": False, "none": ""}


async def test_a_message_is_for_people_and_mentions_nobody(receiver: Receiver) -> None:
    await try_once(receiver.url(), failed(), template='{"text": "{{ message.cause }}"}')
    text = json.loads(receiver.received[0].body)["text"]
    assert "it said" in text
    assert "@here" not in text


@pytest.mark.parametrize(
    ("content_type", "template"),
    [
        ("application/x-www-form-urlencoded", f"said={{{{ {LAST} }}}}&kind=sync"),
        ("application/atom+xml", f"<said>{{{{ {LAST} }}}}</said>"),
        ("text/html; charset=utf-8", f"<said>{{{{ {LAST} }}}}</said>"),
        ("text/plain", f"{{{{ {LAST} }}}}"),
    ],
)
async def test_values_are_escaped_for_the_type_of_the_body(
    receiver: Receiver, content_type: str, template: str
) -> None:
    await try_once(receiver.url(), failed(), template=template, content_type=content_type)
    (request,) = receiver.received
    assert request.headers["Content-Type"] == content_type
    body = request.body.decode()
    match content_type:
        case "text/plain":
            assert body == NASTY
        case "application/x-www-form-urlencoded":
            assert parse_qs(body) == {"said": [NASTY], "kind": ["sync"]}
        case _:
            assert ET.fromstring(body).text == NASTY  # noqa: S314  our own body


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ('{"x": {{ event.subject }}}', "the rendered text is not JSON: Expecting value at its line 1, column 7"),
        ('{"x": NaN}', "the rendered text is not JSON: NaN is not a number of JSON"),
        ('{"x": "{{ event.data.blocker.id }}"}', "has no attribute 'blocker'"),
        ("[" * 16_000, "the rendered text is not JSON: "),
    ],
)
async def test_what_is_not_json_becomes_a_dead_letter_with_the_reason(
    receiver: Receiver, template: str, why: str
) -> None:
    outcome = await try_once(receiver.url(), failed(), template=template)
    assert outcome.verdict is Verdict.NEVER
    assert outcome.text.startswith("nothing was sent: the sink's template failed: ")
    assert why in outcome.text
    assert receiver.received == []


# The examples of config/sinks.md, against receivers that check a request as documented.

_TEXT = {"type": "string", "minLength": 1}
_URL = {"type": "string", "pattern": "^https?://"}


def _object(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


NTFY = _object(
    "topic",
    topic={"type": "string", "pattern": "^[-_A-Za-z0-9]{1,64}$"},
    title={**_TEXT, "maxLength": 250},
    message={**_TEXT, "maxLength": 4096},
    priority={"type": "integer", "minimum": 1, "maximum": 5},
    tags={"type": "array", "items": _TEXT},
    click=_URL,
)
"""https://docs.ntfy.sh/publish/#publish-as-json; a longer message would become an attachment."""

MATTERMOST = _object(
    "text", text={**_TEXT, "maxLength": 16_383}, username=_TEXT, channel=_TEXT, props={"type": "object"}
)
"""https://developers.mattermost.com/integrate/webhooks/incoming/"""

DISCORD = _object(
    "embeds",
    content={**_TEXT, "maxLength": 2000},
    allowed_mentions=_object("parse", parse={"type": "array", "items": {"enum": ["roles", "users", "everyone"]}}),
    embeds={
        "type": "array",
        "maxItems": 10,
        "items": _object(
            title={**_TEXT, "maxLength": 256},
            description={**_TEXT, "maxLength": 4096},
            color={"type": "integer", "minimum": 0, "maximum": 0xFFFFFF},
            url=_URL,
        ),
    },
)
"""https://discord.com/developers/docs/resources/message#embed-object-embed-limits"""

RECEIVERS = {"phone": (NTFY, Reply(200, body=b'{"id":"x"}')), "channel": (MATTERMOST, Reply(200, body=b"ok")),
             "server": (DISCORD, Reply(204))}  # fmt: skip
SINKS_PAGE = Path(__file__).parents[2] / "config" / "sinks.md"


@pytest.mark.parametrize("name", RECEIVERS)
async def test_the_examples_of_receivers_are_accepted_for_every_type_of_event(name: str) -> None:
    (example,) = (
        each for each in re.findall(r"```yaml\n(.*?)```", SINKS_PAGE.read_text(encoding="utf-8"), re.DOTALL)
        if f"name: {name}" in each
    )  # fmt: skip
    text = f"stacks: [{{name: network}}]\nsinks:\n{example}"
    config = parse(Document("sinks.md", text.encode()), SURROUNDINGS | SECRETS, lambda _: None)
    options: Any = next(sink.options for sink in config.sinks if sink.name == name)
    schema, accepted = RECEIVERS[name]

    def answer(request: Received) -> Reply:
        wrong = [error.message for error in Draft202012Validator(schema).iter_errors(json.loads(request.body))]
        return Reply(400, body=str(wrong).encode()) if wrong else accepted

    async with receiving() as receiver:
        receiver.answer = answer
        sent = {key: getattr(options, key) for key in ("template", "content_type", "headers")}
        for event in [*samples(), json.loads(failed("x" * 3000).body)]:
            made = Event(
                id=event["id"], type=event["type"], subject=event["subject"], time=event["time"], body=json.dumps(event)
            )
            outcome = await try_once(receiver.url(), a_delivery()._replace(event=made), **sent)
            assert outcome.verdict is Verdict.TAKEN, outcome.text
