"""Sinks that know incidents: the receiver has one alert for a subject, which is opened, updated and closed.

Every event and reminder of a subject has the same key, so a repeat changes the alert instead of opening another one.
Only problems open an alert. The end of an incident is sent although no alert may be open: the receivers accept that.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, ClassVar

from watcher.config.sink_model import SinkModel
from watcher.core.deliveries import Delivery, Limits, SendOutcome, Verdict
from watcher.core.event_types import TEST_EVENT, Severity, severity
from watcher.messages.alert import alert_for
from watcher.sinks.http import HttpOptions, Post, PostingSink

PARALLEL = 4
"""Events that are sent at the same time, of different subjects."""

MAX_POSTS = 2
"""Posts for one event at most."""

OUTSIDE = "not sent: the event belongs to no incident"
"""The recorded answer for an event that concerns no alert."""

PROGRESS = "not sent: it is neither a problem nor the end of the incident"
"""The recorded answer for an event that changes nothing about an open alert."""


class Step(StrEnum):
    """What an event means for the alert of its subject."""

    PROBLEM = "problem"
    """There is a problem: the first of its incident, a further one, or a reminder of it."""
    PROGRESS = "progress"
    """Something happened during an incident that is neither a problem nor the end."""
    END = "end"
    OUTSIDE = "outside"
    """The event belongs to no incident."""
    TEST = "test"


def step_of(event: Mapping[str, Any]) -> Step:
    """Return what an event, a CloudEvent, means for the alert of its subject."""
    if event["type"] == TEST_EVENT:
        return Step.TEST
    incident = event["data"].get("incident")
    if incident is None:
        return Step.OUTSIDE
    if incident["state"] == "resolved":
        return Step.END
    return Step.PROBLEM if severity(event["type"]) is Severity.ERROR else Step.PROGRESS


def is_error(event: Mapping[str, Any]) -> bool:
    """Return whether a problem means that something does not work: a sync failed, or a whole endpoint is unreadable.

    In the other cases, such as a sync that is stalled, it may still work.
    """
    return event["type"] == "watcher.endpoint.unreadable" or "failed" in event["data"]["incident"]["problems"]


def alert_key(subject: str, longest: int) -> str:
    """Return the key of a subject's alert: `watcher:<subject>`; if it is too long, the SHA-256 of that in hex.

    `longest`: the most characters that the receiver accepts.
    """
    key = f"watcher:{subject}"
    return key if len(key) <= longest else sha256(key.encode()).hexdigest()


class AlertOptions(SinkModel):
    """What sinks that open alerts have in common."""

    digests: ClassVar = False

    def preview(self, event: Mapping[str, Any]) -> str:
        """Return what people read of a problem or a test; empty for any other event."""
        if event["type"] != TEST_EVENT and severity(event["type"]) is not Severity.ERROR:
            return ""
        alert = alert_for(event, datetime.now(UTC))
        return f"{alert.headline}\n\n{alert.text}"


class AlertSink(PostingSink):
    """Makes the posts of an event, one after the other; a retry begins with the first again."""

    def __init__(
        self,
        options: HttpOptions,
        posts: Callable[[Mapping[str, Any], datetime], Sequence[Post] | str],
        secret: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`posts` returns the posts for an event, composed at a time, or the reason why there are none.

        `secret` is hidden where the receiver repeats it; `headers` are sent with every post.
        """
        self.name = options.name
        deadline = MAX_POSTS * options.timeout + 1.0
        self.limits = Limits(parallel=PARALLEL, deadline=deadline, ends_last=True, by_subject=True)
        self._posts = posts
        self._headers = {"Content-Type": "application/json", **(headers or {})}
        self._poster = options.poster([secret], secret_url=False)

    async def send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        (delivery,) = deliveries
        posts = self._posts(json.loads(delivery.body), datetime.now(UTC))
        if isinstance(posts, str):
            return [SendOutcome(delivery, Verdict.TAKEN, posts)]
        verdict, answer = Verdict.TAKEN, ""
        for post in posts:
            body = json.dumps(post.body).encode()
            verdict, answer = await self._poster.deliver(body, self._headers, path=post.path)
            if verdict is not Verdict.TAKEN:
                break
        return [SendOutcome(delivery, verdict, answer)]
