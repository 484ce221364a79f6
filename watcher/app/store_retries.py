"""Steps of the daemon that are repeated while its store is unavailable."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from watcher.core.ports import Clock
from watcher.errors import StoreError

log = structlog.get_logger()

START_SECONDS = 30.0
"""Seconds for which a step of the start is repeated."""


class StoppedError(Exception):
    """The daemon was asked to stop before it had started."""


async def start_with_retries(step: Callable[[], Awaitable[None]], stop: asyncio.Event, clock: Clock) -> None:
    """Repeat a step of the start while the store is unavailable, for `START_SECONDS` at most.

    Raises:
        StoreError: the store cannot be used, or is still unavailable.
        StoppedError: `stop` was set while the store was unavailable.
    """
    until = clock.monotonic() + START_SECONDS

    def give_up(error: StoreError) -> bool:
        if error.passing and stop.is_set():
            raise StoppedError from error
        return not error.passing or clock.monotonic() > until

    await repeat_until_stored(step, "store.unavailable", f"retrying for up to {START_SECONDS:g} s", give_up)


async def repeat_until_stored(
    step: Callable[[], Awaitable[None]],
    event: str,
    consequence: str,
    give_up: Callable[[StoreError], bool] = lambda _: False,
) -> None:
    """Repeat `step` once a second until the store works; each new reason is logged once, as `event`.

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
            await asyncio.sleep(1.0)
