"""The lanes in SQL: which delivery is next, and what became of it.

The row of a lane points to its oldest delivery, the only one that may be tried. A lane whose last try failed has a
`next_try` in seconds since 1970; it is 0 if the lane may be tried at any time.
"""

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from watcher.core.deliveries import Delivery, DeliveryOutcome, DeliveryState
from watcher.core.events import Event
from watcher.core.retry_policy import MAX_RETRY_AFTER_SECONDS, seconds_until
from watcher.stores.sqlite.reader import checked
from watcher.util.fitting import first_fitting
from watcher.util.shapes import MAX_SECONDS, Optional, is_moment

MAX_CHARACTERS = 4_000_000
"""The most characters in the bodies of the events that `due` returns together; a single one may be longer."""

_FIELDS = """event.number, delivery.sink, id, type, event.subject, time, body, recorded, delivery.reminder, tries,
             since, failures, answer"""

_DELIVERY = {
    "recorded": is_moment, "reminder": int, "tries": int, "since": Optional(is_moment), "failures": int,
    "answer": Optional(str),
}  # fmt: skip

_HEAD = """SELECT number, reminder FROM delivery INDEXED BY delivery_lane
           WHERE sink = ?1 AND subject = lane.subject AND state = 'waiting' ORDER BY number, reminder LIMIT 1"""
"""The oldest delivery of a lane of the sink `?1`."""

_HEADS = f"""SELECT {_FIELDS} FROM lane JOIN event ON event.number = lane.number
             JOIN delivery ON delivery.sink = lane.sink AND delivery.number = lane.number
                          AND delivery.reminder = lane.reminder"""


def due(connection: sqlite3.Connection, sink: str, limit: int) -> list[Delivery]:
    """The sink's oldest waiting deliveries, in the order of their events; fewer than `limit` if these are large."""
    # Lanes are read only if one of them fails: the others have the same values. All numbers are greater than 0; if the
    # statement says so, SQLite uses the order of the index also where statistics (ANALYZE) tell it of few rows.
    fields, join = _FIELDS, "JOIN lane ON lane.sink = delivery.sink AND lane.subject = delivery.subject"
    if not _latest_try(connection, sink):
        fields, join = fields.replace("since", "NULL").replace("failures", "0"), ""
    sql = f"""SELECT {fields} FROM delivery INDEXED BY delivery_waiting
              JOIN event ON event.number = delivery.number {join}
              WHERE delivery.sink = ? AND state = 'waiting' AND delivery.number > 0
              ORDER BY delivery.number, delivery.reminder LIMIT ?"""
    found = map(_delivery, connection.execute(sql, (sink, limit)))
    return first_fitting(found, MAX_CHARACTERS, lambda delivery: len(delivery.event.body))


def lane_heads(
    connection: sqlite3.Connection, sink: str, now: float, limit: int, skip: Collection[str], failing: int | None
) -> list[Delivery]:
    """The deliveries to try next: the oldest of each lane that is due."""
    skipped = {f"skip{at}": subject for at, subject in enumerate(skip)}
    values = {"sink": sink, "now": now, "longest": now + MAX_RETRY_AFTER_SECONDS, "limit": limit, **skipped}
    # Skipped subjects are left out before their events are read.
    others = f"lane.subject NOT IN ({', '.join(f':{name}' for name in skipped)})"

    def lanes(where: str, order: str) -> list[Delivery]:
        sql = f"{_HEADS} WHERE lane.sink = :sink AND {where} AND {others} ORDER BY {order} LIMIT :limit"
        return [*map(_delivery, connection.execute(sql, values))]

    # Each is a range of `lane_next`, so that lanes that are not due are not even read.
    latest = _latest_try(connection, sink)
    failed = lanes("next_try > 0 AND next_try <= :now", "next_try") if latest else []
    failed += lanes("next_try > :longest", "next_try") if latest else []
    found = failed[:failing] + lanes("next_try = 0", "lane.number")
    return sorted(found, key=lambda each: (each.number, each.reminder))[:limit]


def next_try(connection: sqlite3.Connection, sink: str, now: float, skip: Collection[str]) -> float | None:
    """Seconds until `lane_heads` returns something; None: nothing waits."""
    sql = "SELECT subject, next_try FROM lane WHERE sink = ? ORDER BY next_try LIMIT ?"
    for subject, moment in connection.execute(sql, (sink, len(skip) + 1)):
        if subject not in skip:
            return seconds_until(moment, now)
    return None


def settle(connection: sqlite3.Connection, results: Iterable[DeliveryOutcome], now: float) -> None:
    """Record the outcomes of tries, in their order, except of deliveries that were dropped meanwhile."""
    for (sink, reminder, state, answer, failing), group in groupby(results, key=_settled_together):
        some = [*group]
        ended = None if state is DeliveryState.WAITING else now
        numbers = [each.delivery.number for each in some]
        connection.execute(
            f"""UPDATE delivery SET state = ?, tries = tries + 1, tried = ?, ended = ?, answer = ?
                WHERE sink = ? AND number IN ({_places(numbers)}) AND reminder = ? AND state = 'waiting'""",
            (state.value, now, ended, answer, sink, *numbers, reminder),
        )
        if failing:
            connection.executemany(
                """UPDATE lane SET failures = failures + 1, since = coalesce(since, ?1), next_try = ?2
                   WHERE sink = ?3 AND subject = ?4 AND EXISTS (
                     SELECT 1 FROM delivery WHERE sink = ?3 AND number = ?5 AND reminder = ?6 AND tried = ?1)""",
                [
                    (now, now + each.pause, sink, each.delivery.event.subject, each.delivery.number, reminder)
                    for each in some
                ],
            )
        if state is not DeliveryState.WAITING:
            advance(connection, {(sink, each.delivery.event.subject) for each in some}, reset=not failing)


def advance(connection: sqlite3.Connection, lanes: Iterable[tuple[str, str]], *, reset: bool = True) -> None:
    """Let lanes (sink and subject) point to their oldest deliveries, or delete them; `reset`: they no longer fail."""
    again = ", failures = 0, since = NULL, next_try = 0" if reset else ""
    for sink, group in groupby(sorted(lanes), key=itemgetter(0)):
        these = [sink, *(subject for _, subject in group)]
        where = f"WHERE sink = ?1 AND subject IN ({_places(these[1:])})"
        # A lane without a delivery is left as it is (IGNORE), since its number may not be NULL.
        sql = f"UPDATE OR IGNORE lane SET (number, reminder) = ({_HEAD}){again} {where}"
        if connection.execute(sql, these).rowcount < len(these) - 1:
            connection.execute(f"DELETE FROM lane {where} AND NOT EXISTS ({_HEAD})", these)


def _places(values: Sequence[object]) -> str:
    """Return the places of `values` in a statement; a table that is a parameter would cost more for a few of them."""
    return ", ".join("?" * len(values))


def _settled_together(result: DeliveryOutcome) -> tuple[str, int, DeliveryState, str, bool]:
    """Return the key by which outcomes are grouped: one statement records a group."""
    delivery = result.delivery
    return delivery.sink, delivery.reminder, result.state, result.answer, result.failing


def _latest_try(connection: sqlite3.Connection, sink: str) -> float:
    """Return the latest `next_try` of the sink's lanes; 0 if none of them fails."""
    (latest,) = connection.execute("SELECT max(next_try) FROM lane WHERE sink = ?", (sink,)).fetchone()
    return latest or 0.0


def _delivery(row: Sequence[Any]) -> Delivery:
    number, sink, event_id, type_, subject, time, body, recorded, reminder, tries, since, failures, answer = row
    # Most were never tried, and `checked` is slow.
    never_tried = tries == failures == 0 and since is answer is None and type(reminder) is int
    if not (never_tried and type(recorded) is float and 0.0 <= recorded < MAX_SECONDS):
        checked(_DELIVERY, row[7:])
    event = Event(event_id, type_, subject, time, body)
    return Delivery(number, sink, event, recorded, reminder, tries, since, failures, answer)
