"""Finds secrets in a text, in any encoding. Pure.

Texts and secrets are compared in a normal form: UTF-8 without percent-encoding and without the escapes of JSON,
JavaScript, Python and HTML, nested ones included. Secrets of at least `CUT_FROM` bytes are compared in lower case, and
with `+` as a space, as in HTML forms. So a secret is found even if a receiver repeats it in another case, escaped or
truncated.

The cost grows with the length of the text, and hardly with the number of secrets.
"""

from __future__ import annotations

import html
import re
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

Origin = Callable[[int], tuple[int, int]]

CUT_FROM = 8
"""Bytes from which on a beginning or an end of a secret is hidden as well, in any case."""

_GRAM = 4
"""Bytes by which the index finds candidates."""

_LAYERS = 3
"""How many nested escapes are undone."""

_ESCAPE = re.compile(
    rb"%(?:25)*([0-9A-Fa-f]{2})"
    rb"|&(?:amp;)*(#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31}(?=;));?"
    rb"|\\+(?:u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]{1,6})\}|x([0-9A-Fa-f]{2})|([0-3][0-7]{2})|([\"'/]))"
    rb"|(\\)\\+"
)
"""An escape, or one that is itself escaped, as in JSON within JSON."""

_FOLD = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ+", b"abcdefghijklmnopqrstuvwxyz ")

_RUN = re.compile(rb"[A-Za-z0-9]+")
_WORD = re.compile(rb"[0-9]+|[A-Z]{2,}|[A-Za-z][a-z]*")
_WORD_REVERSED = re.compile(rb"[0-9]+|[A-Z]{2,}|[a-z]*[A-Z]?")
"""A word or a number, as in ordinary text."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A value to search for. `head` and `tail`: the fewest bytes of its beginning and its end that are hidden."""

    form: bytes
    head: int
    tail: int

    @classmethod
    def of(cls, text: str, *, words: bool = False) -> Secret:
        """The secret `text`, which must not be empty.

        A beginning or an end of words and numbers alone is hidden only with `words`, since other texts have them, too.
        """
        plain, _ = _unescaped(text.encode(errors="surrogatepass"))
        form = plain if len(plain) < CUT_FROM else plain.translate(_FOLD)
        if words:
            enough = min(CUT_FROM, len(form))
            return cls(form, enough, enough)
        return cls(form, _distinctive(plain, _WORD), _distinctive(plain[::-1], _WORD_REVERSED))


class SecretSearch:
    """Searches for all `secrets` at once, by an index of a few bytes that every text with one of them has."""

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        self._by_gram: dict[tuple[int, ...], list[Secret]] = {}
        self._short: list[Secret] = []
        for secret in secrets:
            form = secret.form.translate(_FOLD)
            if len(form) < _GRAM:
                self._short.append(secret)
                continue
            for gram in {form[secret.head - _GRAM : secret.head], form[-secret.tail :][:_GRAM]}:
                self._by_gram.setdefault(tuple(gram), []).append(secret)

    def hide(self, text: str, mark: str) -> str:
        """`text` with `mark` in place of each secret, and of its beginnings and ends."""
        if not text or not (self._by_gram or self._short):
            return text
        raw = text.encode(errors="surrogatepass")
        plain, origin = _unescaped(raw)
        folded = plain.translate(_FOLD)
        grams = self._by_gram.keys() & zip(*(folded[at:] for at in range(_GRAM)), strict=False)
        if not (grams or self._short):
            return text
        found = sorted(
            (origin(start)[0], origin(end - 1)[1])
            for secret in (*self._short, *(secret for gram in grams for secret in self._by_gram[gram]))
            for start, end in _places(plain if len(secret.form) < CUT_FROM else folded, secret)
        )
        shown: list[bytes] = []
        shown_to = 0
        for start, end in found:
            if start > shown_to or not shown:
                shown += [raw[shown_to : _boundary(raw, start, -1)], mark.encode()]
            shown_to = max(shown_to, _boundary(raw, end, 1))
        return b"".join([*shown, raw[shown_to:]]).decode(errors="surrogatepass") if found else text


def _places(text: bytes, secret: Secret) -> Iterator[tuple[int, int]]:
    """Where `text` has `secret`, or enough of its beginning or of its end."""
    yield from _beginnings(text, secret.form, secret.head)
    if secret.tail < len(secret.form):  # else the whole was searched for
        for start, end in _beginnings(text[::-1], secret.form[::-1], secret.tail):
            yield len(text) - end, len(text) - start


def _beginnings(text: bytes, form: bytes, least: int) -> Iterator[tuple[int, int]]:
    """Where `text` has at least so many bytes of the beginning of `form`."""
    at = text.find(form[:least])
    while at >= 0:
        found = _common_prefix(text[at : at + len(form)], form, least)
        yield at, at + found
        # The next occurrence may begin within one that was cut short.
        at = text.find(form[:least], at + found - (0 if found == len(form) else least - 1))


def _common_prefix(text: bytes, form: bytes, least: int) -> int:
    """The bytes that `text` and `form` have in common from their beginning; at least `least` are known to be."""
    lengths = range(least + 1, len(form) + 1)
    return least + bisect_right(lengths, 0, key=lambda length: not text.startswith(form[:length]))


def _distinctive(plain: bytes, word: re.Pattern[bytes]) -> int:
    """The fewest bytes from the beginning of `plain` that are more than words and numbers, or all of them."""
    for run in _RUN.finditer(plain):
        ordinary = word.match(run[0])
        if ordinary and ordinary.end() < len(run[0]):
            return min(len(plain), max(CUT_FROM, run.start() + ordinary.end() + 1))
    return len(plain)


def _boundary(raw: bytes, at: int, step: int) -> int:
    """The position nearest to `at`, in the direction of `step`, that is not within a multi-byte character."""
    while 0 < at < len(raw) and raw[at] & 0xC0 == 0x80:
        at += step
    return at


def _unescaped(raw: bytes) -> tuple[bytes, Origin]:
    """`raw` without escapes, and where each of its bytes comes from."""
    plain, origin = _layer(raw)
    for _ in range(_LAYERS - 1):
        if plain == raw:
            break
        raw, outer = plain, origin
        plain, inner = _layer(raw)
        origin = partial(_through, inner, outer)
    return plain, origin


def _through(inner: Origin, outer: Origin, index: int) -> tuple[int, int]:
    start, end = inner(index)
    return outer(start)[0], outer(end - 1)[1]


def _layer(raw: bytes) -> tuple[bytes, Origin]:
    """`raw` without one layer of escapes, and where each of its bytes comes from."""
    if not _ESCAPE.search(raw):
        return raw, lambda index: (index, index + 1)
    parts: list[bytes] = []
    begins, ends, sources = [0], [0], [(0, 0)]  # where each undone escape is in the result, and where it was
    for match in _ESCAPE.finditer(raw):
        letter = _unescape(match)
        if letter is None:
            continue
        before = raw[sources[-1][1] : match.start()]
        parts += [before, letter]
        begins.append(ends[-1] + len(before))
        ends.append(begins[-1] + len(letter))
        sources.append(match.span())

    def origin(index: int) -> tuple[int, int]:
        last = bisect_right(begins, index) - 1
        if index < ends[last]:
            return sources[last]
        at = sources[last][1] + index - ends[last]
        return at, at + 1

    return b"".join([*parts, raw[sources[-1][1] :]]), origin


def _unescape(escape: re.Match[bytes]) -> bytes | None:
    """The bytes that an escape stands for; None if it only looks like one."""
    percent, entity, unicode, braced, byte, octal, quoted, backslash = escape.groups()
    if code := percent or byte:
        return bytes([int(code, 16)])
    if octal:
        return bytes([int(octal, 8)])
    if entity:
        written = f"&{entity.decode()};"
        meant = html.unescape(written)
        return None if meant == written else meant.encode(errors="surrogatepass")
    if unicode := unicode or braced:
        code = int(unicode, 16)
        return chr(code).encode(errors="surrogatepass") if code <= sys.maxunicode else None
    return quoted or backslash
