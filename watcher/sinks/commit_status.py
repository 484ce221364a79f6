"""Sinks that set the status of the commit that AWS syncs: pending, then success or failure.

Each attempt sets the status of its target revision, under a context of the target's own, so that the targets that are
synced from one commit do not overwrite each other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Any, ClassVar

from pydantic import PlainValidator, WithJsonSchema

from watcher.core.deliveries import Delivery, Limits, SendOutcome, Verdict
from watcher.core.event_types import TEST_EVENT, Severity
from watcher.core.links import Commit, commit_of, links
from watcher.errors import SinkError
from watcher.messages.compose import message_for
from watcher.messages.sanitize import one_line
from watcher.sinks.http import UNSAID_WAIT_SECONDS, BaseUrl, HttpOptions, Post, PostingSink, Response, verdict

PARALLEL = 4
"""Statuses that are set at the same time, of different targets."""


class CommitState(StrEnum):
    """How an attempt to sync a commit is going."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"


_STATES = {
    "watcher.sync.initiated": CommitState.PENDING,
    "watcher.sync.in_progress": CommitState.PENDING,
    "watcher.sync.queued": CommitState.PENDING,
    "watcher.sync.stalled": CommitState.PENDING,
    "watcher.sync.unknown": CommitState.PENDING,
    "watcher.sync.succeeded": CommitState.SUCCESS,
    "watcher.sync.failed": CommitState.FAILURE,
}
"""The state of a commit by the type of the event. A status that watcher does not know may not be the end."""


@dataclass(frozen=True, slots=True)
class CommitStatus:
    """The status of a commit."""

    commit: Commit
    state: CommitState
    context: str
    """Distinguishes it from the statuses that others set: `watcher/<target id>`."""
    description: str
    """A line for people: AWS's own, if something is wrong."""
    link: str | None
    """Where people look further: watcher's page, else AWS's console."""

    @property
    def commit_page(self) -> str | None:
        """The URL of the commit's page, if it is known."""
        commit = self.commit
        revision = {"providerType": commit.provider, "repositoryName": commit.repository, "sha": commit.sha}
        return links(revision)[1]


def status_of(event: Mapping[str, Any], now: datetime, providers: frozenset[str]) -> CommitStatus | str:
    """Return the status that an event, a CloudEvent, gives to a commit, or why it gives none.

    `providers`: those whose commits the sink can reach, in AWS's words (in capitals).
    """
    state = _STATES.get(event["type"])
    if event["type"] == TEST_EVENT:
        return "not sent: a test event has no commit, so the token was not tried"
    if state is None or "reminder" in event:
        return "not sent: it does not change the status of a commit"
    data = event["data"]
    commit = commit_of(data["attempt"].get("targetRevision") or {})
    if commit is None:
        return "not for this sink: AWS does not say which commit it is"
    if commit.provider not in providers:
        return f"not for this sink: the commit is at {one_line(commit.provider, 40)}"
    where = data.get("links") or {}
    return CommitStatus(
        commit,
        state,
        context=f"watcher/{event['subject']}",
        description=message_for([event], now).brief,
        link=where.get("page") or where.get("console"),
    )


def shortened(context: str, longest: int) -> str:
    """Return a context; if it is too long, `watcher/` and the beginning of its SHA-256 in hex."""
    return context if len(context) <= longest else f"watcher/{sha256(context.encode()).hexdigest()}"[:longest]


def judged(response: Response) -> tuple[Verdict, str]:
    """Return what a response means; see `verdict`.

    An unknown repository or commit is refused permanently: it does not exist, or the token must not see it.

    Raises:
        SinkError: there are too many requests: 429; or 403, if the response says how long to wait, or names the limit.
    """
    text = str(response)
    limited = response.retry_after is not None or "rate limit" in response.body.lower()
    if response.status == 429 or (response.status == 403 and limited):
        wait = UNSAID_WAIT_SECONDS if response.retry_after is None else response.retry_after
        raise SinkError(f"it responded {text}", retry_after=wait)
    return (Verdict.NEVER, text) if response.status in (404, 410) else verdict(response)


class CommitStatusSink(PostingSink):
    """Sets a status for each event; each provider has its own request."""

    def __init__(self, options: StatusOptions, *secrets: str, headers: Mapping[str, str] | None = None) -> None:
        """`secrets`: hidden where the receiver repeats them; `headers`: are sent unless the type overrides them."""
        self.name = options.name
        self.limits = Limits(parallel=PARALLEL, deadline=options.send_deadline, by_commit=True)
        self._providers = options.providers
        self._headers = headers or {}
        self._poster = options.poster(secrets, secret_url=False)

    def request(self, status: CommitStatus) -> Post:
        """Return the request that sets `status`."""
        raise NotImplementedError

    async def headers(self) -> Mapping[str, str]:
        """Return the headers of a request, with its authorization."""
        return self._headers

    def judged(self, response: Response) -> tuple[Verdict, str]:
        return judged(response)

    async def send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        (delivery,) = deliveries
        status = status_of(json.loads(delivery.body), datetime.now(UTC), self._providers)
        if isinstance(status, str):
            return [SendOutcome(delivery, Verdict.TAKEN, status)]
        post, headers = self.request(status), await self.headers()
        body = json.dumps(post.body).encode()
        typed = {"Content-Type": "application/json"}
        outcome, answer = await self._poster.deliver(body, typed, headers, path=post.path, judge=self.judged)
        return [SendOutcome(delivery, outcome, answer)]


def _only(written: object, default: object) -> Callable[[object], Any]:
    """Return a reader that accepts only the default, as it is `written`: a status left pending would be wrong."""

    def read(value: object) -> Any:
        if value != written:
            raise ValueError("remove this key: a status needs every event; choose targets by `targets` and `labels`")
        return default

    return read


class StatusOptions(HttpOptions):
    """The options of a sink that sets the statuses of commits."""

    digests: ClassVar = False
    hosted: ClassVar[frozenset[str]]
    """AWS's words, in capitals, for the provider's own service, which is at the default `url`."""
    self_hosted: ClassVar[frozenset[str]] = frozenset()
    """AWS's words for servers that others host, which are at any other `url`."""
    shows_attempts: ClassVar[bool] = True

    events: Annotated[tuple[str, ...], PlainValidator(_only([], ())), WithJsonSchema({"const": []})] = ()
    """Not for this type: a status that is left pending would be wrong."""
    min_severity: Annotated[
        Severity, PlainValidator(_only("info", Severity.INFO)), WithJsonSchema({"const": "info"})
    ] = Severity.INFO
    """Not for this type: a status that is left pending would be wrong."""
    url: BaseUrl

    def preview(self, event: Mapping[str, Any]) -> str:
        """Return the state and the description of the commit's status; empty if the event changes none."""
        status = status_of(event, datetime.now(UTC), self.hosted | self.self_hosted)
        return "" if isinstance(status, str) else f"{status.state}: {status.description}"

    @property
    def providers(self) -> frozenset[str]:
        """The providers whose commits the sink can reach."""
        return self.hosted if self.url == type(self).model_fields["url"].default else self.self_hosted
