"""Notices when the loop of a poller makes no progress. AWS's answers, and their delay, are never the reason."""

from collections.abc import Collection
from math import inf

from watcher.aws.client import OPENING_SECONDS
from watcher.core.model import Target
from watcher.core.ports import Clock
from watcher.core.settings import ListingPlan, Retry
from watcher.polling.rate_limiter import LOWEST

STUCK_SECONDS = 60.0
"""How much longer than expected any step may take before the poller is reported as stuck."""


class Watchdog:
    """Knows until when the loop must begin its next round."""

    def __init__(self, clock: Clock) -> None:
        """`configure` must be called before the first step."""
        self._clock = clock
        self._late_at = inf
        self.longest_poll = 0.0
        """How long a poll may take in all, in seconds."""

    def configure(
        self, targets: Collection[Target], listings: Collection[ListingPlan], retry: Retry, allowed: float
    ) -> None:
        """Set what is polled and listed, with `allowed` calls a second."""
        # AWS may throttle the rate down to its lowest, and an admission wait for three calls.
        admission = 3 / (allowed * LOWEST)
        calls = 2 if any(target.kind.blockers for target in targets) else 1
        timeouts = (*(each.timeout for each in targets), *(each.timeout for each in listings))
        call = max(timeouts, default=0.0) + retry.maximum + admission
        self.longest_poll = OPENING_SECONDS + calls * retry.attempts * call

    def expect(self, seconds: float) -> None:
        """Expect the next step within so many seconds."""
        self._late_at = self._clock.monotonic() + seconds + STUCK_SECONDS

    def rest(self) -> None:
        """Expect nothing: the loop has ended, or what it waits for is reported elsewhere."""
        self._late_at = inf

    def excuse(self) -> None:
        """Note that commits fail, which the recorder reports: until it is over, and a while after, polls wait."""
        self._late_at = max(self._late_at, self._clock.monotonic() + self.longest_poll + STUCK_SECONDS)

    def late(self) -> float | None:
        """Return for how many seconds there has been no progress; None: it is in time."""
        late = self._clock.monotonic() - self._late_at
        return None if late < 0 else late + STUCK_SECONDS
