"""What of a URL may be secret: of a webhook's, often all that its host is not. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, unquote_plus, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator


def secret_parts(url: str, *, value: int, segment: int) -> Iterator[str]:
    """The values of its query and the segments of its path that have so many letters, as they stand and decoded."""
    parts = urlsplit(url)
    for pair in parts.query.split("&"):
        name, _, told = pair.partition("=")
        told = told or name  # `?TOKEN`
        if len(told) >= value:
            yield from dict.fromkeys((told, unquote_plus(told)))
    for one in parts.path.split("/"):
        if len(one) >= segment:
            yield from dict.fromkeys((one, unquote(one)))
