"""`sns`: events as messages of an SNS topic, standard or FIFO, with a subject line for subscriptions by e-mail."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PlainValidator

from watcher.config.fields import text_schema
from watcher.config.readers import matching
from watcher.core.deliveries import Delivery
from watcher.messages.plain import subject
from watcher.sinks.aws import AwsOptions, Entry, message

_TOPIC = r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:(?=[^:]{1,256}$)[_0-9A-Za-z-]+(\.fifo)?$"

Topic = Annotated[
    str,
    PlainValidator(matching(_TOPIC, "topic ARN (example: arn:aws:sns:us-east-1:111122223333:syncs)")),
    text_schema(_TOPIC),
]


class SnsOptions(AwsOptions):
    """Events to an SNS topic (`PublishBatch`)."""

    service: ClassVar[str] = "sns"
    operation: ClassVar[str] = "PublishBatch"

    type: Literal["sns"]
    topic: Topic = Field(examples=["arn:aws:sns:us-east-1:111122223333:syncs"])
    """The topic's ARN; the message group in a FIFO topic is the target."""

    @property
    def address_region(self) -> str | None:
        return self.topic.split(":")[3]

    def entry(self, delivery: Delivery) -> Entry:
        return message(self.topic, delivery, Message=delivery.body, Subject=subject(json.loads(delivery.body)))

    def request(self, entries: Sequence[Entry]) -> dict[str, Any]:
        return {"TopicArn": self.topic, "PublishBatchRequestEntries": entries}
