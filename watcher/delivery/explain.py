"""Why an event was, or was not, sent to each sink: (event, its deliveries, configuration) -> what to tell. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from watcher.core.model import for_people, parse_rfc3339
from watcher.core.ports import DeliveryState
from watcher.core.routing import labels_of, why_not

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from watcher.core.events import Event
    from watcher.core.ports import DeliveryRecord
    from watcher.core.settings import Config, SinkSettings

MUTED, NOT_ROUTED, NOT_THERE = "muted", "not routed", "not there yet"
"""Why a sink has no delivery of an event."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What became of an event at one sink, or of one reminder of it there."""

    sink: str
    state: str
    """A `DeliveryState`, or why there is no delivery."""
    why: str
    """For people; the sink's own words are in it."""
    delivery: DeliveryRecord | None = None


def explain(event: Event, deliveries: Iterable[DeliveryRecord], config: Config) -> list[Explanation]:
    """What became of `event` at each configured sink, and at each other that has a delivery of it, in this order.

    `deliveries`: those of this event, in order. Where there is none, the configuration as it is now tells why.
    """
    had: dict[str, list[DeliveryRecord]] = {sink.name: [] for sink in config.sinks}
    for delivery in deliveries:
        had.setdefault(delivery.sink, []).append(delivery)
    configured = {sink.name: sink for sink in config.sinks}
    data = json.loads(event.body)["data"]
    told = []
    for name, each in had.items():
        if name in configured and all(delivery.reminder for delivery in each):
            told.append(_without(configured[name], event, data))
        told += [Explanation(name, delivery.state.value, _why(delivery), delivery) for delivery in each]
    return told


def _without(sink: SinkSettings, event: Event, data: Mapping[str, Any]) -> Explanation:
    """Why the event itself was not for `sink`."""
    if "muted" in data:
        return Explanation(sink.name, MUTED, _muted(data["muted"]))
    reason = why_not(sink, event.type, event.subject, labels_of(data))
    if reason is not None:
        return Explanation(sink.name, NOT_ROUTED, f"by the configuration as it is now, {reason}")
    return Explanation(sink.name, NOT_THERE, _not_there(sink.replay_from, parse_rfc3339(event.time)))


def _muted(mute: Mapping[str, str | None]) -> str:
    parts = [
        mute["reason"] or "no reason was given",
        f"until {for_people(parse_rfc3339(mute['until']))}" if mute["until"] else "",
    ]
    return ", ".join(filter(None, parts))


def _not_there(replay_from: datetime | None, time: datetime) -> str:
    told = "the sink was not there yet, or was configured otherwise"
    if replay_from is None:
        return f"{told}; `replay_from` lets a new sink have what was before it"
    if replay_from > time:
        return f"{told}; its `replay_from` begins later, at {for_people(replay_from)}"
    return f"{told}; its `replay_from` holds for the first start of `watcher run` with it"


def _why(delivery: DeliveryRecord) -> str:
    answer = delivery.answer or ""
    match delivery.state:
        case DeliveryState.WAITING:
            since = for_people(datetime.fromtimestamp(delivery.recorded, UTC))
            if not delivery.tries:
                return f"since {since}; not tried yet: it waits for its turn"
            return f"since {since}; the last answer: {answer}"
        case DeliveryState.DROPPED if not delivery.reminder:
            return f"by `deliveries drop`; the last answer: {answer}" if answer else "by `deliveries drop`"
    return answer
