"""The state file in its file system: its lock, its identity, and errors in words."""

import contextlib
import errno
import fcntl
import os
import re
import sqlite3
import stat
from collections.abc import Mapping
from os.path import samestat
from pathlib import Path

from watcher.errors import StoreError, StoreLocked

NETWORK = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "ncpfs",
           "fuse.sshfs", "fuse.s3fs", "fuse.glusterfs", "fuse.rclone", "beegfs", "gpfs")  # fmt: skip
"""File systems whose shared memory maps are not coherent: SQLite's write-ahead log does not work there."""

MEANINGS = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space",
    sqlite3.SQLITE_READONLY: "it is read-only; allow watcher to write to it, or name another file under `state`",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check that its directory exists and that watcher may write to it",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; restore it, or move it away to start empty. It was not changed",
    sqlite3.SQLITE_NOTADB: "it is not an SQLite database; name another file under `state`. It was not changed",
    sqlite3.SQLITE_BUSY: "another process has locked it",
    sqlite3.SQLITE_IOERR: "the disk reported an error",
}


MODE = 0o640
"""The mode of a new file, further restricted by the umask: a state has details of other teams' repositories."""

_OWNER = re.compile(rb"\d{0,20}\n?")
"""The content of a lock file: the id of the process that took the lock last."""


class FileLock:
    """The lock of the one daemon that may use a state file; the system releases it when the process ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def take(self) -> None:
        """Take the lock.

        Raises:
            StoreLocked: another process has it.
            StoreError: the lock's path is used by another file.
            OSError: the lock's file cannot be made.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            descriptor = os.open(self._path, flags, MODE)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise StoreError(f"{self._path}: this is a symbolic link, but must be a regular file; remove it") from None
        with contextlib.ExitStack() as failed:
            failed.callback(os.close, descriptor)
            owner = os.read(descriptor, 32) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
            if owner is None or not _OWNER.fullmatch(owner):
                raise StoreError(
                    f"{self._path}: this is not a lock of watcher; move it away, or name another file under `state`"
                )
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                process = f"process {owner.decode().strip()}" if owner.strip() else "unknown"
                raise StoreLocked(
                    f"{self._path.with_suffix('')}: another daemon ({process}) uses it; stop it, or "
                    "name another file under `state`"
                ) from None
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            failed.pop_all()
        self._descriptor = descriptor

    def keep(self) -> None:
        """Take the lock again if its file was removed or replaced, since another process could lock a new file.

        Raises:
            StoreLocked: another process has it.
            OSError: the lock's file cannot be made.
        """
        if self._descriptor is not None:
            held = os.fstat(self._descriptor)
            found = _status(self._path)
            if found is None or not samestat(found, held):
                self.release()
        if self._descriptor is None:
            self.take()

    def release(self) -> None:
        """Release the lock; its file stays, since removing it could admit two daemons."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def make(path: Path) -> bool:
    """Create the state file if it does not exist, with `MODE`; returns whether it existed and was empty.

    Raises:
        StoreError: it is missing or empty, but its write-ahead log has changes, which SQLite would delete.
    """
    if has_content(path):
        return False
    log = beside(path, "-wal")
    found = _status(path) is not None
    if has_content(log):
        raise StoreError(
            f"{path}: the file is {'empty' if found else 'missing'}, but {log} has changes; restore the file, or "
            "move both away to start empty"
        )
    if not found:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, MODE))
    return found


def has_content(path: Path) -> bool:
    """Return whether a file that is not empty exists at `path`, after symbolic links."""
    found = _status(path)
    return found is not None and found.st_size > 0


def files_of(database: Path) -> dict[Path, os.stat_result]:
    """Return the existing files of a database, each with its identity."""
    files = [database, *(beside(database, ending) for ending in ("-wal", "-shm"))]
    return {file: found for file in files if (found := _status(file)) is not None}


def beside(database: Path, ending: str) -> Path:
    """Return a further file of a database; SQLite creates it beside the real file, not beside a link to it."""
    real = database.resolve()
    return real.with_name(real.name + ending)


def refuse_replaced(files: Mapping[Path, os.stat_result]) -> None:
    """Check that `files` have the identity they had when they were opened: writes to a removed file would be lost.

    Raises:
        StoreError: a file was removed or replaced, or the database was emptied.
    """
    for file, opened in files.items():
        if change := _change(file, opened):
            raise StoreError(
                f"{file}: the file was {change} while it was in use, and nothing more can be recorded; put the same "
                "file back, or restart watcher to continue with the file that is there now"
            )


def _status(path: Path) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116  faster than `path.stat`
    except FileNotFoundError:
        return None


def _change(file: Path, opened: os.stat_result) -> str | None:
    found = _status(file)
    if found is None:
        return "removed"
    if not samestat(found, opened):
        return "replaced"
    # A write-ahead log may be empty.
    return None if found.st_size or file.name.endswith("-wal") else "emptied"


def refuse_unusable(path: Path) -> None:
    """Report what is wrong with a path in more detail than SQLite would.

    Raises:
        StoreError: the path cannot be that of a state file.
    """
    if path.is_dir():
        raise StoreError(f"{path}: is a directory; name a file under `state`")
    if path.exists() and not path.is_file():
        raise StoreError(f"{path}: is not a regular file; name one under `state`")
    if not path.parent.is_dir():
        raise StoreError(f"{path}: {path.parent} does not exist; create it, or name another file under `state`")


def on_network(path: Path) -> str | None:
    """Return the kind of network file system that `path` is on, or None."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return network_kind(mounts, str(path.resolve().parent))


def network_kind(mounts: str, directory: str) -> str | None:
    """Return the network file system that `directory` is on, by the text of `/proc/self/mountinfo`, or None."""
    best, kind = "", None
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        fields, filesystem = left.split(), right.split()
        if len(fields) < 5 or not filesystem:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4])
        inside = directory == point or directory.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, filesystem[0]
    return kind if kind in NETWORK else None


def explain(path: Path, error: sqlite3.Error) -> str:
    """Return SQLite's error in words."""
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
    meaning = MEANINGS.get(primary)
    return f"{path}: {meaning} ({error})" if meaning else f"{path}: {error}"
