"""Clocks that a test sets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from watcher.util.clock import SystemClock


class SetClock:
    """A clock that stands still until a test sets its `moment`."""

    moment = 1_000_000.0

    def monotonic(self) -> float:
        return self.moment

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.moment, UTC)


class ShiftedClock(SystemClock):
    """The system's clock, whose wall time a test shifts; its monotonic time cannot be set."""

    offset = timedelta()

    def now(self) -> datetime:
        return super().now() + self.offset
