"""Explains why an event was, or was not, sent to each sink. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from watcher.core.model import for_people, parse_rfc3339
from watcher.core.ports import DeliveryRecord, DeliveryState
from watcher.core.routing import labels_of, why_not
from watcher.core.settings import Config, SinkSettings

if TYPE_CHECKING:
    from watcher.core.events import Event  # loads cloudevents

MUTED, NOT_ROUTED, NOT_THERE = "muted", "not routed", "not there yet"
"""Why a sink has no delivery of an event."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The state of an event, or of one reminder of it, at one sink."""

    sink: str
    state: str
    """A `DeliveryState`, or why there is no delivery."""
    why: str
    """For people; includes the sink's response."""
    delivery: DeliveryRecord | None = None


def explain(event: Event, deliveries: Iterable[DeliveryRecord], config: Config) -> list[Explanation]:
    """The state of `event` at each configured sink, then at each other sink that has a delivery of it.

    `deliveries`: those of this event, in order. The current configuration explains why a sink has none.
    """
    by_sink: dict[str, list[DeliveryRecord]] = {sink.name: [] for sink in config.sinks}
    for delivery in deliveries:
        by_sink.setdefault(delivery.sink, []).append(delivery)
    configured = {sink.name: sink for sink in config.sinks}
    data = json.loads(event.body)["data"]
    found = []
    for name, each in by_sink.items():
        if name in configured and all(delivery.reminder for delivery in each):
            found.append(_without_delivery(configured[name], event, data))
        found += [Explanation(name, delivery.state.value, _why(delivery), delivery) for delivery in each]
    return found


def _without_delivery(sink: SinkSettings, event: Event, data: Mapping[str, Any]) -> Explanation:
    """Why `sink` has no delivery of the event itself."""
    if "muted" in data:
        return Explanation(sink.name, MUTED, _muted(data["muted"]))
    reason = why_not(sink, event.type, event.subject, labels_of(data))
    if reason is not None:
        return Explanation(sink.name, NOT_ROUTED, f"by the current configuration, {reason}")
    return Explanation(sink.name, NOT_THERE, _not_there(sink.replay_from, parse_rfc3339(event.time)))


def _muted(mute: Mapping[str, str | None]) -> str:
    parts = [
        mute["reason"] or "no reason was given",
        f"until {for_people(parse_rfc3339(mute['until']))}" if mute["until"] else "",
    ]
    return ", ".join(filter(None, parts))


def _not_there(replay_from: datetime | None, time: datetime) -> str:
    reason = "the sink did not exist yet, or was configured otherwise"
    if replay_from is None:
        return f"{reason}; `replay_from` sends earlier events to a new sink"
    if replay_from > time:
        return f"{reason}; its `replay_from` begins later, at {for_people(replay_from)}"
    return f"{reason}; its `replay_from` applies to the first start of `watcher run` with the sink"


def _why(delivery: DeliveryRecord) -> str:
    answer = delivery.answer or ""
    match delivery.state:
        case DeliveryState.WAITING:
            since = for_people(datetime.fromtimestamp(delivery.recorded, UTC))
            if not delivery.tries:
                return f"since {since}; not tried yet"
            return f"since {since}; the last response: {answer}"
        case DeliveryState.DROPPED if not delivery.reminder:
            return f"by `deliveries drop`; the last response: {answer}" if answer else "by `deliveries drop`"
    return answer
