"""When each target is due, and which due target is polled next. Pure; all times are monotonic seconds.

A settled target is due on a grid whose phase is a hash of its id, so that the load is even and a restart changes
nothing. If more targets are due than the rate allows, the most overdue is first, and targets whose sync is under way
alternate with settled ones.
"""

import heapq
from collections.abc import Collection
from hashlib import blake2b
from math import ceil

GRAIN_SECONDS = 0.1
"""The grid's unit, or the 200th part of an interval if that is less. Targets that are due at the same time are polled
together, since a wake-up costs more than a poll."""

FIRST_POLLS_SECONDS = 10.0
"""The time over which the first polls after a start are spread, unless there are too many for the rate."""


def phase(target_id: str) -> float:
    """Return where in its interval a target is due: a fraction in [0, 1) that never changes."""
    return int.from_bytes(blake2b(target_id.encode(), digest_size=6).digest(), "big") / 2**48


def on_grid(target_id: str, interval: float, now: float) -> float:
    """Return the first time after `now` at which a settled target is due."""
    grain = min(GRAIN_SECONDS, interval / 200)
    offset = ceil(phase(target_id) * interval / grain) * grain
    due = offset + ((now - offset) // interval + 1) * interval
    # If `now` is on the grid, rounding may return it again.
    return due if due > now else due + interval


def first_due(
    target_id: str, interval: float, now: float, *, count: int, rate: float, taken_over: bool = False
) -> float:
    """Return when a target is due first after a start at `now`.

    First polls take half of the `rate` (calls a second) that the endpoint allows its `count` targets. A target that
    another daemon polled until now (`taken_over`) is due within a quarter of an interval, if the rate allows: even if
    its last poll was an interval before the handover, less than two intervals pass between its polls.
    """
    spread = max(FIRST_POLLS_SECONDS, 2 * count / rate)
    if taken_over:
        spread = min(interval / 4, spread)
    return now + phase(target_id) * spread if spread < interval else on_grid(target_id, interval, now)


def next_due(target_id: str, interval: float, now: float, *, late: float) -> float:
    """Return when a settled target is due again whose poll began `late` seconds after it was due, and ended `now`.

    A target that was an interval late or more is due at once, at the end of the queue: there is a backlog, and on the
    grid some targets would be polled twice as often as others.
    """
    return now if late >= interval else on_grid(target_id, interval, now)


class Schedule:
    """The targets of one endpoint that are not being polled, by when they are due."""

    def __init__(self) -> None:
        self._settled: list[tuple[float, str]] = []
        self._active: list[tuple[float, str]] = []
        self._last_was_active = False
        self._due: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._due)

    def add(self, target_id: str, due: float, *, active: bool) -> None:
        """Schedule a target for `due`; `active`: its sync is under way."""
        heapq.heappush(self._active if active else self._settled, (due, target_id))
        self._due[target_id] = due

    def discard(self, target_ids: Collection[str]) -> None:
        """Remove targets."""
        gone = self._due.keys() & target_ids
        if gone:
            for heap in (self._settled, self._active):
                heap[:] = [entry for entry in heap if entry[1] not in gone]
                heapq.heapify(heap)
            for target_id in gone:
                del self._due[target_id]

    def due(self, target_id: str) -> float | None:
        """Return when a target is due; None: it is not scheduled."""
        return self._due.get(target_id)

    def next_at(self) -> float | None:
        """Return when the first target is due; None: none is scheduled."""
        heads = [heap[0][0] for heap in (self._active, self._settled) if heap]
        return min(heads, default=None)

    def take(self, now: float) -> tuple[float, str] | None:
        """Remove and return the target that is polled next, with its due time; None: none is due."""
        active = bool(self._active) and self._active[0][0] <= now
        settled = bool(self._settled) and self._settled[0][0] <= now
        if not active and not settled:
            return None
        from_active = active and not (settled and self._last_was_active)
        self._last_was_active = from_active
        taken = heapq.heappop(self._active if from_active else self._settled)
        del self._due[taken[1]]
        return taken
