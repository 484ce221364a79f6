"""State in one SQLite file: the daemon's own database, on a thread of its own.

Every commit is on the disk before it counts (`synchronous=FULL`). Only one daemon may use a file: it holds a lock
beside it. Those who look (`status`, `events`) need none.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from math import inf
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from watcher.core import state
from watcher.core.events import fitting
from watcher.core.liveness import moment_of
from watcher.core.ports import DeliveryState
from watcher.core.retry_policy import REMOVED
from watcher.core.subjects import matches_one_id, subject_matches
from watcher.errors import StoreError
from watcher.stores.sqlite import outbox, transfer
from watcher.stores.sqlite.locking import (
    FileLock,
    beside,
    explain,
    has_content,
    identities,
    make,
    on_network,
    refuse_replaced,
    refuse_unusable,
)
from watcher.stores.sqlite.migrations import STEPS, VERSION, check, refuse_unknown, version_of
from watcher.util.globs import matches

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from watcher.core.events import Event
    from watcher.core.ports import (
        Delivery,
        DeliveryOutcome,
        DeliveryQuery,
        DeliveryRecord,
        Entry,
        EventQuery,
        ReminderRequest,
    )
    from watcher.core.state import Record
    from watcher.stores.transfer import Part

log = structlog.get_logger()

T = TypeVar("T")

EVER = 1e12
"""Seconds since 1970 that no clock will show."""

BUSY = 5.0
"""Seconds that a writer waits for a reader, where there is no write-ahead log."""


class SqliteReader:
    """Looks into a state file without a lock; another process may be writing."""

    gives_up = True
    """Whether to close it ends what is under way; whoever changes something waits for that."""

    late = 0

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite")
        self._connection: sqlite3.Connection
        self._files: Mapping[Path, tuple[int, int]] = {}
        """The open files, which must not be replaced; empty while the store is not open."""

    async def open(self) -> None:
        """Open the file.

        Raises:
            StoreError: there is none, or it cannot be used.
        """
        await self._run(self._open)
        self._files = await self._run(lambda: identities(self._path))

    async def records(self) -> dict[str, Record]:
        sql = "SELECT subject, state FROM record"
        return await self._run(
            lambda: {subject: state.load(text, subject) for subject, text in self._connection.execute(sql)}
        )

    async def events(self, query: EventQuery) -> list[tuple[int, Event]]:
        where = ["number > :after"]
        values: dict[str, Any] = {"after": query.after, "limit": query.limit}
        if query.target is not None:
            where.append("subject = :target" if matches_one_id(query.target) else "subject_matches(subject, :target)")
            values["target"] = query.target
        if query.types:
            where.append(f"({' OR '.join(_matches('type', f'type{i}', glob) for i, glob in enumerate(query.types))})")
            values |= {f"type{i}": glob for i, glob in enumerate(query.types)}
        if query.since is not None:
            where.append("recorded >= :since")
            values["since"] = query.since.timestamp()
        order = "DESC" if query.newest else "ASC"
        sql = (
            "SELECT number, id, type, subject, time, body FROM event "  # noqa: S608  every value is bound
            f"WHERE {' AND '.join(where)} ORDER BY number {order} LIMIT :limit"
        )
        return await self._run(
            lambda: sorted(fitting(map(outbox.numbered, self._connection.execute(sql, values)), query.size))
        )

    async def deliveries(self, query: DeliveryQuery) -> list[DeliveryRecord]:
        return await self._run(lambda: outbox.deliveries(self._connection, query))

    async def counts(self) -> Mapping[tuple[str, DeliveryState], int]:
        return await self._run(lambda: outbox.counts(self._connection))

    async def find(self, event_id: str) -> list[tuple[int, Event]]:
        sql = "SELECT number, id, type, subject, time, body FROM event WHERE id = ? ORDER BY number"
        return await self._run(lambda: [*map(outbox.numbered, self._connection.execute(sql, (event_id,)))])

    async def alive_at(self) -> datetime | None:
        row = await self._run(lambda: self._connection.execute("SELECT at FROM alive").fetchone())
        return moment_of(row and row[0])

    async def close(self) -> None:
        """Close the file; a reader's question under way is given up."""
        if hasattr(self, "_connection"):
            if self.gives_up:
                self._connection.interrupt()
            self._files = {}
            await self._run(self._connection.close)
        self._thread.shutdown(wait=False)

    def _open(self, mode: str = "ro") -> None:
        refuse_unusable(self._path)
        if not has_content(self._path):
            raise StoreError(f"{self._path}: there is no state yet; `watcher run` makes it at its first start")
        self._connect(mode)
        version = version_of(self._connection)
        refuse_unknown(version, self._path)
        if version < VERSION:
            raise StoreError(f"{self._path}: there is no state of this version yet; start `watcher run` on it first")

    def _connect(self, mode: str) -> None:
        address = f"{self._path.absolute().as_uri()}?mode={mode}"
        self._connection = sqlite3.connect(address, uri=True, timeout=BUSY, isolation_level=None)
        self._connection.create_function("glob_match", 2, matches, deterministic=True)
        self._connection.create_function("subject_matches", 2, subject_matches, deterministic=True)

    async def _run(self, work: Callable[[], T]) -> T:
        """Run `work` in the store's thread, unless the files were replaced since they were opened.

        It runs to its end even when the caller is cancelled.
        """

        def checked() -> T:
            self._refuse_replaced()
            return work()

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, checked)
        except sqlite3.Error as error:
            raise StoreError(explain(self._path, error)) from error
        except OSError as error:
            raise StoreError(f"{self._path}: {error.strerror or error}") from error
        except ValueError as error:
            raise StoreError(f"{self._path}: what it holds cannot be read ({error}); restore the file, or move it away "
                             "to start empty") from error  # fmt: skip

    def _refuse_replaced(self) -> None:
        refuse_replaced(self._files)


class SqliteOutbox(SqliteReader):
    """What an operator may change beside a running daemon; see `protocols.Outbox`."""

    gives_up = False

    async def registered_sinks(self) -> Collection[str]:
        rows = await self._run(lambda: self._connection.execute("SELECT name FROM sink").fetchall())
        return frozenset(name for (name,) in rows)

    async def requeue(self, event_ids: Collection[str], sink: str | None, now: datetime) -> int:
        return await self._change(event_ids, sink, [DeliveryState.DEAD], DeliveryState.WAITING, now)

    async def drop(self, event_id: str, sink: str | None, now: datetime) -> int:
        undelivered = [DeliveryState.WAITING, DeliveryState.DEAD]
        return await self._change([event_id], sink, undelivered, DeliveryState.DROPPED, now)

    async def _change(
        self, event_ids: Collection[str], sink: str | None, states: Sequence[DeliveryState], to: DeliveryState,
        now: datetime,
    ) -> int:  # fmt: skip
        return await self._in_steps(
            lambda connection: outbox.change(connection, event_ids, sink, states, to, now.timestamp())
        )

    def _open(self, mode: str = "rw") -> None:
        super()._open(mode)

    async def _in_transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """`work` as one transaction on the thread."""

        def whole() -> T:
            with self._transaction():
                return work(self._connection)

        return await self._run(whole)

    async def _in_steps(self, work: Callable[[sqlite3.Connection], int]) -> int:
        """`work` as one transaction after another, until it finds nothing more to do; how much it did."""
        done = 0
        while some := await self._in_transaction(work):
            done += some
        return done

    @contextlib.contextmanager
    def _transaction(self) -> Any:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._refuse_replaced()  # a commit to a removed file would be acknowledged and lost
            self._connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise


class SqliteStore(SqliteOutbox):
    """The daemon's own; see `protocols.Store`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._lock = FileLock(beside(path, ".lock"))

    async def commit(self, entries: Sequence[Entry], now: datetime) -> None:
        await self._in_transaction(lambda connection: _commit(connection, entries, now.timestamp()))

    async def reload(self, subjects: Collection[str]) -> dict[str, Record]:
        wanted = set(subjects)
        return {subject: record for subject, record in (await self.records()).items() if subject in wanted}

    async def forget(self, subjects: Collection[str]) -> None:
        rows = [(subject,) for subject in subjects]
        await self._in_transaction(
            lambda connection: connection.executemany("DELETE FROM record WHERE subject = ?", rows)
        )

    async def due(self, sink: str, limit: int) -> list[Delivery]:
        return await self._run(lambda: outbox.due(self._connection, sink, limit))

    async def lane_heads(
        self, sink: str, now: datetime, limit: int, skip: Collection[str] = (), failing: int | None = None
    ) -> list[Delivery]:
        return await self._run(lambda: outbox.lane_heads(self._connection, sink, now.timestamp(), limit, skip, failing))

    async def next_try(self, sink: str, now: datetime, skip: Collection[str] = ()) -> float | None:
        return await self._run(lambda: outbox.next_try(self._connection, sink, now.timestamp(), skip))

    async def settle(self, results: Sequence[DeliveryOutcome], now: datetime) -> None:
        await self._in_transaction(lambda connection: outbox.settle(connection, results, now.timestamp()))

    async def waiting(self) -> Mapping[str, int]:
        counts = await self.counts()
        return {sink: count for (sink, state), count in counts.items() if state is DeliveryState.WAITING}

    async def prune(self, before: datetime, limit: int) -> int:
        return await self._in_transaction(lambda connection: outbox.prune(connection, before.timestamp(), limit))

    async def retry_now(self, sink: str, since: float = -inf) -> None:
        await self._in_steps(lambda connection: outbox.retry_now(connection, sink, max(0.0, since)))

    async def register_sinks(self, sinks: Collection[str], now: datetime) -> int:
        removed = await self._in_transaction(lambda connection: outbox.register_sinks(connection, sinks))
        return sum([await self.dead_letter(sink, REMOVED, now) for sink in removed])

    async def replay(self, sink: str, since: datetime, wanted: Callable[[Event], bool]) -> int:
        return await self._in_transaction(lambda connection: outbox.replay(connection, sink, since.timestamp(), wanted))

    async def dead_letter(self, sink: str, reason: str, now: datetime, before: datetime | None = None) -> int:
        until = EVER if before is None else before.timestamp()
        return await self._in_steps(
            lambda connection: outbox.dead_letter(connection, sink, reason, now.timestamp(), until)
        )

    async def mark_alive(self, now: datetime) -> None:
        sql, moment = "INSERT OR REPLACE INTO alive VALUES (1, ?)", now.timestamp()
        await self._in_transaction(lambda connection: connection.execute(sql, (moment,)))

    async def remind(self, wishes: Sequence[ReminderRequest], now: datetime) -> int:
        return await self._in_transaction(lambda connection: outbox.remind(connection, wishes, now.timestamp()))

    async def close(self) -> None:
        """Close the file and give up the lock."""
        try:
            await super().close()
        finally:
            self._lock.release()

    def _open(self, mode: str = "rwc") -> None:
        refuse_unusable(self._path)
        self._lock.take()
        try:
            if make(self._path):
                log.warning("store.created", path=str(self._path),
                            consequence="the first poll of every target counts as its first observation",
                            remedy="if it had state before, stop watcher and restore the file")  # fmt: skip
            self._connect(mode)
            check(self._connection, self._path)
            network = on_network(self._path)
            if network is not None:
                log.warning("store.wal_disabled", path=str(self._path), filesystem=network,
                            consequence="commits are slower: a write-ahead log is not safe there")  # fmt: skip
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

    def _refuse_replaced(self) -> None:
        super()._refuse_replaced()
        if self._files:
            self._lock.keep()

    def _migrate(self) -> None:
        for number in range(version_of(self._connection), VERSION):
            with self._transaction():
                for statement in STEPS[number]:
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA user_version = {number + 1}")


class SqliteMover(SqliteStore):
    """All of a state file that no daemon uses: read, or written into an empty one."""

    _closing = False

    async def read(self) -> AsyncIterator[Part]:
        """Everything, in the order in which it is written elsewhere."""
        for part in await self._run(lambda: [*transfer.read(self._connection)]):
            yield part

    async def write(self, parts: Iterable[Part]) -> None:
        """Everything, or nothing.

        Raises:
            StoreError: the file is not empty.
        """
        await self._in_transaction(lambda connection: transfer.write(connection, self._until_closed(parts), self._path))

    async def close(self) -> None:
        """A `write` in progress is rolled back."""
        self._closing = True
        await super().close()

    def _until_closed(self, parts: Iterable[Part]) -> Iterator[Part]:
        for part in parts:
            if self._closing:
                raise StoreError(f"{self._path}: the import was interrupted; nothing was changed")
            yield part


def _commit(connection: sqlite3.Connection, entries: Sequence[Entry], now: float) -> None:
    for entry in entries:
        connection.execute(
            "INSERT INTO record VALUES (?, ?) ON CONFLICT (subject) DO UPDATE SET state = excluded.state",
            (entry.subject, state.dump(entry.record)),
        )
        if entry.events:
            outbox.call_off_reminders(connection, entry.subject, now)
        for event, sinks in entry.events:
            number = connection.execute(
                "INSERT INTO event (id, type, subject, time, recorded, body) VALUES (?, ?, ?, ?, ?, ?)",
                (event.id, event.type, event.subject, event.time, now, event.body),
            ).lastrowid
            outbox.add(connection, int(number or 0), event.subject, sinks)


def _matches(column: str, name: str, glob: str) -> str:
    """A condition; one without a glob's characters can use an index, and calls no Python for each row."""
    return f"glob_match({column}, :{name})" if any(letter in glob for letter in "*?[") else f"{column} = :{name}"
