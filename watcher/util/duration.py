"""Durations as people write them (`500ms`, `1h30m`) to seconds, and back."""

from __future__ import annotations

import re
from datetime import datetime

from watcher.util.quoting import LONGEST, shown

PATTERN = r"^(?=.)([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$"
"""A duration, as a regular expression for Python and for JSON Schema."""

_MILLISECONDS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_LONGEST_DAYS = 3650
_FORM = re.compile(PATTERN)
_PART = re.compile(r"([0-9]+)(ms|[dhms])")
_BARE = re.compile(r"[0-9]+(\.[0-9]+)?")


def parse_duration(text: str, *, zero: bool = False) -> float:
    """The seconds of a duration.

    It consists of whole numbers with units (`d`, `h`, `m`, `s`, `ms`), the longest unit first, each once.

    Raises:
        ValueError: `text` is not a duration, is zero (allowed with `zero`), or is longer than 3650 days; the message
            quotes the text.
    """
    if len(text) <= LONGEST and _BARE.fullmatch(text):
        raise ValueError(
            f"{text} has no unit; write {text}s" if "." not in text else f"{text} has no unit; write {FORM_IN_WORDS}"
        )
    if len(text) > LONGEST or not _FORM.fullmatch(text):
        raise ValueError(f"{shown(text)} is not a valid duration; write {FORM_IN_WORDS}")
    milliseconds = sum(int(count) * _MILLISECONDS[unit] for count, unit in _PART.findall(text))
    if milliseconds == 0 and not zero:
        raise ValueError(f"{text} is too short; it must be more than zero")
    if milliseconds > _LONGEST_DAYS * _MILLISECONDS["d"]:
        raise ValueError(f"{text} is too long; the longest is {_LONGEST_DAYS}d")
    return milliseconds / 1000


FORM_IN_WORDS = "whole numbers with units, longest first, such as 500ms, 30s, 5m or 1h30m"
"""What a message says about the form of a duration."""


def format_duration(seconds: float) -> str:
    """`seconds` as a duration for `parse_duration`, in whole milliseconds."""
    rest = round(seconds * 1000)
    parts = []
    for unit, size in _MILLISECONDS.items():
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def ago(moment: datetime, now: datetime) -> str:
    """Return roughly how long ago `moment` was, in one or two units."""
    seconds = max(1, round((now - moment).total_seconds()))
    for unit in (86400, 3600, 60):
        if seconds >= 2 * unit:
            return format_duration(float(seconds // unit * unit))
    return format_duration(float(seconds))
