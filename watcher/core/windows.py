"""Windows of time that recur, such as every Saturday from 22:00 to 06:00 in Berlin. Pure.

A window begins when the clock of its zone first reads its start, or later, on one of its days. It ends when that clock
no longer reads earlier than its end: on the same day, or on the next one if the end is not later than the start. So it
has no gap where the clock is set back, and if the clock skips its start or end, the moment of the change counts.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""The days of the week, in the order of `date.weekday`."""

LONGEST_LOOK = timedelta(days=8)
"""How far windows that follow each other without a gap are followed: they repeat each week, so those never end."""

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Window:
    """A window that recurs."""

    days: tuple[str, ...] = DAYS
    """The days (of `DAYS`) on which it begins."""
    start: time = time()
    end: time = time()
    """If it is not later than `start`, the window ends on the next day; if it equals `start`, it lasts a whole day."""
    zone: tzinfo = UTC

    def __str__(self) -> str:
        """Return the window for people: `sat and sun, 22:00 to 06:00 (Europe/Berlin)`."""
        whole = self.start == self.end == time()
        hours = "all day" if whole else f"{self.start:%H:%M} to {self.end:%H:%M}"
        return f"{days_for_people(self.days)}, {hours} ({self.zone})"

    def end_of(self, now: datetime) -> datetime | None:
        """Return when the window that contains `now` ends, in UTC; None: `now` is in no window."""
        with suppress(OverflowError):  # in the first and the last days of the calendar, there are none
            return max((end for start, end in self._around(now) if start <= now < end), default=None)
        return None

    def over_at(self, now: datetime) -> datetime | None:
        """Return the first moment from `now` on that is in no window, in UTC; None: there is none."""
        over = now
        while (end := self.end_of(over)) is not None:
            over = end
            if over - now > LONGEST_LOOK:
                return None
        return over

    def _around(self, now: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield the beginnings and ends of the windows that may contain `now`."""
        today = now.astimezone(self.zone).date()
        # The clock may go back over midnight, so the window of tomorrow may have begun already.
        for day in (today - _DAY, today, today + _DAY):
            if DAYS[day.weekday()] in self.days:
                end_day = day if self.start < self.end else day + _DAY
                yield readings(self.zone, day, self.start)[0], self._last(end_day, self.end)

    def _last(self, day: date, at: time) -> datetime:
        """Return from when on the clock does not read earlier than `at` on `day` any more."""
        first, second = readings(self.zone, day, at)
        before = (second - timedelta(seconds=1)).astimezone(self.zone).replace(tzinfo=None)
        return second if before < datetime.combine(day, at) else first


def days_for_people(days: Sequence[str]) -> str:
    """Return days of the week for people: `mon, tue and fri`, or `every day`."""
    return "every day" if len(days) == len(DAYS) else " and ".join(", ".join(days).rsplit(", ", 1))


def readings(zone: tzinfo, day: date, at: time) -> tuple[datetime, datetime]:
    """Return the moments at which the clock of a zone reads a time for the first and the last time, in UTC.

    They differ if the clock is set back. If it skips the time, both are the moment of the change.
    """
    local = datetime.combine(day, at, zone)
    first, second = local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)
    if first <= second:
        return first, second
    # The clock skips it: `second` is before the change, `first` after it (PEP 495).
    change = _change(zone, second, first)
    return change, change


def _change(zone: tzinfo, before: datetime, after: datetime) -> datetime:
    """Return the first second with the offset from UTC that `zone` has at `after`; it has another one at `before`."""
    offset = after.astimezone(zone).utcoffset()
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after
