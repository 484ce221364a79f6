"""Slack's Web API as a bot sees it: the messages of a channel by timestamp, as they are now, and their threads."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.integration.receiver import Received, Reply, json_reply

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_TEXT, MAX_BLOCKS = 40_000, 50


@dataclass
class Message:
    form: Mapping[str, Any]
    updates: int = 0
    replies: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def title(self) -> str:
        return str(self.form["text"]).splitlines()[0]


@dataclass
class Workspace:
    """`chat.postMessage` and `chat.update`, as https://docs.slack.dev/reference/methods documents them."""

    token: str = "xoxb-a-token-of-a-bot"
    names: Mapping[str, str] = field(default_factory=lambda: {"#ops": "C0123ABCD", "C0123ABCD": "C0123ABCD"})
    messages: dict[str, Message] = field(default_factory=dict)
    count: int = 0

    def answer(self, request: Received) -> Reply:
        """Take one request: errors of a method have the status 200."""
        assert request.method == "POST"
        assert request.headers["Content-Type"].replace(" ", "") == "application/json;charset=utf-8"
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return answer(error="invalid_auth")
        form = json.loads(request.body)
        if len(form.get("blocks", [])) > MAX_BLOCKS or len(form["text"]) > MAX_TEXT:
            return answer(error="invalid_blocks")
        channel = self.names.get(form["channel"])
        if channel is None:
            return answer(error="channel_not_found")
        match request.path:
            case "/chat.postMessage":
                return self._post(form, channel)
            case "/chat.update":
                # It takes the channel's ID, not its name.
                return self._update(form, channel) if form["channel"] == channel else answer(error="channel_not_found")
        return answer(error="unknown_method")

    def _post(self, form: Mapping[str, Any], channel: str) -> Reply:
        self.count += 1
        timestamp = f"1764489600.{self.count:06}"
        if parent := form.get("thread_ts"):
            if parent not in self.messages:
                return answer(error="thread_not_found")
            self.messages[parent].replies.append(form)
        else:
            self.messages[timestamp] = Message(form)
        return answer(ok=True, channel=channel, ts=timestamp, message={"text": form["text"]})

    def _update(self, form: Mapping[str, Any], channel: str) -> Reply:
        message = self.messages.get(form["ts"])
        if message is None:
            return answer(error="message_not_found")
        message.form, message.updates = form, message.updates + 1
        return answer(ok=True, channel=channel, ts=form["ts"], text=form["text"])


def answer(*, ok: bool = False, **body: Any) -> Reply:
    return json_reply(200, ok=ok, **body)
