"""A poll's further tries after its first has failed: tenacity with full jitter, only for what can pass.

tenacity is entered only then, since around a call that succeeds it costs a tenth of the call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from watcher.errors import PollFailed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from watcher.core.model import Snapshot
    from watcher.core.settings import Retry


def always() -> bool:
    """No reason to give up."""
    return True


async def attempt(
    call: Callable[[], Awaitable[Snapshot]], settings: Retry, again: Callable[[], bool] = always
) -> Snapshot:
    """`call`'s answer, tried up to `settings.attempts` times, as long as `again` says that it is worth it.

    Raises:
        PollFailed: the last try's failure.
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
            # The first is over already; and what was worth it before the pause may not be after it.
            if trial.retry_state.attempt_number == 1 or not again():
                raise last
            try:
                return await call()
            except PollFailed as error:
                last = error
                raise
    raise last
