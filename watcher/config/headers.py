"""Headers that a user adds to requests: valid names, and none twice."""

from __future__ import annotations

import re
from collections.abc import Callable

from pydantic import SecretStr, WithJsonSchema

from watcher.util.quoting import shown

_NAME = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"
_OWNED = ("content-type", "content-length", "host", "transfer-encoding", "connection")

HEADER_NAME_SCHEMA = WithJsonSchema({"type": "string", "pattern": _NAME})


def header_name(sender: str, *also: str) -> Callable[[object], str]:
    """Return a reader of a header's name; `sender` and `also` (prefixes in lower case) name what is set elsewhere."""

    def read(value: object) -> str:
        name = str(value)
        if not re.fullmatch(_NAME, name):
            raise ValueError(f"{shown(name)} is not a valid header name; use letters, digits and !#$%&'*+.^_`|~-")
        if name.lower() in _OWNED or name.lower().startswith(also):
            raise ValueError(f"the header {shown(name)} is set by {sender} itself; remove it")
        return name

    return read


def distinct(headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
    """Return the headers, no two of which may have names that differ only in case."""
    first: dict[str, str] = {}
    for name in headers:
        if (other := first.setdefault(name.lower(), name)) != name:
            raise ValueError(f"the headers {shown(other)} and {shown(name)} are the same; remove one")
    return headers
