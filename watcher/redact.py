"""Makes text fit to be shown: without secrets (contract, section 3), and with nothing that a terminal would act on.

There are two nets for secrets: values that are known to be secret, as they are (`remember`), and what looks like one
wherever it comes from.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from watcher.util.bounded_text import CUT, LONGEST_TEXT, bounded

HIDDEN = "[redacted]"

_SHORTEST = 4
"""A shorter value would blot out common words, and is no secret worth the name."""

_MOST = 256
"""Credentials remembered: they are renewed every hour, and old ones are worth nothing."""

_known: dict[str, None] = {}
_passing: dict[str, None] = {}

_BETWEEN = r"\\*[\"']?\s*[:=>]\s*(?:b?\\*[\"'])?"
"""What stands between a name and its value: in a header, in JSON (also within JSON), in Python's notation, in XML."""

_VALUE = r"[^\s\",&'<]+"

_PATTERNS = (
    # user:password@ in a URL
    (re.compile(r"(?<=://)[^/?#\s\"'<>]+(?=@)"), HIDDEN),
    # a header of a signed request, as AWS repeats it in a message about signatures; credentials, as STS answers them
    (re.compile(r"(?i)((?:x-amz-security-token|signature|secret_?access_?key|session_?token)"
                rf"{_BETWEEN}){_VALUE}"), r"\1" + HIDDEN),
    # the same of one that may name its scheme before
    (re.compile(rf"(?i)(authorization{_BETWEEN})(?:[\w-]+[ \t]+)?{_VALUE}"), r"\1" + HIDDEN),
    # an access key's id
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b"), HIDDEN),
)  # fmt: skip


def remember(*secrets: str | None, passing: bool = False) -> None:
    """Hide these values from now on, wherever `redact` is asked; `passing` ones until many others have come."""
    known = _passing if passing else _known
    for secret in secrets:
        if secret and len(secret) >= _SHORTEST:
            known.update(dict.fromkeys((secret, quote(secret, safe=""))))
    while len(_passing) > _MOST:
        del _passing[next(iter(_passing))]


def redact(text: str) -> str:
    """`text` without secrets."""
    # The longest first: one may be the beginning of another.
    for secret in sorted({**_known, **_passing}, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def excerpt(text: str, longest: int = LONGEST_TEXT) -> str:
    """A text from outside, fit to be kept: without secrets, and `bounded`."""
    searched = longest + 8 * LONGEST_TEXT
    if len(text) <= searched:
        return bounded(redact(text), longest)
    # To search all of it would take long. The end may begin with a part of a secret, so it is left out.
    return bounded(redact(text[:searched])[:-LONGEST_TEXT] + CUT, longest)


def printable(text: str) -> str:
    """`text` with everything that a terminal would act on, or could not show, escaped."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
