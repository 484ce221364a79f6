"""State that ends with the process: for trials, and for tests."""

from __future__ import annotations

from bisect import insort
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

from watcher.core import reminders
from watcher.core.events import fitting
from watcher.core.ports import Delivery, DeliveryRecord, DeliveryState
from watcher.core.retry_policy import LONGEST_HEEDED, REMOVED
from watcher.core.subjects import subject_matches
from watcher.stores.sqlite.outbox import OVER, OVERDUE
from watcher.util.globs import matches

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from watcher.core.events import Event
    from watcher.core.ports import DeliveryOutcome, DeliveryQuery, Entry, EventQuery, ReminderRequest
    from watcher.core.state import Record

Place = tuple[int, int]
"""An event's number, and the reminder's."""


@dataclass(slots=True)
class _Row:
    state: DeliveryState = DeliveryState.WAITING
    tries: int = 0
    tried: float | None = None
    ended: float | None = None
    answer: str | None = None


@dataclass(slots=True)
class _Lane:
    waiting: list[Place] = field(default_factory=list)
    failures: int = 0
    since: float | None = None
    next_try: float = 0.0


class MemoryStore:
    """See `protocols.Store`."""

    late = 0

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}
        self._events: dict[int, tuple[float, Event]] = {}
        self._rows: dict[str, dict[Place, _Row]] = defaultdict(dict)
        self._lanes: dict[str, dict[str, _Lane]] = defaultdict(dict)
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
        found = []
        for sink, (number, reminder), row in self._all():
            recorded, event = self._events[number]
            if (
                (not query.states or row.state in query.states)
                and query.sink in (None, sink)
                and query.event_id in (None, event.id)
            ):
                found.append(DeliveryRecord(event, sink, row.state, reminder, recorded, row.tries, row.tried, row.ended,
                                            row.answer))  # fmt: skip
        return (found[::-1] if query.newest else found)[: query.limit]

    async def counts(self) -> Mapping[tuple[str, DeliveryState], int]:
        told = (DeliveryState.WAITING, DeliveryState.DEAD)
        return Counter((sink, row.state) for sink, _, row in self._all() if row.state in told)

    async def find(self, event_id: str) -> list[tuple[int, Event]]:
        return [(number, event) for number, (_, event) in self._events.items() if event.id == event_id]

    async def alive_at(self) -> datetime | None:
        return self._alive_at

    async def mark_alive(self, now: datetime) -> None:
        self._alive_at = now

    async def commit(self, entries: Sequence[Entry], now: datetime) -> None:
        for entry in entries:
            self._records[entry.subject] = entry.record
            for sink in self._lanes if entry.events else ():
                self._call_off_reminders(sink, entry.subject, now.timestamp())
            for event, sinks in entry.events:
                self._number += 1
                self._events[self._number] = (now.timestamp(), event)
                for sink in sinks:
                    self._add(sink, (self._number, 0))

    async def reload(self, subjects: Collection[str]) -> dict[str, Record]:
        return {subject: self._records[subject] for subject in subjects if subject in self._records}

    async def forget(self, subjects: Collection[str]) -> None:
        for subject in subjects:
            self._records.pop(subject, None)

    async def due(self, sink: str, limit: int) -> list[Delivery]:
        places = sorted(place for lane in self._lanes[sink].values() for place in lane.waiting)
        return [self._delivery(sink, place) for place in places[:limit]]

    async def lane_heads(
        self, sink: str, now: datetime, limit: int, skip: Collection[str] = (), failing: int | None = None
    ) -> list[Delivery]:
        moment = now.timestamp()
        lanes = [lane for subject, lane in self._lanes[sink].items() if subject not in skip]
        failed = [
            lane for lane in lanes if lane.next_try > 0 and not moment < lane.next_try <= moment + LONGEST_HEEDED
        ]  # fmt: skip
        failed.sort(key=lambda lane: lane.next_try)
        ready = failed[:failing] + [lane for lane in lanes if lane.next_try == 0]
        return [self._delivery(sink, place) for place in sorted(lane.waiting[0] for lane in ready)[:limit]]

    async def next_try(self, sink: str, now: datetime, skip: Collection[str] = ()) -> float | None:
        moments = [lane.next_try for subject, lane in self._lanes[sink].items() if subject not in skip]
        if not moments:
            return None
        wait = min(moments) - now.timestamp()
        return 0.0 if wait > LONGEST_HEEDED else max(0.0, wait)

    async def settle(self, results: Sequence[DeliveryOutcome], now: datetime) -> None:
        moment = now.timestamp()
        for result in results:
            delivery = result.delivery
            place = (delivery.number, delivery.reminder)
            row = self._rows[delivery.sink].get(place)
            if row is None or row.state is not DeliveryState.WAITING:  # somebody dropped it meanwhile
                continue
            row.tries, row.tried, row.answer, row.state = row.tries + 1, moment, result.answer, result.state
            lane = self._lanes[delivery.sink][delivery.event.subject]
            if result.failing:
                lane.failures, lane.next_try = lane.failures + 1, moment + result.pause
                lane.since = moment if lane.since is None else lane.since
            if result.state is not DeliveryState.WAITING:
                row.ended = moment
                self._advance(delivery.sink, place, reset=not result.failing)

    async def waiting(self) -> Mapping[str, int]:
        counts = await self.counts()
        return {sink: count for (sink, state), count in counts.items() if state is DeliveryState.WAITING}

    async def prune(self, before: datetime, limit: int) -> int:
        moment = before.timestamp()
        kept = {
            number
            for _, (number, _), row in self._all()
            if row.state is DeliveryState.WAITING or (row.ended is not None and row.ended >= moment)
        }
        old = [number for number, (recorded, _) in self._events.items() if recorded < moment and number not in kept][
            :limit
        ]
        for sink, place, row in list(self._all()):
            if place[0] in old or (place[1] and row.ended is not None and row.ended < moment):
                del self._rows[sink][place]
        for number in old:
            del self._events[number]
        return len(old)

    async def retry_now(self, sink: str, since: float = -inf) -> None:
        for lane in self._lanes[sink].values():
            if lane.since is not None and lane.since >= since:
                lane.next_try = lane.next_try and OVERDUE

    async def registered_sinks(self) -> Collection[str]:
        return self._sinks

    async def register_sinks(self, sinks: Collection[str], now: datetime) -> int:
        self._sinks = frozenset(sinks)
        return sum([await self.dead_letter(sink, REMOVED, now) for sink in self._lanes if sink not in self._sinks])

    async def replay(self, sink: str, since: datetime, wanted: Callable[[Event], bool]) -> int:
        places = [
            (number, 0)
            for number, (recorded, event) in self._events.items()
            if recorded >= since.timestamp() and (number, 0) not in self._rows[sink] and wanted(event)
        ]
        for place in places:
            self._add(sink, place)
        return len(places)

    async def dead_letter(self, sink: str, reason: str, now: datetime, before: datetime | None = None) -> int:
        until = inf if before is None else before.timestamp()
        waiting = [place for lane in self._lanes[sink].values() for place in lane.waiting]
        places = [place for place in waiting if self._events[place[0]][0] <= until]
        for place in places:
            self._end(sink, place, DeliveryState.DEAD, reason, now.timestamp())
        return len(places)

    async def remind(self, wishes: Sequence[ReminderRequest], now: datetime) -> int:
        wished = {(wish.sink, wish.subject) for wish in wishes}
        for sink, lanes in self._lanes.items():
            for subject in [subject for subject in lanes if (sink, subject) not in wished]:
                self._call_off_reminders(sink, subject, now.timestamp())
        return sum(self._remind(wish, now.timestamp()) for wish in wishes)

    def _all(self) -> Iterator[tuple[str, Place, _Row]]:
        for sink in sorted(self._rows):
            for place in sorted(self._rows[sink]):
                yield sink, place, self._rows[sink][place]

    def _subject(self, place: Place) -> str:
        return self._events[place[0]][1].subject

    def _add(self, sink: str, place: Place) -> None:
        self._rows[sink][place] = _Row()
        insort(self._lanes[sink].setdefault(self._subject(place), _Lane()).waiting, place)

    def _end(self, sink: str, place: Place, state: DeliveryState, answer: str, moment: float) -> None:
        row = self._rows[sink][place]
        row.state, row.answer, row.ended = state, answer, moment
        self._advance(sink, place)

    def _advance(self, sink: str, place: Place, *, reset: bool = True) -> None:
        subject = self._subject(place)
        lane = self._lanes[sink][subject]
        lane.waiting.remove(place)
        if reset:
            lane.failures, lane.since, lane.next_try = 0, None, 0.0
        if not lane.waiting:
            del self._lanes[sink][subject]

    def _call_off_reminders(self, sink: str, subject: str, moment: float) -> None:
        lane = self._lanes[sink].get(subject, _Lane())
        for place in [place for place in lane.waiting if place[1]]:
            self._end(sink, place, DeliveryState.DROPPED, OVER, moment)

    def _remind(self, wish: ReminderRequest, moment: float) -> int:
        number, found = next(
            ((number, event) for number, (_, event) in reversed(self._events.items())
             if (event.subject, event.type) == (wish.subject, wish.type)), (0, None))  # fmt: skip
        if found is None or wish.subject in self._lanes[wish.sink]:
            return 0
        # Nothing of the subject waits, so each of its deliveries has ended.
        ended = [(place[1], row.ended or 0.0) for place, row in self._rows[wish.sink].items() if place[0] == number]
        count = reminders.due(wish, found.body, self._events[number][0], max(ended, default=None), moment)
        if count is None:
            return 0
        self._add(wish.sink, (number, count))
        return 1

    def _delivery(self, sink: str, place: Place) -> Delivery:
        number, reminder = place
        recorded, event = self._events[number]
        lane = self._lanes[sink][event.subject]
        tries = self._rows[sink][place].tries
        return Delivery(number, sink, event, recorded, reminder, tries, lane.since, lane.failures)
