"""Writes whole lines to a file descriptor, also after errors and beside other writers."""

import contextlib
import os
import select
import stat
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from watcher.util.fitting import in_parts

BATCH = 1000
"""The most lines in one `send`; they share its cost and that of its commit."""

WRITE_SECONDS = 1.0
"""Seconds after which a write ends if it has written a line, so that this is recorded though the reader is slow."""

Line = tuple[object, bytes]
"""A line without its end, and a key by which a repeat of it is recognized."""


def size_of(line: Line) -> int:
    """Return the bytes that a line takes, with its end."""
    return len(line[1]) + 1


class EndingError(Exception):
    """A write ended before the reader had room."""


class Lines:
    """Writes whole lines. Blocks while a reader has no room, so it is called on a thread."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._ready = select.poll()
        if descriptor >= 0:  # otherwise nothing is open yet
            self._ready.register(descriptor, select.POLLOUT)
        self._lock = threading.Lock()
        self._begun = False
        self._rest = b""
        """The rest of the line that an error cut short."""
        self._cut: object = None
        """The key of that line."""
        self._end = -1
        """The end of the file when its last line was cut short."""

    @property
    def torn(self) -> bool:
        """Whether the last line was cut short; the next write continues it."""
        return bool(self._rest)

    def write(self, lines: Sequence[Line], ending: Callable[[], bool] = lambda: False) -> int:
        """Write lines; returns how many of the first of them are written, at least one.

        After an error, a first line with the key of the one that was cut short continues it, unless the end moved.

        Raises:
            OSError: the descriptor does not accept the first line.
            EndingError: `ending` returned True before the first line was written.
        """
        with self._lock:
            regular = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
            self._end_cut_line(ending, regular=regular)
            written = 1 if lines[0][0] == self._cut else 0
            self._cut = None
            until = time.monotonic() + WRITE_SECONDS

            def overdue() -> bool:
                return written > 0 and time.monotonic() >= until

            # All lines are written to a file at once; to a pipe, as many as it takes without blocking and without
            # mixing them with what other processes write.
            left = lines[written:]
            for some in in_parts(left, sys.maxsize if regular else select.PIPE_BUF, size_of):
                if overdue():
                    break
                self._rest = b"\n".join([*[line for _, line in some], b""])
                try:
                    self._write_rest(lambda: ending() or overdue(), regular=regular)
                except (OSError, EndingError):
                    written += self._cut_short(some)
                    if not written:
                        raise
                    return written  # the next write meets the error again
                written += len(some)
            return written

    def _end_cut_line(self, ending: Callable[[], bool], *, regular: bool) -> None:
        """Write the rest of a line that was cut short, so that the next one begins at the beginning of a line."""
        if self._begun and self._rest and regular and os.fstat(self._descriptor).st_size != self._end:
            # Another process truncated the file or wrote to it: the rest would not follow its line.
            self._begun, self._cut = False, None
        if not self._begun:
            self._rest = b"\n" if regular and self._ends_in_half_a_line() else b""
            self._begun = True
        if self._rest:
            self._write_rest(ending, regular=regular)

    def _cut_short(self, lines: Sequence[Line]) -> int:
        """Keep what is left of the line at which a write of `lines` ended; returns how many were written before it."""
        done = sum(map(size_of, lines)) - len(self._rest)
        count = 0
        while done >= size_of(lines[count]):
            done -= size_of(lines[count])
            count += 1
        key, line = lines[count]
        self._cut, self._rest = (key, line[done:] + b"\n") if done else (None, b"")
        return count

    def _write_rest(self, ending: Callable[[], bool], *, regular: bool) -> None:
        if regular:  # it is always ready
            if os.lseek(self._descriptor, 0, os.SEEK_CUR) > os.fstat(self._descriptor).st_size:
                os.lseek(self._descriptor, 0, os.SEEK_END)  # truncated: without O_APPEND a hole would come before
            while self._rest:
                self._rest = self._rest[os.write(self._descriptor, self._rest) :]
                if self._rest:
                    self._end = os.lseek(self._descriptor, 0, os.SEEK_CUR)
            return
        while self._rest:
            while not self._ready.poll(200):
                if ending():
                    raise EndingError
            # A pipe that is ready accepts this much without blocking; if another process made it non-blocking, it may
            # have no room after all.
            with contextlib.suppress(BlockingIOError):
                self._rest = self._rest[os.write(self._descriptor, self._rest[: select.PIPE_BUF]) :]

    def _ends_in_half_a_line(self) -> bool:
        """Whether a file ends in half a line, after a run that was killed; the next line must not continue it."""
        with contextlib.suppress(OSError), Path(f"/proc/self/fd/{self._descriptor}").open("rb") as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                return file.read(1) != b"\n"
        return False
