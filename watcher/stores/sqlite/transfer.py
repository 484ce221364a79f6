"""Reads and writes all contents of a state file: `watcher state export` and `import`."""

import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path

from watcher.core import state_json
from watcher.core.by_hand import Acknowledgement, HandMute
from watcher.core.deliveries import DeliveryState
from watcher.core.history import AttemptRow, IncidentRow
from watcher.core.listings import Listing
from watcher.errors import StoreError
from watcher.stores.sqlite import by_hand, history
from watcher.stores.sqlite.database import Database
from watcher.stores.sqlite.reader import numbered, read_listings
from watcher.stores.sqlite.store import write_listing
from watcher.stores.transfer import Part, Recorded, Sending, Sinks, State


class SqliteMover:
    """Reads or writes a whole state file that no daemon uses."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, "rwc")
        self.open = self._database.open
        self._closing = False

    async def read(self) -> AsyncIterator[Part]:
        """Yield everything in the order of an export."""
        for part in await self._database.query(lambda connection: [*_read(connection)]):
            yield part

    async def write(self, parts: Iterable[Part]) -> None:
        """Write everything into an empty file, or nothing.

        Raises:
            StoreError: the file is not empty.
        """
        await self._database.change(_write, self._until_closed(parts), self._database.path)

    async def close(self) -> None:
        """A `write` in progress is rolled back."""
        self._closing = True
        await self._database.close()

    def _until_closed(self, parts: Iterable[Part]) -> Iterator[Part]:
        for part in parts:
            if self._closing:
                raise StoreError(f"{self._database.path}: the import was interrupted; nothing was changed")
            yield part


def _read(connection: sqlite3.Connection) -> Iterator[Part]:
    """Everything, in the order in which `write` wants it."""
    yield Sinks(tuple(name for (name,) in connection.execute("SELECT name FROM sink ORDER BY name")))
    for subject, text, forgotten in connection.execute("SELECT subject, state, forgotten FROM record ORDER BY subject"):
        yield State(subject, state_json.load(text, subject), forgotten)
    yield from read_listings(connection, {})
    yield from by_hand.read(connection, None).parts
    yield from history.read(connection)
    for recorded, *fields in connection.execute(
        "SELECT recorded, number, id, type, subject, time, body FROM event ORDER BY number"
    ):
        number, event = numbered(fields)
        yield Recorded(number, recorded, event)
    for number, subject, sink, reminder, kind, *fields in connection.execute(
        """SELECT delivery.number, delivery.subject, delivery.sink, delivery.reminder, state, tries, tried, ended,
                  answer, coalesce(failures, 0), since, coalesce(next_try, 0.0)
           FROM delivery LEFT JOIN lane ON lane.sink = delivery.sink AND lane.number = delivery.number
                                       AND lane.reminder = delivery.reminder AND state = 'waiting'
           ORDER BY delivery.sink, delivery.number, delivery.reminder"""
    ):
        yield Sending(number, subject, sink, reminder, DeliveryState(kind), *fields)


def _write(connection: sqlite3.Connection, parts: Iterable[Part], path: Path) -> None:
    """Everything, into an empty file.

    Raises:
        StoreError: it is not empty.
    """
    for table in ("record", "event", "listing", "mute", "acknowledgement", "attempt", "incident"):
        if connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone():
            raise StoreError(f"{path}: it already contains state; name a file under `state` that does not exist yet")
    numbers: dict[tuple[int, str], int] = {}
    for part in parts:
        match part:
            case Sinks(names):
                connection.execute("DELETE FROM sink")
                connection.executemany("INSERT INTO sink VALUES (?)", [(name,) for name in names])
            case State(subject, record, forgotten):
                connection.execute("INSERT INTO record VALUES (?, ?, ?)", (subject, state_json.dump(record), forgotten))
            case Listing():
                write_listing(connection, part)
            case HandMute() | Acknowledgement():
                _write_by_hand(connection, part)
            case AttemptRow() | IncidentRow():
                history.write(connection, [part])
            case Recorded(number, recorded, event):
                row = (event.id, event.type, event.subject, event.time, recorded, event.body)
                sql = "INSERT INTO event (id, type, subject, time, recorded, body) VALUES (?, ?, ?, ?, ?, ?)"
                numbers[number, event.subject] = int(connection.execute(sql, row).lastrowid or 0)
            case Sending():
                _send(connection, part, numbers[part.number, part.subject])


def _write_by_hand(connection: sqlite3.Connection, part: HandMute | Acknowledgement) -> None:
    if isinstance(part, HandMute):
        by_hand.write_mute(connection, part)
    else:
        by_hand.write_acknowledgements(connection, [part])


def _send(connection: sqlite3.Connection, part: Sending, number: int) -> None:
    connection.execute(
        "INSERT INTO delivery VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (part.sink, number, part.reminder, part.subject, part.state, part.tries, part.tried, part.ended, part.answer),
    )
    if part.state is DeliveryState.WAITING:
        # They come in order, so the first of a subject is its lane's head.
        connection.execute(
            "INSERT OR IGNORE INTO lane VALUES (?, ?, ?, ?, ?, ?, ?)",
            (part.sink, part.subject, number, part.reminder, part.failures, part.since, part.next_try),
        )
