"""`slack` with a bot: one message for each incident, which changes with it; its steps and reminders are in its thread.

The message is found again by what the store has of the sink's last answer about the incident, so that it survives a
restart. https://docs.slack.dev/reference/methods/chat.postMessage and chat.update have the methods and their errors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from watcher.core.deliveries import Delivery, Limits, SendOutcome, Verdict
from watcher.core.event_types import Severity, severity
from watcher.errors import SinkError
from watcher.messages.blocks import slack_payload
from watcher.messages.message import Message, Tone
from watcher.sinks.http import UNSAID_WAIT_SECONDS, PostingSink, Response, json_object, verdict
from watcher.sinks.text import Renderer

if TYPE_CHECKING:
    from watcher.sinks.slack import SlackOptions

API = "https://slack.com/api"
"""Where the methods are, unless `url` says otherwise."""

CALLS = 3
"""Calls for one event at most: an update, a reply, and a new message if the earlier one is gone."""

_GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found"})
"""Errors after which the message of an incident is posted again."""

_CONTENT = frozenset({
    "invalid_arguments", "invalid_blocks", "invalid_blocks_format", "invalid_json", "msg_blocks_too_long",
    "msg_too_long", "no_text",
})  # fmt: skip
"""Errors that blame the message itself: no other try helps. Any other can be fixed by an operator."""

_PLACE = re.compile(r"message (\d+\.\d+) in (\w+)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message is; `str` is how it is recorded as the answer to a delivery."""

    timestamp: str
    channel: str

    def __str__(self) -> str:
        return f"message {self.timestamp} in {self.channel}"


class _MessageGoneError(Exception):
    """The message of the incident cannot be changed any more."""


class SlackBotSink(PostingSink):
    """Posts and updates messages in one channel."""

    def __init__(self, options: SlackOptions) -> None:
        token = options.bot_token.get_secret_value() if options.bot_token else ""
        self.name = options.name
        self.limits = Limits(parallel=2, deadline=CALLS * options.timeout + 1.0, with_earlier=True, ends_last=True)
        self._channel = options.channel
        self._renderer = Renderer(options.template, "slack")
        url = options.url.get_secret_value().rstrip("/") if options.url else API
        self._poster = options.poster_to(url, [token], secret_url=False)
        self._headers = {"Content-Type": "application/json; charset=utf-8", "Authorization": f"Bearer {token}"}

    async def send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        (delivery,) = deliveries
        event = json.loads(delivery.body)
        text, message = await self._renderer.render([event])
        payload = slack_payload(replace(message, tone=tone_of(event, message)), text)
        known = place_in(delivery.earlier)
        with suppress(_MessageGoneError):
            if known is not None:
                return [await self._step(delivery, payload, known)]
        return [await self._post(delivery, payload)]

    async def _post(self, delivery: Delivery, payload: Mapping[str, Any]) -> SendOutcome:
        """Post a message of its own."""
        found, place, text = await self._call("chat.postMessage", {**payload, "channel": self._channel})
        return SendOutcome(delivery, found, f"posted {place}" if place else text)

    async def _step(self, delivery: Delivery, payload: Mapping[str, Any], known: Place) -> SendOutcome:
        """Update the message of the incident, and add to its thread; a reminder changes nothing in the message."""
        if not delivery.reminder:
            changed = {**payload, "channel": known.channel, "ts": known.timestamp}
            found, _, text = await self._call("chat.update", changed)
            if found is not Verdict.TAKEN:
                return SendOutcome(delivery, found, text)
        reply = {**payload, "channel": known.channel, "thread_ts": known.timestamp}
        found, place, text = await self._call("chat.postMessage", reply)
        done = "replied to" if delivery.reminder else "updated"
        return SendOutcome(delivery, found, f"{done} {known}" if place else text)

    async def _call(self, method: str, form: Mapping[str, Any]) -> tuple[Verdict, Place | None, str]:
        places: list[Place] = []

        def judge(response: Response) -> tuple[Verdict, str]:
            answer = _answer(response)
            if answer is None:
                judged_by_status, text = verdict(response)
                unread = judged_by_status is Verdict.TAKEN
                return (Verdict.LATER, f"{text}: this is not Slack's answer") if unread else (judged_by_status, text)
            if answer.get("ok") is True:
                places.append(Place(str(answer.get("ts")), str(answer.get("channel"))))
                return Verdict.TAKEN, "ok"
            error = str(answer.get("error"))
            if error in _GONE and ("ts" in form or "thread_ts" in form):
                raise _MessageGoneError
            return judged(error, response)

        found, text = await self._poster.deliver(
            json.dumps(form).encode(), self._headers, path=f"/{method}", judge=judge
        )
        return found, places[0] if places else None, text


def place_in(answer: str | None) -> Place | None:
    """Return the place of a message in a recorded answer; None: it names none."""
    found = _PLACE.search(answer or "")
    return Place(*found.groups()) if found else None


def tone_of(event: Mapping[str, Any], message: Message) -> Tone:
    """Return the tone of a message: while an incident lasts, no step of it looks like its end."""
    incident = event["data"].get("incident") or {}
    lasts = incident.get("state") in ("opened", "ongoing") and severity(event["type"]) is not Severity.ERROR
    return Tone.WARNING if lasts else message.tone


def judged(error: str, response: Response) -> tuple[Verdict, str]:
    """Return what an error means for the delivery.

    Raises:
        SinkError: there are too many messages.
    """
    if error in ("ratelimited", "rate_limited"):
        raise SinkError(f"it responded {response}", retry_after=response.retry_after or UNSAID_WAIT_SECONDS)
    return Verdict.NEVER if error in _CONTENT else Verdict.LATER, str(response)


def _answer(response: Response) -> Mapping[str, Any] | None:
    """Return the answer of a method; None: it is not one, but that of a server before it."""
    return json_object(response.body) if response.status == 200 else None
