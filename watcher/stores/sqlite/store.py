"""What a daemon, and an operator beside it, changes in a state file."""

import json
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from math import inf
from typing import Any

from watcher.core import listings, state, state_json
from watcher.core.deliveries import Delivery, DeliveryOutcome, DeliveryState, ReminderRequest
from watcher.core.events import Event
from watcher.core.listings import Listing, ListingKey
from watcher.core.model import rfc3339
from watcher.core.ports import Entry
from watcher.core.retry_policy import REMOVED
from watcher.core.state import Record
from watcher.stores.sqlite import history, lanes, outbox
from watcher.stores.sqlite.by_hand import SqliteHandWriter
from watcher.stores.sqlite.database import Database
from watcher.stores.sqlite.reader import SqliteReader, one_of

EVER = 1e12
"""Seconds since 1970 that no clock will show."""


class SqliteStore(SqliteHandWriter, SqliteReader):
    """The store of the one daemon that may use the file."""

    mode = "rwc"

    shards = None

    async def commit(self, entries: Sequence[Entry], now: datetime) -> None:
        await self.database.change(_commit, entries, now.timestamp())

    async def reload(self, subjects: Collection[str]) -> dict[str, Record]:
        wanted = set(subjects)
        return {subject: record for subject, record in (await self.records()).items() if subject in wanted}

    async def forget(self, subjects: Collection[str], now: datetime) -> int:
        return await self.database.change(_forget, subjects, now.timestamp())

    async def keep_listing(self, listing: Listing) -> bool:
        await self.database.change(write_listing, listing)
        return True  # no other daemon uses it

    async def forget_listings(self, keys: Collection[ListingKey]) -> None:
        sql, rows = "DELETE FROM listing WHERE account = ? AND region = ? AND kind = ?", [*keys]
        await self.database.change(lambda connection: connection.executemany(sql, rows))

    async def due(self, sink: str, limit: int) -> list[Delivery]:
        return await self.database.query(lanes.due, sink, limit)

    async def lane_heads(
        self, sink: str, now: datetime, limit: int, skip: Collection[str] = (), failing: int | None = None
    ) -> list[Delivery]:
        return await self.database.query(lanes.lane_heads, sink, now.timestamp(), limit, skip, failing)

    async def next_try(self, sink: str, now: datetime, skip: Collection[str] = ()) -> float | None:
        return await self.database.query(lanes.next_try, sink, now.timestamp(), skip)

    def may_deliver(self, subject: str) -> bool:
        return True

    async def settle(self, results: Sequence[DeliveryOutcome], now: datetime) -> Collection[Delivery]:
        await self.database.change(lanes.settle, results, now.timestamp())
        return ()  # no other daemon uses it

    async def waiting(self) -> Mapping[str, int]:
        counts = await self.counts()
        return {sink: count for (sink, state), count in counts.items() if state is DeliveryState.WAITING}

    async def prune(self, before: datetime, limit: int) -> int:
        return await self.database.change(outbox.prune, before.timestamp(), limit)

    async def prune_history(self, before: datetime, limit: int) -> int:
        return await self.database.change(history.prune, before, limit)

    async def retry_now(self, sink: str, since: float = -inf) -> None:
        await self.database.change_in_steps(outbox.retry_now, sink, max(0.0, since))

    async def set_sinks(self, sinks: Collection[str], now: datetime) -> int:
        removed = await self.database.change(outbox.set_sinks, sinks)
        return sum([await self.dead_letter(sink, REMOVED, now) for sink in removed])

    async def replay(self, sink: str, since: datetime, wanted: Callable[[Event], bool]) -> int:
        return await self.database.change(outbox.replay, sink, since.timestamp(), wanted)

    async def requeue(self, event_ids: Collection[str], sink: str | None, now: datetime) -> int:
        return await _requeue(self.database, event_ids, sink, now)

    async def dead_letter(self, sink: str, reason: str, now: datetime, before: datetime | None = None) -> int:
        until = EVER if before is None else before.timestamp()
        return await self.database.change_in_steps(outbox.dead_letter, sink, reason, now.timestamp(), until)

    async def mark_alive(self, now: datetime) -> None:
        sql, moment = "INSERT OR REPLACE INTO alive VALUES (1, ?)", now.timestamp()
        await self.database.change(lambda connection: connection.execute(sql, (moment,)))

    async def remind(self, requests: Sequence[ReminderRequest], now: datetime) -> int:
        return await self.database.change(outbox.remind, requests, now.timestamp())


class SqliteOutbox(SqliteHandWriter, SqliteReader):
    """What an operator changes: deliveries in steps, so that a commit of the daemon never waits long."""

    mode = "rw"

    async def requeue(self, event_ids: Collection[str], sink: str | None, now: datetime) -> int:
        return await _requeue(self.database, event_ids, sink, now)

    async def drop(self, event_id: str, sink: str | None, now: datetime) -> int:
        undelivered, to = [DeliveryState.WAITING, DeliveryState.DEAD], DeliveryState.DROPPED
        return await self.database.change_in_steps(_change, [event_id], sink, undelivered, to, now.timestamp())


async def _requeue(database: Database, event_ids: Collection[str], sink: str | None, now: datetime) -> int:
    dead, to = [DeliveryState.DEAD], DeliveryState.WAITING
    return await database.change_in_steps(_change, event_ids, sink, dead, to, now.timestamp())


def write_listing(connection: sqlite3.Connection, listing: Listing) -> None:
    """Write a listing in place of the last one."""
    row = (*listing.key, rfc3339(listing.completed_at), listings.dump(listing.targets))
    connection.execute("INSERT OR REPLACE INTO listing VALUES (?, ?, ?, ?, ?)", row)


def _commit(connection: sqlite3.Connection, entries: Sequence[Entry], now: float) -> None:
    for entry in entries:
        connection.execute(
            """INSERT INTO record (subject, state) VALUES (?, ?)
               ON CONFLICT (subject) DO UPDATE SET state = excluded.state, forgotten = NULL""",
            (entry.subject, state_json.dump(entry.record)),
        )
        if entry.events:
            outbox.call_off_reminders(connection, entry.subject, now)
        for event, sinks in entry.events:
            number = connection.execute(
                "INSERT INTO event (id, type, subject, time, recorded, body) VALUES (?, ?, ?, ?, ?, ?)",
                (event.id, event.type, event.subject, event.time, now, event.body),
            ).lastrowid
            outbox.add(connection, int(number or 0), event.subject, sinks)
        for event_id, sinks in entry.released:
            outbox.release(connection, entry.subject, event_id, sinks)
        history.write(connection, entry.history)


def _forget(connection: sqlite3.Connection, subjects: Collection[str], now: float) -> int:
    """Forget the states of subjects; returns how many were not forgotten before."""
    count = 0
    for subject in subjects:
        sql = "SELECT state FROM record WHERE subject = ? AND forgotten IS NULL"
        row = connection.execute(sql, (subject,)).fetchone()
        if row is None:
            continue
        count += 1
        kept = state.forgotten(state_json.load(row[0], subject))
        if kept.sequence:
            sql = "UPDATE record SET state = ?, forgotten = ? WHERE subject = ?"
            connection.execute(sql, (state_json.dump(kept), now, subject))
        else:
            connection.execute("DELETE FROM record WHERE subject = ?", (subject,))
    return count


def _change(
    connection: sqlite3.Connection, event_ids: Collection[str], sink: str | None, states: Sequence[DeliveryState],
    to: DeliveryState, now: float,
) -> int:  # fmt: skip
    """Set the state of up to `CHUNK` deliveries in `states`; returns how many.

    Only those of these events (empty: all) and of this sink (None: any).
    """
    where = [one_of(states)]
    values: dict[str, Any] = {"to": to, "ended": None if to is DeliveryState.WAITING else now, "chunk": outbox.CHUNK}
    if event_ids:
        where.append("number IN (SELECT number FROM event WHERE id IN (SELECT value FROM json_each(:ids)))")
        values["ids"] = json.dumps(list(event_ids))
    if sink is not None:
        where.append("sink = :sink")
        values["sink"] = sink
    if to is DeliveryState.WAITING:  # no daemon would deliver those of a removed sink
        # A reminder that was given up is not needed later: the next one comes by itself.
        where.append("sink IN (SELECT name FROM sink) AND reminder = 0")
    rows = connection.execute(
        f"""UPDATE delivery SET state = :to, ended = :ended WHERE (sink, number, reminder) IN (
              SELECT sink, number, reminder FROM delivery WHERE {" AND ".join(where)} LIMIT :chunk)
            RETURNING sink, subject, number, reminder""",
        values,
    ).fetchall()
    if to is DeliveryState.WAITING:
        sql = "INSERT OR IGNORE INTO lane (sink, subject, number, reminder) VALUES (?, ?, ?, ?)"
        connection.executemany(sql, rows)
    lanes.advance(connection, {(sink, subject) for sink, subject, *_ in rows})
    return len(rows)
