"""Reads times in the format of RFC 3339, in quotes or not: `2026-11-23T08:00:00Z`."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import PlainValidator, WithJsonSchema

from watcher.config.fields import or_variable
from watcher.config.readers import quoted, single
from watcher.util import duration
from watcher.util.quoting import LONGEST

_LOCAL = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
_ZONE = r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
_PATTERN = f"^{_LOCAL}{_ZONE}$"
_EXAMPLE = "2026-11-23T08:00:00Z"


def _moment(value: object) -> datetime:
    """A time in UTC (RFC 3339, section 5.6). A date to YAML is fine here."""
    text = single(value, f"a time such as {_EXAMPLE}")
    if len(text) <= LONGEST and re.fullmatch(_LOCAL, text):
        raise ValueError(f"{quoted(text)} has no time zone; add Z (for UTC) or an offset such as +01:00")
    if len(text) <= LONGEST and re.fullmatch(_PATTERN, text):
        try:
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
        except (ValueError, OverflowError):  # the 30th of February, or a year that UTC's calendar does not have
            pass
    raise ValueError(f"{quoted(text)} is not a valid time (example: {_EXAMPLE})")


def _moment_or_age(value: object) -> datetime | float:
    """A time, or the seconds of a duration before now."""
    text = single(value, f"a duration such as 2h, or a time such as {_EXAMPLE}")
    if re.match(r"[0-9]{4}-", text):
        return _moment(text)
    try:
        return duration.parse_duration(text)
    except ValueError:
        written = quoted(text)
    raise ValueError(f"{written} is neither a duration (example: 2h) nor a time (example: {_EXAMPLE})")


_SCHEMA = {"type": "string", "pattern": _PATTERN}

Moment = Annotated[datetime, PlainValidator(_moment), WithJsonSchema(or_variable(_SCHEMA))]
MomentOrAge = Annotated[
    datetime | float,
    PlainValidator(_moment_or_age),
    WithJsonSchema(or_variable({"anyOf": [{"type": "string", "pattern": duration.PATTERN}, _SCHEMA]})),
]
"""A time, or the seconds of a duration before now."""
