"""Limits the length of texts from outside, and marks those that were cut. Pure."""

from __future__ import annotations

import json
from bisect import bisect_right

LONGEST_TEXT = 4096
"""Bytes of one text from outside, as JSON writes it in ASCII."""

CUT = "… [cut]"
"""The end of a text that was cut."""


def bounded(text: str, longest: int = LONGEST_TEXT) -> str:
    """`text`; if it has more than `longest` bytes as JSON in ASCII, its beginning with `CUT` at the end."""
    beginning = text[: longest + 1]
    if _size(beginning) <= longest:
        return text
    room = longest - _size(CUT)
    return text[: bisect_right(range(longest), room, key=lambda length: _size(text[:length])) - 1] + CUT


def _size(text: str) -> int:
    return len(json.dumps(text)) - 2
