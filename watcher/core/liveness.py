"""How old the state in a store is, and whether a daemon still updates it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MARK_SECONDS = 30.0
"""Seconds between the marks that a daemon leaves in its store while it polls every endpoint, also without changes."""

SILENT_SECONDS = 3 * MARK_SECONDS
"""A store that has had no mark for so many seconds is no longer updated; two late marks are tolerated."""

_NO_MOMENT = 1e11
"""Seconds since 1970 that no clock reaches."""


def moment_of(mark: object) -> datetime | None:
    """Return the time of a mark, which a store has in seconds since 1970; None: no mark, or not a possible time."""
    if not isinstance(mark, (int, float)) or not 0 <= mark < _NO_MOMENT:
        return None
    return datetime.fromtimestamp(mark, UTC)


@dataclass(frozen=True, slots=True)
class Liveness:
    """The age of a store's last mark at one moment."""

    as_of: datetime | None
    """When a daemon last marked the store; None: never since the store was created or imported."""
    now: datetime

    @property
    def silent(self) -> bool:
        """Whether no daemon updates the store."""
        return self.as_of is None or self.now - self.as_of > timedelta(seconds=SILENT_SECONDS)
