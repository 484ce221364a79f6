"""What waits in the held shards, in memory: which delivery is whose next, without a look into the table. Pure.

It holds keys and how tries went, no bodies. Of each subject and sink it knows all that waits up to the newest it knows
of, so the oldest of them is the oldest there is. A page that was read while something was added or settled does not
undo that.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

from watcher.core.retry_policy import LONGEST_HEEDED
from watcher.stores.dynamodb.items import EventKey, Place, shard_of
from watcher.stores.sqlite.outbox import OVERDUE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

Turn = tuple[int, int]
"""An event's number, and the reminder's: the order within a lane."""


@dataclass(slots=True)
class Row:
    """One delivery that waits. `failures`, `since` and `next_try` are its lane's, when it is the oldest there."""

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
        """That one's place."""
        return self.place._replace(number=self.after) if self.after else None

    @property
    def turn(self) -> Turn:
        """Its place in its lane."""
        return (self.place.number, self.place.reminder)

    @property
    def order(self) -> tuple[int, str, int]:
        """Its place among all of a sink's; two watchers may give two subjects' events one number."""
        return (self.place.number, self.place.subject, self.place.reminder)

    @property
    def event(self) -> EventKey:
        """Where its event is."""
        return EventKey(self.place.number, self.place.subject, self.event_id)


@dataclass(slots=True)
class _Lane:
    rows: dict[Turn, Row] = field(default_factory=dict)
    turns: list[Turn] = field(default_factory=list)

    @property
    def head(self) -> Row:
        return self.rows[self.turns[0]]


class Index:
    """Everything that waits, by sink and subject."""

    def __init__(self) -> None:
        self._lanes: dict[str, dict[str, _Lane]] = defaultdict(dict)
        self._gone: dict[Place, int] = {}
        """What was taken out, and when: a page read before may still show it."""
        self._step = 0
        self._reads: Counter[int] = Counter()

    def begin(self) -> int:
        """A page is about to be read; give `end` and `replace` what this returns."""
        self._step += 1
        self._reads[self._step] += 1
        return self._step

    def end(self, step: int) -> None:
        """The reading is over."""
        del self._reads[step]
        oldest = min(self._reads, default=inf)
        self._gone = {place: at for place, at in self._gone.items() if at >= oldest}

    def add(self, row: Row) -> None:
        """It waits from now on, or is known better."""
        self._step += 1
        row.step = self._step
        self._gone.pop(row.place, None)
        self._put(row)

    def replace(self, rows: Iterable[Row], step: int, covered: Callable[[Place], bool]) -> None:
        """Take in what a reading since `step` showed of the lanes that it `covered`."""
        found = {row.place: row for row in rows if self._gone.get(row.place, -1) < step}
        for known in [row for row in self._all() if covered(row.place)]:
            if known.place not in found and known.step < step:
                self._take(known.place)
        for place, row in found.items():
            known_row = self.get(place)
            if known_row is None:
                row.step = step
                self._put(row)
            elif known_row.tries < row.tries:  # somebody else tried it
                row.step = known_row.step
                self._put(row)
            else:
                known_row.seen = row.seen

    def get(self, place: Place) -> Row | None:
        """A delivery, if it waits."""
        lane = self._lanes[place.sink].get(place.subject)
        return None if lane is None else lane.rows.get((place.number, place.reminder))

    def remove(self, place: Place, *, failing: bool = False) -> Row | None:
        """It waits no more; returns the one that is next in its lane and goes on `failing`, if it does."""
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

    def drop_shard(self, shard: int) -> None:
        """Know nothing of a shard any more."""
        for row in [row for row in self._all() if shard_of(row.place.subject) == shard]:
            self._take(row.place)

    def failed(self, place: Place, now: float, pause: float) -> Row | None:
        """A try failed: its lane rests."""
        row = self.get(place)
        if row is None:
            return None
        head = self._lanes[place.sink][place.subject].head
        head.failures, head.next_try = head.failures + 1, now + pause
        head.since = now if head.since is None else head.since
        return row

    def head(self, row: Row) -> Row:
        """The oldest in a delivery's lane."""
        return self._lanes[row.place.sink][row.place.subject].head

    def waits(self, sink: str, subject: str) -> bool:
        """Whether anything of a subject waits for a sink."""
        return subject in self._lanes[sink]

    def lane(self, sink: str, subject: str) -> list[Row]:
        """What waits of a subject for a sink, the oldest first."""
        lane = self._lanes[sink].get(subject)
        return [] if lane is None else [lane.rows[turn] for turn in lane.turns]

    def due(self, sink: str) -> list[Row]:
        """All of a sink, the oldest first."""
        return sorted(
            (row for lane in self._lanes[sink].values() for row in lane.rows.values()), key=lambda row: row.order
        )

    def lane_heads(
        self, sink: str, now: float, limit: int, skip: Collection[str], failing: int | None, may: Callable[[str], bool]
    ) -> list[Row]:
        """Only of subjects that this watcher `may` deliver now."""
        heads = [lane.head for subject, lane in self._lanes[sink].items() if subject not in skip and may(subject)]
        failed = [row for row in heads if row.next_try > 0 and not now < row.next_try <= now + LONGEST_HEEDED]
        failed.sort(key=lambda row: row.next_try)
        ready = failed[:failing] + [row for row in heads if row.next_try == 0]
        return sorted(ready, key=lambda row: row.order)[:limit]

    def next_try(self, sink: str, now: float, skip: Collection[str], may: Callable[[str], bool]) -> float | None:
        moments = [
            lane.head.next_try for subject, lane in self._lanes[sink].items() if subject not in skip and may(subject)
        ]
        if not moments:
            return None
        wait = min(moments) - now
        return 0.0 if wait > LONGEST_HEEDED else max(0.0, wait)

    def retry_now(self, sink: str, since: float) -> None:
        for lane in self._lanes[sink].values():
            head = lane.head
            if head.since is not None and head.since >= since and head.next_try:
                head.next_try = OVERDUE

    def sinks(self) -> list[str]:
        """Those for which something waits."""
        return [sink for sink, lanes in self._lanes.items() if lanes]

    def counts(self) -> dict[str, int]:
        """How many deliveries wait, by sink."""
        return dict(Counter(row.place.sink for row in self._all()))

    def reminders(self) -> list[Row]:
        """The reminders that wait."""
        return [row for row in self._all() if row.place.reminder]

    def reminders_of(self, subject: str) -> list[Row]:
        """Those of one subject."""
        lanes = [of_sink[subject] for of_sink in self._lanes.values() if subject in of_sink]
        return [row for lane in lanes for row in lane.rows.values() if row.place.reminder]

    def newest(self) -> int:
        """The greatest number."""
        return max((row.place.number for row in self._all()), default=0)

    def _all(self) -> Iterator[Row]:
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
