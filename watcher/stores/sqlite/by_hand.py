"""Mutes and acknowledgements in a state file: what people set by hand, beside the daemon or through it."""

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime

from watcher.core import by_hand
from watcher.core.by_hand import Acknowledgement, ByHand, HandMute
from watcher.stores.sqlite.database import Database
from watcher.util.shapes import parse


class SqliteHandWriter:
    """Changes what people set by hand in the file of `database`."""

    database: Database

    async def add_mute(self, mute: HandMute) -> bool:
        return await self.database.change(_add, mute)

    async def end_mute(self, mute_id: str, now: datetime, by: str) -> HandMute | None:
        return await self.database.change(_end, mute_id, now, by)

    async def acknowledge(self, acknowledgements: Sequence[Acknowledgement]) -> None:
        await self.database.change(write_acknowledgements, acknowledgements)


def read(connection: sqlite3.Connection, now: datetime | None) -> ByHand:
    """Return the mutes that end after `now` (None: all), and all acknowledgements.

    Raises:
        ValueError: a row is not what it should be.
    """
    mutes = connection.execute("SELECT form FROM mute WHERE ends > ?", (now.timestamp() if now else 0.0,))
    acknowledgements = connection.execute("SELECT form FROM acknowledgement")
    return by_hand.in_order(
        [by_hand.mute_from_json(parse(text, None, "the mute")) for (text,) in mutes],
        [by_hand.acknowledgement_from_json(parse(text, None, "the acknowledgement")) for (text,) in acknowledgements],
    )


def write_mute(connection: sqlite3.Connection, mute: HandMute) -> None:
    """Write a mute, in place of an earlier state of it."""
    row = (mute.id, mute.ends.timestamp(), json.dumps(by_hand.mute_to_json(mute)))
    connection.execute("INSERT OR REPLACE INTO mute VALUES (?, ?, ?)", row)


def write_acknowledgements(connection: sqlite3.Connection, acknowledgements: Sequence[Acknowledgement]) -> None:
    """Write acknowledgements, each in place of an earlier one of the same incident."""
    rows = [
        (each.incident, each.subject, each.at.timestamp(), json.dumps(by_hand.acknowledgement_to_json(each)))
        for each in acknowledgements
    ]
    connection.executemany("INSERT OR REPLACE INTO acknowledgement VALUES (?, ?, ?, ?)", rows)


def prune(connection: sqlite3.Connection, before: float) -> None:
    """Delete the mutes that ended `before`, and the acknowledgements of then whose incident is over."""
    connection.execute("DELETE FROM mute WHERE ends < ?", (before,))
    connection.execute(
        """DELETE FROM acknowledgement WHERE at < ? AND NOT EXISTS (
             SELECT 1 FROM record WHERE record.subject = acknowledgement.subject
             AND json_extract(record.state, '$.incident.id') = acknowledgement.incident)""",
        (before,),
    )


def _add(connection: sqlite3.Connection, mute: HandMute) -> bool:
    now = mute.created_at.timestamp()
    (active,) = connection.execute("SELECT count(*) FROM mute WHERE ends > ?", (now,)).fetchone()
    if active >= by_hand.MAX_MUTES:
        return False
    write_mute(connection, mute)
    return True


def _end(connection: sqlite3.Connection, mute_id: str, now: datetime, by: str) -> HandMute | None:
    row = connection.execute("SELECT form FROM mute WHERE id = ?", (mute_id,)).fetchone()
    if row is None:
        return None
    mute = by_hand.mute_from_json(parse(row[0], None, "the mute"))
    ended = by_hand.ended_early(mute, now, by)
    if ended is not None:
        write_mute(connection, ended)
    return ended
