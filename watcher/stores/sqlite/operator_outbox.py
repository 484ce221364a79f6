"""The changes that an operator makes to deliveries, beside a running daemon."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from watcher.core.ports import DeliveryState
from watcher.stores.sqlite import outbox
from watcher.stores.sqlite.reader import SqliteReader
from watcher.stores.sqlite.rows import one_of


class SqliteOutbox(SqliteReader):
    """Changes deliveries in steps, so that a commit of the daemon never waits long."""

    mode = "rw"

    async def requeue(self, event_ids: Collection[str], sink: str | None, now: datetime) -> int:
        return await self._change(event_ids, sink, [DeliveryState.DEAD], DeliveryState.WAITING, now)

    async def drop(self, event_id: str, sink: str | None, now: datetime) -> int:
        undelivered = [DeliveryState.WAITING, DeliveryState.DEAD]
        return await self._change([event_id], sink, undelivered, DeliveryState.DROPPED, now)

    async def _change(
        self, event_ids: Collection[str], sink: str | None, states: Sequence[DeliveryState], to: DeliveryState,
        now: datetime,
    ) -> int:  # fmt: skip
        return await self.database.change_in_steps(_change, event_ids, sink, states, to, now.timestamp())


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
            RETURNING sink, subject""",
        values,
    ).fetchall()
    for lane in set(rows):
        outbox.advance(connection, *lane)
    return len(rows)
