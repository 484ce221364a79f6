"""Stores whose process may end between any two of their steps: one sound, and four that are broken on purpose.

`step` is called with the name of each place where a process may end; it returns, or never does. `event_oracle` must
catch the broken ones.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from watcher.core.deliveries import DeliveryOutcome, DeliveryState
from watcher.stores.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from watcher.core.deliveries import Delivery, ReminderRequest
    from watcher.core.ports import Entry


class Sound(SqliteStore):
    """The store as it is."""

    step: Callable[[str], None] = staticmethod(lambda _: None)

    async def commit(self, entries: Sequence[Entry], now: datetime) -> None:
        """One commit for all."""
        telling = any(entry.events for entry in entries)
        self._at("commit begins", telling=telling)
        await self._parts(entries, now)
        self._at("commit is done", telling=telling)

    async def due(self, sink: str, limit: int) -> list[Delivery]:
        """What is to be sent."""
        due = await super().due(sink, limit)
        self._at("deliveries are due", telling=bool(due))
        return due

    async def lane_heads(
        self, sink: str, now: datetime, limit: int, skip: Collection[str] = (), failing: int | None = None
    ) -> list[Delivery]:
        """What is to be sent, of each subject the oldest."""
        heads = await super().lane_heads(sink, now, limit, skip, failing)
        self._at("heads are found", telling=bool(heads))
        return heads

    async def settle(self, results: Sequence[DeliveryOutcome], now: datetime) -> Collection[Delivery]:
        """What was sent."""
        self._at("settling begins")
        overtaken = await super().settle(results, now)
        self._at("settling is done")
        return overtaken

    async def remind(self, requests: Sequence[ReminderRequest], now: datetime) -> int:
        """What is to be sent once more."""
        self._at("reminding begins", telling=bool(requests))
        count = await super().remind(requests, now)
        self._at("reminding is done", telling=bool(count))
        return count

    async def _parts(self, entries: Sequence[Entry], now: datetime) -> None:
        await super().commit(entries, now)

    def _at(self, place: str, *, telling: bool = True) -> None:
        """A place that counts: a commit without an event, or an empty outbox, is none."""
        if telling:
            self.step(place)


class StateFirst(Sound):
    """Broken: the state is committed before the events that tell of it."""

    async def _parts(self, entries: Sequence[Entry], now: datetime) -> None:
        await super()._parts([replace(entry, events=()) for entry in entries], now)
        self._at("between", telling=any(entry.events for entry in entries))
        await super()._parts(entries, now)


class EventsFirst(Sound):
    """Broken: the events are committed before the state that they come from."""

    async def _parts(self, entries: Sequence[Entry], now: datetime) -> None:
        before = await self.records()
        known = [replace(entry, record=before[entry.subject]) for entry in entries if entry.subject in before]
        await super()._parts(known, now)
        self._at("between", telling=any(entry.events for entry in known))
        await super()._parts([replace(entry, events=()) for entry in entries if entry.subject in before], now)
        await super()._parts([entry for entry in entries if entry.subject not in before], now)


class SettleFirst(Sound):
    """Broken: a delivery counts as made before it was."""

    async def due(self, sink: str, limit: int) -> list[Delivery]:
        """Settle, then hand out."""
        return await self._settled(await super().due(sink, limit))

    async def lane_heads(
        self, sink: str, now: datetime, limit: int, skip: Collection[str] = (), failing: int | None = None
    ) -> list[Delivery]:
        """The same."""
        return await self._settled(await super().lane_heads(sink, now, limit, skip, failing))

    async def _settled(self, due: list[Delivery]) -> list[Delivery]:
        results = [DeliveryOutcome(delivery, DeliveryState.SENT, "not yet") for delivery in due]
        await SqliteStore.settle(self, results, datetime.now(UTC))
        self._at("between", telling=bool(due))
        return due

    async def settle(self, results: Sequence[DeliveryOutcome], now: datetime) -> Collection[Delivery]:
        """Too late to matter."""
        return ()


class Overtaking(Sound):
    """Broken: a later delivery of a subject may be tried while an older one waits."""

    async def lane_heads(
        self, sink: str, now: datetime, limit: int, skip: Collection[str] = (), failing: int | None = None
    ) -> list[Delivery]:
        """Of each subject the newest."""
        heads = await super().lane_heads(sink, now, limit, skip, failing)
        newest = {delivery.event.subject: delivery for delivery in await SqliteStore.due(self, sink, 1000)}
        return [newest[head.event.subject] for head in heads]


STORES = {
    "sound": Sound,
    "state first": StateFirst,
    "events first": EventsFirst,
    "settle first": SettleFirst,
    "overtaking": Overtaking,
}
