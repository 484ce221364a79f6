"""Stores that record the outcomes of sends wrongly on purpose: `delivery_oracle` must catch them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.support.crashing_stores import STORES, Sound
from watcher.core.deliveries import DeliveryOutcome, DeliveryState
from watcher.stores.sqlite.store import SqliteStore

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Sequence

    from watcher.core.deliveries import Delivery


class SettledBeforeSent(Sound):
    """Broken: a delivery counts as made before it was."""

    async def lane_heads(self, *how: Any) -> list[Delivery]:
        """Settle, then hand out; what is answered comes too late to matter."""
        heads = await super().lane_heads(*how)
        results = [DeliveryOutcome(head, DeliveryState.SENT, "not yet") for head in heads]
        await SqliteStore.settle(self, results, datetime.now(UTC))
        return heads


class Overtaking(Sound):
    """Broken: where a delivery failed, its target's next one is tried before it."""

    async def settle(self, results: Sequence[DeliveryOutcome], now: datetime) -> Collection[Delivery]:
        """Let the lanes of what failed point to what comes after it."""
        await super().settle(results, now)
        for result in results:
            if result.state is DeliveryState.WAITING:
                await self.database.change(_pass, result.delivery)
        return ()


class LaterIsTaken(Sound):
    """Broken: a try that failed counts as one that did not."""

    async def settle(self, results: Sequence[DeliveryOutcome], now: datetime) -> Collection[Delivery]:
        """Whatever was answered, it was sent."""
        return await super().settle([each._replace(state=DeliveryState.SENT, failing=False) for each in results], now)


def _pass(connection: sqlite3.Connection, delivery: Delivery) -> None:
    connection.execute(
        """UPDATE lane SET next_try = 0, number = (
             SELECT min(number) FROM delivery
             WHERE sink = :sink AND subject = :subject AND state = 'waiting' AND number > :number)
           WHERE sink = :sink AND subject = :subject AND EXISTS (
             SELECT 1 FROM delivery
             WHERE sink = :sink AND subject = :subject AND state = 'waiting' AND number > :number)""",
        {"sink": delivery.sink, "subject": delivery.event.subject, "number": delivery.number},
    )


BREAKING = STORES | {
    "settled before sent": SettledBeforeSent,
    "overtaking": Overtaking,
    "later is taken": LaterIsTaken,
}
