"""Limits how much of a response the library `requests` reads, for libraries that post by it and set no limit."""

from __future__ import annotations

from functools import wraps
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_RESPONSE_BYTES = 1024 * 1024
"""How much of a response is read; the rest is not needed."""


def bound_responses() -> None:
    """Let `requests` read no more of any response than `MAX_RESPONSE_BYTES`, from now on.

    apprise and OpenTelemetry's exporter read a response to its end.
    """
    response = import_module("requests").Response
    read: Callable[..., Iterator[bytes]] = response.iter_content
    if hasattr(read, "__wrapped__"):  # by an earlier call
        return

    @wraps(read)
    def bounded(*args: Any, **options: Any) -> Iterator[bytes]:
        left = MAX_RESPONSE_BYTES
        for chunk in read(*args, **options):
            yield chunk
            left -= len(chunk)
            if left <= 0:
                return

    response.iter_content = bounded
