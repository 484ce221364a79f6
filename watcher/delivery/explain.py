"""Explains why an event was, or was not, sent to each sink. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from watcher.core.by_hand import NOTHING_BY_HAND, ByHand
from watcher.core.deliveries import DeliveryRecord, DeliveryState
from watcher.core.incidents import BEGUN_BY, State
from watcher.core.model import for_people, parse_rfc3339, rfc3339
from watcher.core.routing import labels_of, why_not
from watcher.core.settings import Config
from watcher.core.sink_settings import SinkSettings
from watcher.core.unfinished import is_end

if TYPE_CHECKING:
    from watcher.core.events import Event  # loads cloudevents


@dataclass(frozen=True, slots=True)
class Explanation:
    """The state of an event, or of one reminder of it, at one sink."""

    sink: str
    state: str
    """A `DeliveryState`, or why there is no delivery: "muted", "not routed" or "not there yet"."""
    why: str
    """For people; includes the sink's response."""
    delivery: DeliveryRecord | None = None


def explain(
    event: Event, deliveries: Iterable[DeliveryRecord], config: Config, hand: ByHand = NOTHING_BY_HAND
) -> list[Explanation]:
    """The state of `event` at each configured sink, then at each other sink that has a delivery of it.

    `deliveries`: those of this event, in order. The current configuration explains why a sink has none, and
    `hand` who muted the event.
    """
    configured = {sink.name: sink for sink in config.sinks}
    by_sink: dict[str, list[DeliveryRecord]] = {name: [] for name in configured}
    for delivery in deliveries:
        by_sink.setdefault(delivery.sink, []).append(delivery)
    data = json.loads(event.body)["data"]
    found = []
    for name, each in by_sink.items():
        if name in configured and all(delivery.reminder for delivery in each):
            found.append(_without_delivery(configured[name], event, data, hand))
        rule = _rule(configured.get(name), event, data)
        found += [
            Explanation(name, delivery.state.value, _why(delivery, "" if delivery.reminder else rule), delivery)
            for delivery in each
        ]
    return found


def _without_delivery(sink: SinkSettings, event: Event, data: Mapping[str, Any], hand: ByHand) -> Explanation:
    """Why `sink` has no delivery of the event itself."""
    if "muted" in data:
        return Explanation(sink.name, "muted", _muted(data["muted"], hand))
    unmatched = why_not(sink, event.type, event.subject, labels_of(data))
    if unmatched is not None:
        return Explanation(sink.name, "not routed", f"by the current configuration, {unmatched}")
    if sink.replay_from is None:
        hint = "`replay_from` sends earlier events to a new sink"
    elif sink.replay_from > parse_rfc3339(event.time):
        hint = f"its `replay_from` begins later, at {for_people(sink.replay_from)}"
    else:
        hint = "its `replay_from` applies to the first start of `watcher run` with the sink"
    return Explanation(sink.name, "not there yet", f"the sink did not exist yet, or had another configuration; {hint}")


def _muted(muted: Mapping[str, Any], hand: ByHand) -> str:
    """Return why an event is muted, and if that mute was made by hand and is still kept, by whom."""
    reason, until = muted["reason"] or "no reason was given", muted["until"]
    if not until:
        return reason
    made = [each for each in hand.mutes if (each.reason, rfc3339(each.until)) == (reason, until)]
    who = f"; by the mute {made[0].id} of {made[0].by}" if made else ""
    early = f", which {made[0].ended_by} ended at {for_people(made[0].ends)}" if made and made[0].ended_at else ""
    return f"{reason}, until {for_people(parse_rfc3339(until))}{who}{early}"


def _rule(sink: SinkSettings | None, event: Event, data: Mapping[str, Any]) -> str:
    """Return why a sink has an event though a mute, or a filter of the sink, held it back; empty: none did."""
    held = "muted" in data or sink is None or why_not(sink, event.type, event.subject, labels_of(data)) is not None
    if held and sink is not None and sink.options.shows_attempts and is_end(event.type):
        return "it shows the attempt as unfinished, so it is sent the end"
    if "muted" in data and event.type in BEGUN_BY:
        return "the problem outlasted its mute"
    if sink is None or (data.get("incident") or {}).get("state") != State.RESOLVED:
        return ""
    return "it was sent the problem, so it is sent the end" if held else ""


def _why(delivery: DeliveryRecord, rule: str) -> str:
    """Return the rule by which there is a delivery, and what became of it."""
    return "; ".join(part for part in (rule, _response(delivery)) if part)


def _response(delivery: DeliveryRecord) -> str:
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
