"""Sinks that call AWS with batches of up to ten events (EventBridge, SNS, SQS): their options, and AWS's answers.

AWS may accept one entry of a batch and refuse the next without an error, so each delivery is judged by its own entry;
an answer that says nothing about it (a page of HTML, half a body, another's id) delivers nothing.
"""

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
from watcher.core.deliveries import Delivery, SendOutcome, Verdict
from watcher.core.sink_settings import SinkSettings
from watcher.util.bounded_text import bounded
from watcher.util.redaction import printable, redacted_excerpt

if TYPE_CHECKING:
    from watcher.aws.sessions import Sessions
    from watcher.core.events import Event
    from watcher.sinks.aws_sender import AwsSink

_MESSAGE_GROUP = re.compile(r"[!-~]{1,128}")
"""What SNS and SQS accept as a message group: alphanumeric characters and ASCII punctuation."""

# Error codes, as `plain_code` returns them.
CONTENT = {"413", "BatchRequestTooLong", "InvalidMessageContents", "MalformedDetail", "RequestEntityTooLarge"}
"""They blame only the event's content, which is malformed, or too large even for a call of its own: no try helps."""
PARAMETER = {"InvalidArgument", "InvalidParameter", "InvalidParameterValue", "ParameterValueInvalid", "Validation"}
"""They blame a parameter of the call: the content, unless the message names the destination."""
BATCH_ONLY = {"BatchEntryIdsNotDistinct", "EmptyBatchRequest", "InvalidBatchEntryId", "TooManyEntriesInBatchRequest"}
"""They blame how the batch was put together."""

_DESTINATION = re.compile(
    r"(?i)\b(topic ?(arn|name)|target ?arn|queue ?(url|name)|event ?bus|non ?existent ?queue)"
    r"|\b(queue|topic|bus)\b.{0,300}\b(does not|doesn't) exist"
)
"""Words for the destination, which comes from the configuration: its faults are not the event's."""

Entry = dict[str, Any]


class AwsOptions(AccountSinkModel):
    """The options of a sink at AWS, how its type puts events into a call, and how it reads the answer."""

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
        """Return what the answer to a call says of each delivery; by default by the ids of `message`, in any order."""
        found: dict[str, list[tuple[object, ...]]] = {}
        for entry in members(answer, "Successful"):
            found.setdefault(_text(entry.get("Id")), []).append((entry.get("MessageId"),))
        for entry in members(answer, "Failed"):
            failure = (None, entry.get("Code") or "Failed", entry.get("Message"))
            found.setdefault(_text(entry.get("Id")), []).append(failure)
        return [
            outcome_of(delivery, *entries[0])
            if len(entries := found.get(delivery.id, [])) == 1
            else SendOutcome(delivery, Verdict.LATER, f"the answer has {len(entries)} entries for it, not one")
            for delivery in deliveries
        ]


def message(destination: str, delivery: Delivery, **content: str) -> Entry:
    """Return the entry of a message to a topic or queue (ARN or URL).

    In a FIFO one, events of a subject stay in order, without repeats.
    """
    entry = {"Id": delivery.id, "MessageAttributes": attributes(delivery.event), **content}
    if destination.endswith(".fifo"):
        subject = delivery.event.subject
        group = subject if _MESSAGE_GROUP.fullmatch(subject) else sha256(subject.encode()).hexdigest()
        entry |= {"MessageGroupId": group, "MessageDeduplicationId": delivery.id}
    return entry


def attributes(event: Event) -> dict[str, dict[str, str]]:
    """Return a message's attributes, for filter policies: `type`, `target`, and a target's `account` and `region`."""
    values = {"type": event.type, "target": event.subject}
    parts = event.subject.split("/")
    if len(parts) > 2:  # a test's subject is in no account
        values |= {"account": unquote(parts[0]), "region": unquote(parts[1])}
    return {name: {"DataType": "String", "StringValue": value} for name, value in values.items() if value}


def blames_call(code: str) -> bool:
    """Return whether an error's code blames the content of the call, so that its entries should be tried one by one."""
    return plain_code(code) in CONTENT | PARAMETER | BATCH_ONLY


def verdict(code: str, message: str) -> Verdict:
    """Return what an error for one entry, or for a call with only one, means for its event."""
    plain = plain_code(code)
    content = plain in CONTENT or (plain in PARAMETER and not _DESTINATION.search(message))
    return Verdict.NEVER if content else Verdict.LATER


def plain_code(code: str) -> str:
    """Return a code without what some APIs put around it: `AWS.SimpleQueueService.BatchRequestTooLongException`."""
    return code.rpartition(".")[2].removesuffix("Exception")


def outcome_of(delivery: Delivery, message_id: object, code: object = None, message: object = None) -> SendOutcome:
    """Return the outcome of a delivery whose entry in the answer has a message id, or an error."""
    if code:
        known, words = _text(code), _text(message)
        text = ": ".join(filter(None, (known or "an error without a code", words)))
        return SendOutcome(delivery, verdict(known, words), shown(text))
    if isinstance(message_id, str) and message_id:
        return SendOutcome(delivery, Verdict.TAKEN, shown(message_id))
    return SendOutcome(delivery, Verdict.LATER, "the answer has neither an id nor an error for it")


def members(answer: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the structures in a list of an answer; an item of another type counts as an empty structure."""
    listed = answer.get(name)
    return [entry if isinstance(entry, dict) else {} for entry in listed] if isinstance(listed, list) else []


def shown(text: str) -> str:
    """Return the beginning of AWS's text as one line for people, without secrets."""
    return printable(redacted_excerpt(" ".join(text.split()), 500))


def _text(value: object) -> str:
    """A member of an answer that should be text; anything else counts as missing."""
    return bounded(value) if isinstance(value, str) else ""
