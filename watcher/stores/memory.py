"""State that ends with the process: for trials, and for tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import inf

from watcher.core import reminders
from watcher.core.events import Event, fitting
from watcher.core.ports import (
    Delivery,
    DeliveryOutcome,
    DeliveryQuery,
    DeliveryRecord,
    DeliveryState,
    Entry,
    EventQuery,
    ReminderRequest,
)
from watcher.core.retry_policy import REMOVED
from watcher.core.state import Record
from watcher.sources.subjects import subject_matches
from watcher.stores.lane_index import Index, Place, Row
from watcher.stores.lanes import OVER
from watcher.util.globs import matches


@dataclass(frozen=True, slots=True)
class _Ended:
    """A delivery that no longer waits."""

    row: Row
    state: DeliveryState
    at: float
    """In seconds since 1970."""


class MemoryOutbox:
    """The events with their deliveries."""

    def __init__(self) -> None:
        self._events: dict[int, tuple[float, Event]] = {}
        """By number, each with the time when it was recorded."""
        self._index = Index()
        self._ended: dict[Place, _Ended] = {}

    async def due(self, sink: str, limit: int) -> list[Delivery]:
        return [*map(self._delivery, self._index.due(sink)[:limit])]

    async def lane_heads(
        self, sink: str, now: datetime, limit: int, skip: Collection[str] = (), failing: int | None = None
    ) -> list[Delivery]:
        heads = self._index.lane_heads(sink, now.timestamp(), limit, skip, failing, lambda _: True)
        return [*map(self._delivery, heads)]

    async def next_try(self, sink: str, now: datetime, skip: Collection[str] = ()) -> float | None:
        return self._index.next_try(sink, now.timestamp(), skip, lambda _: True)

    async def settle(self, results: Sequence[DeliveryOutcome], now: datetime) -> None:
        moment = now.timestamp()
        for result in results:
            delivery = result.delivery
            row = self._index.get(Place(delivery.event.subject, delivery.sink, delivery.number, delivery.reminder))
            if row is None:  # it was dropped meanwhile
                continue
            row.tries, row.tried, row.answer = row.tries + 1, moment, result.answer
            if result.failing:
                self._index.failed(row.place, moment, result.pause)
            if result.state is not DeliveryState.WAITING:
                self._end([row], result.state, result.answer, moment, failing=result.failing)

    async def waiting(self) -> Mapping[str, int]:
        return self._index.counts()

    async def retry_now(self, sink: str, since: float = -inf) -> None:
        self._index.retry_now(sink, since)

    async def dead_letter(self, sink: str, reason: str, now: datetime, before: datetime | None = None) -> int:
        until = inf if before is None else before.timestamp()
        rows = [row for row in self._index.due(sink) if row.recorded <= until]
        return self._end(rows, DeliveryState.DEAD, reason, now.timestamp())

    async def replay(self, sink: str, since: datetime, wanted: Callable[[Event], bool]) -> int:
        found = [number for number, (recorded, _) in self._events.items() if recorded >= since.timestamp()]
        places = [Place(self._events[number][1].subject, sink, number, 0) for number in found]
        new = [place for place in places if place not in self._ended and self._index.get(place) is None]
        chosen = [place for place in new if wanted(self._events[place.number][1])]
        for place in chosen:
            self._add(place)
        return len(chosen)

    async def remind(self, requests: Sequence[ReminderRequest], now: datetime) -> int:
        requested = {(request.sink, request.subject) for request in requests}
        over = [row for row in self._index.reminders() if (row.place.sink, row.place.subject) not in requested]
        self._end(over, DeliveryState.DROPPED, OVER, now.timestamp())
        return sum(self._remind(request, now.timestamp()) for request in requests)

    async def prune(self, before: datetime, limit: int) -> int:
        moment = before.timestamp()
        kept = {place.number for place, ended in self._ended.items() if ended.at >= moment}
        kept |= {row.place.number for row in self._index.rows()}
        numbers = [number for number, (recorded, _) in self._events.items() if recorded < moment]
        old = {*[number for number in numbers if number not in kept][:limit]}
        for place, ended in [*self._ended.items()]:
            if place.number in old or (place.reminder and ended.at < moment):
                del self._ended[place]
        for number in old:
            del self._events[number]
        return len(old)

    def _add(self, place: Place) -> None:
        recorded, event = self._events[place.number]
        self._index.add(Row(place, event.id, recorded))

    def _end(
        self, rows: Sequence[Row], state: DeliveryState, answer: str, moment: float, *, failing: bool = False
    ) -> int:
        """End deliveries; returns how many. `failing`: their lanes go on failing."""
        for row in rows:
            row.answer = answer
            self._ended[row.place] = _Ended(row, state, moment)
            self._index.remove(row.place, failing=failing)
        return len(rows)

    def _remind(self, request: ReminderRequest, moment: float) -> int:
        meant = (request.subject, request.type)
        number = next(
            (n for n, (_, event) in reversed(self._events.items()) if (event.subject, event.type) == meant), 0
        )
        if not number or self._index.waits(request.sink, request.subject):
            return 0
        # Nothing of the subject waits, so each of its deliveries has ended.
        ended = [
            (place.reminder, ended.at)
            for place, ended in self._ended.items()
            if (place.number, place.sink) == (number, request.sink)
        ]
        recorded, event = self._events[number]
        count = reminders.due(request, event.body, recorded, max(ended, default=None), moment)
        if count is None:
            return 0
        self._add(Place(request.subject, request.sink, number, count))
        return 1

    def _delivery(self, row: Row) -> Delivery:
        place, head = row.place, self._index.head(row)
        event = self._events[place.number][1]
        return Delivery(
            place.number, place.sink, event, row.recorded, place.reminder, row.tries, head.since, head.failures
        )


class MemoryStore(MemoryOutbox):
    """The whole state, in memory."""

    late = 0
    shards = None

    def __init__(self) -> None:
        super().__init__()
        self._records: dict[str, Record] = {}
        self._sinks: frozenset[str] = frozenset()
        self._number = 0
        self._alive_at: datetime | None = None

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def records(self) -> dict[str, Record]:
        return dict(self._records)

    async def events(self, query: EventQuery) -> list[tuple[int, Event]]:
        found = [
            (number, event)
            for number, (recorded, event) in self._events.items()
            if number > query.after
            and (query.target is None or subject_matches(event.subject, query.target))
            and (not query.types or any(matches(event.type, glob) for glob in query.types))
            and (query.since is None or recorded >= query.since.timestamp())
        ]
        return sorted(fitting((found[::-1] if query.newest else found)[: query.limit], query.size))

    async def deliveries(self, query: DeliveryQuery) -> list[DeliveryRecord]:
        waiting = [(row, DeliveryState.WAITING, None) for row in self._index.rows()]
        ended = [(each.row, each.state, each.at) for each in self._ended.values()]
        found = [
            DeliveryRecord(self._events[row.place.number][1], row.place.sink, state, row.place.reminder, row.recorded,
                           row.tries, row.tried, at, row.answer)
            for row, state, at in sorted([*waiting, *ended], key=lambda each: (each[0].place.sink, each[0].order),
                                         reverse=query.newest)
            if (not query.states or state in query.states)
            and query.sink in (None, row.place.sink) and query.event_id in (None, row.event_id)
        ]  # fmt: skip
        return found[: query.limit]

    async def counts(self) -> Mapping[tuple[str, DeliveryState], int]:
        dead = (each.row.place.sink for each in self._ended.values() if each.state is DeliveryState.DEAD)
        counts = {(sink, DeliveryState.WAITING): count for sink, count in self._index.counts().items()}
        return counts | {(sink, DeliveryState.DEAD): count for sink, count in Counter(dead).items()}

    async def find(self, event_id: str) -> list[tuple[int, Event]]:
        return [(number, event) for number, (_, event) in self._events.items() if event.id == event_id]

    async def alive_at(self) -> datetime | None:
        return self._alive_at

    async def mark_alive(self, now: datetime) -> None:
        self._alive_at = now

    async def commit(self, entries: Sequence[Entry], now: datetime) -> None:
        for entry in entries:
            self._records[entry.subject] = entry.record
            if entry.events:
                self._end(self._index.reminders(entry.subject), DeliveryState.DROPPED, OVER, now.timestamp())
            for event, sinks in entry.events:
                self._number += 1
                self._events[self._number] = (now.timestamp(), event)
                for sink in sinks:
                    self._add(Place(event.subject, sink, self._number, 0))

    async def reload(self, subjects: Collection[str]) -> dict[str, Record]:
        return {subject: self._records[subject] for subject in subjects if subject in self._records}

    async def forget(self, subjects: Collection[str]) -> None:
        for subject in subjects:
            self._records.pop(subject, None)

    async def registered_sinks(self) -> Collection[str]:
        return self._sinks

    async def register_sinks(self, sinks: Collection[str], now: datetime) -> int:
        self._sinks = frozenset(sinks)
        removed = [sink for sink in self._index.sinks() if sink not in self._sinks]
        return sum([await self.dead_letter(sink, REMOVED, now) for sink in removed])
