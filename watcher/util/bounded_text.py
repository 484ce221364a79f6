"""Limits the length of texts from outside, and quotes them in messages. Pure."""

import json
from bisect import bisect_right

LONGEST_TEXT = 4096
"""Bytes of one text from outside, as JSON writes it in ASCII."""

LONGEST_SHOWN = 60
"""Characters of a text in quotes."""

CUT = "… [cut]"
"""The end of a text that was cut."""


def bounded(text: str, longest: int = LONGEST_TEXT) -> str:
    """`text`; if it has more than `longest` bytes as JSON in ASCII, its beginning with `CUT` at the end."""
    beginning = text[: longest + 1]
    if _size(beginning) <= longest:
        return text
    room = longest - _size(CUT)
    return text[: bisect_right(range(longest), room, key=lambda length: _size(text[:length])) - 1] + CUT


def shown(text: str) -> str:
    """`text` in quotes: shortened, on one line, without the user and password of a URL."""
    begin, end = text.find("//"), text.rfind("@")
    if 0 <= begin < end:
        text = f"{text[:begin]}//***{text[end:]}"
    return repr(text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}…")


def _size(text: str) -> int:
    return len(json.dumps(text)) - 2
