"""Which sinks an event is for, and what is muted. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from watcher.core.by_hand import ByHand
from watcher.core.event_types import DIGEST_EVENT, Severity, severity
from watcher.core.mutes import Mute
from watcher.core.sink_settings import SinkSettings
from watcher.util.globs import let_through

if TYPE_CHECKING:
    from watcher.core.events import Event


def route(event: Event, labels: Mapping[str, str], sinks: Iterable[SinkSettings]) -> tuple[str, ...]:
    """Return the names of the sinks that `event` is for. `labels` are those of its target; an endpoint has none.

    A sink's globs must match the event's type and subject, and the target must have all of the sink's labels. A filter
    that a sink does not have lets everything through.
    """
    return tuple(sink.name for sink in sinks if why_not(sink, event.type, event.subject, labels) is None)


def route_end(notified: Collection[str], sinks: Iterable[SinkSettings]) -> tuple[str, ...]:
    """Return which of the sinks that were sent an incident's problems (`notified`) are sent the event that resolves it.

    Neither their filters nor a mute keep them from it, but `send_resolved: false` does. One that is not configured has
    it as well: another daemon of the table may have the sink, or the delivery becomes a dead letter.
    """
    without = {sink.name for sink in sinks if not sink.send_resolved}
    return tuple(name for name in notified if name not in without)


def route_any(
    event_types: Collection[str], subject: str, labels: Mapping[str, str], sinks: Iterable[SinkSettings]
) -> tuple[str, ...]:
    """Return the sinks that an event of any of these types is for, used if it is not recorded which were sent one."""
    return tuple(
        sink.name for sink in sinks if any(why_not(sink, each, subject, labels) is None for each in event_types)
    )


def why_not(sink: SinkSettings, event_type: str, subject: str, labels: Mapping[str, str]) -> str | None:
    """Return why an event of this type and subject is not for `sink`; None: it is."""
    if event_type == DIGEST_EVENT:
        return "a digest is sent to the sinks that `digest.to` names"
    if not let_through(sink.events, event_type):
        return f"its `events` do not match {event_type}"
    if sink.min_severity is Severity.ERROR and severity(event_type) is not Severity.ERROR:
        return f"its `min_severity` is {sink.min_severity}, and {event_type} is {severity(event_type)}"
    if not let_through(sink.targets, subject):
        return f"its `targets` do not match {subject}"
    lacking = [f"{name}={value}" for name, value in sink.labels.items() if labels.get(name) != value]
    if lacking:
        return f"its `labels` ask for {', '.join(lacking)}"
    return None


def muted_by(mutes: Iterable[Mute], event_type: str, subject: str, now: datetime) -> Mute | None:
    """Return the first mute that applies to an event of this type and subject at `now`.

    Its `until` is when it ends or pauses: the end of its window, if that is earlier.
    """
    for mute in mutes:
        if let_through(mute.targets, subject) and let_through(mute.events, event_type) and mute.applies_at(now):
            return replace(mute, until=mute.over_at(now))
    return None


def mute_of(mutes: Iterable[Mute], subject: str) -> Mute | None:
    """Return the first of some active mutes that applies to any event of this subject."""
    return next((mute for mute in mutes if let_through(mute.targets, subject)), None)


def active_mutes(configured: Iterable[Mute], hand: ByHand, now: datetime) -> tuple[Mute, ...]:
    """Return all mutes that apply at `now`; as in `muted_by`, `until` is when each ends or pauses."""
    active = (mute for mute in all_mutes(configured, hand) if mute.applies_at(now))
    return tuple(replace(mute, until=mute.over_at(now)) for mute in active)


def all_mutes(configured: Iterable[Mute], hand: ByHand) -> tuple[Mute, ...]:
    """Return the mutes of the configuration, and those that people have made and not ended early."""
    made = (
        Mute(each.targets, each.events, until=each.until, reason=each.reason, id=each.id, by=each.by)
        for each in hand.mutes
        if each.ended_at is None
    )
    return (*configured, *made)


def labels_of(data: Mapping[str, Mapping[str, Mapping[str, str]]]) -> Mapping[str, str]:
    """Return the labels in the `data` of a recorded event."""
    return data.get("target", {}).get("labels", {})


def wants_recorded(sink: SinkSettings, event: Event) -> bool:
    """Return whether a recorded event is for `sink`, by the sink's present settings; what was muted is for none."""
    data = json.loads(event.body)["data"]
    return "muted" not in data and why_not(sink, event.type, event.subject, labels_of(data)) is None
