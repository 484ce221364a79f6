"""The section `digest`, as a user writes it."""

import re
from datetime import UTC, time
from typing import Annotated, NamedTuple

from pydantic import Field, PlainValidator

from watcher.config.fields import OneOrMany, OwnName, text_schema
from watcher.config.readers import quoted, single
from watcher.config.strict_model import StrictModel
from watcher.config.window_model import Zone
from watcher.core.digest import Digest
from watcher.core.windows import DAYS

_DAY = f"({'|'.join(DAYS)})"
_EVERY = rf"^({_DAY}(, ?{_DAY})* )?([01][0-9]|2[0-3]):[0-5][0-9]$"


class Times(NamedTuple):
    """A time of day, and the days of the week."""

    days: tuple[str, ...]
    at: time


def _times(value: object) -> Times:
    text = single(value, "days and a time of day such as mon 08:00")
    if not re.fullmatch(_EVERY, text):
        example = "such as mon 08:00, mon,thu 08:00, or 08:00 for every day"
        raise ValueError(f"{quoted(text)} is not a valid schedule; write days and a time of day, {example}")
    written, _, at = text.rpartition(" ")
    named = re.split(", ?", written)
    return Times(tuple(day for day in DAYS if day in named) or DAYS, time.fromisoformat(at))


class DigestModel(StrictModel):
    """A message by schedule, also if all is well: what is watched and open, and what happened since the last one."""

    every: Annotated[Times, PlainValidator(_times), text_schema(_EVERY)] = Field(
        examples=["mon 08:00", "mon,thu 08:00", "08:00"]
    )
    """The days of the week (none: every day) and the time of day at which it is sent."""
    zone: Zone | None = Field(default=None, examples=["Europe/Berlin"])
    """The time zone, by its name in the IANA database. Default: UTC."""
    to: OneOrMany[OwnName] = Field(min_length=1, examples=[["chat"]])
    """The names of the sinks that it is sent to, whatever their filters and mutes say."""

    def digest(self) -> Digest:
        return Digest(tuple(dict.fromkeys(self.to)), self.every.at, self.every.days, self.zone or UTC)
