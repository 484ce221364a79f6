"""Which sinks are to have an event. Pure."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from watcher.config.settings import SinkSettings
    from watcher.events import Event


def route(event: Event, labels: Mapping[str, str], sinks: Iterable[SinkSettings]) -> tuple[str, ...]:
    """The names of the sinks that are to have `event`, whose target has `labels`; an endpoint has none.

    A sink's globs are matched against the event's type and its subject; all of a sink's labels must be there. What a
    sink does not ask for lets everything through.
    """
    return tuple(sink.name for sink in sinks if _wants(sink, event, labels))


def _wants(sink: SinkSettings, event: Event, labels: Mapping[str, str]) -> bool:
    if sink.events and not any(fnmatchcase(event.type, glob) for glob in sink.events):
        return False
    if sink.targets and not any(fnmatchcase(event.subject, glob) for glob in sink.targets):
        return False
    return all(labels.get(name) == value for name, value in sink.labels.items())
