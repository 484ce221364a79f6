"""EventBridge's events of CloudFormation Git sync, in every form that AWS documents. Pure.

The reference of CloudFormation and that of EventBridge differ in the detail type, and the samples differ from both: in
the member for the status before, and by ARNs that are malformed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha1
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from watcher.core.model import Attempt, rfc3339
from watcher.simulator.inventory import ACCOUNT, Place, Repository
from watcher.simulator.subject import Subject
from watcher.simulator.timeline import datetime_at
from watcher.sources.codeconnections import STACK

FORMS = ("reference", "sample", "eventbridge")
"""As CloudFormation's reference says; as its samples are; as EventBridge's reference says."""


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """A queue that gets the events of every account. Durations are in seconds.

    `lost` is the share of events that never arrive, `delay` the shortest and the longest time until one does, `form`
    one of `FORMS` or `mixed`.
    """

    name: str
    account: str = ACCOUNT
    region: str = "us-east-1"
    lost: float = 0.0
    delay: tuple[float, float] = (0.0, 0.0)
    form: str = "mixed"
    visibility: float = 30.0

    def delay_of(self, event: str) -> float | None:
        """How long after the change the event with this ID arrives; None: never. The same for the same ID."""
        if _lot(f"{self.name} lost {event}") < self.lost:
            return None
        shortest, longest = self.delay
        return shortest + (longest - shortest) * _lot(f"{self.name} delay {event}")

    def at_pace(self, pace: float) -> QueueSettings:
        return replace(self, delay=(self.delay[0] / pace, self.delay[1] / pace))

    def form_of(self, event: str) -> str:
        """The form of the event with this ID."""
        return FORMS[int(len(FORMS) * _lot(f"{self.name} form {event}"))] if self.form == "mixed" else self.form


@dataclass(frozen=True, slots=True)
class Change:
    """A stack's or a repository's attempt that got a status at `at` (seconds since 1970).

    `previous` is the status before, `linked` the repository that it is synced from, `connection` the ARN of its
    connection; None: not known.
    """

    subject: Subject
    place: Place
    at: float
    attempt: Attempt
    previous: str | None = None
    linked: Repository | None = None
    connection: str | None = None

    @property
    def id(self) -> str:
        attempt = self.attempt
        return str(uuid5(NAMESPACE_URL, f"{self.place} {self.subject.key} {attempt.started_at} {attempt.status}"))


def event(change: Change, form: str) -> dict[str, Any]:
    """The event of a change, in one of `FORMS`."""
    of_stack = change.subject.kind is STACK
    words = "Git Sync" if form != "eventbridge" else "GitSync"
    arn = _stack_arn(change, form) if of_stack else _link_arn(change, form)
    subject, about = change.subject, change.linked
    detail = {
        "providerType": about.provider if about else subject.provider,
        "repositoryName": (about.name if about else subject.repository).rpartition("/")[2],
        "branch": (change.attempt.target_revision or {}).get("branch") or dict(subject.identity).get("branch"),
        "commit": change.attempt.sha,
        "syncType": "CFN_STACK_SYNC",
        "status": change.attempt.status,
    }
    if change.previous:
        detail["previousStatus" if form == "sample" else "previousSync"] = change.previous
    if of_stack:
        detail["syncTarget"] = arn
    else:
        detail["repositoryArn"] = arn
        detail["repositoryLinkId"] = dict(subject.identity)["link"]
        detail["ownerId"] = (about.name if about else subject.repository).partition("/")[0]
        detail |= {"connectionArn": change.connection} if change.connection else {}
    return {
        "version": "0",
        "id": change.id,
        "detail-type": f"{words} {'Resource' if of_stack else 'Repository'} Sync Status Change",
        "source": "aws.codeconnections",
        "account": change.place.account,
        "time": rfc3339(datetime_at(float(int(change.at)))),
        "region": change.place.region,
        "resources": [arn],
        "detail": detail,
    }


def _stack_arn(change: Change, form: str) -> str:
    account, region = change.place
    name = change.subject.name
    if form == "sample":
        return f"arn:aws:aws:cloudformation:{region}:{account}:stack/{name}"
    return (
        f"arn:aws:cloudformation:{region}:{account}:stack/{name}/{uuid5(NAMESPACE_URL, f'{account} {region} {name}')}"
    )


def _link_arn(change: Change, form: str) -> str:
    account, region = change.place
    link = dict(change.subject.identity)["link"]
    service = "aws:codestar-connections" if form == "sample" else "codeconnections"
    return f"arn:aws:{service}:{region}:{account}:repository-link/{link}"


def _lot(text: str) -> float:
    """A number from 0 up to 1 that is drawn by `text`."""
    return int.from_bytes(sha1(text.encode(), usedforsecurity=False).digest()[:7]) / 2**56
