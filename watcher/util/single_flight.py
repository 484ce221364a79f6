"""Shares one computation among concurrent callers, and limits how many calls of one kind run at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from math import inf
from typing import Any, Generic, TypeVar

T = TypeVar("T")

REST_FACTOR, MAX_REST_SECONDS = 5.0, 5.0
"""A value is kept for at least this many times as long as it took to compute, up to this limit."""

MAX_ERROR_SECONDS = 5.0
"""How long an error is kept at most."""


class SingleFlight(Generic[T]):
    """A value that is computed once for all concurrent callers, and kept for `keep` seconds.

    An error is kept as well, for a few seconds at most. A caller that is cancelled does not cancel the computation, so
    one that hangs is never started twice. `compute` returns a new value; `timeout_error` is called with the limit in
    seconds.
    """

    def __init__(
        self,
        compute: Callable[[], Coroutine[Any, Any, T]],
        keep: float,
        timeout_error: Callable[[float], Exception] = TimeoutError,
    ) -> None:
        self._compute = compute
        self._timeout_error = timeout_error
        self._keep = keep
        self._task: asyncio.Task[T] | None = None
        self._ended = self._rest = 0.0
        self._failed = False

    async def get(self, keep: float = inf) -> T:
        """The value, or the error of its computation; with `keep`, also computed again if it is older (seconds)."""
        loop = asyncio.get_running_loop()
        keep = min(keep, self._keep, MAX_ERROR_SECONDS if self._failed else inf)
        if self._task is None or (self._task.done() and loop.time() >= self._ended + max(keep, self._rest)):
            self._task = loop.create_task(self._run(loop))
            self._task.add_done_callback(_mark_retrieved)
        return await asyncio.shield(self._task)

    async def get_within(self, seconds: float, keep: float = inf) -> T:
        """The result of `get`; raises the timeout error if it takes longer than `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                return await self.get(keep)
        except TimeoutError:
            raise self._timeout_error(seconds) from None

    def close(self) -> None:
        """Cancel the computation."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self, loop: asyncio.AbstractEventLoop) -> T:
        started, self._failed = loop.time(), True
        try:
            value = await self._compute()
            self._failed = False
            return value
        finally:
            self._ended = loop.time()
            self._rest = min(MAX_REST_SECONDS, REST_FACTOR * (self._ended - started))


class Gate:
    """Runs at most `places` calls at a time; each may take `seconds`, the wait for its place included.

    A call that hangs keeps its place until it returns, so no more than `places` of them can ever accumulate.
    """

    def __init__(self, places: int, seconds: float, timeout_error: Callable[[float], Exception] = TimeoutError) -> None:
        self._timeout_error = timeout_error
        self._places = asyncio.Semaphore(places)
        self._seconds = seconds

    async def run(self, call: Callable[[], Awaitable[T]]) -> T:
        """The result of the call; raises its error, or the timeout error."""
        try:
            async with asyncio.timeout(self._seconds):
                await self._places.acquire()
                future = asyncio.ensure_future(call())
                future.add_done_callback(self._release)
                return await asyncio.shield(future)
        except TimeoutError:
            raise self._timeout_error(self._seconds) from None

    def _release(self, future: asyncio.Future[T]) -> None:
        self._places.release()
        _mark_retrieved(future)


def _mark_retrieved(future: asyncio.Future[Any]) -> None:
    """Keep asyncio from logging an error that no caller awaits any more."""
    if not future.cancelled():
        future.exception()
