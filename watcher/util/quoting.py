"""How a text from outside may stand in a message."""

from __future__ import annotations

LONGEST = 60


def shown(text: str) -> str:
    """`text` in quotes: on one line, short, with no user or password of a URL."""
    begin, end = text.find("//"), text.rfind("@")
    if 0 <= begin < end:
        text = f"{text[:begin]}//***{text[end:]}"
    return repr(text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}…")
