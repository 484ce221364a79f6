"""`file`: JSON Lines in a file that is rotated by size; `path.1` is the newest of the older files.

An event counts as delivered when its line is on the disk (fsync), in a file that still has a name. A thread writes,
since a disk may stall. Only one process at a time writes a file, since two would overwrite each other's older files
when they rotate: it holds a lock on the file itself (flock) until it closes the file or begins the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from watcher.config.fields import Count, or_variable, text_schema
from watcher.config.readers import quoted, single, single_line
from watcher.config.sink_model import SinkModel
from watcher.core.deliveries import Delivery, Limits, SendOutcome, Verdict
from watcher.errors import SinkError
from watcher.sinks.lines import BATCH, Line, Lines, size_of
from watcher.util.fitting import first_fitting
from watcher.util.units import SIZE, SIZE_IN_WORDS, parse_size

_WHY = {
    errno.EAGAIN: "another process is writing to it",
    errno.ELOOP: "it is a symbolic link; name the file that it points to",
    errno.EISDIR: "it is a directory; name a file in it",
    errno.ENOENT: "its directory does not exist; create it",
    errno.ENOTDIR: "its directory is a file; name another",
    errno.ENXIO: "it is not a regular file; name one",
}
"""The meaning of errors when the file is opened."""

EVENT_BEGINNING = b'{"specversion"'
"""The first bytes of every line."""


def _path(value: object) -> str:
    path = Path(single_line(value))
    try:
        if path.is_symlink():
            raise ValueError(f"{quoted(value)} is a symbolic link; name the file that it points to")
        if path.is_dir():
            raise ValueError(f"{quoted(value)} is a directory; name a file in it")
        if path.exists() and not path.is_file():
            raise ValueError(f"{quoted(value)} is not a regular file; name one")
        if not path.parent.is_dir():
            raise ValueError(f"the directory of {quoted(value)} does not exist; create it, or name another file")
    except OSError as error:
        raise ValueError(f"{quoted(value)} cannot be a file: {error.strerror}") from None
    return str(path)


def _size(value: object) -> int:
    text = single(value, "a size such as 64MiB")
    try:
        return parse_size(text)
    except ValueError:
        if not text.filled:
            raise
    raise ValueError(f"{quoted(text)} is not a valid size; it must be {SIZE_IN_WORDS}")


Size = Annotated[int, PlainValidator(_size), WithJsonSchema(or_variable({"type": "string", "pattern": SIZE}))]


class FileSink:
    """Appends each event as one line."""

    limits = Limits(batch=BATCH, in_order=True, deadline=60.0)

    def __init__(self, options: FileOptions) -> None:
        self.name = options.name
        self._file = RotatedFile(Path(options.path), options.max_size, options.keep)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"file {options.name}")

    async def send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._send, deliveries)

    async def close(self) -> None:
        with contextlib.suppress(RuntimeError):  # it was closed before
            self._thread.submit(self._file.close)  # after what is under way
        self._thread.shutdown(wait=False)

    def _send(self, deliveries: Sequence[Delivery]) -> Sequence[SendOutcome]:
        lines = [((delivery.number, delivery.reminder), delivery.body.encode()) for delivery in deliveries]
        written = self._file.append(lines)
        return [SendOutcome(delivery, Verdict.TAKEN, "written and synced") for delivery in deliveries[:written]]


class FileOptions(SinkModel):
    """Events as lines of JSON in a file."""

    sink: ClassVar = FileSink

    type: Literal["file"]
    path: Annotated[str, PlainValidator(_path), text_schema(minLength=1)] = Field(
        examples=["/var/log/watcher/events.jsonl"]
    )
    """The file; its directory must exist."""
    max_size: Size = Field(default=parse_size("100MiB"), json_schema_extra={"default": "100MiB"})
    """A new file is started before this one exceeds this size; at least 1KB."""
    keep: Count = 5
    """The number of older files that are kept."""

    def written_files(self) -> Mapping[str, str]:
        """Return the file, and those that it becomes when it is rotated."""
        path = os.path.realpath(self.path)
        older = {
            f"{path}.{number}": f"its older file, with .{number} at its end," for number in range(1, self.keep + 1)
        }
        return {path: "this file"} | older

    def may_write(self, path: str) -> bool:
        """Return whether the file begins with an event or a part of one, is empty, missing, or unreadable."""
        file = Path(path)
        with contextlib.suppress(OSError):
            if file.is_file():
                with file.open("rb") as opened:
                    return EVENT_BEGINNING.startswith(opened.read(len(EVENT_BEGINNING)))
        return True


class RotatedFile:
    """A file of lines that other processes may remove or rotate as well. It blocks; use it in one thread."""

    def __init__(self, path: Path, max_size: int, keep: int) -> None:
        """Nothing is opened before the first `append`. A line longer than `max_size` is alone in its file."""
        self._path = path
        self._max_size = max_size
        self._keep = keep
        self._descriptor: int | None = None
        self._lines = Lines(-1)

    def append(self, lines: Sequence[Line]) -> int:
        """Write lines, and return how many are on the disk.

        Raises:
            SinkError: none is.
        """
        written = 0
        try:
            self._open()
            while written < len(lines):
                self._rotate_before(size_of(lines[written]))
                some = first_fitting(lines[written:], self._max_size - self._size(), size_of)
                count = self._lines.write(some)
                written += count
                if count < len(some):  # because of an error, which the next try meets again
                    break
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
        while not self._still_there():
            self.close()
            # Do not follow a link, and do not block on a pipe without a reader. Not all users may read a new file:
            # events describe other people's repositories.
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            descriptor = os.open(self._path, flags, 0o640)
            with contextlib.ExitStack() as failed:
                failed.callback(os.close, descriptor)
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise OSError(errno.ENXIO, "not a regular file")
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._sync_directory()
                failed.pop_all()
            self._descriptor, self._lines = descriptor, Lines(descriptor)

    def _still_there(self) -> bool:
        with contextlib.suppress(FileNotFoundError):
            return self._descriptor is not None and os.path.samestat(os.lstat(self._path), os.fstat(self._descriptor))
        return False

    def _rotate_before(self, more: int) -> None:
        """Begin a new file if the next `more` bytes would make this one too large."""
        size = self._size()
        if not size or size + more <= self._max_size or self._lines.torn:
            return
        self._sync()
        if self._still_there():  # otherwise another process has rotated it
            self._shift()
        # If another process has begun the next file, it is locked: the rest of the lines has to wait.
        self._open()

    def _size(self) -> int:
        assert self._descriptor is not None  # noqa: S101  it was opened just now
        return os.fstat(self._descriptor).st_size

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
