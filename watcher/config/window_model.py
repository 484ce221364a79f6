"""Windows of time as a user writes them: days, times of day, and the zone that they are in."""

import re
from datetime import UTC, time, tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, PlainValidator

from watcher.config.faults import suggestion
from watcher.config.fields import OneOrMany, choice_schema, text_schema
from watcher.config.readers import meant_as_text, one_of, quoted, single
from watcher.config.strict_model import StrictModel
from watcher.core.windows import DAYS, Window

_TIME_OF_DAY = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"


def time_of_day(value: object) -> time:
    """Return a time of day; it needs no quotes, although YAML 1.1 reads some unquoted times as numbers."""
    text = single(value, "a time of day such as 22:00")
    if not re.fullmatch(_TIME_OF_DAY, text):
        raise ValueError(f"{quoted(text)} is not a valid time of day; write it as HH:MM, from 00:00 to 23:59")
    return time.fromisoformat(text)


def time_zone(value: object) -> tzinfo:
    """Return a time zone of the IANA database, by its name."""
    text = meant_as_text(value)
    if text == "UTC":
        return UTC  # known without the database
    try:
        return ZoneInfo(text)
    except (LookupError, OSError, ValueError):  # no such zone, a folder of zones, or a path out of the database
        known = available_timezones()
    if not known:
        raise ValueError(
            "this machine has no database of time zones; install the package tzdata (Debian's or Python's)"
        )
    close = suggestion(text, known)
    hint = f"did you mean {close[0]}?" if close else "examples: Europe/Berlin, America/New_York, UTC"
    raise ValueError(f"{quoted(text)} is not a known time zone; {hint}")


Day = Annotated[str, PlainValidator(one_of(DAYS)), choice_schema(DAYS)]
TimeOfDay = Annotated[time, PlainValidator(time_of_day), text_schema(_TIME_OF_DAY)]
Zone = Annotated[tzinfo, PlainValidator(time_zone), text_schema(minLength=1)]


class WindowModel(StrictModel):
    """A window of time that recurs."""

    days: OneOrMany[Day] = Field(default=(), examples=[["sat", "sun"]])
    """The days on which it begins. Default: every day."""
    start: TimeOfDay | None = Field(default=None, alias="from", examples=["22:00"])
    """The time of day at which it begins. Default: 00:00."""
    to: TimeOfDay | None = Field(default=None, examples=["06:00"])
    """The time of day at which it ends: on the next day, if it is not later than `from`. Default: 00:00."""
    zone: Zone | None = Field(default=None, examples=["Europe/Berlin"])
    """The time zone, by its name in the IANA database. Default: UTC."""

    def window(self) -> Window:
        days = tuple(day for day in DAYS if day in self.days)
        return Window(days or DAYS, self.start or time(), self.to or time(), self.zone or UTC)
