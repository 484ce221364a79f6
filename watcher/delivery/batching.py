"""Selects the next batches of deliveries for a sink, and the events that share one message (`group_wait`).

Only the oldest pending delivery of a subject may be sent, and none of its subject while it is under way; a sink that
takes everything in order gets its deliveries in that order instead. Deliveries that failed before take up half of the
parallel sends at most, or come last where sends go one at a time: they may be slow to fail again.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from math import inf
from typing import Any

from watcher.core.deliveries import Delivery, DeliveryOutcome, Limits
from watcher.core.events import Event
from watcher.core.ports import Clock, Store
from watcher.messages.phrases import cause_text, without_names_and_ids


class Batcher:
    """Selects batches for one sink."""

    def __init__(self, sink: str, limits: Limits, store: Store, clock: Clock) -> None:
        self.group_at = -inf
        """When the oldest delivery has waited long enough for others of its cause (monotonic seconds)."""
        self._sink = sink
        self._limits = limits
        self._store = store
        self._clock = clock
        self._alone: set[str] = set()
        """Subjects of a send that failed as a whole: one of them may be the reason, so each is sent by itself."""

    async def next(
        self, room: int, under_way: Collection[Delivery], *, down: bool, hurry: bool
    ) -> list[Sequence[Delivery]]:
        """Up to `room` batches that may be sent now, in addition to those `under_way`.

        If sends go one at a time, or the sink is `down`, deliveries that never failed come first: they must not wait
        for those that fail, and show whether the sink works again. In a `hurry` none waits for others of its cause.
        """
        limits = self._limits
        if limits.in_order:
            due = [] if under_way else await self._store.due(self._sink, limits.batch)
            return [due] if due else []
        subjects = {delivery.event.subject for delivery in under_way}
        failing = self._most_failing * limits.batch - sum(delivery.failures > 0 for delivery in under_way)
        # How many deliveries are searched for those of one cause, or for those that never failed.
        window = 500 if limits.group_wait or down else room * limits.batch
        for most in (0, max(0, failing)) if down or limits.parallel == 1 else (max(0, failing),):
            heads = await self._store.lane_heads(self._sink, self._clock.now(), window, subjects, most)
            if limits.group_wait:
                chosen = self._of_one_cause(heads, hurry=hurry)
            else:
                # The newest of those that never failed: the oldest may have been in the sends that failed.
                chosen = heads[-room * limits.batch :] if down else heads
            if chosen:
                return self._batches(chosen, subjects)[:room]
        return []

    def isolate(self, batch: Iterable[Delivery]) -> None:
        """Send each subject of `batch` by itself until it no longer fails."""
        self._alone |= {delivery.event.subject for delivery in batch}

    def settled(self, results: Iterable[DeliveryOutcome]) -> None:
        """End the isolation of subjects that no longer fail."""
        if self._alone:
            self._alone -= {result.delivery.event.subject for result in results if not result.failing}

    @property
    def _most_failing(self) -> int:
        """How many of the parallel sends may have deliveries that failed before."""
        return max(1, self._limits.parallel // 2)

    def _batches(self, due: Sequence[Delivery], under_way: Collection[str]) -> list[Sequence[Delivery]]:
        """The batches of `due`, isolated subjects first."""
        most = max(0, self._most_failing - len(self._alone & set(under_way)))
        alone = [[delivery] for delivery in due if delivery.event.subject in self._alone][:most]
        rest = [delivery for delivery in due if delivery.event.subject not in self._alone]
        size = self._limits.batch
        return [*alone, *(rest[start : start + size] for start in range(0, len(rest), size))]

    def _of_one_cause(self, heads: Sequence[Delivery], *, hurry: bool) -> Sequence[Delivery]:
        """The oldest delivery and those that share its cause; none while it still waits for others."""
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


def causes_of(event: Event) -> tuple[str, ...]:
    """The event's causes, the most certain first: two events with a common cause may share a message.

    A sync's causes are its commit (repository, branch and sha) and, if it failed or is blocked, AWS's words about it,
    for any target. The causes of `unreadable` and `readable` are the error code at that account, region and API, and
    the error at any place. Only events of the same type have a cause in common. Any other event has a cause of its own.
    """
    try:
        causes = [*_causes(event.type, json.loads(event.body)["data"])]
    except (AttributeError, KeyError, TypeError):  # of a form that this version does not know
        causes = []
    return tuple(json.dumps([event.type, *cause]) for cause in causes or [[event.subject, event.id]])


def _causes(type_: str, data: Mapping[str, Any]) -> Iterator[list[str]]:
    if type_.startswith("watcher.sync.") and data.get("attempt"):
        revision = data["attempt"].get("targetRevision") or {}
        # The same commit in a fork, or in another owner's repository of the same name, is another cause.
        parts = ("repositoryProvider", "providerType", "ownerId", "repositoryName", "branch", "sha")
        if revision.get("sha"):
            yield [data["status"], *(revision.get(part, "") for part in parts)]
    elif "error" in data:
        where = data.get("endpoint") or data["target"]
        yield [where["account"], where["region"], where.get("api") or where["kind"], data["error"]["code"]]
    if text := cause_text(type_, data):
        yield ["error", without_names_and_ids(text, data)]
