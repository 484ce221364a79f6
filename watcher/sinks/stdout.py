"""JSON Lines on standard output.

An event counts as delivered when all of its line was taken. The writing is done on a thread, and only when the reader
has room, so that a reader that stalls holds up nothing else and the daemon can still end.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import select
import stat
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from watcher.errors import SinkClosed, SinkError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from watcher.protocols import Delivery

LOOK = 0.2
"""Seconds between looks at whether the daemon is ending, while the reader has no room."""


class StdoutSink:
    """Writes each event as one line."""

    def __init__(self, name: str) -> None:
        """Nothing is written yet."""
        self.name = name
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="stdout")
        self._ending = threading.Event()

    async def send(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        """See `protocols.Sink`."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._send, deliveries)

    async def close(self) -> None:
        """See `protocols.Sink`."""
        self._ending.set()
        self._thread.shutdown(wait=False)

    def _send(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        if sys.__stdout__ is None:  # it was closed before we began, and its number is another file's by now
            raise SinkClosed("there is no standard output")
        written: list[Delivery] = []
        try:
            for delivery in deliveries:
                STDOUT.write((delivery.sink, delivery.number), delivery.event.body.encode(), self._ending.is_set)
                written.append(delivery)
        except OSError as error:
            # With something to acknowledge, the error can wait: the next try meets it again.
            if not written:
                if error.errno in (errno.EPIPE, errno.EBADF):
                    raise SinkClosed("standard output was closed by its reader") from error
                raise SinkError(f"standard output: {error.strerror}") from error
        except _EndingError:
            if not written:
                raise SinkError("standard output: its reader does not read") from None
        return written


class Lines:
    """Whole lines on a file descriptor, whoever writes them and whatever comes between."""

    def __init__(self, descriptor: int) -> None:
        """Nothing is written yet."""
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._begun = False
        self._rest = b""
        """What is still to be written of the line that an error cut short."""
        self._cut: object = None
        """Whose line that is, or was, until it asks again."""

    def write(self, key: object, line: bytes, ending: Callable[[], bool]) -> None:
        """Write a line. After an error the same `key` and line go on where it was cut short.

        Raises:
            OSError: the descriptor does not take it.
            _EndingError: `ending` said so before it did.
        """
        with self._lock:
            if not self._begun:
                self._end_torn_line()
                self._begun = True
            self._put(ending)
            if self._cut != key:  # otherwise all of it has been written by now
                self._cut, self._rest = key, line + b"\n"
                self._put(ending)
            self._cut = None

    def _put(self, ending: Callable[[], bool]) -> None:
        # A file is always ready and takes a line in one piece; a pipe that is ready takes this much without blocking.
        size = len(self._rest) if stat.S_ISREG(os.fstat(self._descriptor).st_mode) else select.PIPE_BUF
        while self._rest:
            while not select.select([], [self._descriptor], [], LOOK)[1]:
                if ending():
                    raise _EndingError
            # Somebody may have set the pipe to not block; then it may have no room after all.
            with contextlib.suppress(BlockingIOError):
                self._rest = self._rest[os.write(self._descriptor, self._rest[:size]) :]

    def _end_torn_line(self) -> None:
        """A run that was killed may have left half a line in a file; the next must not continue it."""
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            return
        with contextlib.suppress(OSError), Path(f"/proc/self/fd/{self._descriptor}").open("rb") as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    self._rest = b"\n"


STDOUT = Lines(1)
"""Shared by all sinks that write there, so that none tears another's line."""


class _EndingError(Exception):
    """The daemon ends before the reader had room."""
