"""Keeps many who ask from costing more than one: what is made once for all, and a gate before what may hang."""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any

T = TypeVar("T")

REST, LONGEST_REST = 5.0, 5.0
"""What took so long to make is kept for this many times as long, and for no more than so many seconds for that."""

LONGEST_FAILED = 5.0
"""Seconds for which an error is kept at most."""


class SingleFlight(Generic[T]):
    """A value that costs something: made by one for all who ask meanwhile, and kept for `keep` seconds.

    An error is kept as well, but for a few seconds at most. Who stops waiting does not stop the making, so one that
    hangs is never begun twice.
    """

    def __init__(
        self, make: Callable[[], Coroutine[Any, Any, T]], keep: float, late: Callable[[float], Exception] = TimeoutError
    ) -> None:
        """`make` makes a new value; `late` makes the error of a wait that took its limit, given in seconds."""
        self._make = make
        self._late = late
        self._keep = keep
        self._made: asyncio.Task[T] | None = None
        self._ended = self._rest = 0.0
        self._failed = False

    async def get(self, keep: float = inf) -> T:
        """The value, at most as old as it is kept, or as `keep` says (seconds); raises what `make` raised."""
        loop = asyncio.get_running_loop()
        keep = min(keep, self._keep, LONGEST_FAILED if self._failed else inf)
        if self._made is None or (self._made.done() and loop.time() >= self._ended + max(keep, self._rest)):
            self._made = loop.create_task(self._make_one(loop))
            self._made.add_done_callback(_seen)
        return await asyncio.shield(self._made)

    async def get_within(self, seconds: float, keep: float = inf) -> T:
        """Return what `get` returns, within so many seconds; raises the error that `late` makes."""
        try:
            async with asyncio.timeout(seconds):
                return await self.get(keep)
        except TimeoutError:
            raise self._late(seconds) from None

    def close(self) -> None:
        """Stop making it."""
        if self._made is not None:
            self._made.cancel()

    async def _make_one(self, loop: asyncio.AbstractEventLoop) -> T:
        begun, self._failed = loop.time(), True
        try:
            made = await self._make()
            self._failed = False
            return made
        finally:
            self._ended = loop.time()
            self._rest = min(LONGEST_REST, REST * (self._ended - begun))


class Gate:
    """Lets a few questions through at once; the others wait, each for a limited time.

    A question that hangs keeps its place until it is answered, so that no more than so many can ever pile up.
    """

    def __init__(self, places: int, patience: float, late: Callable[[float], Exception] = TimeoutError) -> None:
        """`places`: questions at once; `patience`: seconds that one may take with its wait; `late`: as there."""
        self._late = late
        self._places = asyncio.Semaphore(places)
        self._patience = patience

    async def ask(self, question: Callable[[], Awaitable[T]]) -> T:
        """Return the answer; raises the error that `late` makes, or that of the question."""
        try:
            async with asyncio.timeout(self._patience):
                await self._places.acquire()
                asking = asyncio.ensure_future(question())
                asking.add_done_callback(self._answered)
                return await asyncio.shield(asking)
        except TimeoutError:
            raise self._late(self._patience) from None

    def _answered(self, asking: asyncio.Future[T]) -> None:
        self._places.release()
        _seen(asking)


def _seen(future: asyncio.Future[Any]) -> None:
    """Somebody may have stopped waiting for it: an error of it is no surprise."""
    if not future.cancelled():
        future.exception()
