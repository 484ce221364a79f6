"""When the targets of an endpoint were last polled, and last answered for, in this run."""

from __future__ import annotations

from datetime import datetime


class Freshness:
    """The last poll and the last answer of each target, and of all together."""

    def __init__(self) -> None:
        self.tried: datetime | None = None
        """When any target was last polled."""
        self.heard: datetime | None = None
        """When the endpoint last answered, also if with an error about a target."""
        self._polls: dict[str, tuple[datetime | None, datetime]] = {}

    def answered(self, target_id: str, now: datetime) -> None:
        """Note an answer for a target."""
        self.tried = self.heard = now
        self._polls[target_id] = (now, now)

    def failed(self, target_id: str, now: datetime, *, answered: bool) -> None:
        """Note a failed poll; `answered`: the error was an answer of the endpoint about the target."""
        self.tried = now
        if answered:
            self.heard = now
        self._polls[target_id] = (self.of(target_id)[0], now)

    def of(self, target_id: str) -> tuple[datetime | None, datetime | None]:
        """Return when a target was last answered for, and last polled."""
        return self._polls.get(target_id, (None, None))

    def forget(self, target_id: str) -> None:
        self._polls.pop(target_id, None)
