"""Judges which sinks were sent problems and their ends, from recorded events, deliveries and arrivals alone."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from watcher.core.deliveries import DeliveryState
from watcher.core.routing import labels_of, why_not

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from watcher.core.deliveries import Delivery, DeliveryRecord
    from watcher.core.events import Event
    from watcher.core.ports import Entry
    from watcher.core.settings import Config
    from watcher.core.sink_settings import SinkSettings

PROBLEMS = {
    "watcher.sync.failed": "failed",
    "watcher.sync.stalled": "stalled",
    "watcher.sync.blocked": "blocked",
    "watcher.target.unreadable": "unreadable",
    "watcher.endpoint.unreadable": "unreadable",
    "watcher.connection.unavailable": "unavailable",
}
"""The types of problem events, and what each says is wrong."""

QUIET = "quiet"
"""The sink that never has `send_resolved`."""


class MisroutedError(AssertionError):
    """A sink was sent a problem and not its end, or an end that was not for it; or incidents of a subject overlap."""


@dataclass(slots=True)
class Receivers:
    """What receivers have got, and the filters that were in force when something was recorded or replayed."""

    got: list[tuple[str, str]] = field(default_factory=list)
    """A sink, and the body of an event."""
    shown: dict[tuple[str, str], str] = field(default_factory=dict)
    """By sink and subject: the incident that last opened the alert, or was added to it."""
    openings: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often an alert was opened: by sink and incident."""
    crashes: int = 0
    """How often a delivery that a receiver had accepted may not have been recorded."""
    held: dict[str, set[str]] = field(default_factory=dict)
    """By the body of a muted problem event: the sinks that it would have been for, and that were not removed since."""
    outlasting: set[str] = field(default_factory=set)
    """The incidents that were open when mutes had ended."""
    dropped: set[tuple[str, str]] = field(default_factory=set)
    """Problems that an operator dropped before the end was sent: a sink, and the body of an event."""
    _own: set[tuple[str, str]] = field(default_factory=set)
    _replayed: list[SinkSettings] = field(default_factory=list)
    _configured: dict[str, frozenset[str]] = field(default_factory=dict)
    """By the body of an event: the sinks that there were when it was recorded."""

    def routed(self, entries: Iterable[Entry], config: Config) -> None:
        """Note whose filters let the events of `entries` through."""
        for entry in entries:
            for event, _ in entry.events:
                self._configured[event.body] = frozenset(sink.name for sink in config.sinks)
                self._own |= {(sink.name, event.body) for sink in config.sinks if _matches(sink, event)}
                if event.type in PROBLEMS and _is_muted(event):
                    self.held[event.body] = {sink.name for sink in config.sinks if _lets_through(sink, event)}

    def configured(self, config: Config, known: Collection[str]) -> None:
        """Note which sinks there are now, and which of them are sent earlier events."""
        for sinks in self.held.values():
            sinks &= {sink.name for sink in config.sinks}
        self._replayed += [sink for sink in config.sinks if sink.name not in known and sink.replay_from is not None]

    def dropped_by_hand(self, sink: str, problem: Event, end: Event | None, config: Config) -> None:
        """Note that an operator dropped a problem that did not arrive, before its end was sent, if there is one.

        If the end was recorded before, the current filters decide whether it stays pending.
        """
        self.dropped.add((sink, problem.body))
        if end is not None and any(each.name == sink and _matches(each, end) for each in config.sinks):
            self._own.add((sink, end.body))

    def arrived(self, sink: str, delivery: Delivery) -> None:
        """Note that a receiver accepted a delivery; it has one alert for a subject."""
        event = delivery.event
        self.got.append((sink, event.body))
        incident, place = json.loads(event.body)["data"]["incident"], (sink, event.subject)
        if incident is not None and incident["state"] == "resolved":
            self.shown.pop(place, None)
        elif event.type in PROBLEMS:
            self.openings[sink, incident["id"]] += place not in self.shown
            self.shown[place] = incident["id"]

    def is_kept(self, sink: str, end: Event) -> bool:
        """Return whether a sink was not configured at an end, which is kept for it: its `send_resolved` is unknown."""
        return sink not in self._configured[end.body]

    def has_by_filters(self, sink: str, event: Event) -> bool:
        """Return whether an event was for a sink without any rule about ends."""
        replayed = (each for each in self._replayed if each.name == sink)
        return (sink, event.body) in self._own or any(_matches(each, event) for each in replayed)


def _is_muted(event: Event) -> bool:
    return "muted" in json.loads(event.body)["data"]


def _lets_through(sink: SinkSettings, event: Event) -> bool:
    return why_not(sink, event.type, event.subject, labels_of(json.loads(event.body)["data"])) is None


def is_end_of(event: Event, problem: Event) -> bool:
    """Return whether an event resolved the incident of a problem."""
    about, of = (json.loads(each.body)["data"]["incident"] or {} for each in (event, problem))
    return event.subject == problem.subject and about.get("id") == of["id"] and about["state"] == "resolved"


def _matches(sink: SinkSettings, event: Event) -> bool:
    return not _is_muted(event) and _lets_through(sink, event)


@dataclass(slots=True)
class Incident:
    """From the event that opened it to the one that resolved it, if there is one."""

    id: str
    problems: list[Event]
    holding: list[str] = field(default_factory=list)
    """The problems that hold after its last event."""
    end: Event | None = None


def judge(events: Iterable[Event], kept: Iterable[DeliveryRecord], receivers: Receivers, config: Config) -> None:
    """Judge a history in which at last everything was delivered to the configured sinks.

    Args:
        events: all recorded events, in their order.
        kept: all deliveries, whatever became of them.
        receivers: what arrived.
        config: the one at the end.

    Raises:
        MisroutedError: the promise is broken.
    """
    of_events = [each for each in kept if not each.reminder]
    queued = {(each.sink, each.event.body) for each in of_events if each.state is not DeliveryState.DROPPED}
    sinks = {sink for sink, _ in queued} | {sink.name for sink in config.sinks}
    sent: dict[tuple[str, str], str] = {}
    opened: Counter[str] = Counter()
    for incident in _incidents(events):
        opened[incident.id] += 1
        _judge_mutes(incident, receivers, queued | receivers.dropped)
        for sink in sorted(sinks):
            problems = [each for each in incident.problems if (sink, each.body) in queued - receivers.dropped]
            if incident.end is not None:
                ends = sink != QUIET or ((sink, incident.end.body) in queued and receivers.is_kept(sink, incident.end))
                _judge_end(incident.end, sink, receivers, queued, owed=bool(problems) and ends)
        for settings in config.sinks:
            if incident.end is None and any((settings.name, each.body) in receivers.got for each in incident.problems):
                sent[settings.name, incident.problems[0].subject] = incident.id
    for settings in config.sinks:
        if settings.name != QUIET:
            _judge_alerts(settings.name, receivers, sent, opened)


def _judge_mutes(incident: Incident, receivers: Receivers, queued: set[tuple[str, str]]) -> None:
    """Judge what became of the problems that mutes held back."""
    for place, event in enumerate(incident.problems):
        sinks = {sink for sink, body in queued if body == event.body}
        if _is_muted(event) and sinks and incident.id not in receivers.outlasting:
            raise MisroutedError(f"{sinks} were sent a problem that did not outlast its mute: {event.body}")
        latest = event.type not in [each.type for each in incident.problems[place + 1 :]]
        if incident.end is None and latest and PROBLEMS[event.type] in incident.holding:
            for sink in receivers.held.get(event.body, ()):
                if all((sink, each.body) not in queued for each in incident.problems[place:]):
                    raise MisroutedError(f"{sink} was not sent a problem that outlasted its mute: {event.body}")


def _judge_alerts(
    sink: str, receivers: Receivers, sent: Mapping[tuple[str, str], str], opened: Mapping[str, int]
) -> None:
    """Judge the alerts of a receiver.

    Args:
        sink: its name.
        receivers: what it shows.
        sent: the open incidents of which receivers were sent a problem, by sink and subject.
        opened: how many incidents there were of each id; two if a target left while it failed, and came back.
    """
    shown = {subject: id_ for (name, subject), id_ in receivers.shown.items() if name == sink}
    wanted = {subject: id_ for (name, subject), id_ in sent.items() if name == sink}
    if shown != wanted:
        raise MisroutedError(f"{sink} shows {shown} as open; open of what it was sent is {wanted}")
    # What was accepted before a crash is repeated after it; a requeued dead letter may come in between.
    again = {id_: times - opened[id_] for (name, id_), times in receivers.openings.items() if name == sink}
    if sum(twice := [times for times in again.values() if times > 0]) > receivers.crashes:
        raise MisroutedError(
            f"{sink} opened alerts again that had ended, {sum(twice)} times after {receivers.crashes} crashes"
        )


def _judge_end(end: Event, sink: str, receivers: Receivers, queued: set[tuple[str, str]], *, owed: bool) -> None:
    has = (sink, end.body) in queued
    if owed and not has:
        raise MisroutedError(f"{sink} was sent a problem, and not its end: {end.body}")
    if has and not owed and not receivers.has_by_filters(sink, end):
        raise MisroutedError(f"{sink} was sent an end without a problem: {end.body}")


def _incidents(events: Iterable[Event]) -> Iterator[Incident]:
    """Yield the incidents of the events, and check that those of a subject follow each other."""
    current: dict[str, Incident] = {}
    for event in events:
        about: dict[str, Any] | None = json.loads(event.body)["data"]["incident"]
        before = current.get(event.subject)
        if (about is None) != (before is None) and (about is None or about["state"] != "opened"):
            raise MisroutedError(f"an event outside its incident: {event.body}")
        if about is None:
            continue
        if before is None:
            before = current[event.subject] = Incident(about["id"], [])
        if before.id != about["id"] or (about["state"] == "opened") != (not before.problems):
            raise MisroutedError(f"an incident in an incident: {event.body}")
        before.holding = about["problems"]
        if event.type in PROBLEMS:
            before.problems.append(event)
        if about["state"] == "resolved":
            before.end = event
            del current[event.subject]
            yield before
    yield from current.values()
