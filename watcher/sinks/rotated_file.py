"""Appends lines to a file that is rotated by size; `path.1` is the newest of the older files.

Only one process at a time writes a file, since two would overwrite each other's older files when they rotate: it holds
a lock on the file itself (flock) until it closes the file or begins the next one.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from watcher.errors import SinkError
from watcher.sinks.lines import Lines

MODE = 0o640
"""The permissions of a new file, before the umask: events describe other people's repositories."""

_WHY = {
    errno.EAGAIN: "another process writes it",
    errno.ELOOP: "it is a symbolic link; name the file that it points to",
    errno.EISDIR: "it is a directory; name a file in it",
    errno.ENOENT: "its directory does not exist; make it",
    errno.ENOTDIR: "its directory is a file; name another",
    errno.ENXIO: "it is not a regular file; name one",
}
"""The meaning of errors when the file is opened."""


class RotatedFile:
    """A file of lines that other processes may remove or rotate as well. It blocks; use it in one thread."""

    def __init__(self, path: Path, max_size: int, keep: int) -> None:
        """Nothing is opened before the first `append`. A line longer than `max_size` is alone in its file."""
        self._path = path
        self._max_size = max_size
        self._keep = keep
        self._descriptor: int | None = None
        self._lines = Lines(-1)

    def append(self, lines: Sequence[tuple[object, bytes]]) -> int:
        """Write lines, each with a key by which a repeat is recognized, and return how many are on the disk.

        Raises:
            SinkError: none is.
        """
        written = 0
        try:
            self._open()
            for key, line in lines:
                self._rotate_before(len(line) + 1)
                self._lines.write(key, line)
                written += 1
        except OSError as error:
            # If some lines are written, the error can wait: the next try meets it again.
            if not written:
                raise SinkError(f"{self._path}: {_why(error)}") from error
        self._sync()
        return written

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _open(self) -> None:
        # Repeat until the open file is the one at the path: another process may rotate it before it is locked.
        while self._descriptor is None or not self._still_there(self._descriptor):
            self.close()
            self._open_once()

    def _open_once(self) -> None:
        # Do not follow a link, and do not block on a pipe without a reader.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(self._path, flags, MODE)
        with contextlib.ExitStack() as failed:
            failed.callback(os.close, descriptor)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.ENXIO, "not a regular file")
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._sync_directory()
            failed.pop_all()
        self._descriptor, self._lines = descriptor, Lines(descriptor)

    def _still_there(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.lstat(self._path), os.fstat(descriptor))
        except FileNotFoundError:
            return False

    def _rotate_before(self, more: int) -> None:
        """Begin a new file if the next `more` bytes would make this one too large."""
        assert self._descriptor is not None  # noqa: S101  it was opened just now
        size = os.fstat(self._descriptor).st_size
        if not size or size + more <= self._max_size or self._lines.torn:
            return
        self._sync()
        if self._still_there(self._descriptor):  # otherwise another process has rotated it
            self._shift()
        # If another process has begun the next file, it is locked: the rest of the lines has to wait.
        self._open()

    def _shift(self) -> None:
        if not self._keep:
            self._path.unlink()
            return
        # After an interrupted rotation there is a gap: only the files before it move.
        old = [self._path, *(Path(f"{self._path}.{number}") for number in range(1, self._keep + 1))]
        last = next((number for number, path in enumerate(old) if not os.path.lexists(path)), self._keep)
        for number in range(last, 0, -1):
            old[number - 1].replace(old[number])

    def _sync(self) -> None:
        """Raise SinkError if the lines are not on the disk, or the file has no name any more."""
        if self._descriptor is None:  # a rotation could not open the next file; it synced this one before
            return
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            # What the disk did not accept may be gone from memory too, and a second fsync would not report it.
            with contextlib.suppress(OSError):
                self.close()
            raise SinkError(f"{self._path}: {_why(error)}") from error
        if not os.fstat(self._descriptor).st_nlink:
            raise SinkError(f"{self._path}: it was removed while it was written")

    def _sync_directory(self) -> None:
        descriptor = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _why(error: OSError) -> str:
    return _WHY.get(error.errno or 0) or error.strerror or str(error)
