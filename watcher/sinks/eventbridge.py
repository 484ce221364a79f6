"""`eventbridge`: events on an EventBridge bus, where rules match them by source, type, target or content."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PlainValidator

from watcher.config.fields import text_schema
from watcher.config.readers import accepted
from watcher.core.deliveries import Delivery, SendOutcome, Verdict
from watcher.core.model import parse_rfc3339
from watcher.sinks.aws import AwsOptions, Entry, members, outcome_of

Bus = Annotated[
    str,
    PlainValidator(
        accepted(
            "events", "PutEvents", "Entries", "EventBusName", what="an event bus", instead="write its name, or its ARN"
        )
    ),
    text_schema(minLength=1),
]


class EventBridgeOptions(AwsOptions):
    """Events to an EventBridge bus (`PutEvents`): `Source` is `watcher`, `DetailType` the type of the event."""

    service: ClassVar[str] = "events"
    operation: ClassVar[str] = "PutEvents"

    type: Literal["eventbridge"]
    bus: Bus = Field(default="default", examples=["arn:aws:events:us-east-1:111122223333:event-bus/syncs"])
    """The bus, by its name or its ARN."""

    @property
    def address_region(self) -> str | None:
        return self.bus.split(":")[3] if self.bus.startswith("arn:") else None

    def entry(self, delivery: Delivery) -> Entry:
        event = delivery.event
        return {
            "Time": parse_rfc3339(event.time),
            "Source": "watcher",
            "Resources": [event.subject],
            "DetailType": event.type,
            "Detail": delivery.body,
            "EventBusName": self.bus,
        }

    def request(self, entries: Sequence[Entry]) -> dict[str, Any]:
        return {"Entries": entries}

    def read(self, answer: Mapping[str, Any], deliveries: Sequence[Delivery]) -> list[SendOutcome]:
        """Return the outcomes: the answer's entries are in the order of those that were sent."""
        entries = members(answer, "Entries")
        if len(entries) != len(deliveries):
            text = f"the answer has {len(entries)} entries for {len(deliveries)} events"
            return [SendOutcome(delivery, Verdict.LATER, text) for delivery in deliveries]
        return [
            outcome_of(delivery, entry.get("EventId"), entry.get("ErrorCode"), entry.get("ErrorMessage"))
            for delivery, entry in zip(deliveries, entries, strict=True)
        ]
