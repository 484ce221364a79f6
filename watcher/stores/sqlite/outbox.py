"""The outbox in SQL: which delivery is whose next, and what became of it.

A lane is what waits of one subject for one sink; its row points to the oldest delivery, which alone may be tried. A
lane whose last try failed has a `next_try`; 0 means that nothing stands in its way. One that seems further away than
the longest pause was planned before the clock was set back, and is due.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from watcher.core import reminders
from watcher.core.events import Event, check_event
from watcher.core.ports import Delivery, DeliveryRecord, DeliveryState
from watcher.core.retry_policy import LONGEST_HEEDED
from watcher.util.shapes import Optional, check, is_moment

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from watcher.core.ports import DeliveryOutcome, DeliveryQuery, ReminderRequest

CHUNK = 5000
"""Rows that one transaction changes at most, so that a commit never waits long."""

OVERDUE = 1.0
"""A `next_try` long ago, and yet not 0: the lane is failing."""

OVER = "no reminder is needed any more"

_FIELDS = """event.number, lane.sink, id, type, event.subject, time, body, recorded, delivery.reminder, tries, since,
             failures"""

_HEADS = f"""SELECT {_FIELDS} FROM lane JOIN event ON event.number = lane.number
             JOIN delivery ON delivery.sink = lane.sink AND delivery.number = lane.number
                          AND delivery.reminder = lane.reminder"""  # noqa: S608  ours


def add(connection: sqlite3.Connection, number: int, subject: str, sinks: Iterable[str], reminder: int = 0) -> int:
    """Let an event wait for sinks, unless they had it; returns for how many it does."""
    added = 0
    for sink in sinks:
        row = (sink, number, reminder, subject)
        if connection.execute(
            "INSERT OR IGNORE INTO delivery (sink, number, reminder, subject) VALUES (?, ?, ?, ?)", row
        ).rowcount:
            added += 1
            connection.execute(
                """INSERT INTO lane (sink, number, reminder, subject) VALUES (?, ?, ?, ?)
                   ON CONFLICT DO UPDATE SET number = excluded.number, reminder = excluded.reminder
                   WHERE (excluded.number, excluded.reminder) < (number, reminder)""",
                row,
            )
    return added


def due(connection: sqlite3.Connection, sink: str, limit: int) -> list[Delivery]:
    """The sink's oldest waiting deliveries, in the order of their events."""
    sql = f"""SELECT {_FIELDS} FROM delivery INDEXED BY delivery_waiting
              JOIN event ON event.number = delivery.number
              JOIN lane ON lane.sink = delivery.sink AND lane.subject = delivery.subject
              WHERE delivery.sink = ? AND state = 'waiting'
              ORDER BY delivery.number, delivery.reminder LIMIT ?"""  # noqa: S608  ours
    return [_delivery(row) for row in connection.execute(sql, (sink, limit))]


def lane_heads(
    connection: sqlite3.Connection, sink: str, now: float, limit: int, skip: Collection[str], failing: int | None
) -> list[Delivery]:
    """The deliveries to try next: the oldest of each lane that is due."""
    skipped = {f"skip{at}": subject for at, subject in enumerate(skip)}
    values = {"sink": sink, "now": now, "longest": now + LONGEST_HEEDED, "limit": limit, **skipped}
    # What is skipped is left out before its event is read.
    others = f"lane.subject NOT IN ({', '.join(f':{name}' for name in skipped)})"

    def lanes(where: str, order: str) -> list[Delivery]:
        sql = f"{_HEADS} WHERE lane.sink = :sink AND {where} AND {others} ORDER BY {order} LIMIT :limit"
        return [*map(_delivery, connection.execute(sql, values))]

    # Each is a range of `lane_next`, so that lanes whose time has not come are not even looked at.
    failed = [*lanes("next_try > 0 AND next_try <= :now", "next_try"), *lanes("next_try > :longest", "next_try")]
    found = failed[:failing] + lanes("next_try = 0", "lane.number")
    return sorted(found, key=lambda each: (each.number, each.reminder))[:limit]


def next_try(connection: sqlite3.Connection, sink: str, now: float, skip: Collection[str]) -> float | None:
    """Seconds until `lane_heads` returns something; None: nothing waits."""
    sql = "SELECT subject, next_try FROM lane WHERE sink = ? ORDER BY next_try LIMIT ?"
    for subject, moment in connection.execute(sql, (sink, len(skip) + 1)):
        if subject not in skip:
            wait = moment - now
            return 0.0 if wait > LONGEST_HEEDED else max(0.0, wait)
    return None


def settle(connection: sqlite3.Connection, results: Iterable[DeliveryOutcome], now: float) -> None:
    """Record the outcomes of tries."""
    for result in results:
        delivery = result.delivery
        sink, subject = delivery.sink, delivery.event.subject
        waits = result.state is DeliveryState.WAITING
        known = connection.execute(
            """UPDATE delivery SET state = ?, tries = tries + 1, tried = ?, ended = ?, answer = ?
               WHERE sink = ? AND number = ? AND reminder = ? AND state = 'waiting'""",
            (result.state, now, None if waits else now, result.answer, sink, delivery.number, delivery.reminder),
        ).rowcount
        if not known:  # somebody dropped it meanwhile
            continue
        if result.failing:
            connection.execute(
                """UPDATE lane SET failures = failures + 1, since = coalesce(since, ?), next_try = ?
                   WHERE sink = ? AND subject = ?""",
                (now, now + result.pause, sink, subject),
            )
        if not waits:
            _advance(connection, sink, subject, reset=not result.failing)


def dead_letter(connection: sqlite3.Connection, sink: str, reason: str, now: float, before: float) -> int:
    """Turn up to `CHUNK` of what waits for a sink, and was recorded `before`, into dead letters; returns how many."""
    rows = connection.execute(
        """UPDATE delivery SET state = 'dead', ended = :now, answer = :reason
           WHERE sink = :sink AND (number, reminder) IN (
             SELECT number, reminder FROM delivery INDEXED BY delivery_waiting
             WHERE sink = :sink AND state = 'waiting' AND number <= :last
               AND (SELECT recorded FROM event WHERE event.number = delivery.number) <= :before
             ORDER BY number, reminder LIMIT :chunk)
           RETURNING subject""",
        {
            "sink": sink,
            "reason": reason,
            "now": now,
            "before": before,
            "chunk": CHUNK,
            "last": _last_recorded(connection, before),
        },
    ).fetchall()
    for subject in {subject for (subject,) in rows}:
        _advance(connection, sink, subject)
    return len(rows)


def call_off_reminders(connection: sqlite3.Connection, subject: str, now: float, sink: str | None = None) -> None:
    """What reminds of an older event of a subject need not be sent, to one sink or any (None), when it is over."""
    rows = connection.execute(
        """UPDATE delivery INDEXED BY delivery_reminder SET state = 'dropped', ended = :now, answer = :over
           WHERE subject = :subject AND reminder > 0 AND state = 'waiting' AND sink = coalesce(:sink, sink)
           RETURNING sink""",
        {"now": now, "over": OVER, "subject": subject, "sink": sink},
    ).fetchall()
    for lane in {lane for (lane,) in rows}:
        _advance(connection, lane, subject)


def remind(connection: sqlite3.Connection, wishes: Iterable[ReminderRequest], now: float) -> int:
    """Let reminders that are due wait, and cancel those no longer requested; returns how many now wait."""
    wished = {(wish.sink, wish.subject) for wish in wishes}
    waiting = connection.execute(
        """SELECT DISTINCT sink, subject FROM delivery INDEXED BY delivery_reminder
           WHERE reminder > 0 AND state = 'waiting'"""
    ).fetchall()
    for sink, subject in set(waiting) - wished:
        call_off_reminders(connection, subject, now, sink)
    return sum(_remind(connection, wish, now) for wish in wishes)


def _remind(connection: sqlite3.Connection, wish: ReminderRequest, now: float) -> int:
    """Let a sink have the event that a wish is for once more, if it is time; whether it was (1 or 0)."""
    if connection.execute("SELECT 1 FROM lane WHERE sink = ? AND subject = ?", (wish.sink, wish.subject)).fetchone():
        return 0
    row = connection.execute(
        "SELECT number, recorded, body FROM event WHERE subject = ? AND type = ? ORDER BY number DESC LIMIT 1",
        (wish.subject, wish.type),
    ).fetchone()
    if row is None:
        return 0
    number, recorded, body = row
    last = connection.execute(
        "SELECT reminder, ended FROM delivery WHERE sink = ? AND number = ? ORDER BY reminder DESC LIMIT 1",
        (wish.sink, number),
    ).fetchone()
    count = reminders.due(wish, body, recorded, last, now)
    return 0 if count is None else add(connection, number, wish.subject, [wish.sink], count)


def replay(connection: sqlite3.Connection, sink: str, since: float, wanted: Callable[[Event], bool]) -> int:
    """Let the `wanted` events recorded since a time wait for a sink that never had them; returns how many."""
    rows = connection.execute(
        "SELECT number, id, type, subject, time, body FROM event WHERE recorded >= ? ORDER BY number", (since,)
    )
    found = map(numbered, rows)
    return sum(add(connection, number, event.subject, [sink]) for number, event in found if wanted(event))


def retry_now(connection: sqlite3.Connection, sink: str, since: float) -> int:
    """Up to `CHUNK` lanes; see `protocols.Store`. Returns how many."""
    return connection.execute(
        """UPDATE lane SET next_try = :overdue WHERE sink = :sink AND subject IN (
             SELECT subject FROM lane WHERE sink = :sink AND next_try > :overdue AND since >= :since LIMIT :chunk)""",
        {"overdue": OVERDUE, "sink": sink, "since": since, "chunk": CHUNK},
    ).rowcount


def prune(connection: sqlite3.Connection, before: float, limit: int) -> int:
    """Delete up to `limit` events recorded before a time that no sink needs; returns how many."""
    connection.execute(
        """DELETE FROM delivery INDEXED BY delivery_reminder
           WHERE reminder > 0 AND state <> 'waiting' AND ended < ?""",
        (before,),
    )
    return connection.execute(
        """DELETE FROM event WHERE number IN (
             SELECT number FROM event WHERE recorded < :before AND NOT EXISTS (
               SELECT 1 FROM delivery WHERE delivery.number = event.number
               AND (state = 'waiting' OR ended >= :before))
             ORDER BY recorded LIMIT :limit)""",
        {"before": before, "limit": limit},
    ).rowcount


def register_sinks(connection: sqlite3.Connection, sinks: Collection[str]) -> list[str]:
    """Take up the configured sinks; returns those for which something waits although they are not among them."""
    connection.execute("DELETE FROM sink")
    connection.executemany("INSERT INTO sink VALUES (?)", [(sink,) for sink in sinks])
    return [sink for (sink,) in connection.execute("SELECT DISTINCT sink FROM lane") if sink not in sinks]


def change(
    connection: sqlite3.Connection, event_ids: Collection[str], sink: str | None, states: Sequence[DeliveryState],
    to: DeliveryState, now: float,
) -> int:  # fmt: skip
    """Give up to `CHUNK` deliveries in `states`, of these events (empty: all) and this sink (None: each), another one.

    Returns how many.
    """
    where = [_one_of(states)]
    values: dict[str, Any] = {"to": to, "ended": None if to is DeliveryState.WAITING else now, "chunk": CHUNK}
    if event_ids:
        where.append("number IN (SELECT number FROM event WHERE id IN (SELECT value FROM json_each(:ids)))")
        values["ids"] = json.dumps(list(event_ids))
    if sink is not None:
        where.append("sink = :sink")
        values["sink"] = sink
    if to is DeliveryState.WAITING:  # nobody would ever look after those of a sink that is not there
        # A reminder that was given up is worth nothing later: the next one comes by itself.
        where.append("sink IN (SELECT name FROM sink) AND reminder = 0")
    rows = connection.execute(
        f"""UPDATE delivery SET state = :to, ended = :ended WHERE (sink, number, reminder) IN (
              SELECT sink, number, reminder FROM delivery WHERE {" AND ".join(where)} LIMIT :chunk)
            RETURNING sink, subject""",  # noqa: S608  every value is bound, states are ours
        values,
    ).fetchall()
    for lane in set(rows):
        _advance(connection, *lane)
    return len(rows)


def deliveries(connection: sqlite3.Connection, query: DeliveryQuery) -> list[DeliveryRecord]:
    """The deliveries that `query` asks for."""
    where, values = ["TRUE"], {"limit": query.limit, "sink": query.sink, "event": query.event_id}
    if query.states:
        where.append(_one_of(query.states))
    if query.sink is not None:
        where.append("delivery.sink = :sink")
    if query.event_id is not None:
        where.append("id = :event")
    way = " DESC" if query.newest else ""
    sql = (
        "SELECT id, type, event.subject, time, body, sink, state, reminder, recorded, tries, tried, ended, answer "  # noqa: S608  every value is bound, states are ours
        f"FROM delivery {_index(query)} JOIN event ON event.number = delivery.number WHERE {' AND '.join(where)} "
        f"ORDER BY sink{way}, delivery.number{way}, reminder{way} LIMIT :limit"
    )
    return [
        DeliveryRecord(
            check_event(Event(*row[:5])),
            _checked(_SINK, row[5:6])[0],
            DeliveryState(row[6]),
            *_checked(_RECORD, row[7:]),
        )
        for row in connection.execute(sql, values)
    ]


def _index(query: DeliveryQuery) -> str:
    """The oldest that wait, or are dead, are found without a look at all that was ever sent."""
    states = set(query.states)
    if query.event_id is None and len(states) == 1 and states <= {DeliveryState.WAITING, DeliveryState.DEAD}:
        return f"INDEXED BY delivery_{states.pop()}"
    return ""


def counts(connection: sqlite3.Connection) -> dict[tuple[str, DeliveryState], int]:
    """How many deliveries wait or are dead letters, by sink."""
    found = {}
    for state in (DeliveryState.WAITING, DeliveryState.DEAD):
        sql = f"SELECT sink, count(*) FROM delivery WHERE {_one_of([state])} GROUP BY sink"  # noqa: S608  states are ours
        for sink, count in connection.execute(sql):
            (name,) = _checked(_SINK, [sink])
            found[name, state] = count
    return found


def _advance(connection: sqlite3.Connection, sink: str, subject: str, *, reset: bool = True) -> None:
    """Let a lane point to its oldest delivery, or end it; `reset`: nothing stands in its way."""
    head = connection.execute(
        """SELECT number, reminder FROM delivery INDEXED BY delivery_lane
           WHERE sink = ? AND subject = ? AND state = 'waiting'
           ORDER BY number, reminder LIMIT 1""",
        (sink, subject),
    ).fetchone()
    if head is None:
        connection.execute("DELETE FROM lane WHERE sink = ? AND subject = ?", (sink, subject))
        return
    if reset:
        sql = "INSERT OR REPLACE INTO lane (number, reminder, sink, subject) VALUES (?, ?, ?, ?)"
    else:
        sql = "UPDATE lane SET number = ?, reminder = ? WHERE sink = ? AND subject = ?"
    connection.execute(sql, (*head, sink, subject))


def _last_recorded(connection: sqlite3.Connection, before: float) -> int:
    """The number of the last event that was recorded until then: how far to look for older ones.

    What came after it under a clock that had been set back is found when that time has come again.
    """
    row = connection.execute(
        "SELECT number FROM event WHERE recorded <= ? ORDER BY recorded DESC, number DESC LIMIT 1", (before,)
    ).fetchone()
    return int(row[0]) if row else 0


def _one_of(states: Iterable[DeliveryState]) -> str:
    """A condition with its values written out: bound ones could not use the index of just these rows."""
    return " OR ".join(f"state = '{state}'" for state in states).join("()")


def numbered(row: Sequence[Any]) -> tuple[int, Event]:
    """The number and the event in a row that begins with the number.

    Raises:
        ValueError: the row is not an event.
    """
    number, *fields = row
    return number, check_event(Event(*fields), f"event {number}")


def _delivery(row: Sequence[Any]) -> Delivery:
    number, sink, *fields = row
    return Delivery(number, sink, Event(*fields[:5]), *_checked(_DELIVERY, fields[5:]))


def _checked(forms: Mapping[str, Any], values: Sequence[Any]) -> Sequence[Any]:
    """Return `values` of a row if they have the `forms` of their columns.

    Raises:
        ValueError: a value has another form.
    """
    check(dict(zip(forms, values, strict=True)), forms, "delivery")
    return values


_SINK = {"sink": str}
_DELIVERY = {"recorded": is_moment, "reminder": int, "tries": int, "since": Optional(is_moment), "failures": int}
_RECORD = {
    "reminder": int, "recorded": is_moment, "tries": int, "tried": Optional(is_moment), "ended": Optional(is_moment),
    "answer": Optional(str),
}  # fmt: skip
