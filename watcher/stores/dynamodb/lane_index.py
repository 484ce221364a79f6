"""An index in memory of the waiting deliveries in a table: which one is next in its lane and at its sink. Pure.

It holds keys and how tries went, no bodies. Of each lane it knows everything that waits up to the newest delivery that
it knows of, so the oldest of them is the oldest there is. Rows that were read from the table while a delivery was added
or settled do not undo that.
"""

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from watcher.core.retry_policy import OVERDUE, seconds_until


class Place(NamedTuple):
    """Identifies a delivery; those of one lane are in the order of their places."""

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
    """The number of the event before it in its lane whose delivery was written in the same commit; 0: there is none."""

    @property
    def before(self) -> Place | None:
        """The place of the delivery with the number `after`."""
        return self.place._replace(number=self.after) if self.after else None

    @property
    def order(self) -> tuple[int, str, int]:
        """Its position among all of a sink; two daemons may give two subjects' events one number."""
        return (self.place.number, self.place.subject, self.place.reminder)


class LaneIndex:
    """The waiting deliveries by sink and subject."""

    def __init__(self) -> None:
        self._rows: dict[Place, Row] = {}
        self._lanes: dict[str, dict[str, list[Place]]] = defaultdict(dict)
        """By sink and subject, each with the oldest delivery first."""
        self._gone: dict[Place, int] = {}
        """When deliveries were removed: rows that were read before may still show them."""
        self._step = 0
        self._reads: set[int] = set()

    @contextmanager
    def reading(self) -> Iterator[int]:
        """Remember what is removed while rows are read; yields the step for `replace`."""
        self._step += 1
        step = self._step
        self._reads.add(step)
        try:
            yield step
        finally:
            self._reads.remove(step)
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
        for known in [row for row in self._rows.values() if covered(row.place)]:
            if known.place not in found and known.step < step:
                self._take(known.place)
        for place, row in found.items():
            known_row = self._rows.get(place)
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
        return self._rows.get(place)

    def remove(self, place: Place, *, failing: bool = False) -> Row | None:
        """Remove a delivery; returns the next one of its lane if the lane goes on `failing`."""
        self._step += 1
        if self._reads:
            self._gone[place] = self._step
        ended = self._rows.get(place)
        if ended is None:
            return None
        led = self.head(place) is ended
        self._take(place)
        if not self.waits(place.sink, place.subject):
            return None
        head = self.head(place)
        if not failing:
            head.failures, head.since, head.next_try = 0, None, 0.0
            return None
        if led:  # otherwise an operator requeued `head` meanwhile, and it has the lane's streak already (`failed`)
            head.failures, head.since, head.next_try = ended.failures, ended.since, ended.next_try
        return head

    def drop(self, covered: Callable[[Place], bool]) -> None:
        for place in [*filter(covered, self._rows)]:
            self._take(place)

    def failed(self, place: Place, now: float, pause: float) -> None:
        """Record a failed try: its lane rests for `pause` seconds."""
        if place in self._rows:
            head = self.head(place)
            head.failures, head.next_try = head.failures + 1, now + pause
            head.since = now if head.since is None else head.since

    def head(self, place: Place) -> Row:
        """Return the oldest delivery of the lane of `place`."""
        return self._rows[self._lanes[place.sink][place.subject][0]]

    def waits(self, sink: str, subject: str) -> bool:
        return subject in self._lanes[sink]

    def due(self, sink: str) -> list[Row]:
        """Return the waiting deliveries of a sink, the oldest first."""
        rows = (self._rows[place] for lane in self._lanes[sink].values() for place in lane)
        return sorted(rows, key=lambda row: row.order)

    def lane_heads(
        self, sink: str, now: float, limit: int, skip: Collection[str], failing: int | None, may: Callable[[str], bool]
    ) -> list[Row]:
        """Return the oldest deliveries of lanes that are due, and that `may` be delivered now; see `ports.Store`."""
        heads = self._heads(sink, skip, may)
        failed = [row for row in heads if row.next_try > 0 and not seconds_until(row.next_try, now)]
        failed.sort(key=lambda row: row.next_try)
        ready = failed[:failing] + [row for row in heads if row.next_try == 0]
        return sorted(ready, key=lambda row: row.order)[:limit]

    def next_try(self, sink: str, now: float, skip: Collection[str], may: Callable[[str], bool]) -> float | None:
        soonest = min((row.next_try for row in self._heads(sink, skip, may)), default=None)
        return None if soonest is None else seconds_until(soonest, now)

    def retry_now(self, sink: str, since: float) -> None:
        for head in self._heads(sink, (), lambda _: True):
            if head.since is not None and head.since >= since and head.next_try:
                head.next_try = OVERDUE

    def sinks(self) -> list[str]:
        """Return the sinks with waiting deliveries."""
        return [sink for sink, lanes in self._lanes.items() if lanes]

    def counts(self) -> dict[str, int]:
        """Return the number of waiting deliveries by sink."""
        return dict(Counter(place.sink for place in self._rows))

    def reminders(self, subject: str | None = None) -> list[Row]:
        """Return the waiting reminders of a subject (None: of all)."""
        lanes = [self._rows] if subject is None else [each.get(subject, ()) for each in self._lanes.values()]
        return [self._rows[place] for lane in lanes for place in lane if place.reminder]

    def newest(self) -> int:
        """Return the greatest event number; 0 if nothing waits."""
        return max((place.number for place in self._rows), default=0)

    def _heads(self, sink: str, skip: Collection[str], may: Callable[[str], bool]) -> list[Row]:
        lanes = self._lanes[sink].items()
        return [self._rows[lane[0]] for subject, lane in lanes if subject not in skip and may(subject)]

    def _put(self, row: Row) -> None:
        place = row.place
        if place not in self._rows:
            insort(self._lanes[place.sink].setdefault(place.subject, []), place)
        self._rows[place] = row

    def _take(self, place: Place) -> None:
        del self._rows[place]
        lanes = self._lanes[place.sink]
        lane = lanes[place.subject]
        del lane[bisect_left(lane, place)]
        if not lane:
            del lanes[place.subject]
