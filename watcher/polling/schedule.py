"""When each target is due, and which of those that are due goes first. Pure: time comes in as an argument.

All times are seconds on a monotonic clock. A settled target keeps to a grid: its phase comes from a hash of its id, so
that load is even and a restart changes nothing. While there is more to do than the rate allows, targets are served
round robin, the most overdue first; targets whose sync is under way have every second turn while settled ones wait.
"""

from __future__ import annotations

import heapq
from hashlib import blake2b
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

GRAIN = 0.1
"""Seconds, or the 200th part of an interval where that is less: targets that are due so close together are polled
together, for waking up costs more than a poll does."""

FIRST_LOOK = 10.0
"""Seconds over which the first polls after a start are spread, where there are few enough."""


def phase(target_id: str) -> float:
    """Where in its interval a target's polls fall: a fraction in [0, 1), the same for ever."""
    return int.from_bytes(blake2b(target_id.encode(), digest_size=6).digest(), "big") / 2**48


def on_grid(target_id: str, interval: float, now: float) -> float:
    """The first moment after `now` at which a settled target is due."""
    grain = min(GRAIN, interval / 200)
    offset = ceil(phase(target_id) * interval / grain) * grain
    due = offset + ((now - offset) // interval + 1) * interval
    # On the grid itself, rounding may name the same moment again.
    return due if due > now else due + interval


def first_due(target_id: str, interval: float, now: float, *, count: int, rate: float) -> float:
    """When a target is looked at first after a start.

    Args:
        target_id: whose phase counts.
        interval: between its polls.
        now: the moment of the start.
        count: how many targets share the endpoint.
        rate: calls a second that the endpoint allows; the first look takes half of it.
    """
    spread = max(FIRST_LOOK, 2 * count / rate)
    return now + phase(target_id) * spread if spread < interval else on_grid(target_id, interval, now)


def taken_over_due(target_id: str, interval: float, now: float, *, count: int, rate: float) -> float:
    """When a target is looked at first that another watcher has polled until `now`; the arguments are `first_due`'s.

    Within a quarter of an interval, where the rate allows: together with an interval that was over when it was handed
    over, and the handing over itself, it goes unpolled for less than two.
    """
    return now + phase(target_id) * min(interval / 4, max(FIRST_LOOK, 2 * count / rate))


def next_due(target_id: str, interval: float, now: float, *, late: float) -> float:
    """When a settled target is due again whose poll began `late` seconds after it was due, and is over `now`.

    One that came an interval late, or more, queues at the end at once: there is a backlog, and the grid would serve
    some targets twice as often as others.
    """
    return now if late >= interval else on_grid(target_id, interval, now)


class Schedule:
    """The targets of one endpoint that are not being polled, by when they are due."""

    def __init__(self) -> None:
        """Start with nothing due."""
        self._settled: list[tuple[float, str]] = []
        self._active: list[tuple[float, str]] = []
        self._active_had_last_turn = False
        self._due: dict[str, float] = {}

    def __len__(self) -> int:
        """How many targets wait."""
        return len(self._due)

    def fill(self, settled: Iterable[tuple[float, str]]) -> None:
        """Add many settled targets, each a due time and an id."""
        self._settled.extend(settled)
        heapq.heapify(self._settled)
        self._due.update((target_id, due) for due, target_id in self._settled)

    def add(self, target_id: str, due: float, *, active: bool) -> None:
        """Let a target wait until `due`; `active` while its sync is under way."""
        heapq.heappush(self._active if active else self._settled, (due, target_id))
        self._due[target_id] = due

    def discard(self, target_ids: Collection[str]) -> None:
        """Let these wait no more."""
        gone = self._due.keys() & target_ids
        if gone:
            for heap in (self._settled, self._active):
                heap[:] = [entry for entry in heap if entry[1] not in gone]
                heapq.heapify(heap)
            for target_id in gone:
                del self._due[target_id]

    def due(self, target_id: str) -> float | None:
        """When a target is due; None when it does not wait."""
        return self._due.get(target_id)

    def next_at(self) -> float | None:
        """When the first target is due; None when none waits."""
        heads = [heap[0][0] for heap in (self._active, self._settled) if heap]
        return min(heads, default=None)

    def take(self, now: float) -> tuple[float, str] | None:
        """Remove and return the target whose turn it is, with its due time; None when none is due."""
        active = bool(self._active) and self._active[0][0] <= now
        settled = bool(self._settled) and self._settled[0][0] <= now
        if not active and not settled:
            return None
        from_active = active and not (settled and self._active_had_last_turn)
        self._active_had_last_turn = from_active
        taken = heapq.heappop(self._active if from_active else self._settled)
        del self._due[taken[1]]
        return taken
