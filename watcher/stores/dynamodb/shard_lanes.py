"""The waiting deliveries of the held shards: an index in memory that is kept in step with the table."""

import time
from collections.abc import Sequence

from watcher.stores.dynamodb import codec, items
from watcher.stores.dynamodb.contents import Contents
from watcher.stores.dynamodb.items import Item, shard_of
from watcher.stores.dynamodb.lane_index import LaneIndex, Row
from watcher.stores.dynamodb.table import MAX_WRITTEN, Delete, Put


class ShardLanes:
    """The index has the deliveries' order; the table decides whether one still waits."""

    def __init__(self, contents: Contents) -> None:
        self.contents = contents
        self.table = contents.table
        self.index = LaneIndex()
        self.held: set[int] = set()
        """The shards whose state and deliveries this daemon has in memory."""

    def holds(self, subject: str) -> bool:
        return shard_of(subject) in self.held

    def add(self, row: Row) -> None:
        """Add a delivery that was just written, if its shard is held."""
        if self.holds(row.place.subject):
            row.seen = time.monotonic()
            self.index.add(row)

    async def read_subject(self, subject: str) -> None:
        """Read the lanes of one subject from the table, if its shard is held."""
        if self.holds(subject):
            await self.read(shard_of(subject), subject)

    async def read(self, shard: int, subject: str | None = None) -> None:
        """Read the lanes of a shard, or of one subject in it, from the table."""
        with self.index.reading() as step:
            begun = time.monotonic()
            found = await self.table.query(f"O#{shard}", items.lanes(subject) if subject else "")
            rows = [codec.row_of(item, begun) for item in found if "sink" in item]
            for note in [item for item in found if "owed" in item]:
                rows += await self._written_with(note, begun)
                rows += await self.write_owed(note)
            rows += await self._missed_predecessors(rows, begun)
            self.index.replace(
                rows, step, lambda place: place.subject == subject if subject else shard_of(place.subject) == shard
            )

    async def write_owed(self, note: Item) -> list[Row]:
        """Write the deliveries that a commit left for later, step by step; any daemon that reads the note continues."""
        rows = rest = codec.owed_rows(note)
        while rest:
            some, rest = rest[: MAX_WRITTEN - 1], rest[MAX_WRITTEN - 1 :]
            unchanged, left = ("tx = :tx", {":tx": note["tx"]}), codec.owing(rest)
            if left is None:
                change: Put | Delete = Delete(items.key_of(note), *unchanged)
            else:
                note = left | items.key_of(note)._asdict()
                change = Put(note, *unchanged)
            if not await self.table.try_transact([change, *(Put(codec.waiting_item(row)) for row in some)]):
                break  # another daemon writes them now, and they are read soon
        return rows

    async def _missed_predecessors(self, rows: Sequence[Row], begun: float) -> list[Row]:
        """Return the deliveries that were committed together with `rows`, come before them, and were not seen.

        A query may show one item of a transaction and not yet another: order would break.
        """
        there, seen, more = {row.place for row in rows}, rows, list[Row]()
        while wanted := [before for row in seen if (before := row.before) is not None and before not in there]:
            found = await self.table.get_committed(map(items.waiting, wanted))
            seen = [codec.row_of(item, begun) for item in found.values()]
            there |= {row.place for row in seen}
            more += seen
        return more

    async def _written_with(self, note: Item, begun: float) -> list[Row]:
        """Return the deliveries that a commit wrote beside its note of those still owed."""
        state = await self.table.get(items.state(note["subject"]))
        found = await self.table.get_committed(codec.written_with(state))
        return [codec.row_of(item, begun) for item in found.values() if "sink" in item]
