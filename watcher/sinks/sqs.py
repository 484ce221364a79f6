"""`sqs`: events as messages of an SQS queue, standard or FIFO."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from watcher.config.fields import QueueUrl
from watcher.config.url_readers import queue_region
from watcher.core.deliveries import Delivery
from watcher.sinks.aws import AwsOptions, Entry, message


class SqsOptions(AwsOptions):
    """Events to an SQS queue (`SendMessageBatch`)."""

    service: ClassVar[str] = "sqs"
    operation: ClassVar[str] = "SendMessageBatch"

    type: Literal["sqs"]
    queue: QueueUrl = Field(examples=["https://sqs.us-east-1.amazonaws.com/111122223333/syncs"])
    """The queue's URL; the message group in a FIFO queue is the target."""

    @property
    def address_region(self) -> str | None:
        """The region in the host, if the host is AWS's own."""
        return queue_region(self.queue)

    def entry(self, delivery: Delivery) -> Entry:
        return message(self.queue, delivery, MessageBody=delivery.body)

    def request(self, entries: Sequence[Entry]) -> dict[str, Any]:
        return {"QueueUrl": self.queue, "Entries": entries}
