"""Makes text safe to show: without secrets, and without anything that a terminal would act on.

Two kinds of secrets are removed: values that are known to be secret (`remember`), in whatever encoding they are
repeated, and texts that look like a secret, wherever they come from.
"""

from __future__ import annotations

import re
from base64 import b64decode
from typing import TYPE_CHECKING

from watcher.util.bounded_text import CUT, LONGEST_TEXT, bounded
from watcher.util.secret_search import Secret, SecretSearch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

HIDDEN = "[redacted]"

_SHORTEST = 4
"""A shorter value would blot out common words, and is no secret worth the name."""

_MOST = 256
"""Credentials remembered: they are renewed every hour, and old ones are worth nothing."""


class _Remembered:
    """The values that are known to be secret in this process."""

    def __init__(self) -> None:
        self._known: dict[str, Secret] = {}
        self._passing: dict[str, Secret] = {}
        self.search = SecretSearch()

    def add(self, secrets: Iterable[str], *, passing: bool) -> None:
        to = self._passing if passing else self._known
        new = [secret for secret in secrets if len(secret) >= _SHORTEST and secret not in to]
        to.update((secret, Secret.of(secret)) for secret in new)
        while len(self._passing) > _MOST:
            del self._passing[next(iter(self._passing))]
        if new:
            self.search = SecretSearch([*self._known.values(), *self._passing.values()])


_remembered = _Remembered()

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
    held = [each for secret in secrets if secret for each in (secret, *_credentials(secret))]
    _remembered.add(held, passing=passing)


def redact(text: str) -> str:
    """`text` without secrets."""
    text = _remembered.search.hide(text, HIDDEN)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def hider(values: Collection[str], parts: Collection[str] = ()) -> Callable[[str], str]:
    """A function that hides in a receiver's response what the receiver was sent: `values`, and `parts` of its URL.

    Of the last word of a value, such as the token in `Bearer TOKEN`, it also hides any beginning or end, even an
    ordinary word. It does not do so for parts of URLs, which too often consist of words.
    """
    held = {each for value in values for each in (value, *_credentials(value))}
    last = {value.rpartition(" ")[2] for value in held}
    secrets = [Secret.of(value) for value in {*held, *parts} - last if len(value) > 1]
    secrets += [Secret.of(word, words=True) for word in last if len(word) > 1]
    search = SecretSearch(secrets)
    return lambda text: search.hide(text, HIDDEN)


def _credentials(header: str) -> list[str]:
    """The secrets in a header of basic authentication: `user:password`, and the password alone; else none."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return []
    try:
        credentials = b64decode(encoded).decode()
    except ValueError:
        return []
    return [credentials, credentials.partition(":")[2]]


def excerpt(text: str, longest: int = LONGEST_TEXT) -> str:
    """A text from outside as it may be stored: without secrets, and `bounded`."""
    searched = longest + 8 * LONGEST_TEXT
    if len(text) <= searched:
        return bounded(redact(text), longest)
    # Searching all of it would take too long. The cut may fall within a secret, so the last part is left out.
    return bounded(redact(text[:searched])[:-LONGEST_TEXT] + CUT, longest)


def printable(text: str) -> str:
    """`text` with everything that a terminal would act on, or could not show, escaped."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
