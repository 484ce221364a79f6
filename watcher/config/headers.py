"""Headers that a user adds to requests: the form of their names, and that none is given twice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pydantic import SecretStr, WithJsonSchema

from watcher.util.quoting import shown

if TYPE_CHECKING:
    from collections.abc import Callable

_TOKEN = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"  # noqa: S105  a token of HTTP (RFC 9110, section 5.6.2), no secret
_OWNED = ("content-type", "content-length", "host", "transfer-encoding", "connection")

HEADER_NAME_SCHEMA = WithJsonSchema({"type": "string", "pattern": _TOKEN})


def header_name(sender: str, *also: str) -> Callable[[object], str]:
    """Reads a header's name; `sender` itself sets those that frame the body, and `also` what begins with one of these.

    They are given in lower case.
    """

    def read(value: object) -> str:
        name = str(value)
        if not re.fullmatch(_TOKEN, name):
            raise ValueError(f"{shown(name)} is no name of a header: letters, digits and !#$%&'*+.^_`|~-")
        if name.lower() in _OWNED or name.lower().startswith(also):
            raise ValueError(f"the header {shown(name)} is set by {sender} itself; remove it")
        return name

    return read


def distinct(headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
    """The headers, none of which is there twice in letters of another case."""
    first: dict[str, str] = {}
    for name in headers:
        if (other := first.setdefault(name.lower(), name)) != name:
            raise ValueError(f"the headers {shown(other)} and {shown(name)} are one; remove either")
    return headers
