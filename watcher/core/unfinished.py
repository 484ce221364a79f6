"""Which sinks show an attempt as unfinished, such as a pending status of a commit, and are sent how it ended. Pure.

A receiver that was sent that an attempt has begun would show it as unfinished for ever if its end were held back. So
the end is for each such sink, whatever its filters and mutes say then. An attempt of which it was sent nothing is held
back as a whole, unless it repeats the sync of a commit that the sink shows as unfinished.

For a sink that was removed meanwhile, the end becomes a dead letter, which is sent when the sink is back
(`core.returned_sinks`). So do the ends of further attempts of the same commit, since the last one counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from watcher.core.sink_settings import SinkSettings

if TYPE_CHECKING:
    from watcher.core.events import Event  # loads cloudevents

_ENDS = frozenset({"watcher.sync.succeeded", "watcher.sync.failed"})
_STEPS = frozenset(f"watcher.sync.{each}" for each in ("initiated", "in_progress", "queued", "unknown", "stalled"))


def is_end(event_type: str) -> bool:
    """Return whether an event of this type says how an attempt ended."""
    return event_type in _ENDS


def commit_shown(event: Event) -> str | None:
    """Return the sha of the commit whose attempt an event reports; None: it reports none, or AWS did not say which."""
    if event.type not in _ENDS | _STEPS:
        return None
    return _sha_in(json.loads(event.body)["data"])


def end_is_for(unfinished: Sequence[str], event: Event, sinks: Iterable[SinkSettings]) -> tuple[str, ...]:
    """Return the sinks that show as `unfinished` what an event ends: the latest attempt, or another of its commit.

    This includes sinks that are not configured: another daemon of the table may have the sink, or the delivery becomes
    a dead letter.
    """
    if not unfinished or event.type not in _ENDS or _is_of_another_commit(event):
        return ()
    others = {sink.name for sink in sinks if not sink.options.shows_attempts}
    return tuple(name for name in unfinished if name not in others)


def unfinished_after(
    unfinished: Sequence[str], event: Event, sent_to: Sequence[str], sinks: Sequence[SinkSettings]
) -> tuple[str, ...]:
    """Return the sinks that show the latest attempt as unfinished after an event that was for the sinks `sent_to`.

    A sink that is not configured stays among them until an attempt of another commit.
    """
    if event.type not in _ENDS | _STEPS:
        return tuple(unfinished)
    kept = () if unfinished and _is_of_another_commit(event) else unfinished
    if event.type in _ENDS:
        configured = {sink.name for sink in sinks}
        return tuple(name for name in kept if name not in configured)
    showing = [sink.name for sink in sinks if sink.options.shows_attempts and sink.name in sent_to]
    return (*kept, *(name for name in showing if name not in kept))


def _is_of_another_commit(event: Event) -> bool:
    """Return whether an event's attempt is new, and syncs another commit than the one before, as far as is known."""
    data = json.loads(event.body)["data"]
    if not data["new_attempt"]:
        return False
    commit, before = _sha_in(data), data["previous_attempt"] or {}
    return commit is None or commit != before.get("sha")


def _sha_in(data: Mapping[str, Any]) -> str | None:
    """Return the sha that the attempt in an event's data syncs; None: AWS did not say which."""
    return (data["attempt"].get("targetRevision") or {}).get("sha") or None
