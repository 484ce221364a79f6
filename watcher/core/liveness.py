"""How old what a store shows is, and whether a daemon still keeps it up to date. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MARK_SECONDS = 30.0
"""A daemon that polls every endpoint marks its store as alive this often, also when nothing has changed."""

SILENT_SECONDS = 3 * MARK_SECONDS
"""A store without a mark for so long is not kept up to date: one or two marks may be late."""

_NO_MOMENT = 1e11
"""Seconds since 1970 that no clock comes to."""


def moment_of(mark: object) -> datetime | None:
    """When a mark was made that a store has in seconds since 1970; None: it has none, or not one that can be."""
    if not isinstance(mark, (int, float)) or not 0 <= mark < _NO_MOMENT:
        return None
    return datetime.fromtimestamp(mark, UTC)


@dataclass(frozen=True, slots=True)
class Liveness:
    """What a store's last mark means at one moment."""

    as_of: datetime | None
    """When a daemon last marked the store; None: none has since it was made, or imported."""
    now: datetime

    @property
    def silent(self) -> bool:
        """Whether no daemon keeps the store up to date."""
        return self.as_of is None or self.now - self.as_of > timedelta(seconds=SILENT_SECONDS)
