"""Sanitizes text from AWS for messages: one visible line, with nothing in it that a receiver acts on. Pure."""

import html
import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from urllib.parse import quote_plus

MAX_MARKS = 3
"""Combining marks on one letter; more of them would cover the lines around."""

_ESCAPE_SEQUENCE = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?")
"""Control sequences of terminals (ECMA-48): removed as a whole, not only their first character."""

_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Invisible characters with the category of a letter."""

_REMOVED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
"""Categories: controls, bidirectional and zero-width characters, surrogates, private and unassigned characters."""

_LOOKALIKES = {"*": "\u2217", "~": "\u223c", "_": "\uff3f", "`": "\u02cb", "|": "\u2223"}
"""Characters that mark up text in chats, and harmless ones that look like them."""

_ALONE = {"*": r"\*(?!\S)", "~": r"(?<=\w)~", "|": r"\|"}
"""A single marker that cannot begin markup: `s3:*`, `v2~rc1`, `a | b`."""


def one_line(text: object, limit: int = 200) -> str:
    """Return `text` as one visible line of at most `limit` characters, without control or zero-width characters."""
    # What is cut off here could only have been shown if nine of ten characters had been removed.
    shown = str(text)[: 10 * limit + 1000]
    if not (shown.isascii() and shown.isprintable()):
        shown = _visible(_ESCAPE_SEQUENCE.sub("", shown))
    line = " ".join(shown.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def _visible(text: str) -> str:
    kept: list[str] = []
    marks = 0
    for letter in text:
        category = unicodedata.category(letter)
        marks = marks + 1 if category[0] == "M" else 0
        if letter.isspace() or category[0] == "Z":
            kept.append(" ")
        elif letter not in _INVISIBLE and category not in _REMOVED and marks <= MAX_MARKS:
            kept.append(letter)
        elif category == "Cc":
            kept.append(" ")
    return "".join(kept)


def ascii_line(text: str, limit: int) -> str:
    """Return `text` as one line of at most `limit` ASCII characters, for subject lines."""
    plain = unicodedata.normalize("NFKD", one_line(text, 2 * limit).replace("…", "..."))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    plain = " ".join(plain.encode("ascii", "replace").decode().split())
    return plain if len(plain) <= limit else plain[: limit - 3].rstrip() + "..."


def for_text(text: str) -> str:
    """Return `text` for mail and chats, without mentions, markup and links that hide behind other words.

    Chats act on different characters, and there is no way to escape these in all of them; so each is replaced by one
    that looks like it. They are rare in texts from AWS.
    """
    # `<!channel>`, `<@U1>`, `<#C1>`, `<http://…|words>`, `<b>`; a comparison stays.
    text = re.sub(r"<(?=\S)", "\u2039", text)
    # `[words](address)`, `![](address)`, `[words][reference]`
    text = re.sub(r"\](?=\s*[(\[:])", "\uff3d", text)
    return _without_markup(_without_mentions(text))


def for_slack(text: str) -> str:
    """Return `text` for Slack's mrkdwn: three characters are escaped, those that cannot be are replaced."""
    text = _without_markup(_without_mentions(text))
    # At the beginning of a line it marks a quote in Slack, even when it is escaped.
    text = re.sub(r"^>", "\u203a", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


ESCAPES: Mapping[str, Callable[[str], str]] = {"slack": for_slack, "text": for_text}
"""The functions that make text harmless, by where it is shown."""


def for_json(text: str) -> str:
    """Return `text` as it is written between the quotes of a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


BODY_ESCAPES: Mapping[str, Callable[[str], str]] = {
    "form": quote_plus,
    "json": for_json,
    "markup": html.escape,
    "plain": str,
}
"""The functions that write a value into the body of a request, by the form of the body."""


def _without_mentions(text: str) -> str:
    """Replace the `@` of `@here`, `@everyone` and `@name`; an address like me@example.com stays."""
    return re.sub(r"(?<![\w.+-])@(?=\w)", "\uff20", text)


def _without_markup(text: str) -> str:
    """Replace markers, unless one stands alone; markup needs a pair, but another text may have the other one."""
    for marker, alone in _ALONE.items():
        if text.count(marker) > 1 or not re.search(alone, text):
            text = text.replace(marker, _LOOKALIKES[marker])
    # Within a word, an underscore is no markup.
    text = re.sub(r"(?<![^\W_])_+|_+(?![^\W_])", lambda found: _LOOKALIKES["_"] * len(found[0]), text)
    # A backtick marks code, whatever is around it; at the beginning of a line, `#` marks a heading.
    text = text.replace("`", _LOOKALIKES["`"])
    return re.sub(r"^#(?=#*\s)", "\uff03", text)
