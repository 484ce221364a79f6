"""Retries a failed poll with tenacity and full jitter, if the error may pass.

The first try is made without tenacity, which would add a tenth to the cost of a call that succeeds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from watcher.core.model import Snapshot
from watcher.core.settings import Retry
from watcher.errors import PollFailed


def always() -> bool:
    """Return True: the default for conditions."""
    return True


async def attempt(
    call: Callable[[], Awaitable[Snapshot]], settings: Retry, again: Callable[[], bool] = always
) -> Snapshot:
    """Return the answer of `call`, which is tried up to `settings.attempts` times while `again()` is true.

    Raises:
        PollFailed: the failure of the last try.
    """
    try:
        return await call()
    except PollFailed as error:
        if settings.attempts == 1 or not error.passing or not again():
            raise
        last = error
    retrying = AsyncRetrying(
        stop=stop_after_attempt(settings.attempts),
        wait=wait_random_exponential(multiplier=settings.initial, max=settings.maximum),
        retry=retry_if_exception(lambda error: isinstance(error, PollFailed) and error.passing and again()),
        reraise=True,
    )
    async for trial in retrying:
        with trial:
            # The first try has already failed; and `again` may have changed during the pause.
            if trial.retry_state.attempt_number == 1 or not again():
                raise last
            try:
                return await call()
            except PollFailed as error:
                last = error
                raise
    raise last
