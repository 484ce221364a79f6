"""Texts of any length in items of 400 KB: a state, an event's body. What is too long for one item is cut into parts.

Parts are written before the item that refers to them, so a reader of the item finds all of them; no item refers to the
parts of a write that never came to its end.
"""

from __future__ import annotations

import zlib
from uuid import uuid4

from watcher.errors import StoreError
from watcher.stores.dynamodb.items import LONGEST, Item, Key, packed, unpacked
from watcher.stores.dynamodb.table import Table, gather


class TornTextError(StoreError):
    """A part is missing: the text was replaced while it was read."""


async def kept(table: Table, text: str) -> Item:
    """Write the parts of `text`, if it is long; returns the attributes that hold it."""
    whole = packed(text)
    if len(whole) <= LONGEST:
        return {"text": whole}
    content = zlib.compress(text.encode("utf-8", "surrogatepass")) if isinstance(whole, str) else whole
    name = uuid4().hex
    parts = [content[start : start + LONGEST] for start in range(0, len(content), LONGEST)]
    await gather(
        table.put({"k": f"P#{name}", "s": f"{number:06}", "text": content}) for number, content in enumerate(parts)
    )
    return {"parts": name, "count": len(parts)}


async def text_of(table: Table, item: Item) -> str:
    """Return the text that an item holds.

    Raises:
        TornTextError: some of its parts are missing.
        StoreError: it is damaged.
    """
    try:
        return await _text_of(table, item)
    except (KeyError, ValueError, zlib.error) as error:
        raise StoreError(
            f"{table.address}: the text of {item['k']!r} {item['s']!r} cannot be read ({error!r}); restore the table "
            "to an earlier time, or delete that item"
        ) from error


async def _text_of(table: Table, item: Item) -> str:
    if "parts" not in item:
        return unpacked(item["text"])
    keys = _parts(item)
    found = await table.get_all(keys)
    if len(found) < len(keys):
        raise TornTextError(f"{table.address}: a part of {item['k']!r} {item['s']!r} is not there")
    parts = [found[key]["text"] for key in keys]
    return unpacked(b"".join(part for part in parts if isinstance(part, bytes)))


async def forget(table: Table, item: Item | None) -> None:
    """Delete the parts of an item that was deleted."""
    await gather(table.delete(key) for key in _parts(item or {}))


def _parts(item: Item) -> list[Key]:
    return [Key(f"P#{item['parts']!s}", f"{number:06}") for number in range(item.get("count", 0))]
