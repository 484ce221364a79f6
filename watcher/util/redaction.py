"""Makes texts safe to show: without secrets and without control characters.

Two kinds of secrets are removed: values that are known to be secret (`remember`), in any encoding, and texts that look
like a secret.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Collection, Iterable, Iterator

from watcher.util.bounded_text import CUT, LONGEST_TEXT, bounded
from watcher.util.secret_search import CUT_FROM, Secret, SecretSearch

HIDDEN = "[redacted]"

_MIN_LENGTH = 4
"""Characters of a secret; hiding shorter values would hide common words."""

_MAX_TEMPORARY = 256
"""Temporary secrets that are remembered: credentials are renewed every hour, and old ones are worthless."""


class _Remembered:
    """The values that are known to be secret in this process."""

    def __init__(self) -> None:
        self._known: dict[str, list[Secret]] = {}
        self._temporary: dict[str, list[Secret]] = {}
        self.search = SecretSearch()

    def add(self, secrets: Iterable[str], *, temporary: bool) -> None:
        to = self._temporary if temporary else self._known
        new = [secret for secret in secrets if len(secret) >= _MIN_LENGTH and secret not in to]
        to.update((secret, [Secret.of(secret), *_encoded(secret)]) for secret in new)
        while len(self._temporary) > _MAX_TEMPORARY:
            del self._temporary[next(iter(self._temporary))]
        if new:
            forms = (*self._known.values(), *self._temporary.values())
            self.search = SecretSearch(form for each in forms for form in each)


_remembered = _Remembered()

_BETWEEN = r"\\*[\"']?\s*[:=>]\s*(?:b?\\*[\"'])?"
"""What separates a name from its value: in a header, in JSON (also within JSON), in Python, in XML."""

_BASE64_PLACES = ((0, 0), (1, 2), (2, 3))
"""Where a text may begin in base64: after how many bytes of its first group of three, and the letters these take."""

_URL_SAFE = str.maketrans("+/", "-_")
"""From base64 to the form of it that URLs and JSON Web Tokens have (RFC 4648, section 5)."""

_VALUE = r"[^\s\",&'<]+"

_PATTERNS = (
    # user:password@ in a URL
    (re.compile(r"(?<=://)[^/?#\s\"'<>]+(?=@)"), HIDDEN),
    # headers of a signed request, which AWS repeats in messages about signatures; credentials in responses of STS
    (re.compile(r"(?i)((?:x-amz-security-token|signature|secret_?access_?key|session_?token)"
                rf"{_BETWEEN}){_VALUE}"), r"\1" + HIDDEN),
    # the same for a header whose value may begin with a scheme
    (re.compile(rf"(?i)(authorization{_BETWEEN})(?:[\w-]+[ \t]+)?{_VALUE}"), r"\1" + HIDDEN),
    # an access key's id
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b"), HIDDEN),
)  # fmt: skip

_IN_EVERY_MATCH = re.compile("[:=>]|AKIA|ASIA")
"""A text that contains none of these matches none of the patterns, each of which takes longer to search for."""


def remember(*secrets: str | None, temporary: bool = False) -> None:
    """Let `redact` hide these values from now on; `temporary` ones only until many newer ones were added."""
    held = [each for secret in secrets if secret for each in (secret, *_credentials(secret))]
    _remembered.add(held, temporary=temporary)


def redact(text: str) -> str:
    """`text` without secrets."""
    text = _remembered.search.hide(text, HIDDEN)
    if _IN_EVERY_MATCH.search(text):
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
    return text


def hider(values: Collection[str], parts: Collection[str] = ()) -> Callable[[str], str]:
    """A function that hides, in a receiver's response, what was sent to it: `values`, and `parts` of its URL.

    It also hides every beginning and end of a value's last word, such as the token in `Bearer TOKEN`, but not of the
    parts, since these often consist of ordinary words.
    """
    held = {each for value in values for each in (value, *_credentials(value))}
    last = {value.rpartition(" ")[2] for value in held}
    secrets = [Secret.of(value) for value in {*held, *parts} - last if len(value) > 1]
    secrets += [Secret.of(word, words=True) for word in last if len(word) > 1]
    secrets += [form for value in held | last for form in _encoded(value)]
    search = SecretSearch(secrets)
    return lambda text: search.hide(text, HIDDEN)


def _encoded(secret: str) -> Iterator[Secret]:
    """The secret in hexadecimal, and in base64: its letters there at each place that it can have in a longer text."""
    raw = secret.encode(errors="surrogatepass")
    if len(raw) < CUT_FROM:
        return
    yield Secret.of(raw.hex())
    for before, shared in _BASE64_PLACES:
        whole = (before + len(raw)) // 3 * 3
        text = b64encode((bytes(before) + raw)[:whole]).decode()[shared:]
        yield from map(Secret.of, {text, text.translate(_URL_SAFE)})


def _credentials(header: str) -> list[str]:
    """`user:password` and the password, if this is a header of basic authentication."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return []
    try:
        credentials = b64decode(encoded).decode()
    except ValueError:
        return []
    return [credentials, credentials.partition(":")[2]]


def redacted_excerpt(text: str, longest: int = LONGEST_TEXT) -> str:
    """A text from outside in the form in which it may be stored: without secrets, and `bounded`."""
    searched = longest + 8 * LONGEST_TEXT
    if len(text) <= searched:
        return bounded(redact(text), longest)
    # Searching all of it would take too long. The cut may divide a secret, so the last part is left out.
    return bounded(redact(text[:searched])[:-LONGEST_TEXT] + CUT, longest)


def printable(text: str) -> str:
    """`text` with control characters, and others that a terminal cannot show, escaped."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
