"""Which problem events mutes hold back, and which of them are sent when a mute ends. Pure.

While an incident is open, its record names for each type of problem event the latest one that was muted, and the sinks
that it would have been sent to. When no mute applies to the type any more, each of these sinks is sent the latest of
its events, once, unless the problem ended before or the sink was sent a later event of the type. Which sinks they are
was decided when the event was recorded; one that is not configured any more is left out.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from watcher.core.by_hand import NOTHING_BY_HAND, ByHand
from watcher.core.events import Event
from watcher.core.incidents import BEGUN_BY
from watcher.core.ports import Entry
from watcher.core.routing import all_mutes, muted_by
from watcher.core.settings import Config
from watcher.core.state import HeldBack, Incident, Record


def with_names(names: Sequence[str], more: Iterable[str]) -> tuple[str, ...]:
    """Return `names` and those of `more` that are not among them."""
    return (*names, *(name for name in more if name not in names))


def held_after(held: Sequence[HeldBack], event: Event, routed: Sequence[str], *, muted: bool) -> tuple[HeldBack, ...]:
    """Return what is held back after a problem event that is for the sinks `routed`, or would be if it is `muted`."""
    before = next((each for each in held if each.type == event.type), HeldBack(event.type, event.id, ()))
    if muted:
        now = HeldBack(event.type, event.id, with_names(before.sinks, routed))
    else:
        now = replace(before, sinks=tuple(name for name in before.sinks if name not in routed))
    others = tuple(each for each in held if each.type != event.type)
    return (*others, now) if now.sinks else others


def still_held(incident: Incident, held: Iterable[HeldBack]) -> tuple[HeldBack, ...]:
    """Return what is held back of the problems that hold."""
    return tuple(each for each in held if BEGUN_BY[each.type] in incident.problems)


def is_held(record: Record, event_type: str, sink: str) -> bool:
    """Return whether an event of this type is held back from a sink."""
    held = record.incident.held if record.incident else ()
    return any(each.type == event_type and sink in each.sinks for each in held)


def released(
    config: Config, records: Mapping[str, Record], now: datetime, hand: ByHand = NOTHING_BY_HAND
) -> Iterator[Entry]:
    """Yield for each subject of which a mute has ended the entry that sends what was held back until then."""
    mutes = all_mutes(config.mutes, hand)
    for subject, record in records.items():
        incident = record.incident
        if incident is not None and incident.held:
            over = [each for each in incident.held if muted_by(mutes, each.type, subject, now) is None]
            if over:
                yield _release(config, subject, record, incident, over)


def _release(config: Config, subject: str, record: Record, incident: Incident, over: Sequence[HeldBack]) -> Entry:
    configured, notified = {sink.name for sink in config.sinks}, tuple[str, ...]()
    events: list[tuple[str, Sequence[str]]] = []
    for each in reversed(over):
        sinks = [name for name in each.sinks if name in configured and name not in notified]
        notified = with_names(notified, sinks)
        if sinks:
            events.insert(0, (each.event_id, sinks))
    left = tuple(each for each in incident.held if each not in over)
    after = replace(incident, notified=with_names(incident.notified or (), notified), held=left)
    return Entry(subject, replace(record, incident=after), follows=record, released=events)
