"""`slack`: messages that people read at a glance, to a Slack incoming webhook."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PlainValidator, SecretStr

from watcher.config.fields import HTTP_URL, text_schema
from watcher.config.url_readers import http_url
from watcher.core.ports import Delivery, Limits, SendOutcome
from watcher.messages.blocks import slack_payload
from watcher.messages.plain import plain
from watcher.sinks.http import HttpOptions
from watcher.sinks.text import SlackTemplate, TextOptions, renderer
from watcher.util.redaction import remember
from watcher.util.threads import off_loop

_HEADERS = {"Content-Type": "application/json; charset=utf-8"}


def _url(value: object) -> SecretStr:
    return SecretStr(http_url(value, example="https://hooks.slack.com/services/…", secret=True))


class SlackSink:
    """Sends one message for one event or, with `group_wait`, for the events of one cause."""

    def __init__(self, options: SlackOptions) -> None:
        self.name = options.name
        self.limits = Limits(
            batch=options.max_group,
            parallel=2,  # one that is slow to fail leaves room for the others
            deadline=options.send_deadline,
            group_wait=options.group_wait,
        )
        self._render = renderer(options.template, "slack")
        remember(options.url.get_secret_value())
        self._poster = options.poster()

    async def send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        events = [json.loads(delivery.body) for delivery in deliveries]
        text, message = await off_loop(lambda: self._render(events), "template")
        body = json.dumps(slack_payload(message, text)).encode()
        verdict, answer = await self._poster.deliver(body, _HEADERS)
        return [SendOutcome(delivery, verdict, answer) for delivery in deliveries]

    async def close(self) -> None:
        await self._poster.close()


class SlackOptions(HttpOptions, TextOptions):
    """Messages to a Slack incoming webhook."""

    sink: ClassVar = SlackSink

    type: Literal["slack"]
    """The type of the sink."""
    url: Annotated[SecretStr, PlainValidator(_url), text_schema(HTTP_URL)] = Field(examples=["${SLACK_URL}"])
    """The incoming webhook's URL. A secret: take it from a variable."""
    template: SlackTemplate | None = None
    """The message's text (jinja2). Default: the built-in text."""

    def preview(self, event: Mapping[str, Any]) -> str:
        """Return the text of the template, else the built-in message."""
        text, message = renderer(self.template, "slack")([event])
        built_in = plain(message)
        return text or f"{built_in.title}\n\n{built_in.body}"
