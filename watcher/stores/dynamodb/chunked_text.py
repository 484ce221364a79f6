"""Texts of any length in items of 400 KB: a state, an event's body. What is too long for one item is cut into parts.

Parts are written before the item that refers to them, so a reader of the item finds all of them; no item refers to the
parts of a write that never came to its end.
"""

from __future__ import annotations

import zlib
from uuid import uuid4

from watcher.errors import StoreError
from watcher.stores.dynamodb.items import Item, Key
from watcher.stores.dynamodb.table import Delete, Put, Table, gather

COMPRESSED = 4096  # characters from which a text is compressed
LONGEST = 300 * 1024  # bytes of a text in one item


class TornTextError(StoreError):
    """A part is missing: the text was replaced while it was read."""


async def kept(table: Table, text: str) -> Item:
    """Write the parts of `text`, if it is long; returns the attributes that hold it."""
    if len(text) < COMPRESSED:
        return {"text": text}
    content = zlib.compress(text.encode("utf-8", "surrogatepass"))
    if len(content) <= LONGEST:
        return {"text": content}
    item = {"parts": uuid4().hex, "count": -(-len(content) // LONGEST)}
    await gather(
        table.write(Put({**key._asdict(), "text": content[start : start + LONGEST]}))
        for key, start in zip(_parts(item), range(0, len(content), LONGEST), strict=True)
    )
    return item


async def text_of(table: Table, item: Item) -> str:
    """Return the text that an item holds.

    Raises:
        TornTextError: some of its parts are missing.
        StoreError: it is damaged.
    """
    keys = _parts(item)
    found = await table.get_all(keys)
    if len(found) < len(keys):
        raise TornTextError(f"{table.address}: a part of {item['k']!r} {item['s']!r} is not there")
    try:
        content = b"".join(found[key]["text"] for key in keys) if keys else item["text"]
        return content if isinstance(content, str) else zlib.decompress(content).decode("utf-8", "surrogatepass")
    except (KeyError, TypeError, ValueError, zlib.error) as error:
        raise StoreError(
            f"{table.address}: the text of {item['k']!r} {item['s']!r} cannot be read ({error!r}); restore the table "
            "to an earlier time, or delete that item"
        ) from error


async def forget(table: Table, item: Item | None) -> None:
    """Delete the parts of an item that was deleted."""
    await gather(table.write(Delete(key)) for key in _parts(item or {}))


def _parts(item: Item) -> list[Key]:
    return [Key(f"P#{item['parts']!s}", f"{number:06}") for number in range(item.get("count", 0))]
