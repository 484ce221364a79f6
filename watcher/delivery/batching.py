"""Whose turn it is at one sink: what goes next, and with whom.

Only the oldest delivery of a subject has a turn, and none while that one is under way (or, for a sink that takes
everything in order, by order). What fails must not fill all the room, for it may be slow to fail.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from watcher.delivery.grouping import causes_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from watcher.core.ports import Clock, Delivery, DeliveryOutcome, Limits, Store

WINDOW = 500
"""Deliveries that are looked at for those of one cause."""


class Batcher:
    """The turns of one sink's deliveries."""

    def __init__(self, sink: str, limits: Limits, store: Store, clock: Clock) -> None:
        """Nothing is looked at yet."""
        self.group_at = -inf
        """When the oldest delivery has waited long enough for others of its cause (monotonic seconds)."""
        self._sink = sink
        self._limits = limits
        self._store = store
        self._clock = clock
        self._alone: set[str] = set()
        """Subjects that were in a send that broke as a whole: one of them may be why, so each goes by itself."""

    async def next(
        self, room: int, under_way: Collection[Delivery], *, down: bool, hurry: bool
    ) -> list[Sequence[Delivery]]:
        """Up to `room` batches that may be sent now, beside those `under_way`.

        Where one goes at a time, or the sink is `down`, what never failed goes first: it must not wait for what does,
        and tells whether the sink is back. In a `hurry` nothing waits for others of its cause.
        """
        limits = self._limits
        if limits.in_order:
            due = [] if under_way else await self._store.due(self._sink, limits.batch)
            return [due] if due else []
        subjects = {delivery.event.subject for delivery in under_way}
        failing = self._most_failing * limits.batch - sum(delivery.failures > 0 for delivery in under_way)
        window = WINDOW if limits.group_wait or down else room * limits.batch
        sound_first = down or limits.parallel == 1
        for most in (0, max(0, failing)) if sound_first else (max(0, failing),):
            heads = await self._store.lane_heads(self._sink, self._clock.now(), window, subjects, most)
            if limits.group_wait:
                turn = self._of_one_cause(heads, hurry=hurry)
            else:
                # The newest of those that never failed: the oldest may be waiting behind what made it look down.
                turn = heads[-room * limits.batch :] if down else heads
            if turn:
                return self._batches(turn, subjects)[:room]
        return []

    def broke(self, batch: Iterable[Delivery]) -> None:
        """Something in a send made all of it fail."""
        self._alone |= {delivery.event.subject for delivery in batch}

    def settled(self, results: Iterable[DeliveryOutcome]) -> None:
        """What no longer fails need not go alone."""
        self._alone -= {result.delivery.event.subject for result in results if not result.failing}

    @property
    def _most_failing(self) -> int:
        """Sends, of those under way at the same time, that may hold what failed before."""
        return max(1, self._limits.parallel // 2)

    def _batches(self, due: Sequence[Delivery], under_way: Collection[str]) -> list[Sequence[Delivery]]:
        """What goes together, those that go alone first."""
        most = max(0, self._most_failing - len(self._alone & set(under_way)))
        alone = [[delivery] for delivery in due if delivery.event.subject in self._alone][:most]
        rest = [delivery for delivery in due if delivery.event.subject not in self._alone]
        size = self._limits.batch
        return [*alone, *(rest[start : start + size] for start in range(0, len(rest), size))]

    def _of_one_cause(self, heads: Sequence[Delivery], *, hurry: bool) -> Sequence[Delivery]:
        """The oldest and those that share its cause, when it has waited for others long enough."""
        self.group_at = -inf
        if not heads:
            return []
        waited = self._clock.now().timestamp() - heads[0].recorded
        if 0 <= waited < self._limits.group_wait and not heads[0].tries and not hurry:
            self.group_at = self._clock.monotonic() + self._limits.group_wait - waited
            return []
        alike = [head for head in heads if (head.reminder > 0) == (heads[0].reminder > 0)]
        causes = [causes_of(head.event) for head in alike]
        groups = [[head for head, others in zip(alike, causes, strict=True) if cause in others] for cause in causes[0]]
        return max(groups, key=len)[: self._limits.batch]
