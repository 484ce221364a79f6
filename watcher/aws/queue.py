"""Reads an SQS queue: receives its messages, deletes them, and hides them for longer or shows them again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from watcher.aws.client import Client
from watcher.aws.http_session import BoundedSession
from watcher.aws.responses import body_of
from watcher.core.settings import QUEUE_CALLS

if TYPE_CHECKING:
    from watcher.aws.sessions import Sessions
    from watcher.core.settings import HintQueue

MAX_MESSAGES = 10
"""The most messages of one call (SQS's own limit)."""
WAIT_SECONDS = 20
"""How long a call waits for the first message (SQS's own limit)."""
CALL_SECONDS = 10.0
"""The time limit of a call, besides the wait for messages."""
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""The longest answer with one message that is read: SQS's limit is 1 MiB, which is twice as long if JSON escapes it."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was received."""

    receipt: str
    body: str
    receives: int
    """How often it was received, this time included."""


class Queue:
    """One queue, called with the credentials of an account. Every method may raise PollFailed."""

    def __init__(self, settings: HintQueue, sessions: Sessions) -> None:
        """Nothing is opened before the first call."""
        self._url = settings.url
        account = settings.account
        self._client = Client(
            "sqs", settings.region, account, sessions, endpoint_url=account.endpoint_url, pool=QUEUE_CALLS,
            http_session=_QueueSession,
        )  # fmt: skip

    async def receive(self, most: int, hidden_seconds: int) -> Sequence[Message]:
        """Wait for messages, and return at most so many, which are hidden from other readers for some time."""
        answer = await self._call(
            "ReceiveMessage",
            CALL_SECONDS + WAIT_SECONDS,
            MaxNumberOfMessages=most,
            WaitTimeSeconds=WAIT_SECONDS,
            VisibilityTimeout=hidden_seconds,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        listed = body_of(answer["body"], answer["content_type"]).get("Messages")
        found = (_message(each) for each in (listed if isinstance(listed, list) else ()))
        return [message for message in found if message is not None]

    async def delete(self, message: Message) -> None:
        await self._call("DeleteMessage", CALL_SECONDS, ReceiptHandle=message.receipt)

    async def hide(self, message: Message, seconds: int) -> None:
        """Hide a received message from now on for so many seconds; 0: show it again."""
        await self._call(
            "ChangeMessageVisibility", CALL_SECONDS, ReceiptHandle=message.receipt, VisibilityTimeout=seconds
        )

    async def show(self, messages: Sequence[Message]) -> None:
        """Show up to ten received messages again, as far as they are still hidden."""
        entries = [
            {"Id": str(number), "ReceiptHandle": message.receipt, "VisibilityTimeout": 0}
            for number, message in enumerate(messages)
        ]
        await self._call("ChangeMessageVisibilityBatch", CALL_SECONDS, Entries=entries)

    async def close(self) -> None:
        await self._client.close()

    async def _call(self, operation: str, seconds: float, **parameters: Any) -> Mapping[str, Any]:
        return await self._client.call(operation, {"QueueUrl": self._url, **parameters}, seconds)


class _QueueSession(BoundedSession):
    longest = MAX_MESSAGE_BYTES


def _message(fields: Any) -> Message | None:
    """The message in an answer; None: it has no receipt, without which nothing can be done about it."""
    if not isinstance(fields, dict) or not isinstance(fields.get("ReceiptHandle"), str):
        return None
    body, attributes = fields.get("Body"), fields.get("Attributes")
    count = attributes.get("ApproximateReceiveCount") if isinstance(attributes, dict) else None
    receives = int(count) if isinstance(count, str) and count.isascii() and count.isdigit() and len(count) < 10 else 1
    return Message(fields["ReceiptHandle"], body if isinstance(body, str) else "", receives)
