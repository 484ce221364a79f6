"""Sends messages to chat, mail and pagers by apprise (the extra `notify`), to each URL on a thread of its own.

apprise blocks, for as long as the other end likes. So its threads are daemons: none holds up the end of the program,
and a URL whose last call still hangs is not called again before that returns.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import threading
import warnings
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any

from watcher.core.ports import Limits, SendOutcome, Verdict
from watcher.errors import SinkError
from watcher.messages.plain import Text, plain
from watcher.messages.sanitize import for_text, one_line
from watcher.messages.template import Template, told
from watcher.util.redaction import remember
from watcher.util.threads import off_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from watcher.core.ports import Delivery
    from watcher.core.settings import SinkSettings
    from watcher.messages.message import Tone
    from watcher.sinks import SinkContext

GROUP = 100
"""Events in one message at most."""

REMEMBERED = 10_000
"""Deliveries that a URL is known to have taken, so that another URL's failure does not repeat them there."""

TITLE = 150
"""Characters of a title."""

TAKEN, HANGS, CLOSED = "taken", "no answer in time", "closed"


class NotifySink:
    """One send, one message to each URL; a retry goes only to those that did not take it."""

    def __init__(self, settings: SinkSettings, context: SinkContext) -> None:  # noqa: ARG002  every sink is built so
        """Nothing is loaded or opened before the first send."""
        options = settings.options
        self.name = settings.name
        self.limits = Limits(
            batch=GROUP if options.group_wait else 1, deadline=options.timeout, group_wait=options.group_wait
        )
        # A little before the deadline, so that what the other URLs said is heard.
        self._patience = options.timeout - min(1.0, options.timeout / 10)
        self._title = None if options.title_template is None else Template(options.title_template, escape="text")
        self._body = None if options.template is None else Template(options.template, escape="text")
        urls = [url.get_secret_value() for url in options.urls]
        remember(*urls)
        self._ways = [_Way(url) for url in urls]
        self._waiting: set[asyncio.Future[str]] = set()
        self._closed = False

    async def send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        """See `protocols.Sink`."""
        if self._closed:
            raise SinkError("the sink is closed")
        said = dict(
            zip(self._ways, await asyncio.gather(*(self._by(way, deliveries) for way in self._ways)), strict=True)
        )
        answers = [self._answer(delivery, said) for delivery in deliveries]
        if self._closed and all(answer.verdict is not Verdict.TAKEN for answer in answers):
            raise SinkError("the sink was closed before apprise answered")
        return answers

    async def close(self) -> None:
        """See `protocols.Sink`."""
        self._closed = True
        for future in self._waiting:
            _settle(future, CLOSED)

    async def _by(self, way: _Way, deliveries: Sequence[Delivery]) -> str:
        """Send what this URL has not taken yet; how that went, for people."""
        left = [delivery for delivery in deliveries if delivery.id not in way.taken]
        if not left:
            return TAKEN
        tone, text = await off_loop(lambda: self._text([json.loads(delivery.body) for delivery in left]), "template")
        if way.busy:
            return "its last call still hangs"
        way.busy = True
        ids = [delivery.id for delivery in left]
        future = off_loop(lambda: _said(lambda: way.call(text, tone, ids)), "notify")
        self._waiting.add(future)
        try:
            async with asyncio.timeout(self._patience):
                return await future
        except TimeoutError:
            return HANGS
        finally:
            self._waiting.discard(future)

    def _text(self, events: Sequence[dict[str, Any]]) -> tuple[Tone, Text]:
        now = datetime.now(UTC)
        body, message = told(self._body, events, now)
        title, noted = told(self._title, events, now)
        built_in = plain(message)
        if body is None:
            body = built_in.body
        if title is None and self._title is not None:
            body += f"\n\n{for_text(noted.note)}"  # a template that fails says so, also where only the title has one
        return message.tone, Text(built_in.title if title is None else one_line(title, TITLE), body)

    def _answer(self, delivery: Delivery, said: dict[_Way, str]) -> SendOutcome:
        left = [way for way in said if delivery.id not in way.taken]
        if not left:
            return SendOutcome(delivery, Verdict.TAKEN, "taken by " + ", ".join(way.scheme for way in said))
        text = ", ".join(f"{way.scheme}: {said[way] if way in left else TAKEN}" for way in said)
        return SendOutcome(delivery, Verdict.LATER, text)


class _Way:
    """One URL, and what it has taken in this run. Its text is never shown: only its scheme is no secret."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._plugin: Any = None
        scheme = url.partition(":")[0].lower()
        self.scheme = scheme if re.fullmatch(r"[a-z0-9]{1,20}", scheme) else "a URL"
        self.taken: dict[str, None] = {}
        self.busy = False

    def call(self, text: Text, tone: Tone, ids: Sequence[str]) -> str:
        """Send it, however long that takes; on a thread. A success counts also when nobody waits for it any more."""
        try:
            return self._call(text, tone, ids)
        finally:
            self.busy = False

    def _call(self, text: Text, tone: Tone, ids: Sequence[str]) -> str:
        try:
            self._plugin = self._plugin or _plugin(self._url)
        except ImportError:
            return "apprise is not installed; the extra `notify` brings it"
        if self._plugin is None:
            return "apprise cannot use this URL"
        sender = import_module("apprise").Apprise(asset=self._plugin.asset)
        sender.add(self._plugin)
        _REASONS.code = ""
        if not sender.notify(title=text.title, body=text.body, notify_type=tone.value, body_format="text"):
            return f"not taken{_REASONS.code}"
        self.taken.update(dict.fromkeys(ids))
        while len(self.taken) > REMEMBERED:
            del self.taken[next(iter(self.taken))]
        return TAKEN


class _Reasons(logging.Handler):
    """Keeps, of what apprise logs, the number of an error and nothing else: the rest has URLs, and what others said."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._here = threading.local()

    @property
    def code(self) -> str:
        """What was logged last on this thread."""
        return getattr(self._here, "code", "")

    @code.setter
    def code(self, code: str) -> None:
        self._here.code = code

    def emit(self, record: logging.LogRecord) -> None:
        if found := re.search(r"\berror=(\d{3})\b", record.getMessage()):
            self.code = f" (error {found[1]})"


_REASONS = _Reasons()
_LOADING = threading.Lock()


def _plugin(url: str) -> Any:
    """What sends to `url`, or None where apprise knows no way. It loads slowly the first time, and loudly.

    Raises:
        ImportError: the extra `notify` is not installed.
    """
    with _LOADING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        log = logging.getLogger("apprise")
        log.handlers, log.propagate = [_REASONS], False
        apprise = import_module("apprise")
        asset = apprise.AppriseAsset(
            app_id="watcher", app_desc="watcher", app_url="", async_mode=False, pgp_autogen=False, pem_autogen=False
        )
        plugin = apprise.Apprise.instantiate(url, asset=asset)
        if plugin is not None and "overflow=" not in url:
            # The most important stands first; the rest must not cost all of it where there is little room.
            plugin.overflow_mode = apprise.OverflowMode.TRUNCATE
        if plugin is not None and "format=" not in url:
            # What is said is plain text: as HTML none of its lines would be wrapped on a telephone.
            plugin.notify_format = apprise.NotifyFormat.TEXT
        return plugin


def _said(work: Callable[[], str]) -> str:
    try:
        return work()
    except Exception as error:  # noqa: BLE001  a plugin's own bug; its message may have the URL in it
        return f"apprise failed with {type(error).__name__}"


def _settle(future: asyncio.Future[str], said: str) -> None:
    if not future.done():
        future.set_result(said)
