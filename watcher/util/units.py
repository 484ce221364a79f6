"""Durations (`500ms`, `1h30m`) and sizes (`500KB`, `64MiB`) as people write them."""

import re
from collections.abc import Mapping
from datetime import datetime

from watcher.util.bounded_text import LONGEST_SHOWN, shown

DURATION = r"^(?=.)([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$"
SIZE = r"^[0-9]{1,9}(KB|MB|GB|KiB|MiB|GiB)$"
"""The forms, as regular expressions for Python and for JSON Schema."""

DURATION_IN_WORDS = "whole numbers with units, longest first, such as 500ms, 30s, 5m or 1h30m"
SIZE_IN_WORDS = "a whole number with its unit, such as 500KB, 64MiB or 1GB"
"""What messages say about the forms."""

_MILLISECONDS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_BYTES = {"KB": 1000, "MB": 1000**2, "GB": 1000**3, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


def parse_duration(text: str, *, zero: bool = False) -> float:
    """The seconds of a duration.

    It consists of whole numbers with units (`d`, `h`, `m`, `s`, `ms`), the longest unit first, each once.

    Raises:
        ValueError: `text` is not a duration, is zero (allowed with `zero`), or is longer than 3650 days; the message
            quotes the text.
    """
    if len(text) <= LONGEST_SHOWN and re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        raise ValueError(f"{text} has no unit; write {DURATION_IN_WORDS if '.' in text else f'{text}s'}")
    if len(text) > LONGEST_SHOWN or not re.fullmatch(DURATION, text):
        raise ValueError(f"{shown(text)} is not a valid duration; write {DURATION_IN_WORDS}")
    milliseconds = _total(text, _MILLISECONDS)
    if milliseconds == 0 and not zero:
        raise ValueError(f"{text} is too short; it must be more than zero")
    if milliseconds > _total("3650d", _MILLISECONDS):
        raise ValueError(f"{text} is too long; the longest is 3650d")
    return milliseconds / 1000


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


def parse_size(text: str) -> int:
    """The bytes of a size: `KB`, `MB` and `GB` are powers of 1000; `KiB`, `MiB` and `GiB` are powers of 1024.

    Raises:
        ValueError: `text` is not a size, is less than 1KB, or is more than 1024GiB; the message quotes the text.
    """
    if re.fullmatch(r"[0-9]{1,12}", text):
        raise ValueError(f"{text} has no unit; write {SIZE_IN_WORDS}")
    if not re.fullmatch(SIZE, text):
        raise ValueError(f"{shown(text)} is not a valid size; write {SIZE_IN_WORDS}")
    size = _total(text, _BYTES)
    if size < _BYTES["KB"]:
        raise ValueError(f"{text} is too small; the smallest is 1KB")
    if size > _total("1024GiB", _BYTES):
        raise ValueError(f"{text} is too large; the largest is 1024GiB")
    return size


def _total(text: str, units: Mapping[str, int]) -> int:
    return sum(int(count) * units[unit] for count, unit in re.findall(r"([0-9]+)([A-Za-z]+)", text))
