"""`teams`: messages that people read at a glance, to a Microsoft Teams webhook (a workflow of Power Automate)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PlainValidator, SecretStr

from watcher.config.fields import HTTP_URL, text_schema
from watcher.config.url_readers import secret_url
from watcher.core.deliveries import Delivery, Limits, SendOutcome
from watcher.messages.alert import links_of
from watcher.messages.card import teams_body
from watcher.messages.compose import message_for
from watcher.messages.plain import plain
from watcher.sinks.http import HttpOptions, PostingSink
from watcher.sinks.text import TextOptions
from watcher.util.redaction import remember

_HEADERS = {"Content-Type": "application/json; charset=utf-8"}


Url = Annotated[SecretStr, PlainValidator(secret_url("https://….logic.azure.com/workflows/…")), text_schema(HTTP_URL)]


class TeamsSink(PostingSink):
    """Sends one message for one event or, with `group_wait`, for the events of one cause."""

    def __init__(self, options: TeamsOptions) -> None:
        self.name = options.name
        self.limits = Limits(
            batch=options.max_group,
            parallel=2,  # Teams accepts few messages a second
            deadline=options.send_deadline,
            group_wait=options.group_wait,
        )
        remember(options.url.get_secret_value())
        self._poster = options.poster()

    async def send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        events = [json.loads(delivery.body) for delivery in deliveries]
        message = message_for(events, datetime.now(UTC))
        # A group has only the links of the facts that all of its events have in common.
        body = teams_body(message, links_of(events[0] if len(events) == 1 else {}, message.facts))
        verdict, answer = await self._poster.deliver(body, _HEADERS)
        return [SendOutcome(delivery, verdict, answer) for delivery in deliveries]


class TeamsOptions(HttpOptions, TextOptions):
    """Messages to a Microsoft Teams channel or chat."""

    sink: ClassVar = TeamsSink

    type: Literal["teams"]
    url: Url = Field(examples=["${TEAMS_URL}"])
    """The URL of a workflow that posts webhook requests to a channel or chat. A secret: take it from a variable."""

    def preview(self, event: Mapping[str, Any]) -> str:
        written = plain(message_for([event], datetime.now(UTC)))
        return f"{written.title}\n\n{written.body}"
