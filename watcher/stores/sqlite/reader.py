"""Reads a state file and its rows, for commands and pages; another process may be writing."""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from watcher.core import listings, state_json
from watcher.core.by_hand import ByHand
from watcher.core.deliveries import DeliveryRecord, DeliveryState
from watcher.core.event_check import check_event
from watcher.core.events import Event, fitting
from watcher.core.listings import Listing, ListingKey
from watcher.core.model import parse_rfc3339
from watcher.core.queries import DeliveryQuery, EventQuery
from watcher.core.state import Record
from watcher.core.status import moment_of
from watcher.sources.subjects import matches_one_id
from watcher.stores.sqlite import by_hand
from watcher.stores.sqlite.database import Database
from watcher.stores.sqlite.history import SqliteHistoryReader
from watcher.util.shapes import Optional, check, is_moment, is_time

_DELIVERY = {
    "sink": str, "state": str, "reminder": int, "recorded": is_moment, "tries": int, "tried": Optional(is_moment),
    "ended": Optional(is_moment), "answer": Optional(str),
}  # fmt: skip
_LISTING = {"account": str, "region": str, "kind": str, "completed_at": is_time}


class SqliteReader(SqliteHistoryReader):
    """Reads what the daemon has written to the file."""

    mode = "ro"

    late = 0

    def __init__(self, path: Path) -> None:
        self.database = Database(path, self.mode)

    async def open(self) -> None:
        await self.database.open()

    async def close(self) -> None:
        await self.database.close()

    async def records(self) -> dict[str, Record]:
        sql = "SELECT subject, state FROM record"
        return await self.database.query(
            lambda connection: {subject: state_json.load(text, subject) for subject, text in connection.execute(sql)}
        )

    async def events(self, query: EventQuery) -> list[tuple[int, Event]]:
        where = ["number > :after"]
        values: dict[str, Any] = {"after": query.after, "limit": query.limit}
        if query.before is not None:
            where.append("number < :before")
            values["before"] = query.before
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
            "SELECT number, id, type, subject, time, body FROM event "
            f"WHERE {' AND '.join(where)} ORDER BY number {order} LIMIT :limit"
        )
        return await self.database.query(
            lambda connection: sorted(fitting(map(numbered, connection.execute(sql, values)), query.size))
        )

    async def deliveries(self, query: DeliveryQuery) -> list[DeliveryRecord]:
        where = ["TRUE"]
        values = {"limit": query.limit, "sink": query.sink, "event": query.event_id, "answer": query.answer}
        if query.states:
            where.append(one_of(query.states))
        if query.sink is not None:
            where.append("delivery.sink = :sink")
        if query.event_id is not None:
            where.append("id = :event")
        if query.answer is not None:
            where.append("answer = :answer")
        way = " DESC" if query.newest else ""
        sql = (
            "SELECT id, type, event.subject, time, body, sink, state, reminder, recorded, tries, tried, ended, answer "
            f"FROM delivery {_index(query)} JOIN event ON event.number = delivery.number WHERE {' AND '.join(where)} "
            f"ORDER BY sink{way}, delivery.number{way}, reminder{way} LIMIT :limit"
        )
        return await self.database.query(lambda connection: [*map(_delivery, connection.execute(sql, values))])

    async def counts(self) -> Mapping[tuple[str, DeliveryState], int]:
        # One query for each state, so that each uses the index of just its rows.
        states = (DeliveryState.WAITING, DeliveryState.DEAD)
        sql = " UNION ALL ".join(
            f"SELECT sink, '{state}', count(*) FROM delivery WHERE {one_of([state])} GROUP BY sink" for state in states
        )
        # Within the query, so that a row of another form is a StoreError.
        return await self.database.query(
            lambda connection: {
                (*checked({"sink": str}, [sink]), DeliveryState(state)): count
                for sink, state, count in connection.execute(sql)
            }
        )

    async def find(self, event_id: str) -> list[tuple[int, Event]]:
        sql = "SELECT number, id, type, subject, time, body FROM event WHERE id = ? ORDER BY number"
        return await self.database.query(lambda connection: [*map(numbered, connection.execute(sql, (event_id,)))])

    async def registered_sinks(self) -> Collection[str]:
        rows = await self.database.query(lambda connection: connection.execute("SELECT name FROM sink").fetchall())
        return frozenset(name for (name,) in rows)

    async def alive_at(self) -> datetime | None:
        row = await self.database.query(lambda connection: connection.execute("SELECT at FROM alive").fetchone())
        return moment_of(row and row[0])

    async def listings(self, known: Mapping[ListingKey, datetime] | None = None) -> dict[ListingKey, Listing]:
        known = known or {}
        found = await self.database.query(lambda connection: [*read_listings(connection, known)])
        return {listing.key: listing for listing in found}

    async def by_hand(self, now: datetime | None = None) -> ByHand:
        return await self.database.query(by_hand.read, now)


def numbered(row: Sequence[Any]) -> tuple[int, Event]:
    """Return the number and the event in a row that begins with the number.

    Raises:
        ValueError: the row is not an event.
    """
    number, *fields = row
    return number, check_event(Event(*fields), f"event {number}")


def read_listings(connection: sqlite3.Connection, known: Mapping[ListingKey, datetime]) -> Iterator[Listing]:
    """Yield the listings of a file, except those that `known` has with the same time of completion.

    Raises:
        ValueError: a row is not a listing.
    """
    rows = connection.execute("SELECT account, region, kind, completed_at FROM listing ORDER BY account, region, kind")
    for row in rows.fetchall():
        *names, completed = checked(_LISTING, row, "listing")
        key, completed_at = ListingKey(*names), parse_rfc3339(completed)
        if known.get(key) != completed_at:
            one = "SELECT targets FROM listing WHERE account = ? AND region = ? AND kind = ?"
            for (text,) in connection.execute(one, key):  # none if a daemon forgot it meanwhile
                yield Listing(key, completed_at, listings.load(text, key))


def checked(forms: Mapping[str, Any], values: Sequence[Any], name: str = "delivery") -> Sequence[Any]:
    """Return `values` of a row if they have the `forms` of their columns; messages call the row `name`.

    Raises:
        ValueError: a value has another form.
    """
    check(dict(zip(forms, values, strict=True)), forms, name)
    return values


def one_of(states: Iterable[DeliveryState]) -> str:
    """Return a condition with its values written out: bound ones could not use the index of just these rows."""
    return " OR ".join(f"state = '{state}'" for state in states).join("()")


def _delivery(row: Sequence[Any]) -> DeliveryRecord:
    sink, state, *others = checked(_DELIVERY, row[5:])
    return DeliveryRecord(check_event(Event(*row[:5])), sink, DeliveryState(state), *others)


def _index(query: DeliveryQuery) -> str:
    """Return the index by which the oldest that wait, or are dead, are found without reading all that was ever sent."""
    states = set(query.states)
    if query.event_id is None and len(states) == 1 and states <= {DeliveryState.WAITING, DeliveryState.DEAD}:
        return f"INDEXED BY delivery_{states.pop()}"
    return ""


def _matches(column: str, name: str, glob: str) -> str:
    """Return a condition; one without a glob's characters can use an index, and calls no Python for each row."""
    return f"glob_match({column}, :{name})" if any(letter in glob for letter in "*?[") else f"{column} = :{name}"
