"""Which sinks are to have an event, and why another is not; what is muted. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from watcher.core.model import Severity, severity
from watcher.util.globs import matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from watcher.core.events import Event
    from watcher.core.settings import Mute, SinkSettings


def route(event: Event, labels: Mapping[str, str], sinks: Iterable[SinkSettings]) -> tuple[str, ...]:
    """The names of the sinks that are to have `event`, whose target has `labels`; an endpoint has none.

    A sink's globs are matched against the event's type and its subject; all of a sink's labels must be there. What a
    sink does not ask for lets everything through.
    """
    return tuple(sink.name for sink in sinks if why_not(sink, event.type, event.subject, labels) is None)


def why_not(sink: SinkSettings, event_type: str, subject: str, labels: Mapping[str, str]) -> str | None:
    """Why `sink` is not to have an event of this type and subject; None: it is."""
    if not _let_through(sink.events, event_type):
        return f"its `events` do not match {event_type}"
    if sink.min_severity is Severity.ERROR and severity(event_type) is not Severity.ERROR:
        return f"its `min_severity` is {sink.min_severity}, and {event_type} is {severity(event_type)}"
    if not _let_through(sink.targets, subject):
        return f"its `targets` do not match {subject}"
    lacking = [f"{name}={value}" for name, value in sink.labels.items() if labels.get(name) != value]
    if lacking:
        return f"its `labels` ask for {', '.join(lacking)}"
    return None


def muted_by(mutes: Iterable[Mute], event_type: str, subject: str, now: datetime) -> Mute | None:
    """The first mute that holds an event of this type and subject back at `now`."""
    for mute in mutes:
        if (
            (mute.start is None or mute.start <= now)
            and (mute.until is None or now < mute.until)
            and _let_through(mute.targets, subject)
            and _let_through(mute.events, event_type)
        ):
            return mute
    return None


def _let_through(globs: Sequence[str], text: str) -> bool:
    """Whether one of `globs` matches; where there is none, everything does."""
    return not globs or any(matches(text, glob) for glob in globs)


def labels_of(data: Mapping[str, Mapping[str, Mapping[str, str]]]) -> Mapping[str, str]:
    """The labels in a recorded event's `data`."""
    return data.get("target", {}).get("labels", {})


def wants_recorded(sink: SinkSettings, event: Event) -> bool:
    """Whether `sink` is to have an event of the past: as it was routed then, but by its own settings of today."""
    data = json.loads(event.body)["data"]
    return "muted" not in data and why_not(sink, event.type, event.subject, labels_of(data)) is None
