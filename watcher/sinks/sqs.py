"""Events as messages of an SQS queue, standard or FIFO."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from watcher.sinks.aws import AwsSink, Entry, attributes, by_id, fifo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from watcher.config.settings import SinkSettings
    from watcher.protocols import Answer, Delivery
    from watcher.sinks import SinkContext


class SqsSink(AwsSink):
    """Sends each event as a message's body; taken with a message id."""

    service = "sqs"
    operation = "SendMessageBatch"

    def __init__(self, settings: SinkSettings, context: SinkContext) -> None:
        """Nothing is opened before the first send."""
        super().__init__(settings, context)
        self._queue: str = settings.options.queue

    def entry(self, delivery: Delivery) -> Entry:
        """See `AwsSink`."""
        return {
            "Id": delivery.id,
            "MessageBody": delivery.body,
            "MessageAttributes": attributes(delivery.event),
            **fifo(self._queue, delivery),
        }

    def request(self, entries: Sequence[Entry]) -> dict[str, Any]:
        """See `AwsSink`."""
        return {"QueueUrl": self._queue, "Entries": entries}

    def read(self, told: Mapping[str, Any], deliveries: Sequence[Delivery]) -> list[Answer]:
        """See `AwsSink`."""
        return by_id(told, deliveries)
