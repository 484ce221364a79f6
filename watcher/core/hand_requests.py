"""What people ask for by hand, checked: a mute, or the acknowledgement of incidents. Pure.

Each function that reads a text raises a ValueError that says what to write instead.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from watcher.core.by_hand import Acknowledgement, HandMute
from watcher.core.event_types import EVENT_TYPES
from watcher.core.incidents import incident_of
from watcher.core.state import Record
from watcher.util.bounded_text import shown
from watcher.util.globs import matches
from watcher.util.units import format_duration, parse_duration

if TYPE_CHECKING:
    from watcher.core.events import Event  # loads cloudevents

LONGEST_TEXT, LONGEST_NAME, LONGEST_GLOB, MAX_GLOBS = 500, 128, 1000, 20
"""Characters of a reason or a note, of a name and of a glob; globs of one mute."""

_CHARACTERS = re.compile(r"\[!?.[^\]]*\]")
"""The part of a glob that stands for one of several characters."""

LONGEST_SECONDS = 366 * 86_400.0
"""The longest mute."""


def read_text(text: str, longest: int = LONGEST_TEXT) -> str:
    """Return a line that a person wrote, without spaces around it."""
    line = text.strip()
    if not line:
        raise ValueError("this must not be empty")
    if not line.isprintable():
        raise ValueError("this must be a single line without control characters")
    if len(line) > longest:
        raise ValueError(f"this must have at most {longest} characters")
    return line


def read_name(text: str) -> str:
    """Return the name of a person."""
    return read_text(text, LONGEST_NAME)


def read_targets(globs: Sequence[str]) -> tuple[str, ...]:
    """Return globs of the ids of targets and endpoints."""
    return tuple(_target_glob(read_text(glob, LONGEST_GLOB)) for glob in _not_too_many(globs))


def read_events(globs: Sequence[str]) -> tuple[str, ...]:
    """Return globs of event types; `watcher.` may be left out."""
    return tuple(_event_glob(read_text(glob, LONGEST_GLOB)) for glob in _not_too_many(globs))


def read_length(text: str) -> float:
    """Return the seconds that a mute lasts."""
    seconds = parse_duration(text)
    if seconds > LONGEST_SECONDS:
        raise ValueError(f"{shown(text)} is too long; the longest is {format_duration(LONGEST_SECONDS)}")
    return seconds


def new_mute(
    targets: Sequence[str], events: Sequence[str], seconds: float, reason: str, by: str, now: datetime
) -> HandMute:
    """Return a mute that begins now, with an id of its own; the texts were read before."""
    until = now + timedelta(seconds=seconds)
    return HandMute(secrets.token_hex(4), tuple(targets), tuple(events), now, until, reason, by)


def incident_ids(events: Iterable[Event]) -> set[str]:
    """Return the incidents that events belong to."""
    return {incident["id"] for incident in map(incident_of, events) if incident}


def new_acknowledgements(
    records: Mapping[str, Record], ids: set[str], glob: str | None, by: str, note: str | None, now: datetime
) -> list[Acknowledgement]:
    """Return the acknowledgements of the open incidents with these ids, or of subjects whose ids match `glob`."""
    return [
        Acknowledgement(record.incident.id, subject, record.incident.opened_at, now, by, note)
        for subject, record in sorted(records.items())
        if record.incident is not None and (record.incident.id in ids or (glob is not None and matches(subject, glob)))
    ]


def _not_too_many(globs: Sequence[str]) -> Sequence[str]:
    if len(globs) > MAX_GLOBS:
        raise ValueError(f"there may be at most {MAX_GLOBS} globs")
    return globs


def _target_glob(glob: str) -> str:
    # An id has no brackets: they are percent-encoded.
    if "[" in _CHARACTERS.sub("", glob):
        raise ValueError(f"{shown(glob)} has an opening [ that no ] closes, so it matches no id")
    return glob


def _event_glob(glob: str) -> str:
    full = glob if glob.startswith(("watcher.", "*", "?", "[")) else f"watcher.{glob}"
    if not any(matches(known, full) for known in EVENT_TYPES):
        raise ValueError(f"{shown(glob)} matches no event type (examples: sync.failed, 'sync.*', target.unreadable)")
    return full
