"""Makes text from AWS fit to be part of a message: one visible line, and nothing in it that is acted on. Pure."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MARKS = 3
"""Marks that may sit on one letter; more of them paint over the lines around."""

_ESCAPE_SEQUENCE = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?")
"""What a terminal acts on (ECMA-48): all of it goes, not only the character that begins it."""

_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters by their category that show nothing."""

_NAMELESS = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
"""Controls, what turns the direction or has no width, halves of characters, and what no font shows."""

_LOOKALIKES = {"*": "\u2217", "~": "\u223c", "_": "\uff3f", "`": "\u02cb", "|": "\u2223"}
"""What marks up text in chats, and what looks like it and does not."""

_ALONE = {"*": r"\*(?!\S)", "~": r"(?<=\w)~", "|": r"\|"}
"""Where one by itself cannot begin anything: `s3:*`, `v2~rc1`, `a | b`."""


def one_line(text: object, limit: int = 200) -> str:
    """`text` as one visible line of at most `limit` characters: no control, no bidirectional trick, no zero width."""
    # What is cut off here could only have been shown if nine of ten characters had been taken out.
    shown = _ESCAPE_SEQUENCE.sub("", str(text)[: 10 * limit + 1000])
    line = " ".join((shown if shown.isascii() and shown.isprintable() else _visible(shown)).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def _visible(text: str) -> str:
    kept: list[str] = []
    marks = 0
    for letter in text:
        category = unicodedata.category(letter)
        marks = marks + 1 if category[0] == "M" else 0
        if letter.isspace() or category[0] == "Z":
            kept.append(" ")
        elif letter not in _INVISIBLE and category not in _NAMELESS and marks <= MARKS:
            kept.append(letter)
        elif category == "Cc":
            kept.append(" ")
    return "".join(kept)


def ascii_line(text: str, limit: int) -> str:
    """`text` in ASCII, on one line of at most `limit` characters, as subject lines have to be."""
    plain = unicodedata.normalize("NFKD", one_line(text, 2 * limit).replace("…", "..."))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    plain = " ".join(plain.encode("ascii", "replace").decode().split())
    return plain if len(plain) <= limit else plain[: limit - 3].rstrip() + "..."


def for_text(text: str) -> str:
    """`text` for mail and chats: nobody is called, no link is hidden behind other words, nothing is marked up.

    Chats differ in what they act on, and have no way to escape it that all of them know; so what would act is shown by
    a character that looks alike. It is as rare in what AWS says as it is harmful.
    """
    # `<!channel>`, `<@U1>`, `<#C1>`, `<http://…|words>`, `<b>`; a comparison stays.
    text = re.sub(r"<(?=\S)", "\u2039", text)
    # `[words](address)`, `![](address)`, `[words][reference]`
    text = re.sub(r"\](?=\s*[(\[:])", "\uff3d", text)
    return _without_markup(_without_calls(text))


def for_slack(text: str) -> str:
    """`text` for Slack's mrkdwn: the three characters that it escapes, and look-alikes for those that it cannot."""
    text = _without_markup(_without_calls(text))
    # At the beginning of a line Slack quotes by it even when it is escaped.
    text = re.sub(r"^>", "\u203a", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


ESCAPES: Mapping[str, Callable[[str], str]] = {"slack": for_slack, "text": for_text}
"""Where text may go, and what makes it harmless there."""


def _without_calls(text: str) -> str:
    """`@here`, `@everyone`, `@name`; an address like me@example.com calls nobody."""
    return re.sub(r"(?<![\w.+-])@(?=\w)", "\uff20", text)


def _without_markup(text: str) -> str:
    """Markers mark up as pairs, of which one may be another text's; within a word, an underscore never does."""
    for marker, alone in _ALONE.items():
        if text.count(marker) > 1 or not re.search(alone, text):
            text = text.replace(marker, _LOOKALIKES[marker])
    text = re.sub(r"(?<![^\W_])_+|_+(?![^\W_])", lambda found: _LOOKALIKES["_"] * len(found[0]), text)
    # Code blocks begin and end with it, whatever is around; at the beginning of a line, `#` makes a heading.
    text = text.replace("`", _LOOKALIKES["`"])
    return re.sub(r"^#(?=#*\s)", "\uff03", text)
