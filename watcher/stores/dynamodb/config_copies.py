"""The last good text of a remote configuration in the table, beside any number of daemons that read the same place."""

import contextlib
from collections.abc import AsyncIterator
from hashlib import sha256

from watcher.core.config_copies import ConfigCopy
from watcher.core.model import parse_rfc3339, rfc3339
from watcher.core.state_url import Address
from watcher.stores.dynamodb import codec, items
from watcher.stores.dynamodb.client import Caller, ConditionFailedError
from watcher.stores.dynamodb.contents import (
    MAX_ITEM_TEXT_BYTES,
    Contents,
    TornTextError,
    forget_text,
    keep_text,
    text_of,
)
from watcher.stores.dynamodb.items import Item
from watcher.stores.dynamodb.table import ABSENT, Put, Table


class DynamoConfigCopies:
    """Reads and keeps copies in one table."""

    def __init__(self, address: Address) -> None:
        self._address = address

    async def read(self, place: str) -> ConfigCopy | None:
        async with self._opened() as contents:
            found = await contents.text_now(await contents.table.get(items.config_copy(place)))
            if found is None:
                return None
            text, item = found
            try:
                return ConfigCopy(place, text, parse_rfc3339(item["kept_at"]))
            except (KeyError, TypeError, ValueError) as error:
                raise contents.table.unreadable(f"the copy of {place}", error) from error

    async def keep(self, copy: ConfigCopy) -> None:
        """Keep a copy, unless another daemon keeps one at the same moment."""
        digest = sha256(copy.text.encode("utf-8", "surrogatepass")).hexdigest()
        async with self._opened() as contents:
            table, key = contents.table, items.config_copy(copy.place)
            before = await table.get(key)
            if before is not None and before.get("digest") == digest and await _is_whole(table, before):
                return
            held: Item = await keep_text(table, copy.text, MAX_ITEM_TEXT_BYTES)
            item = codec.at(key, {"kept_at": rfc3339(copy.kept_at), "digest": digest, **held})
            condition = ABSENT if before is None else "kept_at = :before"
            try:
                await table.write(Put(item, condition, {} if before is None else {":before": before["kept_at"]}))
            except ConditionFailedError:
                await forget_text(table, held)
            else:
                await forget_text(table, before)

    @contextlib.asynccontextmanager
    async def _opened(self) -> AsyncIterator[Contents]:
        table = Table(self._address, Caller(self._address))
        try:
            yield Contents(table)
        finally:
            await table.close()


async def _is_whole(table: Table, item: Item) -> bool:
    """Whether no part of a text is missing, as after an import that was interrupted and begun again."""
    try:
        await text_of(table, item)
    except TornTextError:
        return False
    return True
