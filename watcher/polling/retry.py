"""Tries a call again after failures that may pass."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from watcher.core.settings import Retry
from watcher.errors import PollFailed

T = TypeVar("T")


def always() -> bool:
    """Return True: the default for conditions."""
    return True


async def with_retries(call: Callable[[], Awaitable[T]], settings: Retry, again: Callable[[], bool] = always) -> T:
    """Return the answer of `call`, tried up to `settings.attempts` times, with full jitter, while `again()` is true.

    Raises:
        PollFailed: the failure of the last try.
    """
    try:
        return await call()
    except PollFailed as error:
        return await retry_after(error, call, settings, again)


async def retry_after(
    failure: PollFailed, call: Callable[[], Awaitable[T]], settings: Retry, again: Callable[[], bool] = always
) -> T:
    """Return the answer of `call` as `with_retries` does, when the first try has ended with `failure`.

    The first try is made without tenacity, which would add a tenth to the cost of a call that succeeds.

    Raises:
        PollFailed: the failure of the last try.
    """
    if not failure.passing or not again():
        raise failure
    last = failure
    async for trial in AsyncRetrying(
        stop=stop_after_attempt(settings.attempts),
        wait=wait_random_exponential(multiplier=settings.initial, max=settings.maximum),
        retry=retry_if_exception(lambda error: isinstance(error, PollFailed) and error.passing and again()),
        reraise=True,
    ):
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
