"""What stays in the table of a subject that left the configuration, so that its sequence continues if it returns.

Its state is replaced by `state.forgotten`, in one transaction with a note by which it is pruned. If a commit replaces
that state, only the note is left, and pruned.
"""

import contextlib
from uuid import uuid4

from watcher.core import state, state_json
from watcher.core.state import Record
from watcher.stores.dynamodb import codec, items
from watcher.stores.dynamodb.client import ConditionFailedError
from watcher.stores.dynamodb.items import Item
from watcher.stores.dynamodb.table import Delete, Operation, Put, Table, gather


async def forget(table: Table, record: Record, item: Item, now: float) -> tuple[bool, Item | None]:
    """Forget a subject, of which `item` has the state `record`, unless another daemon still polls it.

    Returns whether it was forgotten, and the item that is kept of it.
    """
    kept, unchanged = state.forgotten(record), ("tx = :tx", {":tx": item["tx"]})
    left: Item | None = None
    operations: list[Operation] = [Delete(items.key_of(item), *unchanged)]
    if kept.sequence:
        values = {"tx": uuid4().hex, "n": item.get("n", 0), "text": state_json.dump(kept)}
        left, note = codec.forgotten_items(item["subject"], now, values)
        operations = [Put(left, *unchanged), Put(note)]
    done = await table.try_transact(operations)
    return done, left if done else None


async def prune(table: Table, before: float, limit: int) -> int:
    """Delete up to `limit` notes from `before`, and what is kept of subjects that did not return; returns how many."""
    old: list[Item] = []
    async for note in table.pages(items.FORGOTTEN, page=limit):
        if note["forgotten"] >= before or len(old) == limit:
            break
        old.append(note)
    await gather(_drop(table, note) for note in old)
    return len(old)


async def _drop(table: Table, note: Item) -> None:
    with contextlib.suppress(ConditionFailedError):  # it came back
        await table.write(Delete(items.state(note["subject"]), "forgotten = :at", {":at": note["forgotten"]}))
    await table.write(Delete(items.key_of(note)))
