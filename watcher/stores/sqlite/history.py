"""The history in a state file: a table for attempts, and one for the incidents that have ended."""

import json
import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from watcher.core import history
from watcher.core.history import HistoryRow, IncidentRow
from watcher.stores.sqlite.database import Database
from watcher.util.shapes import NONE

PAGE = 2000
"""Rows that are read at a time."""

_KEYS = {"attempt": ("started_at", "subject"), "incident": ("closed_at", "subject", "id")}
"""The keys of the tables, which begin with the moment of a row."""
_FORMS = {"attempt": history.ATTEMPT_FORM, "incident": history.INCIDENT_FORM}
"""The columns are the keys of these forms."""
_TYPES = {
    "attempt": (str, str, str, float | NONE, str | NONE, int, int, str),
    "incident": (str, str, str, str, int, str),
}
"""The types of the columns, of which there may be millions of values: `check` would take most of a report's time."""


class SqliteHistoryReader:
    """Reads the history in the file of `database`."""

    database: Database

    async def history(self, since: datetime | None = None) -> AsyncIterator[HistoryRow]:
        first = "" if since is None else history.place_of(since)
        for table, key in _KEYS.items():
            place: tuple[str, ...] = (first, *("" for _ in key[1:]))
            while page := await self.database.query(_page, table, place):
                for _, row in page:
                    if since is None or history.moment_of(row) >= since:
                        yield row
                place = page[-1][0]


def read(connection: sqlite3.Connection) -> Iterator[HistoryRow]:
    """Yield all rows."""
    for table in _KEYS:
        for form in connection.execute(_select(table) + _order(table)):
            yield _row(table, form)


def write(connection: sqlite3.Connection, rows: Iterable[HistoryRow]) -> None:
    """Write rows, each in place of an earlier one of the same attempt or incident."""
    for row in rows:
        form = history.row_to_json(row) | {"labels": json.dumps(dict(row.labels))}
        values = ", ".join(f":{name}" for name in form)
        table = "incident" if isinstance(row, IncidentRow) else "attempt"
        connection.execute(f"INSERT OR REPLACE INTO {table} ({', '.join(form)}) VALUES ({values})", form)


def prune(connection: sqlite3.Connection, before: datetime, limit: int) -> int:
    """Delete up to `limit` rows of both tables that are older than `before`; returns how many were deleted."""
    count = 0
    for table, key in _KEYS.items():
        names = ", ".join(key)
        sql = f"SELECT {names} FROM {table} WHERE {key[0]} < ? {_order(table)} LIMIT ?"
        old = connection.execute(sql, (history.place_of(before), limit - count)).fetchall()
        connection.executemany(f"DELETE FROM {table} WHERE ({names}) = ({', '.join('?' for _ in key)})", old)
        count += len(old)
    return count


def _page(
    connection: sqlite3.Connection, table: str, after: tuple[str, ...]
) -> list[tuple[tuple[str, ...], HistoryRow]]:
    """Return the rows after a key, with their keys."""
    key = _KEYS[table]
    where = f" WHERE ({', '.join(key)}) > ({', '.join('?' for _ in key)})"
    found = connection.execute(f"{_select(table)}{where}{_order(table)} LIMIT {PAGE}", after)
    names = [*_FORMS[table]]
    return [(tuple(form[names.index(name)] for name in key), _row(table, form)) for form in found]


def _select(table: str) -> str:
    return f"SELECT {', '.join(_FORMS[table])} FROM {table}"


def _order(table: str) -> str:
    return f" ORDER BY {', '.join(_KEYS[table])}"


def _row(table: str, values: Sequence[Any]) -> HistoryRow:
    if not all(map(isinstance, values, _TYPES[table])):
        raise ValueError(f"{values!r} cannot be a row of {table}")
    form = dict(zip(_FORMS[table], values, strict=True))
    form["labels"] = history.labels_of(form["labels"])
    if table == "incident":
        return history.incident_from_json(form | {"removed": bool(form["removed"])})
    flags = {"first_seen": bool(form["first_seen"]), "observed": bool(form["observed"])}
    return history.attempt_from_json(form | flags)
