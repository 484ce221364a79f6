"""Quotes texts from outside in messages."""

from __future__ import annotations

LONGEST = 60


def shown(text: str) -> str:
    """`text` in quotes: shortened, on one line, without the user and password of a URL."""
    begin, end = text.find("//"), text.rfind("@")
    if 0 <= begin < end:
        text = f"{text[:begin]}//***{text[end:]}"
    return repr(text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}…")
