"""Which sinks show an attempt as unfinished, such as a pending status of a commit, and are sent how it ended. Pure.

A receiver that was sent that an attempt has begun would show it as unfinished for ever if its end were held back. So
the end is for each such sink, whatever its filters and mutes say then. An attempt of which it was sent nothing is held
back as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from watcher.core.sink_settings import SinkSettings

if TYPE_CHECKING:
    from watcher.core.events import Event  # loads cloudevents

_ENDS = frozenset({"watcher.sync.succeeded", "watcher.sync.failed"})
_STEPS = frozenset(f"watcher.sync.{each}" for each in ("initiated", "in_progress", "queued", "unknown", "stalled"))


def is_end(event_type: str) -> bool:
    """Return whether an event of this type says how an attempt ended."""
    return event_type in _ENDS


def end_is_for(unfinished: Sequence[str], event: Event, sinks: Iterable[SinkSettings]) -> tuple[str, ...]:
    """Return the configured sinks that show as `unfinished` the attempt that an event ends."""
    if not unfinished or event.type not in _ENDS:
        return ()
    return tuple(sink.name for sink in sinks if sink.name in unfinished)


def unfinished_after(
    unfinished: Sequence[str], event: Event, sent_to: Sequence[str], sinks: Iterable[SinkSettings]
) -> tuple[str, ...]:
    """Return the sinks that show the latest attempt as unfinished after an event that was for the sinks `sent_to`."""
    if event.type in _ENDS:
        return ()
    if event.type not in _STEPS:
        return tuple(unfinished)
    showing = tuple(sink.name for sink in sinks if sink.options.shows_attempts and sink.name in sent_to)
    if not unfinished or json.loads(event.body)["data"]["new_attempt"]:
        return showing
    return (*unfinished, *(name for name in showing if name not in unfinished))
