"""The queries that stores answer."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import inf

from watcher.core.deliveries import DeliveryState


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Selects recorded events; `target` and `types` are globs, and a field that is None or empty selects all."""

    target: str | None = None
    """Matched by `sources.subjects.subject_matches`."""
    types: Sequence[str] = ()
    since: datetime | None = None
    after: int = 0
    """Selects events that were recorded after the one with this number."""
    before: int | None = None
    """Selects events that were recorded before the one with this number."""
    limit: int = 50
    newest: bool = True
    """If more than `limit` or `size` match, return the newest instead of the oldest; in both cases oldest first."""
    size: float = inf
    """The most characters that the bodies have in all; a single event may have more."""
    known: Collection[tuple[int, str]] = ()
    """Events to leave out, by number and id; needed only for a store whose events may be `late`."""


@dataclass(frozen=True, slots=True)
class DeliveryQuery:
    """Selects deliveries; a field that is None or empty selects all."""

    states: Collection[DeliveryState] = ()
    sink: str | None = None
    event_id: str | None = None
    answer: str | None = None
    """The last response, or why it ended, exactly as recorded."""
    limit: int = 100
    newest: bool = False
    """Return the deliveries of the newest events first, instead of the oldest."""
