"""Bounds texts that come from outside, and marks those that were cut. Pure."""

from __future__ import annotations

import json
from bisect import bisect_right

LONGEST_TEXT = 4096
"""Bytes of one text from outside, as JSON writes it in ASCII."""

CUT = "… [cut]"
"""The end of a text that was longer."""


def bounded(text: str, longest: int = LONGEST_TEXT) -> str:
    """`text`, or its beginning and `CUT` where JSON, which escapes all but ASCII, needs more than `longest` bytes."""
    beginning = text[: longest + 1]
    if _size(beginning) <= longest:
        return text
    room = longest - _size(CUT)
    return text[: bisect_right(range(longest), room, key=lambda length: _size(text[:length])) - 1] + CUT


def _size(text: str) -> int:
    return len(json.dumps(text)) - 2
