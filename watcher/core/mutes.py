"""A mute: which events are recorded but not sent, and when."""

from dataclasses import dataclass
from datetime import datetime

from watcher.core.windows import Window


@dataclass(frozen=True, slots=True)
class Mute:
    """Events that are recorded but not sent for a time; without globs, all events."""

    targets: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    start: datetime | None = None
    until: datetime | None = None
    reason: str | None = None
    when: Window | None = None
    """The windows in which it applies, between `start` and `until`; None: all the time."""
    id: str | None = None
    """The id of a mute that was made by hand; None: it is in the configuration."""
    by: str | None = None
    """Who made it."""

    def applies_at(self, now: datetime) -> bool:
        """Return whether it holds events back at `now`."""
        begun = self.start is None or self.start <= now
        over = self.until is not None and self.until <= now
        return begun and not over and (self.when is None or self.when.end_of(now) is not None)

    def over_at(self, now: datetime) -> datetime | None:
        """Return when the mute, which applies at `now`, ends or pauses; None: never."""
        ends = (self.until, None if self.when is None else self.when.over_at(now))
        return min((each for each in ends if each is not None), default=None)
