"""Which changes were reported by a hint, and which were only found by a poll. Pure; times are monotonic seconds.

A hint reports one change of its target. It may come some time after a poll has found the change, or before the API
shows it.
"""

from collections import deque

WINDOW_SECONDS = 60.0
"""The longest time between a change and its hint, in either order."""

MAX_HINTS = 16
"""The most hints of a target that are kept for later changes."""


class HintCoverage:
    """The changes without a hint, and the hints without a change, of the last minute."""

    def __init__(self) -> None:
        self._changes: deque[tuple[float, str]] = deque()
        self._hints: dict[str, deque[float]] = {}

    def hinted(self, target_id: str, now: float) -> None:
        for change in self._changes:
            if change[1] == target_id and now - change[0] <= WINDOW_SECONDS:
                self._changes.remove(change)
                return
        self._hints.setdefault(target_id, deque(maxlen=MAX_HINTS)).append(now)

    def changed(self, target_id: str, now: float) -> None:
        hints = self._hints.get(target_id)
        while hints:
            if now - hints.popleft() <= WINDOW_SECONDS:
                return
        self._changes.append((now, target_id))

    def missed(self, now: float) -> int:
        """Return how many changes can have no hint any more, and forget them."""
        count = 0
        while self._changes and now - self._changes[0][0] > WINDOW_SECONDS:
            self._changes.popleft()
            count += 1
        self._hints = {
            target_id: hints for target_id, hints in self._hints.items() if hints and now - hints[-1] <= WINDOW_SECONDS
        }
        return count
