"""What a state file needs of its file system: a lock, a place that can be written, and words for what goes wrong."""

from __future__ import annotations

import fcntl
import os
import re
import sqlite3
from pathlib import Path

from watcher.errors import StoreError, StoreLocked

NETWORK = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "ncpfs",
           "fuse.sshfs", "fuse.s3fs", "fuse.glusterfs", "fuse.rclone", "beegfs", "gpfs")  # fmt: skip
"""File systems whose shared memory maps are not coherent: SQLite's write-ahead log does not work there."""

MEANINGS = {
    sqlite3.SQLITE_FULL: "the disk is full; make room",
    sqlite3.SQLITE_READONLY: "it is read-only; let watcher write it, or name another file under `state`",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; is its directory there, and may watcher write to it?",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; restore it, or move it away to begin anew. It is left as it is",
    sqlite3.SQLITE_NOTADB: "it is no SQLite database; name another file under `state`. It is left as it is",
    sqlite3.SQLITE_BUSY: "another process holds it",
    sqlite3.SQLITE_IOERR: "the disk does not do what it should",
}


class FileLock:
    """Held by the one daemon that may use a state file; the system gives it up when the process ends."""

    def __init__(self, path: Path) -> None:
        """Nothing is taken yet."""
        self._path = path
        self._descriptor: int | None = None

    def take(self) -> None:
        """Take the lock.

        Raises:
            StoreLocked: another process has it.
            OSError: the lock's file cannot be made.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(descriptor, 32).decode(errors="replace").strip()
            os.close(descriptor)
            raise StoreLocked(
                f"{self._path.with_suffix('')}: another watcher ({f'process {owner}' if owner else 'unknown'}) keeps "
                "its state there; stop it, or name another file under `state`"
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock up; its file stays, since removing it could let two in."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def refuse_unusable(path: Path) -> None:
    """Say what is wrong with a path before SQLite does in fewer words.

    Raises:
        StoreError: the path cannot be that of a state file.
    """
    if path.is_dir():
        raise StoreError(f"{path}: is a directory; name a file under `state`")
    if not path.parent.is_dir():
        raise StoreError(f"{path}: there is no directory {path.parent}; make it, or name another file under `state`")


def on_network(path: Path) -> str | None:
    """The kind of network file system that `path` is on, or None."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return network_kind(mounts, os.path.realpath(path.parent))


def network_kind(mounts: str, directory: str) -> str | None:
    """The network file system that `directory` is on, by the text of `/proc/self/mountinfo`, or None."""
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
    """What SQLite said, for people."""
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
    meaning = MEANINGS.get(primary)
    return f"{path}: {meaning} ({error})" if meaning else f"{path}: {error}"
