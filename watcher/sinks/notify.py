"""`notify`: messages to chat, mail and pagers by apprise (the extra `notify`), to each URL on a thread of its own.

apprise blocks for as long as the receiver likes. So its threads are daemon threads: none delays the end of the program,
and a URL whose last call still hangs is not called again before that call returns.
"""

from __future__ import annotations

import asyncio
import json
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PlainValidator, SecretStr, field_validator

from watcher.config.fields import Duration, lasting, text_schema
from watcher.config.readers import single_line
from watcher.config.tree import Text as Scalar
from watcher.core.deliveries import Delivery, Limits, SendOutcome, Verdict
from watcher.errors import SinkError
from watcher.messages.message import Tone
from watcher.messages.plain import Text, plain
from watcher.messages.sanitize import for_text, one_line
from watcher.sinks.apprise_url import TAKEN, NotifyUrl, installed_apprise
from watcher.sinks.text import Renderer, TextOptions, TextTemplate
from watcher.util.redaction import remember
from watcher.util.threads import off_loop

PAGERS = {"pagerduty": "pagerduty", "opsgenie": "jsm"}
"""The schemes of pagers' URLs, and the types of sinks that serve them better."""

LATE_SECONDS = 60.0
"""How long the replies of a mail server are read after the time limit: a mail that it takes then is not repeated."""


def _apprise_url(value: object) -> SecretStr:
    url = single_line(value, secret=True)
    apprise = installed_apprise()
    if apprise is None:  # reported at the sink's `type`
        return SecretStr(url)
    with warnings.catch_warnings(action="ignore"):
        if apprise.Apprise.instantiate(url) is not None:
            return SecretStr(url)
        scheme = url[: max(0, url.find("://"))].lower()
        if scheme in apprise.NotificationManager():
            raise ValueError(
                f"apprise cannot use this {scheme}:// URL: a part of it is missing or malformed, or apprise needs a "
                "further package for it"
            )
    filled = isinstance(value, Scalar) and value.filled
    shown = f" {scheme}://" if not filled and re.fullmatch(r"[a-z][a-z0-9]{1,19}", scheme) else ""
    raise ValueError(f"apprise does not support this{shown} URL; use one of its own, such as mailto://…")


class NotifySink:
    """Sends each message to every URL; a retry goes only to the URLs that did not take it."""

    def __init__(self, options: NotifyOptions) -> None:
        self.name = options.name
        self.limits = Limits(batch=options.max_group, deadline=options.timeout, group_wait=options.group_wait)
        # A little before the deadline, so that the results of the other URLs are returned.
        self._timeout = options.timeout - min(1.0, options.timeout / 10)
        self._title = None if options.title_template is None else Renderer(options.title_template, "text")
        self._body = Renderer(options.template, "text")
        urls = [url.get_secret_value() for url in options.urls]
        remember(*urls)
        self._urls = [NotifyUrl(url) for url in urls]
        self._waiting: set[asyncio.Future[str]] = set()
        self._closed = False

    async def send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        if self._closed:
            raise SinkError("the sink is closed")
        results = await asyncio.gather(*(self._send_to(url, deliveries) for url in self._urls))
        by_url = dict(zip(self._urls, results, strict=True))
        outcomes = [_outcome(delivery, by_url) for delivery in deliveries]
        if self._closed and all(outcome.verdict is not Verdict.TAKEN for outcome in outcomes):
            raise SinkError("the sink was closed before apprise answered")
        return outcomes

    async def close(self) -> None:
        self._closed = True
        for future in self._waiting:
            if not future.done():
                future.set_result("closed")

    async def _send_to(self, url: NotifyUrl, deliveries: Sequence[Delivery]) -> str:
        """Send the deliveries that this URL has not taken yet, and return the result for people."""
        left = [delivery for delivery in deliveries if delivery.id not in url.taken]
        if not left:
            return TAKEN
        events = [json.loads(delivery.body) for delivery in left]
        tone, text = await off_loop(lambda: self.message(events), "template")
        if url.busy:
            return "its last call still hangs"
        url.busy = True
        ids, thread = [delivery.id for delivery in left], thread_of(events)
        future = off_loop(lambda: url.send(text, tone, ids, thread, seconds=self._timeout + LATE_SECONDS), "notify")
        self._waiting.add(future)
        try:
            async with asyncio.timeout(self._timeout):
                return await future
        except TimeoutError:
            return "no answer in time"
        finally:
            self._waiting.discard(future)

    def message(self, events: Sequence[Mapping[str, Any]]) -> tuple[Tone, Text]:
        """Return the message for the events, by the templates or built in. It may take seconds."""
        body, message = self._body(events)
        built_in = plain(message)
        title = built_in.title
        if body is None:
            body = built_in.body
        if self._title is not None:
            text, noted = self._title(events)
            if text is None:
                body += f"\n\n{for_text(noted.note)}"  # the note that the title's template failed
            else:
                title = one_line(text, 150)
        return message.tone, Text(title, body)


class NotifyOptions(TextOptions):
    """Messages by apprise to chat, mail and pagers; needs the extra `notify`."""

    sink: ClassVar = NotifySink

    type: Literal["notify"]
    urls: list[Annotated[SecretStr, PlainValidator(_apprise_url), text_schema(minLength=1)]] = Field(
        min_length=1, examples=[["${APPRISE_URL}"]]
    )
    """Apprise URLs, such as mailto://… or tgram://…. Secrets: take them from variables."""
    template: TextTemplate | None = None
    """The message's text (jinja2). Default: the built-in text."""
    title_template: TextTemplate | None = None
    """The message's title (jinja2). Default: the built-in title."""
    timeout: Duration = lasting("30s")
    """The time limit of one message."""

    @field_validator("type")
    @classmethod
    def _installed(cls, value: str) -> str:
        if installed_apprise() is None:
            raise ValueError("a notify sink needs apprise; install watcher with it: pip install '.[notify]'")
        return value

    def advice(self) -> Iterator[str]:
        schemes = {url.get_secret_value().partition(":")[0].lower() for url in self.urls}
        for scheme, type_ in PAGERS.items():
            if scheme in schemes:
                yield f"{scheme}:// opens an alert for each event, and closes none; use a sink of type {type_}"

    def preview(self, event: Mapping[str, Any]) -> str:
        _, text = NotifySink(self).message([event])
        return f"{text.title}\n\n{text.body}"


def _outcome(delivery: Delivery, results: Mapping[NotifyUrl, str]) -> SendOutcome:
    left = [url for url in results if delivery.id not in url.taken]
    if not left:
        return SendOutcome(delivery, Verdict.TAKEN, "taken by " + ", ".join(url.scheme for url in results))
    text = ", ".join(f"{url.scheme}: {results[url] if url in left else TAKEN}" for url in results)
    return SendOutcome(delivery, Verdict.LATER, text)


def thread_of(events: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the id of a message to which the mails of an incident refer; None: the events are not all of one.

    There is no such message: mail programs put messages that refer to the same one into one thread (RFC 5322, 3.6.4).
    """
    incidents = {(event["data"].get("incident") or {}).get("id") for event in events}
    found = incidents.pop() if len(incidents) == 1 else None
    return f"<incident-{found}@watcher>" if found else None
