"""Events as messages of an SQS queue, standard or FIFO."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from watcher.sinks.aws import AwsSink, Entry, attributes, fifo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.core.ports import Delivery


class SqsSink(AwsSink):
    """Sends each event as a message's body; taken with a message id."""

    service = "sqs"
    operation = "SendMessageBatch"

    def entry(self, delivery: Delivery) -> Entry:
        """See `AwsSink`."""
        return {
            "Id": delivery.id,
            "MessageBody": delivery.body,
            "MessageAttributes": attributes(delivery.event),
            **fifo(self.options.queue, delivery),
        }

    def request(self, entries: Sequence[Entry]) -> dict[str, Any]:
        """See `AwsSink`."""
        return {"QueueUrl": self.options.queue, "Entries": entries}
