"""Events as messages of an SNS topic, standard or FIFO, with a subject line for those who read them as e-mail."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from watcher.messages.plain import subject
from watcher.sinks.aws import AwsSink, Entry, attributes, by_id, fifo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from watcher.config.settings import SinkSettings
    from watcher.protocols import Answer, Delivery
    from watcher.sinks import SinkContext


class SnsSink(AwsSink):
    """Publishes each event as a message; taken with a message id."""

    service = "sns"
    operation = "PublishBatch"

    def __init__(self, settings: SinkSettings, context: SinkContext) -> None:
        """Nothing is opened before the first send."""
        super().__init__(settings, context)
        self._topic: str = settings.options.topic

    def entry(self, delivery: Delivery) -> Entry:
        """See `AwsSink`."""
        return {
            "Id": delivery.id,
            "Message": delivery.body,
            "Subject": subject(json.loads(delivery.body)),
            "MessageAttributes": attributes(delivery.event),
            **fifo(self._topic, delivery),
        }

    def request(self, entries: Sequence[Entry]) -> dict[str, Any]:
        """See `AwsSink`."""
        return {"TopicArn": self._topic, "PublishBatchRequestEntries": entries}

    def read(self, told: Mapping[str, Any], deliveries: Sequence[Delivery]) -> list[Answer]:
        """See `AwsSink`."""
        return by_id(told, deliveries)
