"""DynamoDB stores that break one rule each: the oracles must catch all of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import watcher.stores.dynamodb.reader
from watcher.core.deliveries import DeliveryOutcome, DeliveryState
from watcher.stores.dynamodb import commit
from watcher.stores.dynamodb.shard_outbox import ShardOutbox
from watcher.stores.dynamodb.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from watcher.core.deliveries import Delivery
    from watcher.stores.dynamodb.table import Operation
    from watcher.stores.dynamodb.transaction import Prepared

_sound = commit.prepare
_sound_heads = ShardOutbox.lane_heads


async def unconditional(*arguments: Any) -> Prepared:
    """Broken: a state is also written over that of another daemon."""
    prepared = await _sound(*arguments)
    prepared.operations[0] = replace(prepared.operations[0], condition="", values=None)
    return prepared


class OneByOne(Table):
    """Broken: what belongs together is written one after the other."""

    pause = 0.0
    """Seconds between two writes."""

    async def transact(self, operations: Sequence[Operation], token: str | None = None) -> None:
        """As many transactions as there are operations."""
        for number, operation in enumerate(operations):
            await super().transact([operation], f"{token[:30]}{number}" if token else None)
            await asyncio.sleep(self.pause)


class _Slowly(OneByOne):
    pause = 0.05


def _forget_the_condition() -> None:
    commit.prepare = unconditional  # type: ignore[attr-defined]


def _tear_transactions() -> None:
    watcher.stores.dynamodb.reader.Table = _Slowly  # type: ignore[misc]


async def settled_first(outbox: ShardOutbox, *arguments: Any, **how: Any) -> list[Delivery]:
    """Broken: what is handed out counts as sent from then on, not when its sink took it."""
    heads = await _sound_heads(outbox, *arguments, **how)
    await outbox.settle([DeliveryOutcome(each, DeliveryState.SENT, "") for each in heads], datetime.now(UTC))
    await asyncio.sleep(0.5)
    return heads


def _settle_first() -> None:
    ShardOutbox.lane_heads = settled_first  # type: ignore[assignment]


TABLES: dict[str, Callable[[], None]] = {
    "unconditional": _forget_the_condition,
    "in parts": _tear_transactions,
    "settled first": _settle_first,
}
"""By name: how a process that is to use a table so is prepared."""
