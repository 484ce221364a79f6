"""How old the state in a store is, and whether a daemon still updates it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from watcher.util.shapes import is_moment

MARK_SECONDS = 30.0
"""Seconds between the marks that a daemon leaves in its store while it polls every endpoint, also without changes."""

SILENT_SECONDS = 3 * MARK_SECONDS
"""A store that has had no mark for so many seconds is no longer updated; two late marks are tolerated."""


def moment_of(mark: Any) -> datetime | None:
    """Return the time of a mark, which a store has in seconds since 1970; None: no mark, or not a possible time."""
    return datetime.fromtimestamp(mark, UTC) if is_moment(mark) else None


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
