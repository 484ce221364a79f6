"""Writes whole lines to a file descriptor, also after errors and beside other writers."""

import contextlib
import os
import select
import stat
import threading
from collections.abc import Callable
from pathlib import Path


class EndingError(Exception):
    """The daemon is ending before the reader had room."""


class Lines:
    """Writes whole lines. Blocks while a reader has no room, so it is called on a thread."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._begun = False
        self._rest = b""
        """The rest of the line that an error cut short."""
        self._cut: object = None
        """The key of that line."""
        self._end = -1
        """The end of the file when its last line was cut short after its first bytes."""

    @property
    def torn(self) -> bool:
        """Whether the last line was cut short; the next write continues it."""
        return bool(self._rest)

    def write(self, key: object, line: bytes, ending: Callable[[], bool] = lambda: False) -> None:
        """Write a line. After an error, the same `key` and line continue where it was cut short, unless the end moved.

        Raises:
            OSError: the descriptor does not accept it.
            EndingError: `ending` returned True before that.
        """
        with self._lock:
            if not self._begun or self._is_separated():
                self._cut, self._end = None, -1
                self._rest = b"\n" if self._ends_in_half_a_line() else b""
                self._begun = True
            self._write_rest(ending)
            if self._cut != key:  # otherwise all of it has been written by now
                self._cut, self._rest, self._end = key, line + b"\n", -1
                self._write_rest(ending)
            self._cut = None

    def _is_separated(self) -> bool:
        """Whether another process truncated the file or wrote to it, so that the rest of a line would not follow it."""
        if not self._rest:
            return False
        now = os.fstat(self._descriptor)
        return stat.S_ISREG(now.st_mode) and now.st_size != self._end

    def _write_rest(self, ending: Callable[[], bool]) -> None:
        if not self._rest:
            return
        now = os.fstat(self._descriptor)
        if stat.S_ISREG(now.st_mode):  # it is always ready
            if os.lseek(self._descriptor, 0, os.SEEK_CUR) > now.st_size:
                os.lseek(self._descriptor, 0, os.SEEK_END)  # truncated: without O_APPEND a hole would come before
            while self._rest:
                self._rest = self._rest[os.write(self._descriptor, self._rest) :]
                if self._rest:
                    self._end = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        while self._rest:
            while not select.select([], [self._descriptor], [], 0.2)[1]:
                if ending():
                    raise EndingError
            # A pipe that is ready accepts this much without blocking; if another process made it non-blocking, it may
            # have no room after all.
            with contextlib.suppress(BlockingIOError):
                self._rest = self._rest[os.write(self._descriptor, self._rest[: select.PIPE_BUF]) :]

    def _ends_in_half_a_line(self) -> bool:
        """Whether a file ends in half a line, after a run that was killed; the next line must not continue it."""
        if stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            with contextlib.suppress(OSError), Path(f"/proc/self/fd/{self._descriptor}").open("rb") as file:
                if file.seek(0, os.SEEK_END):
                    file.seek(-1, os.SEEK_END)
                    return file.read(1) != b"\n"
        return False
