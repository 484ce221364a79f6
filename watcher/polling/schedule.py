"""When each target is due, and which due target is polled next. Pure; all times are monotonic seconds.

A settled target is due on a grid whose phase is a hash of its id, so that the load is even and a restart changes
nothing. If more targets are due than the rate allows, the most overdue is first, and those that probably change now get
more polls than settled ones (`Lane`).
"""

import heapq
from collections.abc import Collection
from enum import IntEnum
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


class Lane(IntEnum):
    """Why a target is due, the most urgent reason first."""

    HINTED = 0
    """A hint reported a change of it."""
    REPOSITORY_CHANGED = 1
    """The repository that it is synced from has a new attempt."""
    ACTIVE = 2
    """Its sync is under way, or may follow an attempt of its repository; or its last poll was superseded."""
    SETTLED = 3
    """Any other reason: its interval has passed, or it has not been polled yet."""


class Schedule:
    """The targets of one endpoint that are not being polled, by when they are due.

    Among the targets of a lane the most overdue is first. If several lanes have targets that are due, the most urgent
    of these lanes gets every second poll, the next one every fourth, and so on, so that no lane waits for ever.
    """

    def __init__(self) -> None:
        self._lanes: dict[Lane, list[tuple[float, str]]] = {lane: [] for lane in Lane}
        """Heaps; an entry counts only while `_due` has it."""
        self._due: dict[str, tuple[float, Lane]] = {}
        self._turn = 0

    def __len__(self) -> int:
        return len(self._due)

    def add(self, target_id: str, due: float, lane: Lane = Lane.SETTLED) -> None:
        """Schedule a target for `due`; one that is scheduled already is moved."""
        heap = self._lanes[lane]
        heapq.heappush(heap, (due, target_id))
        self._due[target_id] = (due, lane)
        if len(heap) > 2 * len(self._due) + 100:  # most entries no longer count
            heap[:] = [entry for entry in heap if self._due.get(entry[1]) == (entry[0], lane)]
            heapq.heapify(heap)

    def hasten(self, target_id: str, due: float, lane: Lane) -> None:
        """Move a scheduled target to `due` in `lane`, unless it is as early and as urgent already."""
        scheduled = self._due.get(target_id)
        if scheduled is not None and not (scheduled[0] <= due and scheduled[1] <= lane):
            self.add(target_id, min(due, scheduled[0]), min(lane, scheduled[1]))

    def discard(self, target_ids: Collection[str]) -> None:
        """Remove targets."""
        for target_id in target_ids:
            self._due.pop(target_id, None)

    def due(self, target_id: str) -> float | None:
        """Return when a target is due; None: it is not scheduled."""
        scheduled = self._due.get(target_id)
        return None if scheduled is None else scheduled[0]

    def next_at(self) -> float | None:
        """Return when the first target is due; None: none is scheduled."""
        return min([due for due, _ in self._heads().values()], default=None)

    def take(self, now: float, *, in_turn: bool = True) -> tuple[float, str] | None:
        """Remove and return the target that is polled next, with its due time; None: none is due.

        `in_turn`: the lanes take turns; else the most urgent one that has a target is first.
        """
        due = [lane for lane, head in self._heads().items() if head[0] <= now]
        if not due:
            return None
        if len(due) > 1 and in_turn:
            self._turn += 1
        # The numbers of turns that are divisible by 2 once, twice, …: every second, every fourth, …
        rank = (self._turn & -self._turn).bit_length() - 1 if in_turn else 0
        taken = heapq.heappop(self._lanes[due[min(rank, len(due) - 1)]])
        del self._due[taken[1]]
        return taken

    def _heads(self) -> dict[Lane, tuple[float, str]]:
        """The first entry that counts of each lane that has any, the most urgent lane first."""
        heads = {}
        for lane, heap in self._lanes.items():
            while heap and self._due.get(heap[0][1]) != (heap[0][0], lane):
                heapq.heappop(heap)
            if heap:
                heads[lane] = heap[0]
        return heads
