"""`slack`: messages that people read at a glance, to a Slack incoming webhook, or by a bot (`slack_bot`)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, PlainValidator, SecretStr, field_validator, model_validator

from watcher.config.fields import HTTP_URL, Plain, Token, text_schema
from watcher.config.receiver_model import may_be_reached
from watcher.config.secrets import secret_parts
from watcher.config.url_readers import secret_url
from watcher.core.deliveries import Delivery, Limits, SendOutcome
from watcher.core.ports import Sink
from watcher.messages.blocks import slack_payload
from watcher.messages.plain import plain
from watcher.sinks.http import PostingSink, ReceiverOptions
from watcher.sinks.slack_bot import SlackBotSink
from watcher.sinks.text import Renderer, SlackTemplate, TextOptions
from watcher.util.redaction import remember

if TYPE_CHECKING:
    from watcher.aws.sessions import Sessions
    from watcher.core.sink_settings import SinkSettings

PARALLEL = 4
"""Messages of different targets that are posted at the same time. Their outcomes share a commit, so a crash may repeat
as many messages. Those that failed before take up half of them at most."""

_HEADERS = {"Content-Type": "application/json; charset=utf-8"}


Url = Annotated[SecretStr, PlainValidator(secret_url("https://hooks.slack.com/services/…")), text_schema(HTTP_URL)]


class SlackSink(PostingSink):
    """Sends one message for one event or, with `group_wait`, for the events of one cause."""

    def __init__(self, options: SlackOptions) -> None:
        self.name = options.name
        self.limits = Limits(
            batch=options.max_group,
            parallel=PARALLEL,
            deadline=options.send_deadline,
            group_wait=options.group_wait,
        )
        url = options.url.get_secret_value() if options.url else ""
        self._renderer = Renderer(options.template, "slack")
        remember(url)
        self._poster = options.poster_to(url)

    async def send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        events = [json.loads(delivery.body) for delivery in deliveries]
        text, message = await self._renderer.render(events)
        body = json.dumps(slack_payload(message, text)).encode()
        verdict, answer = await self._poster.deliver(body, _HEADERS)
        return [SendOutcome(delivery, verdict, answer) for delivery in deliveries]


class SlackOptions(ReceiverOptions, TextOptions):
    """Messages to a Slack channel."""

    sink: ClassVar = SlackSink

    type: Literal["slack"]
    url: Url | None = Field(default=None, examples=["${SLACK_URL}"])
    """The incoming webhook's URL. A secret: take it from a variable. With a bot: the URL of the API, if not Slack's."""
    bot_token: Token | None = Field(default=None, examples=["${SLACK_BOT_TOKEN}"])
    """A bot's token with the scope chat:write: one message for each incident. A secret: take it from a variable."""
    channel: Plain | None = Field(default=None, examples=["C0123ABCD"])
    """The channel that the bot posts to: its ID, or its name."""
    template: SlackTemplate | None = None
    """The message's text (jinja2). Default: the built-in text."""

    _may_be_reached = field_validator("url", mode="after")(may_be_reached)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.bot_token is None) != (self.channel is None) or (self.url is None and self.bot_token is None):
            raise ValueError("set `url`, or `bot_token` and `channel` together")
        if self.bot_token is not None and self.group_wait:
            raise ValueError("a bot has one message for each incident; remove `group_wait`")
        return self

    def build(self, settings: SinkSettings, sessions: Sessions) -> Sink:
        return SlackSink(self) if self.bot_token is None else SlackBotSink(self)

    def secret_texts(self) -> Iterator[str]:
        """Yield the long parts of the URL: of a webhook's URL, all but the host is often its only secret."""
        if self.url is not None and self.bot_token is None:
            yield from secret_parts(self.url.get_secret_value(), value=8, segment=16)

    def preview(self, event: Mapping[str, Any]) -> str:
        """Return the text of the template, else the built-in message."""
        text, message = Renderer(self.template, "slack")([event])
        built_in = plain(message)
        return text or f"{built_in.title}\n\n{built_in.body}"
