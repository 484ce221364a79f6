"""The outbox in SQL: which deliveries wait, are no longer needed, or are given up, and when events are deleted."""

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable

from watcher.core import reminders
from watcher.core.deliveries import ReminderRequest
from watcher.core.events import Event
from watcher.core.incidents import BEGUN_BY
from watcher.core.retry_policy import OVER, OVERDUE, REPLAYED
from watcher.stores.sqlite import by_hand
from watcher.stores.sqlite.lanes import advance
from watcher.stores.sqlite.reader import numbered

CHUNK = 5000
"""Rows that one transaction changes at most, so that a commit never waits long."""


def add(
    connection: sqlite3.Connection, number: int, subject: str, sinks: Iterable[str], reminder: int = 0,
    answer: str | None = None,
) -> int:  # fmt: skip
    """Add an event's deliveries to sinks that never had it; returns how many."""
    added = 0
    for sink in sinks:
        row = (sink, number, reminder, subject)
        if connection.execute(
            "INSERT OR IGNORE INTO delivery (sink, number, reminder, subject, answer) VALUES (?, ?, ?, ?, ?)",
            (*row, answer),
        ).rowcount:
            added += 1
            connection.execute(
                """INSERT INTO lane (sink, number, reminder, subject) VALUES (?, ?, ?, ?)
                   ON CONFLICT DO UPDATE SET number = excluded.number, reminder = excluded.reminder
                   WHERE (excluded.number, excluded.reminder) < (number, reminder)""",
                row,
            )
    return added


def release(connection: sqlite3.Connection, subject: str, event_id: str, sinks: Iterable[str]) -> None:
    """Add the deliveries of an event that was recorded before, unless it was pruned."""
    row = connection.execute(
        "SELECT number FROM event WHERE id = ? AND subject = ? ORDER BY number DESC LIMIT 1", (event_id, subject)
    ).fetchone()
    if row is not None:
        add(connection, row[0], subject, sinks)


def dead_letter(connection: sqlite3.Connection, sink: str, reason: str, now: float, before: float) -> int:
    """Turn up to `CHUNK` of what waits for a sink, and was recorded `before`, into dead letters; returns how many."""
    last = _last_recorded(connection, before)
    rows = connection.execute(
        """UPDATE delivery SET state = 'dead', ended = :now, answer = :reason
           WHERE sink = :sink AND (number, reminder) IN (
             SELECT number, reminder FROM delivery INDEXED BY delivery_waiting
             WHERE sink = :sink AND state = 'waiting' AND number <= :last
               AND (SELECT recorded FROM event WHERE event.number = delivery.number) <= :before
             ORDER BY number, reminder LIMIT :chunk)
           RETURNING subject""",
        {"sink": sink, "reason": reason, "now": now, "before": before, "chunk": CHUNK, "last": last},
    ).fetchall()
    advance(connection, {(sink, subject) for (subject,) in rows})
    return len(rows)


def call_off_reminders(connection: sqlite3.Connection, subject: str, now: float, sink: str | None = None) -> None:
    """Drop the waiting reminders of a subject, to one sink or any (None)."""
    rows = connection.execute(
        """UPDATE delivery INDEXED BY delivery_reminder SET state = 'dropped', ended = :now, answer = :over
           WHERE subject = :subject AND reminder > 0 AND state = 'waiting' AND sink = coalesce(:sink, sink)
           RETURNING sink""",
        {"now": now, "over": OVER, "subject": subject, "sink": sink},
    ).fetchall()
    advance(connection, {(lane, subject) for (lane,) in rows})


def remind(connection: sqlite3.Connection, requests: Iterable[ReminderRequest], now: float) -> int:
    """Let reminders that are due wait, and cancel those no longer requested; returns how many now wait."""
    requested = {(request.sink, request.subject) for request in requests}
    waiting = connection.execute(
        """SELECT DISTINCT sink, subject FROM delivery INDEXED BY delivery_reminder
           WHERE reminder > 0 AND state = 'waiting'"""
    ).fetchall()
    for sink, subject in set(waiting) - requested:
        call_off_reminders(connection, subject, now, sink)
    return sum(_remind(connection, request, now) for request in requests)


def _remind(connection: sqlite3.Connection, request: ReminderRequest, now: float) -> int:
    """Add the reminder that is requested, if it is time; returns how many (1 or 0)."""
    if connection.execute(
        "SELECT 1 FROM lane WHERE sink = ? AND subject = ?", (request.sink, request.subject)
    ).fetchone():
        return 0
    row = connection.execute(
        "SELECT number, body FROM event WHERE subject = ? AND type = ? ORDER BY number DESC LIMIT 1",
        (request.subject, request.type),
    ).fetchone()
    if row is None:
        return 0
    number, body = row
    last = connection.execute(
        "SELECT reminder, ended FROM delivery WHERE sink = ? AND number = ? ORDER BY reminder DESC LIMIT 1",
        (request.sink, number),
    ).fetchone()
    count = reminders.due(request, body, last, now)
    return 0 if count is None else add(connection, number, request.subject, [request.sink], count)


def replay(connection: sqlite3.Connection, sink: str, since: float, wanted: Callable[[Event], bool]) -> int:
    """Let the `wanted` events recorded since a time wait for a sink that never had them; returns how many."""
    rows = connection.execute(
        "SELECT number, id, type, subject, time, body FROM event WHERE recorded >= ? ORDER BY number", (since,)
    )
    found = map(numbered, rows)
    return sum(
        add(connection, number, event.subject, [sink], answer=REPLAYED) for number, event in found if wanted(event)
    )


def retry_now(connection: sqlite3.Connection, sink: str, since: float) -> int:
    """Make up to `CHUNK` failing lanes due; returns how many."""
    return connection.execute(
        """UPDATE lane SET next_try = :overdue WHERE sink = :sink AND subject IN (
             SELECT subject FROM lane WHERE sink = :sink AND next_try > :overdue AND since >= :since LIMIT :chunk)""",
        {"overdue": OVERDUE, "sink": sink, "since": since, "chunk": CHUNK},
    ).rowcount


def prune(connection: sqlite3.Connection, before: float, limit: int) -> int:
    """Delete up to `limit` subjects that were forgotten, and events that were recorded before a time; returns how many.

    An event that a sink still needs stays, and so do the opening of an open incident and its last problem of each type.
    What people set by hand is deleted as well, and not counted.
    """
    by_hand.prune(connection, before)
    connection.execute(
        """DELETE FROM delivery INDEXED BY delivery_reminder
           WHERE reminder > 0 AND state <> 'waiting' AND ended < ?""",
        (before,),
    )
    subjects = connection.execute(
        "DELETE FROM record WHERE subject IN (SELECT subject FROM record WHERE forgotten < ? LIMIT ?)", (before, limit)
    ).rowcount
    events = connection.execute(
        """DELETE FROM event WHERE number IN (
             SELECT number FROM event WHERE recorded < :before AND NOT EXISTS (
               SELECT 1 FROM delivery WHERE delivery.number = event.number
               AND (state = 'waiting' OR ended >= :before))
             AND NOT (type IN (SELECT value FROM json_each(:problems)) AND EXISTS (
               SELECT 1 FROM record WHERE record.subject = event.subject
               AND json_extract(record.state, '$.incident.id') = json_extract(body, '$.data.incident.id')
               AND (json_extract(body, '$.data.incident.state') = 'opened' OR NOT EXISTS (
                 SELECT 1 FROM event AS later INDEXED BY event_subject
                 WHERE later.subject = event.subject AND later.number > event.number AND later.type = event.type))))
             ORDER BY recorded LIMIT :limit)""",
        {"before": before, "limit": limit - subjects, "problems": json.dumps([*BEGUN_BY])},
    ).rowcount
    return subjects + events


def set_sinks(connection: sqlite3.Connection, sinks: Collection[str]) -> list[str]:
    """Replace the registered sinks; returns the others for which deliveries wait."""
    connection.execute("DELETE FROM sink")
    connection.executemany("INSERT INTO sink VALUES (?)", [(sink,) for sink in sinks])
    return [sink for (sink,) in connection.execute("SELECT DISTINCT sink FROM lane") if sink not in sinks]


def _last_recorded(connection: sqlite3.Connection, before: float) -> int:
    """Return the number of the last event recorded until then: older ones are not looked for beyond it.

    One that follows it because the clock had been set back is found when that time has come again.
    """
    row = connection.execute(
        "SELECT number FROM event WHERE recorded <= ? ORDER BY recorded DESC, number DESC LIMIT 1", (before,)
    ).fetchone()
    return int(row[0]) if row else 0
