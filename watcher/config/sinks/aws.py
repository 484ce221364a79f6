"""Events to EventBridge, SNS and SQS."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, PlainValidator

from watcher.aws.service_models import is_region
from watcher.config.fields import Duration, Plain, Region, Url, accepted, lasting, matching, text_schema
from watcher.config.sinks.base import Sink

_TOPIC = r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:(?=[^:]{1,256}$)[_0-9A-Za-z-]+(\.fifo)?$"
_QUEUE = r"^https?://[^/?#@ ]+/[0-9]+/(?=[^/]{1,80}$)[_0-9A-Za-z-]+(\.fifo)?$"
_QUEUE_HOST = re.compile(r"sqs(?:-fips)?\.([a-z0-9-]+)\..+")
"""In any partition: sqs.us-east-1.amazonaws.com, sqs.cn-north-1.amazonaws.com.cn, sqs.us-east-1.api.aws."""

Bus = Annotated[
    str,
    PlainValidator(
        accepted(
            "events", "PutEvents", "Entries", "EventBusName", what="an event bus", instead="write its name, or its ARN"
        )
    ),
    text_schema(minLength=1),
]
Topic = Annotated[
    str, PlainValidator(matching(_TOPIC, "topic ARN, such as arn:aws:sns:us-east-1:111122223333:syncs")),
    text_schema(_TOPIC),
]  # fmt: skip
Queue = Annotated[
    str,
    PlainValidator(matching(_QUEUE, "queue URL, such as https://sqs.us-east-1.amazonaws.com/111122223333/syncs")),
    text_schema(_QUEUE),
]


class AwsSink(Sink):
    """A sink at AWS."""

    account: Plain | None = None
    """Whose credentials, by its name under `accounts`; left out: the only one's, or that of `default`."""
    region: Region | None = Field(default=None, examples=["eu-west-1"])
    """Where; left out: what the address tells, else the only region of the account."""
    endpoint_url: Url | None = Field(default=None, examples=["http://127.0.0.1:4566"])
    """Where the API is, if not where it always is."""
    timeout: Duration = lasting("10s")
    """For one call, in all."""

    @property
    def told_region(self) -> str | None:
        """The region that the address tells, if it does."""
        return None


class EventBridgeSink(AwsSink):
    """Events to an EventBridge bus (`PutEvents`)."""

    type: Literal["eventbridge"]
    """What the sink is."""
    bus: Bus = Field(default="default", examples=["arn:aws:events:us-east-1:111122223333:event-bus/syncs"])
    """The bus, by its name or its ARN."""

    @property
    def told_region(self) -> str | None:
        """An ARN has it, a name has not."""
        return self.bus.split(":")[3] if self.bus.startswith("arn:") else None


class SnsSink(AwsSink):
    """Events to an SNS topic (`PublishBatch`)."""

    type: Literal["sns"]
    """What the sink is."""
    topic: Topic = Field(examples=["arn:aws:sns:us-east-1:111122223333:syncs"])
    """The topic's ARN; of a FIFO topic the message group is the target."""

    @property
    def told_region(self) -> str | None:
        """The ARN has it."""
        return self.topic.split(":")[3]


class SqsSink(AwsSink):
    """Events to an SQS queue (`SendMessageBatch`)."""

    type: Literal["sqs"]
    """What the sink is."""
    queue: Queue = Field(examples=["https://sqs.us-east-1.amazonaws.com/111122223333/syncs"])
    """The queue's URL; of a FIFO queue the message group is the target."""

    @property
    def told_region(self) -> str | None:
        """The host at AWS has it; a stand-in's host has not."""
        host = _QUEUE_HOST.fullmatch(urlsplit(self.queue).hostname or "")
        return host[1] if host and is_region(host[1]) else None
