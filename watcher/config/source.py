"""Where a configuration is read from again and again, and the source of one that is at hand: a file, a directory."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from watcher.config.document import Document
from watcher.errors import ServiceUnreachable
from watcher.util.threads import off_loop

READ_INTERVAL_SECONDS = 2.0
"""The time between two readings of a file."""

MAX_READ_SECONDS = 30.0
"""The time limit of reading a file: a network disk may hang."""


class Source(Protocol):
    """Where the configuration is read from."""

    whole: bool
    """Whether a text that was read is never one that is still being written."""

    @property
    def pause(self) -> float:
        """The seconds until the next reading."""

    async def read(self) -> Document:
        """Return the configuration as it is now.

        Raises:
            ConfigError: there is none, or it is unreadable.
            ServiceUnreachable: it cannot be asked for at the moment.
        """

    def forget(self) -> None:
        """Load credentials again for the next reading, and ask for the whole configuration at once."""

    async def close(self) -> None:
        """Close what is open."""


class LocalSource:
    """Reads a file or a directory off the loop."""

    whole = False

    def __init__(self, locate: Callable[[], Document]) -> None:
        """`locate` returns the text; it raises ConfigError if there is none."""
        self._locate = locate
        self._reading: asyncio.Future[Document] | None = None

    @property
    def pause(self) -> float:
        return READ_INTERVAL_SECONDS

    async def read(self) -> Document:
        # A reading that hangs is awaited again: starting another each time would use up all threads.
        if self._reading is None:
            self._reading = off_loop(self._locate, "configuration")
        try:
            async with asyncio.timeout(MAX_READ_SECONDS):
                found = await asyncio.shield(self._reading)
        except TimeoutError:
            raise ServiceUnreachable(
                f"the configuration could not be read within {MAX_READ_SECONDS:g} s; does its disk answer?"
            ) from None
        except BaseException:
            if self._reading.done():
                self._reading = None
            raise
        self._reading = None
        return found

    def forget(self) -> None:
        """Nothing is kept."""

    async def close(self) -> None:
        """Nothing is open."""
