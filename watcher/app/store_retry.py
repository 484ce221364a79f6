"""Repeats a step while the state store fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from watcher.errors import StoreError

log = structlog.get_logger()

PAUSE_SECONDS = 1.0
"""Seconds between two tries."""


async def repeat_until_stored(
    step: Callable[[], Awaitable[None]],
    event: str,
    consequence: str,
    give_up: Callable[[StoreError], bool] = lambda _: False,
) -> None:
    """Repeat `step` until the store works; each new reason is logged once, as `event`.

    Raises:
        StoreError: the step failed, and `give_up` returned true for the error.
    """
    logged = ""
    while True:
        try:
            return await step()
        except StoreError as error:
            if give_up(error):
                raise
            if str(error) != logged:
                logged = str(error)
                log.warning(event, error=logged, consequence=consequence)
            await asyncio.sleep(PAUSE_SECONDS)
