"""Posts messages that people read at a glance to a Slack incoming webhook."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from watcher.core.ports import Limits, SendOutcome
from watcher.messages.blocks import slack_payload
from watcher.messages.template import Template, told
from watcher.sinks.http import GRACE, Poster
from watcher.util.redaction import remember
from watcher.util.threads import off_loop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.core.ports import Delivery
    from watcher.core.settings import SinkSettings
    from watcher.sinks import SinkContext

GROUP = 100
"""Events in one message at most."""

_HEADERS = {"Content-Type": "application/json; charset=utf-8"}


class SlackSink:
    """One send, one message: of one event, or with `group_wait` of what one cause did to many targets."""

    def __init__(self, settings: SinkSettings, context: SinkContext) -> None:  # noqa: ARG002  every sink is built so
        """Nothing is opened before the first send."""
        options = settings.options
        self.name = settings.name
        self.limits = Limits(
            batch=GROUP if options.group_wait else 1,
            parallel=2,  # one that is slow to fail leaves room for the others
            deadline=options.timeout + GRACE,
            group_wait=options.group_wait,
        )
        self._template = None if options.template is None else Template(options.template, escape="slack")
        url = options.url.get_secret_value()
        remember(url)
        self._poster = Poster.of(url, options)

    async def send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        """See `protocols.Sink`."""
        events = [json.loads(delivery.body) for delivery in deliveries]
        text, message = await off_loop(lambda: told(self._template, events, datetime.now(UTC)), "template")
        body = json.dumps(slack_payload(message, text)).encode()
        verdict, answer = await self._poster.deliver(body, _HEADERS)
        return [SendOutcome(delivery, verdict, answer) for delivery in deliveries]

    async def close(self) -> None:
        """See `protocols.Sink`."""
        await self._poster.close()
