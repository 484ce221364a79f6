"""Whole lines on a file descriptor, whoever writes them and whatever comes between."""

from __future__ import annotations

import contextlib
import os
import select
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LOOK = 0.2
"""Seconds between looks at whether the daemon is ending, while a reader has no room."""


class EndingError(Exception):
    """The daemon ends before the reader had room."""


class Lines:
    """Writes whole lines. Blocks while a reader has no room, so it is called on a thread."""

    def __init__(self, descriptor: int) -> None:
        """Nothing is written yet."""
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._begun = False
        self._rest = b""
        """What is still to be written of the line that an error cut short."""
        self._cut: object = None
        """Whose line that is, or was, until it asks again."""
        self._end = -1
        """Where the file ended when its last line was cut short, if something of that line was written."""

    @property
    def torn(self) -> bool:
        """Whether the last line was cut short, and will go on with the next write."""
        return bool(self._rest)

    def write(self, key: object, line: bytes, ending: Callable[[], bool] = lambda: False) -> None:
        """Write a line. After an error the same `key` and line go on where it was cut short, if that is still the end.

        Raises:
            OSError: the descriptor does not take it.
            EndingError: `ending` said so before it did.
        """
        with self._lock:
            if not self._begun or self._parted():
                self._cut, self._end = None, -1
                self._rest = b"\n" if self._ends_torn() else b""
                self._begun = True
            self._put(ending)
            if self._cut != key:  # otherwise all of it has been written by now
                self._cut, self._rest, self._end = key, line + b"\n", -1
                self._put(ending)
            self._cut = None

    def _parted(self) -> bool:
        """Whether what is still to be written would not stand after its beginning: somebody truncated or wrote."""
        if not self._rest:
            return False
        now = os.fstat(self._descriptor)
        return stat.S_ISREG(now.st_mode) and now.st_size != self._end

    def _put(self, ending: Callable[[], bool]) -> None:
        now = os.fstat(self._descriptor)
        if stat.S_ISREG(now.st_mode):  # it is always ready
            if self._rest and os.lseek(self._descriptor, 0, os.SEEK_CUR) > now.st_size:
                os.lseek(self._descriptor, 0, os.SEEK_END)  # truncated: without O_APPEND a hole would come before
            while self._rest:
                self._rest = self._rest[os.write(self._descriptor, self._rest) :]
                if self._rest:
                    self._end = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        while self._rest:
            while not select.select([], [self._descriptor], [], LOOK)[1]:
                if ending():
                    raise EndingError
            # A pipe that is ready takes this much without blocking; somebody may have set it to not block, and then it
            # may have no room after all.
            with contextlib.suppress(BlockingIOError):
                self._rest = self._rest[os.write(self._descriptor, self._rest[: select.PIPE_BUF]) :]

    def _ends_torn(self) -> bool:
        """Whether a file ends in half a line, as a run that was killed leaves it; the next must not continue it."""
        if stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            with contextlib.suppress(OSError), Path(f"/proc/self/fd/{self._descriptor}").open("rb") as file:
                if file.seek(0, os.SEEK_END):
                    file.seek(-1, os.SEEK_END)
                    return file.read(1) != b"\n"
        return False
