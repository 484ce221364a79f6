"""Reads what AWS answered to a batch of events: the outcome of each delivery. Pure.

AWS may accept one entry of a batch and refuse the next without an error, so each delivery is judged by its own entry;
an answer that says nothing about it (a page of HTML, half a body, another's id) delivers nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from watcher.core.ports import Delivery, SendOutcome, Verdict
from watcher.util.bounded_text import bounded
from watcher.util.redaction import excerpt, printable

MAX_TEXT_BYTES = 500
"""How much of AWS's text is kept."""

CONTENT = frozenset(
    {
        # the event is malformed, or has content that is not allowed in a message
        "InvalidMessageContents",
        "MalformedDetail",
        # it is too large, also on its own
        "BatchRequestTooLong",
        "BatchRequestTooLongException",
        "RequestEntityTooLarge",
        "RequestEntityTooLargeException",
        "413",
    }
)
"""Codes that can only blame the event's own content, so that no other try will succeed."""

PARAMETER = frozenset(
    {
        "InvalidArgument",
        "InvalidParameter",
        "InvalidParameterException",
        "InvalidParameterValue",
        "InvalidParameterValueException",
        "ParameterValueInvalid",
        "ValidationException",
    }
)
"""Codes that blame a parameter of the call: the content, unless the message names the destination."""

BATCH_ONLY = frozenset(
    {
        "BatchEntryIdsNotDistinct",
        "EmptyBatchRequest",
        "InvalidBatchEntryId",
        "TooManyEntriesInBatchRequest",
    }
)
"""Codes that blame how the batch was put together."""

_DESTINATION = re.compile(
    r"(?i)\b(topic ?(arn|name)|target ?arn|queue ?(url|name)|event ?bus|non ?existent ?queue)"
    r"|\b(queue|topic|bus)\b.{0,300}\b(does not|doesn't) exist"
)
"""Words for the destination, which comes from the configuration: its faults are not the event's."""


def blames_call(code: str) -> bool:
    """Return whether an error's code blames the content of the call, so that its entries should be tried one by one."""
    return plain_code(code) in CONTENT | PARAMETER | BATCH_ONLY


def verdict(code: str, message: str) -> Verdict:
    """Return what an error for one entry, or for a call with only one, means for its event."""
    plain = plain_code(code)
    content = plain in CONTENT or (plain in PARAMETER and not _DESTINATION.search(message))
    return Verdict.NEVER if content else Verdict.LATER


def outcome_of(delivery: Delivery, message_id: object, code: object = None, message: object = None) -> SendOutcome:
    """Return the outcome of a delivery whose entry in the answer has a message id, or an error."""
    if code:
        known, words = _text(code), _text(message)
        text = ": ".join(filter(None, (known or "an error without a code", words)))
        return SendOutcome(delivery, verdict(known, words), shown(text))
    if isinstance(message_id, str) and message_id:
        return SendOutcome(delivery, Verdict.TAKEN, shown(message_id))
    return SendOutcome(delivery, Verdict.LATER, "the answer has neither an id nor an error for it")


def outcomes_by_id(answer: Mapping[str, Any], deliveries: Sequence[Delivery]) -> list[SendOutcome]:
    """Return the outcomes in an answer of SNS or SQS, whose entries name the ids that were sent, in any order."""
    found: dict[str, list[tuple[object, object, object]]] = {}
    for entry in members(answer, "Successful"):
        found.setdefault(_text(entry.get("Id")), []).append((entry.get("MessageId"), None, None))
    for entry in members(answer, "Failed"):
        failure = (None, entry.get("Code") or "Failed", entry.get("Message"))
        found.setdefault(_text(entry.get("Id")), []).append(failure)
    return [
        outcome_of(delivery, *entries[0])
        if len(entries := found.get(delivery.id, [])) == 1
        else SendOutcome(delivery, Verdict.LATER, f"the answer has {len(entries)} entries for it, not one")
        for delivery in deliveries
    ]


def members(answer: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the structures in a list of an answer; an item of another type counts as an empty structure."""
    listed = answer.get(name)
    return [entry if isinstance(entry, dict) else {} for entry in listed] if isinstance(listed, list) else []


def plain_code(code: str) -> str:
    """Return a code without the prefix that SQS may put before it: `AWS.SimpleQueueService.BatchRequestTooLong`."""
    return code.rpartition(".")[2]


def shown(text: str) -> str:
    """Return one line for people, without secrets."""
    return printable(excerpt(" ".join(text.split()), MAX_TEXT_BYTES))


def _text(value: object) -> str:
    """A member of an answer that should be text; anything else counts as missing."""
    return bounded(value) if isinstance(value, str) else ""
