"""When a window of time that recurs begins and ends, also where the clock is changed."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.core.windows import DAYS, Window

BERLIN, KOLKATA, LORD_HOWE = (ZoneInfo(name) for name in ("Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe"))
MINUTE = timedelta(minutes=1)
NIGHT = Window(("sat", "sun"), time(22), time(6), BERLIN)
HALF_PAST_TWO = Window(start=time(2, 30), end=time(6), zone=BERLIN)
UNTIL_HALF_PAST_TWO = Window(start=time(22), end=time(2, 30), zone=BERLIN)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "begins", "ends"),
    [
        # 2026-11-28 is a Saturday; Berlin is one hour ahead of UTC in winter, two in summer.
        (NIGHT, "2026-11-28T21:00", "2026-11-29T05:00"),
        (NIGHT, "2026-11-29T21:00", "2026-11-30T05:00"),
        (Window(("mon",), time(8), time(17)), "2026-11-30T08:00", "2026-11-30T17:00"),
        (Window(("mon",)), "2026-11-30T00:00", "2026-12-01T00:00"),
        (Window(("mon",), time(8), time(8)), "2026-11-30T08:00", "2026-12-01T08:00"),
        (Window(("mon",), start=time(18)), "2026-11-30T18:00", "2026-12-01T00:00"),
        (Window(("mon",), end=time(7)), "2026-11-30T00:00", "2026-11-30T07:00"),
        (Window(("thu",), time(22), time(6), BERLIN), "2026-12-31T21:00", "2027-01-01T05:00"),
        (Window(("mon",), time(9), time(17), KOLKATA), "2026-11-30T03:30", "2026-11-30T11:30"),
        (Window(("sun",), zone=KOLKATA), "2026-11-28T18:30", "2026-11-29T18:30"),
        # In Berlin, 02:00 to 03:00 does not exist on 2026-03-29, and exists twice on 2026-10-25.
        (NIGHT, "2026-03-28T21:00", "2026-03-29T04:00"),
        (NIGHT, "2026-10-24T20:00", "2026-10-25T05:00"),
        (Window(("sun",), zone=BERLIN), "2026-03-28T23:00", "2026-03-29T22:00"),
        (Window(("sun",), zone=BERLIN), "2026-10-24T22:00", "2026-10-25T23:00"),
        (HALF_PAST_TWO, "2026-03-29T01:00", "2026-03-29T04:00"),
        (Window(start=time(2, 7), end=time(6), zone=BERLIN), "2026-03-29T01:00", "2026-03-29T04:00"),
        (HALF_PAST_TWO, "2026-10-25T00:30", "2026-10-25T05:00"),
        (UNTIL_HALF_PAST_TWO, "2026-03-28T21:00", "2026-03-29T01:00"),
        (UNTIL_HALF_PAST_TWO, "2026-10-24T20:00", "2026-10-25T01:30"),
        (Window(start=time(2, 15), end=time(2, 45), zone=BERLIN), "2026-10-25T00:15", "2026-10-25T01:45"),
        (Window(start=time(22), end=time(2), zone=BERLIN), "2026-10-24T20:00", "2026-10-25T00:00"),
        (Window(start=time(3), end=time(6), zone=BERLIN), "2026-10-25T02:00", "2026-10-25T05:00"),
        # Lord Howe's clock is changed by half an hour, at 02:00.
        (Window(start=time(1, 45), end=time(2, 15), zone=LORD_HOWE), "2026-04-04T14:45", "2026-04-04T15:45"),
        (Window(start=time(1, 45), end=time(2, 15), zone=LORD_HOWE), "2026-10-03T15:15", "2026-10-03T15:30"),
        # St. John's clock went back over midnight; in Honolulu it is still the day before in UTC.
        (Window(("sun",), zone=ZoneInfo("America/St_Johns")), "2010-11-07T02:30", "2010-11-08T03:30"),
        (Window(("thu",), time(22), time(21), ZoneInfo("Pacific/Honolulu")), "2026-11-27T08:00", "2026-11-28T07:00"),
        # Beirut's clock goes from 24:00 to 23:00 of the same Saturday, and Samoa left out a whole Friday.
        (Window(("sat",), zone=ZoneInfo("Asia/Beirut")), "2026-10-23T21:00", "2026-10-24T22:00"),
        (Window(("thu",), zone=ZoneInfo("Pacific/Apia")), "2011-12-29T10:00", "2011-12-30T10:00"),
        (Window(("sat",), zone=ZoneInfo("Pacific/Apia")), "2011-12-30T10:00", "2011-12-31T10:00"),
    ],
)
def test_a_window_begins_and_ends_by_the_clock_of_its_zone(window: Window, begins: str, ends: str) -> None:
    start, end = utc(begins), utc(ends)
    assert [window.end_of(at) for at in (start, start + MINUTE, end - MINUTE)] == [end, end, end]
    assert getattr(window.end_of(start), "tzinfo", None) is UTC
    assert window.end_of(start - MINUTE) is None
    assert window.end_of(end) is None


@pytest.mark.parametrize(
    ("window", "moment"),
    [
        (NIGHT, "2026-11-27T22:00"),
        (NIGHT, "2026-11-30T22:00"),
        (Window(start=time(2, 15), end=time(2, 45), zone=BERLIN), "2026-03-29T01:00"),
        (Window(("fri",), zone=ZoneInfo("Pacific/Apia")), "2011-12-30T10:00"),
    ],
    ids=["a-day-before", "a-day-after", "a-time-that-is-skipped", "a-day-that-is-skipped"],
)
def test_a_moment_is_in_no_window(window: Window, moment: str) -> None:
    assert window.end_of(utc(moment)) is None
    assert window.over_at(utc(moment)) == utc(moment)


@pytest.mark.parametrize(
    ("window", "over"),
    [
        (Window(("sat", "sun"), zone=BERLIN), utc("2026-11-29T23:00")),
        (Window(("sat",), time(22), time(22)), utc("2026-11-29T22:00")),
        (Window(DAYS[1:]), utc("2026-11-30T00:00")),
        (Window(), None),
        (Window(start=time(5), end=time(5), zone=BERLIN), None),
    ],
)
def test_windows_without_a_gap_between_them_are_over_together(window: Window, over: datetime | None) -> None:
    assert window.over_at(utc("2026-11-28T22:30")) == over


@pytest.mark.parametrize("moment", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_no_window_is_at_the_ends_of_the_calendar(moment: datetime) -> None:
    assert Window(zone=BERLIN).over_at(moment) == moment


@pytest.mark.parametrize(
    ("window", "text"),
    [
        (NIGHT, "sat and sun, 22:00 to 06:00 (Europe/Berlin)"),
        (Window(), "every day, all day (UTC)"),
        (Window(("mon", "wed", "fri"), start=time(8)), "mon, wed and fri, 08:00 to 00:00 (UTC)"),
    ],
)
def test_a_window_is_shown_by_its_days_times_and_zone(window: Window, text: str) -> None:
    assert str(window) == text


CHANGES = [
    (BERLIN, date(2026, 3, 29)), (BERLIN, date(2026, 10, 25)), (BERLIN, date(2026, 12, 31)),
    (ZoneInfo("America/New_York"), date(2026, 3, 8)), (ZoneInfo("America/New_York"), date(2026, 11, 1)),
    (LORD_HOWE, date(2026, 4, 5)), (LORD_HOWE, date(2026, 10, 4)), (KOLKATA, date(2028, 2, 29)),
    (ZoneInfo("Asia/Beirut"), date(2026, 3, 29)), (ZoneInfo("Asia/Beirut"), date(2026, 10, 25)),
    (ZoneInfo("America/St_Johns"), date(2010, 11, 7)), (ZoneInfo("Pacific/Apia"), date(2011, 12, 30)),
]  # fmt: skip
"""Zones with a day on which their clock is changed, or that ends a year or a leap February."""

TIMES = st.builds(time, st.integers(0, 23), st.sampled_from([0, 1, 15, 30, 45, 59]))


@cache
def readings(zone: ZoneInfo, middle: date) -> list[tuple[datetime, datetime]]:
    """The local time of each minute of six days, with the minute."""
    begin = datetime.combine(middle, time(), UTC) - timedelta(days=3)
    moments = (begin + MINUTE * count for count in range(6 * 24 * 60))
    return [(moment.astimezone(zone).replace(tzinfo=None), moment) for moment in moments]


def by_the_minute(window: Window, zone: ZoneInfo, middle: date) -> Iterator[tuple[datetime, datetime]]:
    """Yield the first minute, and the end of the last, whose local time is in the window of each day."""
    for day in (middle + timedelta(days=offset) for offset in (-2, -1, 0, 1)):
        if DAYS[day.weekday()] in window.days:
            first = datetime.combine(day, window.start)
            last = datetime.combine(day if window.start < window.end else day + timedelta(days=1), window.end)
            inside = [moment for reading, moment in readings(zone, middle) if first <= reading < last]
            if inside:
                yield inside[0], inside[-1] + MINUTE


@settings(max_examples=20, deadline=None)
@given(
    change=st.sampled_from(CHANGES),
    days=st.lists(st.sampled_from(DAYS), min_size=1, unique=True),
    start=TIMES,
    end=TIMES,
    offsets=st.lists(st.integers(-12 * 60, 12 * 60), max_size=20),
)
def test_a_window_contains_what_a_clock_read_each_minute_shows(
    change: tuple[ZoneInfo, date], days: list[str], start: time, end: time, offsets: list[int]
) -> None:
    zone, day = change
    window = Window(tuple(days), start, end, zone)
    expected = [*by_the_minute(window, zone, day)]
    edges = [edge + MINUTE * offset for pair in expected for edge in pair for offset in (-1, 0, 1)]
    noon = datetime.combine(day, time(12), UTC) - (datetime.combine(day, time(12), zone).utcoffset() or timedelta())
    moments = [*edges, *(noon + MINUTE * offset for offset in offsets)]
    for moment in (each for each in moments if abs(each - noon) <= timedelta(hours=12)):
        assert window.end_of(moment) == max((end for begin, end in expected if begin <= moment < end), default=None)
