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
from typing import TYPE_CHECKING

from watcher.errors import SinkClosed, SinkError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watcher.protocols import Delivery

LOOK = 0.2
"""Seconds between looks at whether the daemon is ending, while the reader has no room."""


class StdoutSink:
    """Writes each event as one line."""

    def __init__(self, name: str, descriptor: int = 1) -> None:
        """`descriptor` is standard output's."""
        self.name = name
        self._descriptor = descriptor
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
        if sys.stdout is None:  # it was closed before we began, and its number may be another file's by now
            raise SinkClosed("there is no standard output")
        written: list[Delivery] = []
        for delivery in deliveries:
            try:
                self._write(delivery.event.body.encode() + b"\n")
            except OSError as error:
                if written:
                    return written  # the next try meets the same error, with nothing to acknowledge
                if error.errno in (errno.EPIPE, errno.EBADF):
                    raise SinkClosed("standard output was closed by its reader") from error
                raise SinkError(f"standard output: {error.strerror}") from error
            except _EndingError:
                if written:
                    return written
                raise SinkError("standard output: its reader does not read") from None
            written.append(delivery)
        return written

    def _write(self, line: bytes) -> None:
        # A file is always ready and takes a line in one piece; a pipe that is ready takes this much without blocking.
        size = len(line) if stat.S_ISREG(os.fstat(self._descriptor).st_mode) else select.PIPE_BUF
        while line:
            while not select.select([], [self._descriptor], [], LOOK)[1]:
                if self._ending.is_set():
                    raise _EndingError
            # Somebody may have set the pipe to not block; then it may have no room after all.
            with contextlib.suppress(BlockingIOError):
                line = line[os.write(self._descriptor, line[:size]) :]


class _EndingError(Exception):
    """The daemon ends before the reader had room."""
