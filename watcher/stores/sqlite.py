"""State in one SQLite file: the daemon's own database, on a thread of its own.

Every commit is on the disk before it counts (`synchronous=FULL`). Only one daemon may use a file: it holds a lock
beside it. Those who look (`status`, `events`) need none.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from watcher import state
from watcher.errors import StoreError
from watcher.events import Event
from watcher.protocols import Delivery
from watcher.stores.files import FileLock, explain, on_network, refuse_unusable
from watcher.stores.migrations import STEPS, TABLES, VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from watcher.protocols import Entry, EventQuery
    from watcher.state import Record

log = structlog.get_logger()

T = TypeVar("T")

BUSY = 5.0
"""Seconds that a writer waits for a reader, where there is no write-ahead log."""


class SqliteReader:
    """Looks into a state file without a lock; another process may be writing."""

    def __init__(self, path: Path) -> None:
        """Nothing is opened yet."""
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite")
        self._connection: sqlite3.Connection

    async def open(self) -> None:
        """Open the file.

        Raises:
            StoreError: there is none, or it cannot be used.
        """
        await self._run(self._open)

    async def records(self) -> dict[str, Record]:
        """See `protocols.Reader`."""
        rows = await self._run(lambda: self._connection.execute("SELECT subject, state FROM record").fetchall())
        try:
            return {subject: state.load(text) for subject, text in rows}
        except ValueError as error:
            raise StoreError(f"{self._path}: a record cannot be read ({error}); restore the file, or move it away "
                             "to begin anew") from error  # fmt: skip

    async def events(self, query: EventQuery) -> list[tuple[int, Event]]:
        """See `protocols.Reader`."""
        where = ["number > :after"]
        values: dict[str, Any] = {"after": query.after, "limit": query.limit}
        if query.target is not None:
            where.append("glob_match(subject, :target)")
            values["target"] = query.target
        if query.types:
            where.append(f"({' OR '.join(f'glob_match(type, :type{i})' for i in range(len(query.types)))})")
            values |= {f"type{i}": glob for i, glob in enumerate(query.types)}
        if query.since is not None:
            where.append("recorded >= :since")
            values["since"] = query.since.timestamp()
        order = "DESC" if query.newest else "ASC"
        sql = (
            "SELECT number, id, type, subject, time, body FROM event "  # noqa: S608  every value is bound
            f"WHERE {' AND '.join(where)} ORDER BY number {order} LIMIT :limit"
        )
        rows = await self._run(lambda: self._connection.execute(sql, values).fetchall())
        return sorted((number, Event(*fields)) for number, *fields in rows)

    async def close(self) -> None:
        """Close the file."""
        if hasattr(self, "_connection"):
            await self._run(self._connection.close)
        self._thread.shutdown(wait=False)

    def _open(self) -> None:
        refuse_unusable(self._path)
        if not self._path.exists():
            raise StoreError(f"{self._path}: there is no state yet; `watcher run` makes it at its first start")
        self._connect("ro")
        self._check_version(self._version(), reading=True)

    def _connect(self, mode: str) -> None:
        address = f"{self._path.absolute().as_uri()}?mode={mode}"
        self._connection = sqlite3.connect(address, uri=True, timeout=BUSY, isolation_level=None)
        self._connection.create_function("glob_match", 2, fnmatchcase, deterministic=True)

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA user_version").fetchone()[0])

    def _check_version(self, version: int, *, reading: bool = False) -> None:
        if version > VERSION:
            raise StoreError(
                f"{self._path}: written by a newer watcher (schema {version}, this one knows {VERSION}); "
                "use that version, or another file"
            )
        if reading and version < VERSION:
            raise StoreError(f"{self._path}: there is no state of this version yet; start `watcher run` on it first")

    async def _run(self, work: Callable[[], T]) -> T:
        """`work` on the thread. It runs to its end even when the caller is cancelled."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except sqlite3.Error as error:
            raise StoreError(explain(self._path, error)) from error
        except OSError as error:
            raise StoreError(f"{self._path}: {error.strerror or error}") from error


class SqliteStore(SqliteReader):
    """The daemon's own; see `protocols.Store`."""

    def __init__(self, path: Path) -> None:
        """Nothing is opened yet."""
        super().__init__(path)
        # By its real path, so that a link to the file leads to the same lock.
        real = path.resolve()
        self._lock = FileLock(real.with_name(real.name + ".lock"))

    async def commit(self, entries: Sequence[Entry], now: datetime) -> None:
        """See `protocols.Store`."""
        await self._run(lambda: self._commit(entries, now.timestamp()))

    async def forget(self, subjects: Collection[str]) -> None:
        """See `protocols.Store`."""
        rows = [(subject,) for subject in subjects]
        await self._run(lambda: self._write("DELETE FROM record WHERE subject = ?", rows))

    async def due(self, sink: str, limit: int) -> list[Delivery]:
        """See `protocols.Store`."""
        sql = """SELECT number, id, type, subject, time, body FROM delivery JOIN event USING (number)
                 WHERE sink = ? AND settled IS NULL ORDER BY number LIMIT ?"""
        rows = await self._run(lambda: self._connection.execute(sql, (sink, limit)).fetchall())
        return [Delivery(number, sink, Event(*fields)) for number, *fields in rows]

    async def settle(self, deliveries: Sequence[Delivery], now: datetime) -> None:
        """See `protocols.Store`."""
        rows = [(now.timestamp(), delivery.sink, delivery.number) for delivery in deliveries]
        await self._run(lambda: self._write("UPDATE delivery SET settled = ? WHERE sink = ? AND number = ?", rows))

    async def waiting(self) -> Mapping[str, int]:
        """See `protocols.Store`."""
        sql = "SELECT sink, count(*) FROM delivery WHERE settled IS NULL GROUP BY sink"
        return dict(await self._run(lambda: self._connection.execute(sql).fetchall()))

    async def prune(self, before: datetime, limit: int) -> int:
        """See `protocols.Store`."""
        sql = """DELETE FROM event WHERE number IN (
                   SELECT number FROM event WHERE recorded < ? AND NOT EXISTS (
                     SELECT 1 FROM delivery WHERE delivery.number = event.number AND settled IS NULL)
                   ORDER BY recorded LIMIT ?)"""
        return await self._run(lambda: self._write(sql, [(before.timestamp(), limit)]))

    async def close(self) -> None:
        """Close the file and give up the lock."""
        try:
            await super().close()
        finally:
            self._lock.release()

    def _open(self) -> None:
        refuse_unusable(self._path)
        self._lock.take()
        try:
            self._connect("rwc")
            self._check_health()
            self._check_version(self._version())
            self._check_tables()
            network = on_network(self._path)
            if network is not None:
                log.warning("store.no_wal", path=str(self._path), filesystem=network,
                            consequence="slower commits: a write-ahead log is not safe there")  # fmt: skip
            self._connection.execute(f"PRAGMA journal_mode = {'DELETE' if network else 'WAL'}")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA foreign_keys = ON")
            self._migrate()
        except BaseException:
            if hasattr(self, "_connection"):
                self._connection.close()
                del self._connection
            self._lock.release()
            raise

    def _check_health(self) -> None:
        told = self._connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if told != "ok":
            raise StoreError(
                f"{self._path}: the file is damaged ({told}); restore it, or move it away to begin anew. "
                "It is left as it is"
            )

    def _check_tables(self) -> None:
        found = {name for (name,) in self._connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        if self._version() == 0 and found:
            raise StoreError(f"{self._path}: is another program's database; name another file under `state`")
        if self._version() > 0 and not found >= TABLES:
            raise StoreError(
                f"{self._path}: lacks the table {', '.join(sorted(TABLES - found))}; restore the file, or move it away "
                "to begin anew. It is left as it is"
            )

    def _migrate(self) -> None:
        for number in range(self._version(), VERSION):
            with self._transaction():
                for statement in STEPS[number]:
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA user_version = {number + 1}")

    def _commit(self, entries: Sequence[Entry], now: float) -> None:
        with self._transaction():
            for entry in entries:
                self._connection.execute(
                    "INSERT INTO record VALUES (?, ?) ON CONFLICT (subject) DO UPDATE SET state = excluded.state",
                    (entry.subject, state.dump(entry.record)),
                )
                for event, sinks in entry.events:
                    number = self._connection.execute(
                        "INSERT INTO event (id, type, subject, time, recorded, body) VALUES (?, ?, ?, ?, ?, ?)",
                        (event.id, event.type, event.subject, event.time, now, event.body),
                    ).lastrowid
                    self._connection.executemany(
                        "INSERT INTO delivery (sink, number) VALUES (?, ?)", [(sink, number) for sink in sinks]
                    )

    def _write(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> int:
        with self._transaction():
            return self._connection.executemany(sql, rows).rowcount

    @contextlib.contextmanager
    def _transaction(self) -> Any:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise
