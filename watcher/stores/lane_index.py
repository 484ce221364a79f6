"""An index in memory of the waiting deliveries: which one is next in its lane and at its sink. Pure.

It holds keys and how tries went, no bodies. Of each lane it knows everything that waits up to the newest delivery that
it knows of, so the oldest of them is the oldest there is. Where the deliveries are in a table, rows that were read from
it while a delivery was added or settled do not undo that.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from watcher.stores.lanes import OVERDUE, seconds_until

Turn = tuple[int, int]
"""The numbers of the event and of the reminder: the order within a lane."""


class Place(NamedTuple):
    """Identifies a delivery."""

    subject: str
    sink: str
    number: int
    """The event's."""
    reminder: int
    """0 for the event itself; n for the n-th reminder of it."""


@dataclass(slots=True)
class Row:
    """A waiting delivery. `failures`, `since` and `next_try` are its lane's if it is the oldest there."""

    place: Place
    event_id: str
    recorded: float
    tries: int = 0
    tried: float | None = None
    answer: str | None = None
    failures: int = 0
    since: float | None = None
    next_try: float = 0.0
    seen: float = -inf
    """When it was last read from the table, or written (monotonic seconds)."""
    step: int = 0
    """When it came to the index, in the index's own count."""
    after: int = 0
    """The number of the event before it in its lane that was committed together with it; 0: there is none."""

    @property
    def before(self) -> Place | None:
        """The place of the delivery with the number `after`."""
        return self.place._replace(number=self.after) if self.after else None

    @property
    def turn(self) -> Turn:
        """Its position in its lane."""
        return (self.place.number, self.place.reminder)

    @property
    def order(self) -> tuple[int, str, int]:
        """Its position among all of a sink; two daemons may give two subjects' events one number."""
        return (self.place.number, self.place.subject, self.place.reminder)


@dataclass(slots=True)
class _Lane:
    rows: dict[Turn, Row] = field(default_factory=dict)
    turns: list[Turn] = field(default_factory=list)

    @property
    def head(self) -> Row:
        return self.rows[self.turns[0]]


class Index:
    """The waiting deliveries by sink and subject."""

    def __init__(self) -> None:
        self._lanes: dict[str, dict[str, _Lane]] = defaultdict(dict)
        self._gone: dict[Place, int] = {}
        """When deliveries were removed: rows that were read before may still show them."""
        self._step = 0
        self._reads: Counter[int] = Counter()

    def begin(self) -> int:
        """Begin to read rows; returns the step for `replace` and `end`."""
        self._step += 1
        self._reads[self._step] += 1
        return self._step

    def end(self, step: int) -> None:
        """End a reading."""
        del self._reads[step]
        oldest = min(self._reads, default=inf)
        self._gone = {place: at for place, at in self._gone.items() if at >= oldest}

    def add(self, row: Row) -> None:
        """Add a delivery, or replace what is known of it."""
        self._step += 1
        row.step = self._step
        self._gone.pop(row.place, None)
        self._put(row)

    def replace(self, rows: Iterable[Row], step: int, covered: Callable[[Place], bool]) -> None:
        """Replace the lanes that a reading since `step` `covered` by what it showed."""
        found = {row.place: row for row in rows if self._gone.get(row.place, -1) < step}
        for known in [row for row in self.rows() if covered(row.place)]:
            if known.place not in found and known.step < step:
                self._take(known.place)
        for place, row in found.items():
            known_row = self.get(place)
            if known_row is None:
                row.step = step
                self._put(row)
            elif known_row.tries < row.tries:  # another daemon tried it
                row.step = known_row.step
                self._put(row)
            else:
                known_row.seen = row.seen

    def get(self, place: Place) -> Row | None:
        """Return a delivery if it waits."""
        lane = self._lanes[place.sink].get(place.subject)
        return None if lane is None else lane.rows.get((place.number, place.reminder))

    def remove(self, place: Place, *, failing: bool = False) -> Row | None:
        """Remove a delivery; returns the next one of its lane if the lane goes on `failing`."""
        lane = self._lanes[place.sink].get(place.subject)
        ended = None if lane is None else lane.rows.get((place.number, place.reminder))
        self._step += 1
        if self._reads:
            self._gone[place] = self._step
        if lane is None or ended is None:
            return None
        led = lane.head is ended
        self._take(place)
        if not lane.turns:
            return None
        head = lane.head
        if failing and not led:
            return head  # an operator revived it meanwhile, and it has the lane's streak already (`failed`)
        if failing:
            head.failures, head.since, head.next_try = ended.failures, ended.since, ended.next_try
            return head
        head.failures, head.since, head.next_try = 0, None, 0.0
        return None

    def drop(self, covered: Callable[[Place], bool]) -> None:
        """Remove everything that is `covered`."""
        for row in [row for row in self.rows() if covered(row.place)]:
            self._take(row.place)

    def failed(self, place: Place, now: float, pause: float) -> Row | None:
        """Record a failed try: its lane rests for `pause` seconds."""
        row = self.get(place)
        if row is None:
            return None
        head = self._lanes[place.sink][place.subject].head
        head.failures, head.next_try = head.failures + 1, now + pause
        head.since = now if head.since is None else head.since
        return row

    def head(self, row: Row) -> Row:
        """Return the oldest delivery of the lane of `row`."""
        return self._lanes[row.place.sink][row.place.subject].head

    def waits(self, sink: str, subject: str) -> bool:
        """Return whether a lane has waiting deliveries."""
        return subject in self._lanes[sink]

    def due(self, sink: str) -> list[Row]:
        """Return the waiting deliveries of a sink, the oldest first."""
        return sorted(
            (row for lane in self._lanes[sink].values() for row in lane.rows.values()), key=lambda row: row.order
        )

    def lane_heads(
        self, sink: str, now: float, limit: int, skip: Collection[str], failing: int | None, may: Callable[[str], bool]
    ) -> list[Row]:
        """Return the oldest deliveries of lanes that are due, and that `may` be delivered now; see `ports.Store`."""
        heads = [lane.head for subject, lane in self._lanes[sink].items() if subject not in skip and may(subject)]
        failed = [row for row in heads if row.next_try > 0 and not seconds_until(row.next_try, now)]
        failed.sort(key=lambda row: row.next_try)
        ready = failed[:failing] + [row for row in heads if row.next_try == 0]
        return sorted(ready, key=lambda row: row.order)[:limit]

    def next_try(self, sink: str, now: float, skip: Collection[str], may: Callable[[str], bool]) -> float | None:
        moments = [
            lane.head.next_try for subject, lane in self._lanes[sink].items() if subject not in skip and may(subject)
        ]
        if not moments:
            return None
        return seconds_until(min(moments), now)

    def retry_now(self, sink: str, since: float) -> None:
        for lane in self._lanes[sink].values():
            head = lane.head
            if head.since is not None and head.since >= since and head.next_try:
                head.next_try = OVERDUE

    def sinks(self) -> list[str]:
        """Return the sinks with waiting deliveries."""
        return [sink for sink, lanes in self._lanes.items() if lanes]

    def counts(self) -> dict[str, int]:
        """Return the number of waiting deliveries by sink."""
        return dict(Counter(row.place.sink for row in self.rows()))

    def reminders(self, subject: str | None = None) -> list[Row]:
        """Return the waiting reminders of a subject (None: of all)."""
        if subject is None:
            return [row for row in self.rows() if row.place.reminder]
        lanes = [of_sink[subject] for of_sink in self._lanes.values() if subject in of_sink]
        return [row for lane in lanes for row in lane.rows.values() if row.place.reminder]

    def newest(self) -> int:
        """Return the greatest event number; 0 if nothing waits."""
        return max((row.place.number for row in self.rows()), default=0)

    def rows(self) -> Iterator[Row]:
        """Yield the waiting deliveries."""
        for lanes in self._lanes.values():
            for lane in lanes.values():
                yield from lane.rows.values()

    def _put(self, row: Row) -> None:
        lane = self._lanes[row.place.sink].setdefault(row.place.subject, _Lane())
        if row.turn not in lane.rows:
            insort(lane.turns, row.turn)
        lane.rows[row.turn] = row

    def _take(self, place: Place) -> None:
        lanes = self._lanes[place.sink]
        lane = lanes[place.subject]
        turn = (place.number, place.reminder)
        del lane.rows[turn]
        lane.turns.remove(turn)
        if not lane.turns:
            del lanes[place.subject]
