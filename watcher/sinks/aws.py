"""What the sinks at AWS share: a client, batches of events, and what an answer means for each of them.

AWS may take one entry of a batch and refuse the next without an error, so each delivery is judged by the entry that is
its own; an answer that tells nothing of it (a page of HTML, half a body, another's id) delivers nothing. A call that is
refused as a whole for what is in it is made again entry by entry, so that one poison event delays no other.
botocore's errors end here.
"""

from __future__ import annotations

import asyncio
import re
from abc import ABC, abstractmethod
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote

import aiohttp
from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from watcher.aws.call_errors import refusal
from watcher.aws.client import Client
from watcher.aws.json_body import body_of
from watcher.core.ports import Limits, SendOutcome, Verdict
from watcher.errors import PollFailed, SinkError
from watcher.util.bounded_text import bounded
from watcher.util.redaction import excerpt, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from watcher.aws.client import LeasedClient
    from watcher.core.events import Event
    from watcher.core.ports import Delivery
    from watcher.core.settings import SinkSettings
    from watcher.sinks import SinkContext

BATCH = 10
"""Entries in one call, at all three services."""
BATCH_BYTES = 256 * 1024
"""Bytes in one call that all three services take; a larger event goes alone, for AWS to judge."""
LONGEST_TEXT = 500
"""Bytes of what AWS says that are kept."""

CONTENT = frozenset(
    {
        # the event is malformed, or has what may not be in a message
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
"""Codes that can only blame the event's own content: no other try will do. Else it passes, or an operator mends it."""

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
"""Codes that blame something in the call: the content, unless what AWS says names the destination."""

BATCH_ONLY = frozenset(
    {
        "BatchEntryIdsNotDistinct",
        "EmptyBatchRequest",
        "InvalidBatchEntryId",
        "TooManyEntriesInBatchRequest",
    }
)
"""Codes that blame how events were put together."""

_DESTINATION = re.compile(
    r"(?i)\b(topic ?(arn|name)|target ?arn|queue ?(url|name)|event ?bus|non ?existent ?queue)"
    r"|\b(queue|topic|bus)\b.{0,300}\b(does not|doesn't) exist"
)
"""What comes from the configuration: what is wrong with it is no event's fault."""
_GROUP = re.compile(r"[!-~]{1,128}")
"""What SNS and SQS take as a message group: alphanumeric characters and ASCII punctuation."""

Entry = dict[str, Any]


class AwsSink(ABC):
    """Puts events where one call takes up to ten of them, each answered by itself."""

    service: ClassVar[str]
    """As botocore calls it."""
    operation: ClassVar[str]
    """As AWS calls it."""

    def __init__(self, settings: SinkSettings, context: SinkContext) -> None:
        """Nothing is opened before the first send."""
        self.name = settings.name
        self.options = settings.options
        self.limits = Limits(batch=BATCH, parallel=4, deadline=self.options.timeout)
        assert settings.account is not None  # noqa: S101  the configuration resolves both for sinks at AWS
        assert settings.region is not None  # noqa: S101  the same
        self._client = Client(
            self.service,
            settings.region,
            settings.account,
            context.sessions,
            endpoint_url=self.options.endpoint_url or settings.account.endpoint_url,
            pool=BATCH * self.limits.parallel,
        )

    @abstractmethod
    def entry(self, delivery: Delivery) -> Entry:
        """The delivery as one entry of a call."""

    @abstractmethod
    def request(self, entries: Sequence[Entry]) -> dict[str, Any]:
        """The call's parameters."""

    def read(self, told: Mapping[str, Any], deliveries: Sequence[Delivery]) -> list[SendOutcome]:
        """What the call's answer says of each delivery, by the id of its entry."""
        return by_id(told, deliveries)

    async def send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        """See `protocols.Sink`."""
        return await self._each(batches([(delivery, self.entry(delivery)) for delivery in deliveries]))

    async def close(self) -> None:
        """See `protocols.Sink`."""
        await self._client.close()

    async def _each(self, parts: Sequence[Part]) -> list[SendOutcome]:
        """All answers; a part that failed is to be sent later, unless all of them failed."""
        outcomes = await asyncio.gather(*map(self._put, parts))
        errors = [outcome for outcome in outcomes if isinstance(outcome, SinkError)]
        if errors and len(errors) == len(parts):
            raise errors[0]
        answers: list[SendOutcome] = []
        for part, outcome in zip(parts, outcomes, strict=True):
            if isinstance(outcome, SinkError):
                answers += [SendOutcome(delivery, Verdict.LATER, str(outcome)) for delivery, _ in part]
            else:
                answers += outcome
        return answers

    async def _put(self, part: Part) -> list[SendOutcome] | SinkError:
        try:
            told = await self._call(self.request([entry for _, entry in part]))
            return self.read(told, [delivery for delivery, _ in part])
        except RefusedError as refusal:
            if len(part) == 1:
                return [SendOutcome(part[0][0], verdict(refusal.code, refusal.message), str(refusal))]
            try:
                return await self._each([[one] for one in part])
            except SinkError as error:
                return error
        except SinkError as error:
            return error

    async def _call(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """One call, and its answer as far as it is whole.

        Raises:
            RefusedError: AWS blames what is in it.
            SinkError: it was not answered, or refused for any other reason.
        """
        lent: LeasedClient | None = None
        try:
            try:
                async with asyncio.timeout(self.limits.deadline / 2):
                    lent = await self._client.take()
            except TimeoutError:
                raise self._client.not_ready(self.limits.deadline / 2) from None
            told: dict[str, Any] = await getattr(lent.api, xform_name(self.operation))(**parameters)
            # JSON comes as it was (see `answers`), XML is parsed.
            return body_of(told["body"], told["content_type"]) if "body" in told else told
        except ClientError as error:
            raise self._refused(error, lent) from error
        except PollFailed as error:
            raise SinkError(f"{self.operation}: {_shown(str(error))}") from error
        except Exception as error:
            raise SinkError(f"{self.operation}: {_shown_error(error)}") from error
        finally:
            await self._client.give_back(lent)

    def _refused(self, error: ClientError, lent: LeasedClient | None) -> SinkError:
        failure = refusal(error)
        if failure.stale_credentials and lent is not None:
            self._client.renew(lent)
        text = f"{error.operation_name}: {_shown(str(failure))}"
        # Another call on the way there (AssumeRole) may be refused in the same words.
        if error.operation_name == self.operation and _plain(failure.code) in CONTENT | PARAMETER | BATCH_ONLY:
            return RefusedError(text, failure.code, failure.message)
        return SinkError(text)


Part = list[tuple["Delivery", Entry]]


class RefusedError(SinkError):
    """A call was refused as a whole, for what is in it."""

    def __init__(self, text: str, code: str, message: str) -> None:
        """Keep what AWS told."""
        super().__init__(text)
        self.code = code
        self.message = message


def verdict(code: str, message: str) -> Verdict:
    """What an error that AWS told of an entry, or of a call with only one, means for its event."""
    plain = _plain(code)
    content = plain in CONTENT or (plain in PARAMETER and not _DESTINATION.search(message))
    return Verdict.NEVER if content else Verdict.LATER


def answer_of(delivery: Delivery, taken: object, code: object = None, message: object = None) -> SendOutcome:
    """The answer to a delivery whose entry got an id (`taken`), or an error."""
    if code:
        known, words = _text(code), _text(message)
        text = ": ".join(filter(None, (known or "an error without a code", words)))
        return SendOutcome(delivery, verdict(known, words), _shown(text))
    if isinstance(taken, str) and taken:
        return SendOutcome(delivery, Verdict.TAKEN, _shown(taken))
    return SendOutcome(delivery, Verdict.LATER, "the answer tells neither an id nor an error of it")


def by_id(told: Mapping[str, Any], deliveries: Sequence[Delivery]) -> list[SendOutcome]:
    """The answers of SNS and SQS, whose entries name the ids of those that were sent, in any order."""
    answers: dict[str, list[tuple[object, object, object]]] = {}
    for entry in members(told, "Successful"):
        answers.setdefault(_text(entry.get("Id")), []).append((entry.get("MessageId"), None, None))
    for entry in members(told, "Failed"):
        failure = (None, entry.get("Code") or "Failed", entry.get("Message"))
        answers.setdefault(_text(entry.get("Id")), []).append(failure)
    return [
        answer_of(delivery, *found[0])
        if len(found := answers.get(delivery.id, [])) == 1
        else SendOutcome(delivery, Verdict.LATER, f"the answer tells of it {len(found)} times, not once")
        for delivery in deliveries
    ]


def members(told: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The structures in a list of an answer; what is none counts as an empty one."""
    listed = told.get(name)
    return [entry if isinstance(entry, dict) else {} for entry in listed] if isinstance(listed, list) else []


def batches(entries: Iterable[tuple[Delivery, Entry]]) -> list[Part]:
    """The entries, in their order, in as few calls as their number and size allow."""
    parts: list[Part] = []
    room = 0
    for delivery, entry in entries:
        bytes_ = size(entry)
        if not parts or len(parts[-1]) == BATCH or bytes_ > room:
            parts.append([])
            room = BATCH_BYTES
        parts[-1].append((delivery, entry))
        room -= bytes_
    return parts


def size(value: Any) -> int:
    """Bytes of an entry, at least as many as AWS counts."""
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, dict):
        return sum(map(size, (*value, *value.values())))
    if isinstance(value, list):
        return sum(map(size, value))
    return 14  # a time: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html


def attributes(event: Event) -> dict[str, dict[str, str]]:
    """A message's attributes, for filter policies: `type`, `target`, and, of what has them, `account` and `region`."""
    told = {"type": event.type, "target": event.subject}
    place = event.subject.split("/")
    if len(place) > 2:  # a test's subject is in no account
        told |= {"account": unquote(place[0]), "region": unquote(place[1])}
    return {name: {"DataType": "String", "StringValue": value} for name, value in told.items() if value}


def fifo(destination: str, delivery: Delivery) -> dict[str, str]:
    """What a FIFO queue or topic (URL or ARN) wants to know: events of one subject stay in order, none comes twice."""
    if not destination.endswith(".fifo"):
        return {}
    subject = delivery.event.subject
    group = subject if _GROUP.fullmatch(subject) else sha256(subject.encode()).hexdigest()
    return {"MessageGroupId": group, "MessageDeduplicationId": delivery.id}


def _shown_error(error: Exception) -> str:
    known = isinstance(error, (BotoCoreError, aiohttp.ClientError, OSError))
    return _shown(f"{'' if known else 'the answer could not be read: '}{type(error).__name__}: {error}")


def _text(told: object) -> str:
    """A member of an answer that is to be text; what is none, and may be anything, is as good as none."""
    return bounded(told) if isinstance(told, str) else ""


def _plain(code: str) -> str:
    """SQS may tell its codes by their old names: `AWS.SimpleQueueService.BatchRequestTooLong`."""
    return code.rpartition(".")[2]


def _shown(text: str) -> str:
    """One line for people, without secrets."""
    return printable(excerpt(" ".join(text.split()), LONGEST_TEXT))
