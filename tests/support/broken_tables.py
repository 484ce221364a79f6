"""A DynamoDB store without its condition, or without its transactions: the oracles must catch both."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import watcher.stores.dynamodb.reader
from watcher.stores.dynamodb import commit
from watcher.stores.dynamodb.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from watcher.stores.dynamodb.table import Operation
    from watcher.stores.dynamodb.transaction import Prepared

_sound = commit.prepare


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


TABLES: dict[str, Callable[[], None]] = {"unconditional": _forget_the_condition, "in parts": _tear_transactions}
"""By name: how a process that is to use a table so is prepared."""
