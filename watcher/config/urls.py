"""The parts of a URL that may be secret: in a webhook's URL, often everything but the host. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote, unquote_plus, urlsplit


def secret_parts(url: str, *, value: int, segment: int) -> Iterator[str]:
    """Yield the query values and path segments that have at least so many characters, as they stand and decoded."""
    parts = urlsplit(url)
    for pair in parts.query.split("&"):
        name, _, text = pair.partition("=")
        text = text or name  # `?TOKEN`
        if len(text) >= value:
            yield from dict.fromkeys((text, unquote_plus(text)))
    for one in parts.path.split("/"):
        if len(one) >= segment:
            yield from dict.fromkeys((one, unquote(one)))
