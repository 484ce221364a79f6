"""A poll's further tries after its first has failed: tenacity with full jitter, only for what can pass.

tenacity is entered only then, since around a call that succeeds it costs a tenth of the call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from watcher.errors import PollFailed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from watcher.config.settings import Retry
    from watcher.model import Snapshot


def may_pass(error: BaseException) -> bool:
    """Whether another try is worth its call."""
    return isinstance(error, PollFailed) and error.passing


async def attempt(call: Callable[[], Awaitable[Snapshot]], settings: Retry) -> Snapshot:
    """`call`'s answer, tried up to `settings.attempts` times.

    Raises:
        PollFailed: the last try's failure.
    """
    try:
        return await call()
    except PollFailed as error:
        if settings.attempts == 1 or not error.passing:
            raise
        first = error
    retrying = AsyncRetrying(
        stop=stop_after_attempt(settings.attempts),
        wait=wait_random_exponential(multiplier=settings.initial, max=settings.maximum),
        retry=retry_if_exception(may_pass),
        reraise=True,
    )
    async for trial in retrying:
        with trial:
            if trial.retry_state.attempt_number == 1:
                raise first
            return await call()
    raise first
