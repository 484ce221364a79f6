"""The connection to a state file, on a thread of its own.

Every commit is on the disk before it counts (`synchronous=FULL`). A file has one daemon, which holds a lock beside it;
commands read without the lock, and change deliveries beside the daemon.
"""

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import structlog

from watcher.errors import StoreError
from watcher.sources.subjects import subject_matches
from watcher.stores.sqlite.locking import (
    FileLock,
    beside,
    explain,
    files_of,
    has_content,
    make,
    on_network,
    refuse_replaced,
    refuse_unusable,
)
from watcher.stores.sqlite.migrations import STEPS, VERSION, check, refuse_unknown, version_of
from watcher.util.globs import matches

log = structlog.get_logger()

P = ParamSpec("P")
T = TypeVar("T")

BUSY_SECONDS = 5.0
"""How long a writer waits for a reader, where there is no write-ahead log."""


class Database:
    """A state file of which this process is a reader, a writer beside a daemon, or the daemon."""

    connection: sqlite3.Connection

    def __init__(self, path: Path, mode: str) -> None:
        """`mode`: `ro` only reads; `rw` changes beside a daemon; `rwc` is the daemon, which creates and migrates it."""
        self.path = path
        self._mode = mode
        self._lock = FileLock(beside(path, ".lock")) if mode == "rwc" else None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite")
        self._files: Mapping[Path, os.stat_result] = {}
        """The open files, which must not be replaced; empty while the database is not open."""

    async def open(self) -> None:
        """Open the file.

        Raises:
            StoreError: the file does not exist, or cannot be used.
        """
        lock = self._lock
        await self.run(self._open if lock is None else lambda: self._open_own(lock))
        self._files = await self.run(lambda: files_of(self.path))

    async def close(self) -> None:
        """Close the file; a query of a reader is interrupted, while a change is waited for."""
        try:
            if hasattr(self, "connection"):
                if self._mode == "ro":
                    self.connection.interrupt()
                self._files = {}
                await self.run(self.connection.close)
            self._thread.shutdown(wait=False)
        finally:
            if self._lock is not None:
                self._lock.release()

    async def run(self, work: Callable[[], T]) -> T:
        """Run `work` on the thread, unless the files were replaced since they were opened.

        It runs to its end even when the caller is cancelled.
        """

        def checked() -> T:
            self._refuse_replaced()
            return work()

        try:
            return await self.submit(checked)
        except sqlite3.Error as error:
            raise StoreError(explain(self.path, error)) from error
        except OSError as error:
            raise StoreError(
                f"{self.path}: {error.strerror or error}; fix this, or name another file under `state`"
            ) from error
        except ValueError as error:
            raise StoreError(f"{self.path}: its content cannot be read ({error}); restore the file, or move it away "
                             "to start empty") from error  # fmt: skip

    async def submit(self, work: Callable[[], T]) -> T:
        """Run `work` where the connection is used."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def query(self, work: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **more: P.kwargs) -> T:
        """Run `work` on the thread, with the connection."""
        return await self.run(lambda: work(self.connection, *args, **more))

    async def change(self, work: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **more: P.kwargs) -> T:
        """Run `work` on the thread as one transaction."""

        def whole() -> T:
            with self._transaction():
                return work(self.connection, *args, **more)

        return await self.run(whole)

    async def change_in_steps(
        self, work: Callable[Concatenate[sqlite3.Connection, P], int], *args: P.args, **more: P.kwargs
    ) -> int:
        """Run `work` as one transaction after another until it changes nothing more; returns how much it changed."""
        done = 0
        while some := await self.change(work, *args, **more):
            done += some
        return done

    def _open(self) -> None:
        refuse_unusable(self.path)
        if not has_content(self.path):
            raise StoreError(f"{self.path}: there is no state yet; `watcher run` creates it at its first start")
        self._connect(self._uri())
        version = version_of(self.connection)
        refuse_unknown(version, self.path)
        if version < VERSION:
            raise StoreError(f"{self.path}: an older version wrote it, or it is just being created; try again, or "
                             "start `watcher run` first, which upgrades it")  # fmt: skip

    def _open_own(self, lock: FileLock) -> None:
        refuse_unusable(self.path)
        lock.take()
        try:
            if make(self.path):
                log.warning("store.created", path=str(self.path),
                            consequence="the first poll of every target counts as its first observation",
                            remedy="if it had state before, stop watcher and restore the file")  # fmt: skip
            self._connect(self._uri())
            check(self.connection, self.path)
            network = on_network(self.path)
            if network is not None:
                log.warning("store.wal_disabled", path=str(self.path), filesystem=network,
                            consequence="commits are slower: a write-ahead log is not safe there")  # fmt: skip
            self.connection.execute(f"PRAGMA journal_mode = {'DELETE' if network else 'WAL'}")
            self.connection.execute("PRAGMA synchronous = FULL")
            self._migrate()
        except BaseException:
            if hasattr(self, "connection"):
                self.connection.close()
                del self.connection
            lock.release()
            raise

    def _uri(self) -> str:
        return f"{self.path.absolute().as_uri()}?mode={self._mode}"

    def _connect(self, address: str, *, own_thread: bool = True) -> None:
        self.connection = sqlite3.connect(
            address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=own_thread
        )
        self.connection.execute("PRAGMA foreign_keys = ON")
        self.connection.create_function("glob_match", 2, matches, deterministic=True)
        self.connection.create_function("subject_matches", 2, subject_matches, deterministic=True)

    def _migrate(self) -> None:
        for number in range(version_of(self.connection), VERSION):
            with self._transaction():
                for statement in STEPS[number]:
                    self.connection.execute(statement)
                self.connection.execute(f"PRAGMA user_version = {number + 1}")

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._refuse_replaced()  # a commit to a removed file would be acknowledged and lost
            self.connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self.connection.execute("ROLLBACK")
            raise

    def _refuse_replaced(self) -> None:
        refuse_replaced(self._files)
        if self._files and self._lock is not None:
            self._lock.keep()
