"""The history in the table: a partition for attempts, and one for the incidents that have ended, in order of time.

A row is a small item of the commit that changes what it says; nothing else of the store reads or writes it.
"""

import json
from collections.abc import AsyncIterator
from datetime import datetime

from watcher.core import history
from watcher.core.history import HistoryRow, IncidentRow
from watcher.stores.dynamodb import codec, items
from watcher.stores.dynamodb.contents import Contents
from watcher.stores.dynamodb.items import Item
from watcher.stores.dynamodb.table import Delete, gather
from watcher.util.shapes import check

PAGE = 10
"""Items that are read at a time to find those that are too old."""

_FLAGS = ("first_seen", "observed", "removed")


class HistoryItems:
    """The history of one table."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._table = contents.table

    async def read(self, since: datetime | None = None) -> AsyncIterator[HistoryRow]:
        first = "" if since is None else history.place_of(since)
        for partition in (items.ATTEMPTS, items.INCIDENTS):
            async for item in self._table.pages(partition, since=first):
                row = self._row_of(item)
                if since is None or history.moment_of(row) >= since:
                    yield row

    async def prune(self, before: datetime, limit: int) -> int:
        end, old = history.place_of(before), list[Item]()
        for partition in (items.ATTEMPTS, items.INCIDENTS):
            async for item in self._table.pages(partition, page=PAGE):
                if item["s"] >= end or len(old) == limit:
                    break
                old.append(item)
        await gather(self._table.write(Delete(items.key_of(item))) for item in old)
        return len(old)

    def _row_of(self, item: Item) -> HistoryRow:
        is_incident = item["k"] == items.INCIDENTS
        what, wanted = ("incident", history.INCIDENT_FORM) if is_incident else ("attempt", history.ATTEMPT_FORM)
        try:
            form = {name: item.get(name) for name in wanted}
            form |= {name: bool(form[name]) for name in _FLAGS if name in form}
            form["labels"] = history.labels_of(item["labels"])
            check(form, wanted, f"the {what}")
        except ValueError as error:
            raise self._contents.table.unreadable(f"the {what} of {item['subject']!s}", error) from error
        return history.incident_from_json(form) if is_incident else history.attempt_from_json(form)


def item_of(row: HistoryRow) -> Item:
    """Return the item of a row."""
    form = history.row_to_json(row) | {"labels": json.dumps(dict(row.labels))}
    key = items.incident(row) if isinstance(row, IncidentRow) else items.attempt(row)
    return codec.at(key, {name: value for name, value in form.items() if value is not None})
