"""Events as messages of an SNS topic, standard or FIFO, with a subject line for those who read them as e-mail."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from watcher.messages.plain import subject
from watcher.sinks.aws import AwsSink, Entry, attributes, fifo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.core.ports import Delivery


class SnsSink(AwsSink):
    """Publishes each event as a message; taken with a message id."""

    service = "sns"
    operation = "PublishBatch"

    def entry(self, delivery: Delivery) -> Entry:
        """See `AwsSink`."""
        return {
            "Id": delivery.id,
            "Message": delivery.body,
            "Subject": subject(json.loads(delivery.body)),
            "MessageAttributes": attributes(delivery.event),
            **fifo(self.options.topic, delivery),
        }

    def request(self, entries: Sequence[Entry]) -> dict[str, Any]:
        """See `AwsSink`."""
        return {"TopicArn": self.options.topic, "PublishBatchRequestEntries": entries}
