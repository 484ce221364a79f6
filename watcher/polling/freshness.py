"""When an endpoint's targets were polled last, in this run: how fresh what is known of them is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class History:
    """The last poll and the last answer of each target, and of all together."""

    def __init__(self) -> None:
        """Nothing was polled yet."""
        self.tried: datetime | None = None
        """When anything was polled last."""
        self.heard: datetime | None = None
        """When the endpoint answered last, be it that it knows no such target."""
        self._polls: dict[str, tuple[datetime | None, datetime]] = {}

    def answered(self, target_id: str, now: datetime) -> None:
        """A target was answered for."""
        self.tried = self.heard = now
        self._polls[target_id] = (now, now)

    def failed(self, target_id: str, now: datetime, *, answered: bool) -> None:
        """A poll failed; `answered`: the endpoint itself did not."""
        self.tried = now
        if answered:
            self.heard = now
        self._polls[target_id] = (self.of(target_id)[0], now)

    def of(self, target_id: str) -> tuple[datetime | None, datetime | None]:
        """When a target was last answered for, and last polled."""
        return self._polls.get(target_id, (None, None))

    def forget(self, target_id: str) -> None:
        """It is not watched any more."""
        self._polls.pop(target_id, None)
