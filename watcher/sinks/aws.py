"""The options of sinks that call AWS with batches of up to ten events: EventBridge, SNS and SQS."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote

from pydantic import Field

from watcher.config.fields import Duration, Url, lasting
from watcher.config.sink_model import AccountSinkModel
from watcher.core.ports import Delivery, SendOutcome
from watcher.core.settings import SinkSettings
from watcher.sinks.aws_answers import outcomes_by_id

if TYPE_CHECKING:
    from watcher.aws.sessions import Sessions
    from watcher.core.events import Event
    from watcher.sinks.aws_sender import AwsSink

_MESSAGE_GROUP = re.compile(r"[!-~]{1,128}")
"""What SNS and SQS accept as a message group: alphanumeric characters and ASCII punctuation."""

Entry = dict[str, Any]


class AwsOptions(AccountSinkModel):
    """The options of a sink at AWS, and how its type puts events into a call."""

    service: ClassVar[str]
    """The service's name in botocore."""
    operation: ClassVar[str]
    """The operation's name in AWS's documentation."""

    endpoint_url: Url | None = Field(default=None, examples=["http://127.0.0.1:4566"])
    """The URL of the API, if it is not AWS's own."""
    timeout: Duration = lasting("10s")
    """The time limit of one call."""

    def build(self, settings: SinkSettings, sessions: Sessions) -> AwsSink:
        from watcher.sinks.aws_sender import AwsSink

        return AwsSink(self, settings, sessions)

    @abstractmethod
    def entry(self, delivery: Delivery) -> Entry:
        """Return the delivery as one entry of a call."""

    @abstractmethod
    def request(self, entries: Sequence[Entry]) -> dict[str, Any]:
        """Return the parameters of a call."""

    def read(self, answer: Mapping[str, Any], deliveries: Sequence[Delivery]) -> list[SendOutcome]:
        """Return what the answer to a call says of each delivery."""
        return outcomes_by_id(answer, deliveries)


def attributes(event: Event) -> dict[str, dict[str, str]]:
    """Return a message's attributes, for filter policies: `type`, `target`, and a target's `account` and `region`."""
    values = {"type": event.type, "target": event.subject}
    parts = event.subject.split("/")
    if len(parts) > 2:  # a test's subject is in no account
        values |= {"account": unquote(parts[0]), "region": unquote(parts[1])}
    return {name: {"DataType": "String", "StringValue": value} for name, value in values.items() if value}


def fifo(destination: str, delivery: Delivery) -> dict[str, str]:
    """Return the parameters for a FIFO queue or topic (URL or ARN): events of a subject stay in order, without repeats.

    Empty for a standard queue or topic.
    """
    if not destination.endswith(".fifo"):
        return {}
    subject = delivery.event.subject
    group = subject if _MESSAGE_GROUP.fullmatch(subject) else sha256(subject.encode()).hexdigest()
    return {"MessageGroupId": group, "MessageDeduplicationId": delivery.id}
