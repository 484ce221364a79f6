"""Waiting in tests: for conditions, with limits that a busy machine does not reach."""

from __future__ import annotations

import asyncio
import inspect
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 120.0
"""Seconds until a condition that must come true is given up."""

SLACK = 20.0
"""Seconds by which a busy machine may be late with an end that a limit asks for; a wait without limit is far longer."""

SHORTEST_PAUSE = 0.01
"""Seconds between two looks; a look that takes long is followed by a pause that is as long."""


async def until(
    condition: Callable[[], Any],
    what: str | Callable[[], str] = "what is waited for",
    *,
    progress: Callable[[], Any] = lambda: None,
) -> Any:
    """Wait for a condition, and for nothing else; returns its first true value, awaited if it is awaitable.

    `what` is waited for: a text, or a function that makes one if the condition never comes true. `progress` returns
    how much of a long work is done.

    Raises:
        AssertionError: It did not come true within `PATIENCE` of the start, or of the last progress.
    """
    deadline, reached = time.monotonic() + PATIENCE, progress()
    while True:
        begun = time.monotonic()
        if (now_at := progress()) != reached:
            deadline, reached = begun + PATIENCE, now_at
        found = condition()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        now = time.monotonic()
        assert now < deadline, f"not within {PATIENCE:g} s: {what() if callable(what) else what}"
        await asyncio.sleep(max(SHORTEST_PAUSE, now - begun))
