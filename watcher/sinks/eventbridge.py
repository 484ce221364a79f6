"""Events on an EventBridge bus, where rules match them by source, type, target or anything in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from watcher.core.model import parse_rfc3339
from watcher.core.ports import SendOutcome, Verdict
from watcher.sinks.aws import AwsSink, Entry, answer_of, members

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from watcher.core.ports import Delivery


class EventBridgeSink(AwsSink):
    """Puts each event as `Detail`, with `Source` `watcher` and its type as `DetailType`; taken with an `EventId`."""

    service = "events"
    operation = "PutEvents"

    def entry(self, delivery: Delivery) -> Entry:
        """See `AwsSink`."""
        event = delivery.event
        return {
            "Time": parse_rfc3339(event.time),
            "Source": "watcher",
            "Resources": [event.subject],
            "DetailType": event.type,
            "Detail": delivery.body,
            "EventBusName": self.options.bus,
        }

    def request(self, entries: Sequence[Entry]) -> dict[str, Any]:
        """See `AwsSink`."""
        return {"Entries": entries}

    def read(self, told: Mapping[str, Any], deliveries: Sequence[Delivery]) -> list[SendOutcome]:
        """See `AwsSink`; the entries of the answer are in the order of those that were sent."""
        entries = members(told, "Entries")
        if len(entries) != len(deliveries):
            text = f"the answer has {len(entries)} entries for {len(deliveries)} events"
            return [SendOutcome(delivery, Verdict.LATER, text) for delivery in deliveries]
        return [
            answer_of(delivery, entry.get("EventId"), entry.get("ErrorCode"), entry.get("ErrorMessage"))
            for delivery, entry in zip(deliveries, entries, strict=True)
        ]
