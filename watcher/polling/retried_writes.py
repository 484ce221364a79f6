"""Writes to the store that are repeated until they succeed."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from watcher.core.ports import Clock
from watcher.errors import StoreError

log = structlog.get_logger()

T = TypeVar("T")

MIN_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.25, 15.0
"""The pauses between tries of a write that fails, which double each time."""

HUNG_SECONDS = 60.0
"""How long a write may take before it is reported as hung."""


class RetriedWrites:
    """Repeats each write until it succeeds, and shows whether writes fail."""

    def __init__(self, clock: Clock) -> None:
        self.trouble: str | None = None
        """The error of the last try; None: it succeeded."""
        self.writable = asyncio.Event()
        """Set unless writes fail."""
        self.writable.set()
        self._clock = clock
        self._begun: float | None = None
        """When the try under way began."""
        self._hurried = asyncio.Event()

    def hurry(self) -> None:
        """From now on, repeat a failed write soon: the daemon is stopping."""
        self._hurried.set()

    def stuck(self) -> str | None:
        """Return why nothing is written, for people, or None. A failing write is not a reason: `trouble` has it."""
        if self._begun is None or (late := self._clock.monotonic() - self._begun) < HUNG_SECONDS:
            return None
        return f"a commit has not ended for {late:.0f} s: does the disk of `state` answer?"

    async def keep(self, write: Callable[[], Awaitable[T]]) -> T:
        """Call `write` until it succeeds, and return its result."""
        failures = 0
        while True:
            self._begun = self._clock.monotonic()
            try:
                kept = await write()
            except StoreError as error:
                failures += 1
                self.trouble = str(error)
                if failures == 1:
                    self.writable.clear()
                    log.warning(
                        "store.write_failed", error=str(error), consequence="polling stops until the store works again"
                    )
                self._begun = None
                await self._rest(min(MAX_PAUSE_SECONDS, MIN_PAUSE_SECONDS * 2 ** min(failures - 1, 10)))
            else:
                self.trouble = None
                if failures:
                    self.writable.set()
                    log.info("store.write_recovered", failures=failures)
                return kept
            finally:
                self._begun = None

    async def _rest(self, pause: float) -> None:
        if self._hurried.is_set():
            await asyncio.sleep(MIN_PAUSE_SECONDS)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._hurried.wait()
