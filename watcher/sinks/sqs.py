"""`sqs`: events as messages of an SQS queue, standard or FIFO."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, PlainValidator

from watcher.aws.service_models import is_region
from watcher.config.fields import text_schema
from watcher.config.readers import matching
from watcher.core.ports import Delivery
from watcher.sinks.aws import AwsOptions, Entry, message

_QUEUE = r"^https?://[^/?#@ ]+/[0-9]+/(?=[^/]{1,80}$)[_0-9A-Za-z-]+(\.fifo)?$"
_QUEUE_HOST = re.compile(r"sqs(?:-fips)?\.([a-z0-9-]+)\..+")
"""The host in any partition: sqs.us-east-1.amazonaws.com, sqs.cn-north-1.amazonaws.com.cn, sqs.us-east-1.api.aws."""

Queue = Annotated[
    str,
    PlainValidator(matching(_QUEUE, "queue URL (example: https://sqs.us-east-1.amazonaws.com/111122223333/syncs)")),
    text_schema(_QUEUE),
]


class SqsOptions(AwsOptions):
    """Events to an SQS queue (`SendMessageBatch`)."""

    service: ClassVar[str] = "sqs"
    operation: ClassVar[str] = "SendMessageBatch"

    type: Literal["sqs"]
    """The type of the sink."""
    queue: Queue = Field(examples=["https://sqs.us-east-1.amazonaws.com/111122223333/syncs"])
    """The queue's URL; the message group in a FIFO queue is the target."""

    @property
    def address_region(self) -> str | None:
        """The region in the host, if the host is AWS's own."""
        host = _QUEUE_HOST.fullmatch(urlsplit(self.queue).hostname or "")
        return host[1] if host and is_region(host[1]) else None

    def entry(self, delivery: Delivery) -> Entry:
        return message(self.queue, delivery, MessageBody=delivery.body)

    def request(self, entries: Sequence[Entry]) -> dict[str, Any]:
        return {"QueueUrl": self.queue, "Entries": entries}
